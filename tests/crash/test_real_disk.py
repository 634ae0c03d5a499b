"""Power cuts of a disk with a real ext4 on it, which loses what it was not told to flush."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.support.live import ROOT

pytestmark = [
    pytest.mark.by_hand,
    pytest.mark.needs("mounting"),
    pytest.mark.needs("mkfs.ext4"),
    pytest.mark.needs("fuse"),
]


def cut(*arguments: str) -> list[dict[str, Any]]:
    """Return what was found in each scene."""
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-m", "tests.crash.real_disk"]
    run = subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]


def test_a_real_file_system_loses_no_acknowledged_lead():
    found = cut("--most", "50")
    assert [each["failures"] for each in found] == [[]] * 8
    assert all(each["answered"] >= 8 and each["flushes"] >= 8 for each in found)


def test_a_sync_left_out_loses_leads_there():
    [found] = cut("--scene", "killed in an outage", "--mutant", "no sync of records")
    assert found["failures"]
