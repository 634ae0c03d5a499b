"""Tests on a partitioned table of leads: `make test-partitioned`, or PARTITIONED=true before any other run."""

import os
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DEFAULT_DB_ALIAS

IS_WANTED = os.environ.get("PARTITIONED") == "true"
# The month before this one: rows of the tests are in the old partition, in those of months and in the default one.
FIRST = f"{datetime.now(UTC).replace(day=1) - timedelta(days=1):%Y-%m}"

# Postgres reads a partition of few rows as a whole, which says nothing about the indexes.
of_one_table = pytest.mark.skipif(IS_WANTED, reason="Postgres reads partitions of few rows without an index")


def partition() -> None:
    """Partition the table of the default database, unless it is."""
    from leads.ops.partitions import conversion, months

    year, month = map(int, FIRST.split("-"))
    if not months.is_partitioned(DEFAULT_DB_ALIAS):
        first = months.Month(year, month)
        conversion.convert(DEFAULT_DB_ALIAS, conversion.plan(DEFAULT_DB_ALIAS, this_month=first.later(1), first=first))
