"""What a partitioned `leads` needs from time to time: partitions for the months to come, and statistics."""

from datetime import date

from leads.ops.partitions import conversion, months


def is_due(using: str) -> bool:
    """Return whether there is anything to keep up: a partitioned table, or what a killed conversion left."""
    return months.is_partitioned(using) or conversion.proof_is_left(using)


def keep_up(using: str, today: date) -> str | None:
    """Add partitions ahead and collect statistics; return a sentence on what was changed, or None.

    DatabaseError when Postgres refuses, as when the role does not own the table. today: in the business zone.
    """
    if conversion.drop_proof(using):
        return "What partition_leads left when it was killed was removed."
    if not months.is_partitioned(using):
        return None
    added = months.add_missing_months(using, today)
    months.analyze(using)
    return f"Partitions of leads were added: {', '.join(map(str, added))}." if added else None
