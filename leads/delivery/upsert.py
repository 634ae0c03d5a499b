"""The statement that delivers leads. A lead is one person who asked for one quote: a folio and a phone.

It is idempotent, and gives the same rows in any order of arrival. What staff edit stays, with one exception: whoever
asks again after having been contacted waits again.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import psycopg
from django.db import connections, transaction
from psycopg import errors

from leads.delivery.corrections import MEANT
from leads.delivery.erasures import IS_ERASED, joined_keys
from leads.snapshot.merge import has_details, merged

# By Postgres's clock, with what the doctor allows the site's to be off.
IS_FUTURE = "> statement_timestamp() + interval '5 seconds'"

# --- The stored row is `leads`, the one that arrived is `excluded` ----------------------------------------------------

_IS_NEWER = "excluded.submitted_at > coalesce(leads.submitted_at, '-infinity')"
# A contact of the future was noted while the site's clock was ahead. It silences nobody until then.
_IS_AFTER_CONTACT = (
    f"(leads.contacted_at {IS_FUTURE} OR excluded.submitted_at > coalesce(leads.contacted_at, '-infinity'))"
)
_ASKS_AGAIN = f"(leads.status = 'contacted' AND {_IS_NEWER} AND {_IS_AFTER_CONTACT})"
# A quote that nobody has asked for. A row without a phone but with a time was erased, and is never used again.
_IS_UNCLAIMED = "leads.phone = '' AND leads.submitted_at IS NULL"

_MERGED = merged("leads", "excluded", is_newer=_IS_NEWER)
_HAS_DETAILS = f"leads.phone > '' AND {has_details('leads')}"  # not a quote without a person, nor an adopted row

_NEWEST = ("name", "phone", "visitor_id", "submitted_at")
_UPDATE = f"""
    {", ".join(f"{name} = CASE WHEN {_IS_NEWER} THEN excluded.{name} ELSE leads.{name} END" for name in _NEWEST)},
    quote_data = CASE WHEN {_HAS_DETAILS} THEN {_MERGED} ELSE excluded.quote_data::jsonb END,
    status = CASE WHEN {_ASKS_AGAIN} THEN 'new' ELSE leads.status END,
    contacted_at = CASE WHEN {_ASKS_AGAIN} THEN NULL ELSE leads.contacted_at END,
    contacted_by = CASE WHEN {_ASKS_AGAIN} THEN NULL ELSE leads.contacted_by END,
    asked_again_at = CASE WHEN {_ASKS_AGAIN} THEN excluded.submitted_at ELSE leads.asked_again_at END,
    alert_stage = CASE WHEN {_ASKS_AGAIN} THEN 0 ELSE leads.alert_stage END,
    arrived_at = CASE WHEN {_ASKS_AGAIN} OR leads.phone = '' THEN excluded.arrived_at ELSE leads.arrived_at END,
    set_aside = CASE
        WHEN {_IS_NEWER} AND excluded.set_aside = '' THEN ''
        WHEN leads.phone = '' THEN excluded.set_aside
        ELSE leads.set_aside
    END
WHERE ({_IS_UNCLAIMED} AND excluded.phone > '')
    OR leads.phone = excluded.phone AND excluded.phone > ''
    AND ({_IS_NEWER} OR {_HAS_DETAILS} AND excluded.submitted_at < leads.submitted_at)
"""

# --- The statement ----------------------------------------------------------------------------------------------------

_COLUMNS = "folio, name, phone, quote_data, visitor_id, created_at, submitted_at, arrived_at, set_aside"
_ROWS = """jsonb_to_recordset($1::jsonb) AS a (
        folio text, name text, phone text, quote_data jsonb, visitor_id text,
        created_at timestamptz, submitted_at timestamptz, arrived_at timestamptz, set_aside text
    )"""
# Whether the person has a row of their own, of which the first row of the folio may be deleted.
_HAS_A_ROW = """EXISTS (
        SELECT FROM leads AS own
        WHERE own.folio = arrived.folio AND own.phone = arrived.phone AND own.phone > '' AND NOT own.is_first
    )"""
# Whether the person had this very record when the statement began. Then it changes nothing, and is no lead of its own
# even if staff have corrected the phone since, for which the statement has waited and which it does not see.
_IS_REPEATED = """EXISTS (
        SELECT FROM leads AS own
        WHERE own.folio = arrived.folio AND own.phone = arrived.phone AND own.phone > ''
            AND own.submitted_at = arrived.submitted_at
    )"""
# When it came and why it is set aside; a record of the last release says neither.
_ARRIVED_AT = "least(coalesce(arrived_at, now()), now()) AS arrived_at, coalesce(set_aside, '') AS set_aside"

# 1. Leave out people who were erased since, and put what staff corrected in the place of what is wrong. A time of the
#    future is replaced by that of the arrival: it was noted while the site's clock was ahead, and all newer details
#    would lose against it until then. Such a record, delivered a second time before its own time has come, counts as
#    newer than the first time.
# 2. Write each lead to the first row of its folio: a new one, that of the quote without a person, or the same person's.
# 3. When the first row is somebody else's, was erased or is deleted, write the lead to a row of its own.
# 4. Add an event for each contacted lead that now waits again.
#
# Unique indexes on the first row of a folio and on folio and phone decide between processes that write at the same
# time, so no lock and no second look is needed. They write in the order of folios, because one may have the quotes and
# another the leads of the same folios, and would wait for each other.
#
# $1: the rows, as JSON; $2: `joined_keys` of erasures.
UPSERT = f"""
WITH arrived AS MATERIALIZED (
    SELECT folio, coalesce(meant.name, a.name) AS name, coalesce(meant.phone, a.phone) AS phone,
        quote_data, visitor_id, created_at,
        CASE WHEN submitted_at {IS_FUTURE} THEN statement_timestamp() ELSE submitted_at END AS submitted_at,
        {_ARRIVED_AT}
    FROM {_ROWS}
    {MEANT}
    WHERE NOT {IS_ERASED}
), first AS (
    INSERT INTO leads ({_COLUMNS}) SELECT {_COLUMNS} FROM arrived WHERE NOT {_HAS_A_ROW} ORDER BY folio
    ON CONFLICT (folio) WHERE is_first DO UPDATE SET {_UPDATE}
    RETURNING id, folio, submitted_at, asked_again_at
), others AS (
    INSERT INTO leads ({_COLUMNS}, is_first) SELECT {_COLUMNS}, false FROM arrived
    WHERE phone > '' AND NOT EXISTS (SELECT FROM first WHERE first.folio = arrived.folio) AND NOT {_IS_REPEATED}
    ORDER BY folio
    ON CONFLICT (folio, phone) WHERE phone > '' DO UPDATE SET {_UPDATE}
    RETURNING id, folio, submitted_at, asked_again_at
), written AS (
    SELECT * FROM first UNION ALL SELECT * FROM others
)
INSERT INTO lead_events (lead_id, at, kind, detail)
SELECT id, asked_again_at, 'asked_again', '' FROM written
WHERE asked_again_at = submitted_at AND NOT EXISTS (
    SELECT FROM lead_events AS known
    WHERE known.lead_id = written.id AND known.kind = 'asked_again' AND known.at = written.asked_again_at
)
"""

# Nearly every lead is a new quote, or the first person of one. This statement writes only those, as UPSERT would, for a
# quarter less of Postgres's time: it prepares UPSERT's other cases for each statement, though they seldom happen. It
# leaves out whatever it is not sure of: a folio of which somebody was erased, a time of the future, a row that has a
# person or that staff have contacted. A lead that was corrected has a person, so corrections are not looked up, which
# would cost 4 %.
_OF_THE_PERSON = ("name", "phone", "quote_data", "visitor_id", "submitted_at", "arrived_at", "set_aside")
INSERT = f"""
INSERT INTO leads ({_COLUMNS})
SELECT folio, name, phone, quote_data, visitor_id, created_at, submitted_at, {_ARRIVED_AT}
FROM {_ROWS}
WHERE (submitted_at {IS_FUTURE}) IS NOT TRUE
    AND NOT EXISTS (SELECT FROM lead_erasures AS erased WHERE erased.folio = a.folio)
ORDER BY folio
ON CONFLICT (folio) WHERE is_first DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _OF_THE_PERSON)}
WHERE {_IS_UNCLAIMED} AND leads.status = 'new' AND excluded.phone > '' AND excluded.submitted_at IS NOT NULL
"""

# Valid rows that are always rolled back: a quote, and one with a person, because rules of others may refuse either.
# With them the relay checks whether Postgres accepts leads, when none is pending or one was refused.
PROBE = b'{"folio": "probe", "name": "", "phone": "", "quote_data": {}, "visitor_id": "", "created_at": "2000-01-01"}'
PROBE_OF_PERSON = (
    b'{"folio": "probe", "name": "Probe", "phone": "+526560000000", "quote_data": {}, "visitor_id": "probe",'
    b' "created_at": "2000-01-01", "submitted_at": "2000-01-01"}'
)
PROBES = (PROBE, PROBE_OF_PERSON)


def upsert(texts: Sequence[bytes], *, keep: bool = True, is_quick: bool = False, on: Any = None) -> None:
    """Write leads. texts: JSON objects, each folio at most once.

    on: another thread's connection that is open and not in use; None: this thread's. keep: False rolls the rows back,
    on this thread's connection. is_quick: begin with the statement that is cheaper and writes most leads. The other
    one follows only if that has left something out. After an exception of the database, no lead counts as written.
    """
    rows = (b"[" + b",".join(texts) + b"]").decode()
    connection = on or connections["default"]
    connection.ensure_connection()
    with nullcontext() if keep else transaction.atomic():
        with connection.wrap_database_errors:
            if not is_quick or _write(connection.connection, INSERT, [rows]) < len(texts):
                _write(connection.connection, UPSERT, [rows, joined_keys()])
            if not keep:
                # A deferred rule is checked at the end of a transaction, which a rollback never reaches.
                connection.connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        if not keep:
            transaction.set_rollback(True)


def _write(connection: psycopg.Connection[Any], statement: str, parameters: list[Any]) -> int:
    """Return how many leads or, of UPSERT, events were written."""
    # Django's cursor cannot use a prepared statement, which halves the work of the client and of Postgres. The raw
    # cursor takes the statement as it is; others look for placeholders in its ten thousand characters each time, 30 µs.
    cursor = psycopg.RawCursor(connection)
    try:
        cursor.execute(statement, parameters, prepare=True)
    except (errors.DuplicatePreparedStatement, errors.InvalidSqlStatementName):
        # DATABASE_URL does not show it, but this is a transaction pooler: each statement may run in another session.
        connection.prepare_threshold = None
        cursor.execute(statement, parameters)
    return cursor.rowcount
