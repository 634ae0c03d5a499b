"""The short form of `make soak`: customers, faults and killed workers."""

import random

import pytest

from bench.soak import soak

pytestmark = pytest.mark.long


def test_no_lead_is_lost_or_doubled_while_the_database_fails_and_workers_die():
    report = soak(10, chance=random.Random(1))
    assert report.has_passed, report
    assert report.kills
    assert report.faults
    assert len(report.answered) > 200
