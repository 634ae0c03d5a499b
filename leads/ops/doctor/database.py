"""Checks the database: first the connection, then everything in the database that the site needs."""

from collections.abc import Iterator

from django.db import DatabaseError, connection

from leads.errors import error_name
from leads.ops.doctor import (
    exposure,
    kept,
    machines,
    migrations,
    partitions,
    reporting,
    session,
    staff,
    storage,
    writing,
)
from leads.ops.doctor.connection import open_connection
from leads.ops.doctor.finding import Finding, error

DEADLINE_S = 3.0
PARTS = {
    "database": session.examine,
    "migrations": migrations.examine,
    "kept": kept.in_postgres,
    "staff": staff.examine,
    "machines": machines.examine,
    "storage": storage.examine,
    "alerts": reporting.alerts,
    "exposure": exposure.examine,
    # Last, because a locked table ends the connection.
    "writable": writing.examine,
    "partitions": partitions.examine,
}


def examine() -> Iterator[Finding]:
    connection.deadline_s = DEADLINE_S  # type: ignore[attr-defined]
    yield from open_connection()
    for subject, part in PARTS.items():
        if connection.connection is None or connection.connection.closed:
            return  # a finding gives the reason, and each further query would wait as long again
        try:
            yield from part()
        except DatabaseError as fault:
            cure = "See Postgres's log, and run this again."
            if "57014" in error_name(fault):  # cancelled
                cure = "Raise the role's statement_timeout to 30s; or see who holds the tables: pg_stat_activity."
            yield error(subject, f"Postgres did not answer: {error_name(fault)}", cure)
