"""The commands of `make bench` and `make bench-inbox`, in their shortest form."""

import os
import subprocess
import sys

import pytest

from tests.support import live, mark
from tests.support.live import ROOT

pytestmark = pytest.mark.long


@pytest.mark.parametrize(
    ("command", "row"),
    mark.by_hand_but(
        1,
        [
            (["bench.checkout", "--only-healthy", "--rounds=1", "--seconds=0.2"], "16 at once: checkouts a second"),
            (["bench.inbox", "--leads=3000", "--rounds=2"], "waiting"),
        ],
    ),
    ids=["bench", "bench-inbox"],
)
def test_a_benchmark_runs_and_prints_its_table(command, row):
    with live.postgres() as postgres:
        place = {"DATABASE_URL": postgres.url, "PGDATA": str(postgres.data), "PGBIN": str(postgres.programs)}
        told = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=os.environ | place,
            capture_output=True,
            text=True,
            check=False,
        )
    assert told.returncode == 0, told.stderr
    assert f"| {row} |" in told.stdout
