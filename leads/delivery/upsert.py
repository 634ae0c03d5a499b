"""The statement that delivers leads. It adds new ones, and replaces older contact details by newer ones.

It is idempotent, and never changes the columns that staff edit.
"""

from collections.abc import Sequence
from typing import Any

import psycopg
from django.db import connections, transaction
from psycopg import errors

UPSERT = """
INSERT INTO leads (folio, name, phone, quote_data, visitor_id, created_at, submitted_at)
SELECT folio, name, phone, quote_data, visitor_id, created_at, submitted_at
FROM jsonb_to_recordset(%s::jsonb) AS arrived (
    folio text, name text, phone text, quote_data jsonb, visitor_id text,
    created_at timestamptz, submitted_at timestamptz
)
ON CONFLICT (folio) DO UPDATE SET
    name = excluded.name,
    phone = excluded.phone,
    quote_data = excluded.quote_data,
    visitor_id = excluded.visitor_id,
    submitted_at = excluded.submitted_at
WHERE excluded.submitted_at > coalesce(leads.submitted_at, '-infinity')
"""

# A valid row that is always rolled back. With it the relay checks whether Postgres accepts leads when none is pending.
PROBE = b'{"folio": "probe", "name": "", "phone": "", "quote_data": {}, "visitor_id": "", "created_at": "2000-01-01"}'


def upsert(texts: Sequence[bytes], *, keep: bool = True) -> None:
    """Write leads with one statement on this thread's connection. texts: JSON objects, each folio at most once.

    After an exception of the database, none of them counts as written. keep: False rolls the rows back.
    """
    rows = (b"[" + b",".join(texts) + b"]").decode()
    connection = connections["default"]
    if keep:
        connection.ensure_connection()
        with connection.wrap_database_errors:
            _write(connection.connection, rows)
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(UPSERT, [rows])
        transaction.set_rollback(True)


def _write(connection: psycopg.Connection[Any], rows: str) -> None:
    # Django's cursor cannot use a prepared statement, which halves the work of the client and of Postgres.
    try:
        connection.execute(UPSERT, [rows], prepare=True)
    except (errors.DuplicatePreparedStatement, errors.InvalidSqlStatementName):
        # DATABASE_URL does not show it, but this is a transaction pooler: each statement may run in another session.
        connection.prepare_threshold = None
        connection.execute(UPSERT, [rows])
