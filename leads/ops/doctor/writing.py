"""Checks whether `leads` accepts a row: writes one as the relay does, and rolls back. A SELECT would not show that."""

from collections.abc import Iterator
from typing import Any

from django.db import DatabaseError, connection, transaction

from leads.delivery.breaker import Fault, classify
from leads.delivery.upsert import PROBES, upsert
from leads.errors import error_name
from leads.models import Lead
from leads.ops.doctor.finding import Finding, error, ok, warning

MIGRATE = "Run `python manage.py migrate`"

ELSEWHERE = """
SELECT to_regclass('leads') IS NULL AND EXISTS (SELECT FROM pg_class WHERE relname = 'leads' AND relkind IN ('r', 'p'))
"""
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
    "2200H": (
        "the sequence of ids has no more",
        "ALTER TABLE leads ALTER id TYPE bigint; then raise the MAXVALUE of pg_get_serial_sequence('leads', 'id').",
    ),
    "42P10": (
        "a unique index of leads is gone: lead_first or lead_person",
        "Create them again: `python manage.py sqlmigrate leads 0007` has both.",
    ),
    "42883": (
        "a column's default or a constraint of leads calls a function that is gone",
        "Restore the function, or drop what calls it: `\\d leads` in psql shows both.",
    ),
}
# A trigger fails with these when what it uses is gone: a table, a column, a function, a schema, any other object.
OF_TRIGGERS = ("42P01", "42703", "42883", "3F000", "42704")
# Without those that a partitioned table has for its references.
TRIGGERS = """
SELECT coalesce(string_agg(tgname, ', '), '') FROM pg_trigger WHERE tgrelid = to_regclass('leads') AND NOT tgisinternal
AND tgname NOT IN ('references_cascade', 'references_emptied', 'references_refuse')
"""


def examine() -> Iterator[Finding]:
    """Try a quote and a lead with a person. What refuses one of them is a rule, what refuses both is an error."""
    if _query_one(ELSEWHERE)[0]:
        return  # the check of migrations reports that, and a migrate would make a second table
    refusals, swallowed = [], 0
    for probe in PROBES:
        try:
            swallowed += not _arrives(probe)
        except DatabaseError as fault:
            refusals.append(fault)
            if classify(fault) is not Fault.DATA:
                break
    if not refusals and swallowed:
        found = f"leads takes a row and forgets it, so leads are lost: a trigger or a rule; {_triggers()}"
        yield error("writable", found, "DROP TRIGGER name ON leads; then ask the chats for what came meanwhile.")
    elif not refusals:
        yield ok("writable", "leads took a row, which was rolled back")
    elif classify(refusals[-1]) is not Fault.DATA:
        yield _explained(refusals[-1])
    elif len(refusals) < len(PROBES):
        cure = "Look at the table's constraints and triggers: any that are not Folio's may refuse leads."
        yield warning("writable", f"a rule of leads refuses some rows ({error_name(refusals[0])})", cure)
    else:
        yield error("writable", *_refused(refusals[-1]))


def _arrives(probe: bytes) -> bool:
    """Write a row as the relay does, and roll it back; return whether it was there. DatabaseError if it is refused."""
    with transaction.atomic():
        upsert([probe])
        # A deferred rule is checked at the end of a transaction, which a rollback never reaches.
        _execute("SET CONSTRAINTS ALL IMMEDIATE")
        [is_there] = _query_one("SELECT EXISTS (SELECT FROM leads WHERE folio = 'probe')")
        transaction.set_rollback(True)
    return bool(is_there)


def _triggers() -> str:
    return f"its triggers: {_query_one(TRIGGERS)[0] or 'none'}"


def _explained(fault: DatabaseError) -> Finding:
    state = getattr(fault.__cause__, "sqlstate", None) or ""
    if classify(fault) is Fault.TIMEOUT or state in ("57014", "55P03"):
        cure = "See who holds it: SELECT pid, query FROM pg_stat_activity WHERE state <> 'idle'; then end that session."
        return error("writable", "leads does not take a row in time: it is locked, or a trigger is slow", cure)
    if state == "25006":
        return error("writable", *_read_only())
    if state in OF_TRIGGERS and (triggers := _query_one(TRIGGERS)[0]):
        found = f"leads takes no row ({error_name(fault)}): something that it, or one of its triggers, uses is gone"
        return error("writable", f"{found}; its triggers: {triggers}", "Restore it, or DROP TRIGGER name ON leads;")
    if state == "42P01" and _query_one("SELECT to_regclass('leads')")[0]:
        return error("writable", "leads takes no row: a table that it needs is gone", "Restore the one named above.")
    unknown = (f"leads takes no row: {error_name(fault)}", "See Postgres's log.")
    return error("writable", *CAUSES.get(state, unknown))


def _refused(fault: DatabaseError) -> tuple[str, str]:
    """Return what refuses every row, and what to do. The message of the error is left out, because it has the row."""
    about = getattr(fault.__cause__, "diag", None)
    state = getattr(fault.__cause__, "sqlstate", None)
    if state == "23502" and about and about.column_name:
        column = connection.ops.quote_name(about.column_name)
        found = f"leads takes no row: its column {about.column_name} must not be empty, and has no default"
        if about.column_name in {field.column for field in Lead._meta.fields}:
            return found, f"Give it back: ALTER TABLE leads ALTER {column} SET DEFAULT ... (leads/models/lead.py)."
        return found, f"It is not Folio's: ALTER TABLE leads ALTER {column} DROP NOT NULL;"
    if about and about.constraint_name:
        name = connection.ops.quote_name(about.constraint_name)
        found = f"leads takes no row: the constraint {about.constraint_name} refuses every one ({error_name(fault)})"
        return found, f"Correct it, or ALTER TABLE leads DROP CONSTRAINT {name};"
    triggers = _query_one(TRIGGERS)[0]
    if triggers:
        found = f"leads takes no row: a trigger refuses every one ({error_name(fault)}); its triggers: {triggers}"
        return found, "Correct it, or DROP TRIGGER name ON leads; waiting leads then arrive by themselves."
    return f"leads takes no row: {error_name(fault)}", "See Postgres's log."


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


def _execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def _query_one(sql: str) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        row: tuple[Any, ...] = cursor.fetchone()
    return row
