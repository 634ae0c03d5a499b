"""The columns of an adopted table that Folio does not write: from the move on they stay at their defaults.

Some of them, such as a consent or a campaign, Folio keeps in the quote. A trigger fills these, once the owner has
confirmed it. It never refuses a row, fills only Folio's leads, and only what is still at its default.
"""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple
from uuid import uuid4

from django.core.management.base import CommandError
from django.db import DatabaseError, connections, transaction

from leads import snapshot
from leads.models import Lead
from leads.ops.adoption import TABLE, rows_of, table_exists
from leads.privacy.columns import is_constant
from quoter.origin import MARKS

TRIGGER = "lead_fill_columns"

_COLUMNS = """
SELECT attname, format_type(atttypid, NULL), CASE WHEN atttypmod > 4 THEN atttypmod - 4 END,
    pg_get_expr(adbin, adrelid)
FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity = ''
ORDER BY attnum
"""
_IS_FILLED = "SELECT 1 FROM pg_trigger WHERE tgrelid = to_regclass(%s) AND tgname = %s"

_TEXTS = ("text", "character varying")
_MOMENTS = ("timestamp with time zone", "timestamp without time zone")


class _Value(NamedTuple):
    """A value that Folio has. sql: of the row NEW and its quote q; types: of the columns that it fits."""

    sql: str
    types: tuple[str, ...]
    meaning: str


_CONSENTS = {
    "accepted_at": """
        privacyaccepted acceptedprivacy privacyconsent privacyoptin consent consentgiven consentimiento
        privacidadaceptada aceptaprivacidad avisoaceptado
    """,
    "marketing_accepted_at": "marketingaccepted acceptedmarketing marketingconsent marketingoptin",
}
_PHONES = {
    "regexp_replace(NEW.phone, '[^0-9]', '', 'g')": "phonenorm phonenormalized normalizedphone phonedigits",
    "NEW.phone": "phonee164",
}


def _values() -> Iterator[tuple[str, _Value]]:
    """Yield the names of columns, as `_plain` writes them, and what Folio has for them."""
    for kind, names in _CONSENTS.items():
        at = f"q->'privacy'->>'{kind}'"
        no = f"it says that no customer agreed, though those who did are in {snapshot.COLUMN}: privacy.{kind}"
        for name in names.split():
            yield name, _Value(f"({at}) IS NOT NULL", ("boolean",), no)
            yield f"{name}at", _Value(f"({at})::timestamptz", _MOMENTS, no)
    for mark in (*MARKS, "referrer", "landing"):
        source = f"q->'attribution'->>'{mark}'"
        yield _plain(mark), _Value(source, _TEXTS, f"Folio's leads have it in {snapshot.COLUMN}: attribution.{mark}")
    for sql, names in _PHONES.items():
        for name in names.split():
            yield name, _Value(sql, _TEXTS, "programs that look people up by it do not find Folio's leads")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


_VALUES = dict(_values())


class LeftColumn(NamedTuple):
    """A column that Folio leaves at its default. default: in SQL; value: what would fill it, in SQL, or ""."""

    name: str
    default: str
    value: str
    meaning: str

    def __str__(self) -> str:
        return f"{self.name} stays {self.default}: {self.meaning}"


def left_columns(using: str) -> list[LeftColumn]:
    """Return the columns that are not Folio's and keep a constant default; [] without a table."""
    own = {field.column for field in Lead._meta.concrete_fields}
    listed = rows_of(using, _COLUMNS, [TABLE]) if table_exists(using) else []
    return [
        _left(name, type_name, length, default or "NULL")
        for name, type_name, length, default in listed
        if name not in own and is_constant(default or "NULL")
    ]


def is_filled(using: str) -> bool:
    """Return whether the trigger is there."""
    return bool(rows_of(using, _IS_FILLED, [TABLE, TRIGGER]))


def fill(using: str, columns: Iterable[LeftColumn], *, now: datetime) -> None:
    """Create the trigger that fills these columns from now on.

    It writes a lead and rolls it back. CommandError, with nothing changed, when the table then refuses it.
    """
    try:
        with transaction.atomic(using=using), connections[using].cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '10s'")
            cursor.execute(statements(using, columns))
            with transaction.atomic(using=using):
                cursor.execute(_TRIAL, [f"trial {uuid4()}", json.dumps(_trial_quote(now))])
                transaction.set_rollback(True, using=using)
    except DatabaseError as error:
        diagnosis = getattr(error.__cause__, "diag", None)
        reason = diagnosis.message_primary if diagnosis else type(error).__name__
        raise CommandError(f"Nothing was changed, because a filled lead would be refused: {reason}") from error


def stop_filling(using: str) -> None:
    """Remove the trigger. What it has filled stays."""
    with connections[using].cursor() as cursor:
        cursor.execute(f"DROP TRIGGER IF EXISTS {TRIGGER} ON {TABLE}; DROP FUNCTION IF EXISTS {TRIGGER}()")


def statements(using: str, columns: Iterable[LeftColumn]) -> str:
    """Return the SQL of the trigger that fills these columns."""
    filled = [(connections[using].ops.quote_name(column.name), column) for column in columns if column.value]
    emptied = "\n".join(f"            NEW.{name} := {column.default};" for name, column in filled)
    assigned = "\n".join(
        f"        IF NEW.{name} IS NOT DISTINCT FROM {column.default} THEN "
        f"NEW.{name} := coalesce({column.value}, NEW.{name}); END IF;"
        for name, column in filled
    )
    return _TRIGGER.format(name=TRIGGER, table=TABLE, column=snapshot.COLUMN, emptied=emptied, assigned=assigned)


_TRIGGER = """
CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    q jsonb;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.phone = '' AND OLD.phone > '' THEN  -- the person was erased
{emptied}
            RETURN NEW;
        END IF;
    END IF;
    q := NEW.{column};
    IF jsonb_typeof(q->'privacy') = 'object' AND NEW.phone > '' THEN  -- Folio wrote it
{assigned}
    END IF;
    RETURN NEW;
EXCEPTION WHEN OTHERS THEN
    RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER {name} BEFORE INSERT OR UPDATE OF {column}, phone ON {table}
    FOR EACH ROW EXECUTE FUNCTION {name}();
"""
_TRIAL = f"""
INSERT INTO {TABLE} (folio, name, phone, {snapshot.COLUMN}, visitor_id, created_at, submitted_at)
VALUES (%s, 'Probe', '+526560000000', %s, 'probe', now(), now())
"""


def _trial_quote(now: datetime) -> dict[str, Any]:
    return {
        "privacy": {"accepted_at": now.isoformat(), "marketing_accepted_at": now.isoformat(), "notice_version": "1"},
        "attribution": dict.fromkeys((*MARKS, "referrer", "landing"), "probe"),
    }


def _left(name: str, type_name: str, length: int | None, default: str) -> LeftColumn:
    value = _VALUES.get(_plain(name))
    if value is None or type_name not in value.types:
        return LeftColumn(name, default, "", "Folio has no value for it")
    sql = f"nullif({value.sql}, '')" if type_name in _TEXTS else value.sql
    return LeftColumn(name, default, f"left({sql}, {length})" if length else sql, value.meaning)
