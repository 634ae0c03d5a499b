"""Checks whether a partitioned `leads` has partitions for the months to come."""

from collections.abc import Iterator

from django.db import DEFAULT_DB_ALIAS
from django.utils import timezone

from leads.ops.doctor.finding import Finding, error, ok, warning
from leads.ops.partitions import conversion, months
from leads.ops.partitions.months import Month


def examine() -> Iterator[Finding]:
    if conversion.proof_is_left(DEFAULT_DB_ALIAS):
        found = "partition_leads was killed, and what it left refuses leads some weeks later"
        yield error("partitions", found, "Run `python manage.py partition_leads`, which removes it.")
    if not months.is_partitioned(DEFAULT_DB_ALIAS):
        return
    today = timezone.localdate()
    soon = (Month.of(today), Month.of(today).later(1))
    lacking = [month for month in months.missing_months(DEFAULT_DB_ALIAS, today) if month in soon]
    if lacking:
        found = f"leads has no partition for {lacking[0]}, so they go to {months.DEFAULT}, and none is lost"
        cure = "Run `python manage.py partition_leads --apply`, and every day `manage.py daily`, as the table's owner."
        yield warning("partitions", found, cure)
    else:
        yield ok("partitions", f"leads has {len(months.partitions(DEFAULT_DB_ALIAS))}, the next month's included")
