"""Checks whether `leads` accepts a row: writes one as the relay does, and rolls back. A SELECT would not show that."""

import json
from collections.abc import Iterator
from typing import Any

from django.db import DatabaseError, connection

from leads.delivery.breaker import Fault, classify
from leads.delivery.upsert import upsert
from leads.errors import error_name
from leads.ops.doctor.finding import Finding, error, ok, warning

# A valid row, which is always rolled back.
ROW = {"folio": "doctor", "name": "", "phone": "", "quote_data": {}, "visitor_id": "", "created_at": "2000-01-01"}

MIGRATE = "Run `python manage.py migrate`"

READ_ONLY = """
SELECT pg_is_in_recovery(), source, pg_database_size(current_database()) / 1024 / 1024
FROM pg_settings WHERE name = 'default_transaction_read_only'
"""

# By SQLSTATE: the cause and its cure.
CAUSES = {
    "42501": ("this role may not write to leads", "Grant it the rights that are named above."),
    "42P01": (
        "there is no table leads",
        f"{MIGRATE}; if that finds nothing to do, restore the table from a backup.",
    ),
    "42703": ("a column of leads is missing", f"{MIGRATE}; if that finds nothing to do, somebody dropped it."),
    "23505": (
        "the sequence of ids gives one that is already used, as after a restore",
        "SELECT setval(pg_get_serial_sequence('leads', 'id'), (SELECT max(id) FROM leads));",
    ),
}


def examine() -> Iterator[Finding]:
    try:
        upsert([json.dumps(ROW).encode()], keep=False)
    except DatabaseError as fault:
        yield _explained(fault)
    else:
        yield ok("writable", "leads took a row, which was rolled back")


def _explained(fault: DatabaseError) -> Finding:
    state = getattr(fault.__cause__, "sqlstate", None) or ""
    if classify(fault) is Fault.TIMEOUT or state in ("57014", "55P03"):
        cure = "See who holds it: SELECT pid, query FROM pg_stat_activity WHERE state <> 'idle'; then end that session."
        return error("writable", "leads does not take a row in time: it is locked, or a trigger is slow", cure)
    if classify(fault) is Fault.DATA:
        cure = "Look at the table's constraints and triggers: any that are not Folio's may refuse leads."
        return warning("writable", f"a rule of leads refuses an empty row ({error_name(fault)})", cure)
    if state == "25006":
        return error("writable", *_read_only())
    unknown = (f"leads takes no row: {error_name(fault)}", "See Postgres's log.")
    return error("writable", *CAUSES.get(state, unknown))


def _read_only() -> tuple[str, str]:
    is_replica, source, size_mb = _query_one(READ_ONLY)
    role = connection.ops.quote_name(_query_one("SELECT current_user")[0])
    if is_replica:
        return "this Postgres is a replica, or in recovery", "Point DATABASE_URL at the primary."
    if source == "user":
        return "the role is read-only", f"ALTER ROLE {role} RESET default_transaction_read_only;"
    if source in ("database", "database user"):
        database = connection.ops.quote_name(_query_one("SELECT current_database()")[0])
        where = f"DATABASE {database}" if source == "database" else f"ROLE {role} IN DATABASE {database}"
        return "the database is read-only", f"ALTER {where} RESET default_transaction_read_only;"
    return (
        f"the server is read-only; the database has {size_mb:,} MB. Supabase does so when the disk is full (free plan: "
        "500 MB)",
        "Supabase: make room or upgrade, and turn it off in Database, Settings. Elsewhere: ALTER SYSTEM RESET "
        "default_transaction_read_only; SELECT pg_reload_conf();",
    )


def _query_one(sql: str) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        row: tuple[Any, ...] = cursor.fetchone()
    return row
