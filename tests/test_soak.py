"""The short form of `make soak`: a minute of customers, faults and killed workers."""

import random

import pytest

from bench.soak import soak
from tests import faults

pytestmark = pytest.mark.long


def test_no_lead_is_lost_or_doubled_in_a_minute_of_faults_and_killed_workers():
    report = soak(60, chance=random.Random(1))
    assert report.has_passed, report
    assert report.kills
    assert report.faults


def test_no_lead_is_lost_or_doubled_when_workers_die_while_postgres_hangs():
    report = soak(15, chance=random.Random(2), of=[faults.hung, faults.reply_lost])
    assert report.has_passed, report
    assert report.kills
    assert len(report.answered) > 200
