"""The short form of `make soak`: customers, faults and killed workers."""

import subprocess
import sys

import pytest

from tests.support.live import ROOT

pytestmark = pytest.mark.long


def test_no_lead_is_lost_or_doubled_while_the_database_fails_and_workers_die():
    command = [sys.executable, "-m", "bench.soak", "--seconds=10", "--seed=1"]
    report = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert report.returncode == 0, report.stdout + report.stderr
    counts = dict(line.strip().rsplit(maxsplit=1) for line in report.stdout.splitlines()[1:])
    assert int(counts["checkouts answered"]) > 200
    assert int(counts["workers killed"])
    assert int(counts["faults"])
    assert [counts[f"people {fate}"] for fate in ("missing", "doubled", "replaced")] == ["0"] * 3
