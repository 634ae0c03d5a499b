"""The one statement that writes leads. It adds new ones; newer contact details replace older ones.

Writing a lead twice changes nothing the second time, and never what staff have done with it.
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

# A valid row that is always rolled back. It asks a database whether it takes leads, when none is pending.
PROBE = b'{"folio": "probe", "name": "", "phone": "", "quote_data": {}, "visitor_id": "", "created_at": "2000-01-01"}'


def upsert(texts: Sequence[bytes], *, keep: bool = True) -> None:
    """Write leads, given as JSON objects, in one statement on this thread's connection; a folio may come once.

    Any exception of the database means that none of them is known to be there. keep=False: try, and undo.
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
    # Django's cursor cannot ask for a prepared plan, which halves the work of both sides.
    try:
        connection.execute(UPSERT, [rows], prepare=True)
    except (errors.DuplicatePreparedStatement, errors.InvalidSqlStatementName):
        # A transaction pooler, though DATABASE_URL does not look like one: each statement may run in another session.
        connection.prepare_threshold = None
        connection.execute(UPSERT, [rows])
