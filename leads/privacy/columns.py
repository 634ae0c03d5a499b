"""The columns of `leads` that other programs added: what they still hold of a lead that lost its person."""

import re
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from django.db import connection

from leads.models import Lead

# Generated columns are left out, because they follow the others.
_COLUMNS = """
SELECT attname, format_type(atttypid, NULL), pg_get_expr(adbin, adrelid)
FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attrelid = 'leads'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
ORDER BY attnum
"""
# Neither names anybody, and an `updated_at` cannot be emptied.
_HARMLESS = {"boolean", "timestamp with time zone", "timestamp without time zone"}
_CONSTANT = re.compile(r"(?:'(?:[^']|'')*'|[-(]*[\d.]+\)?|NULL|true|false)(?:::[\w\s\".\[\]()]+)?")

_NOTHING = ["", "{}", "[]", "null"]


def of_others() -> dict[str, str]:
    """Return the columns that are not Folio's and that could hold something of a person, with their defaults in SQL.

    A column whose default is computed, such as a key, is left out: nobody knows which of its values are a default.
    """
    own = {field.column for field in Lead._meta.concrete_fields}
    with connection.cursor() as cursor:
        cursor.execute(_COLUMNS)
        listed = cursor.fetchall()
    return {
        name: default or "NULL"
        for name, type_name, default in listed
        if name not in own and type_name not in _HARMLESS and is_constant(default or "NULL")
    }


def is_constant(default: str) -> bool:
    """Return whether a default, in SQL, is the same for every row."""
    return bool(_CONSTANT.fullmatch(default))


def held(lead_ids: Sequence[Any], columns: dict[str, str]) -> Counter[str]:
    """Return in how many of these leads each column holds something: neither null, nor empty, nor its default.

    columns: as `of_others` returns them.
    """
    if not columns or not lead_ids:
        return Counter()
    counts = ", ".join(_count(connection.ops.quote_name(name), default) for name, default in columns.items())
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {counts} FROM leads WHERE id = ANY(%s)", [*([_NOTHING] * len(columns)), list(lead_ids)])
        return Counter(dict(zip(columns, cursor.fetchone(), strict=True)))


def add_argument(parser: ArgumentParser) -> None:
    """Add --keep-columns to a command that erases people."""
    told = "columns of other programs that name nobody: what they hold is no reason to fail"
    parser.add_argument("--keep-columns", type=_names, default=[], metavar="COLUMN,...", help=told)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _count(column: str, default: str) -> str:
    condition = f"{column}::text <> ALL(%s) AND {column}::text IS DISTINCT FROM ({default})::text"
    return f"count(*) FILTER (WHERE {condition})".replace("%", "%%").replace("%%s", "%s")


def report(found: Counter[str], *, where: str, known: Collection[str] = ()) -> str:
    """Return a sentence on the columns that still hold something, with the statement that empties them; "" for none.

    where: the condition of these leads in SQL; known: columns that the operator knows to name nobody.
    """
    left = {name: count for name, count in found.items() if count and name not in known}
    if not left:
        return ""
    emptied = ", ".join(f"{connection.ops.quote_name(name)} = DEFAULT" for name in left)
    listed = ", ".join(f"{name} ({count:,})" for name, count in left.items())
    return (
        f"These columns of leads still hold values: {listed}. Folio does not know them, so a person is needed. "
        f"Empty them: UPDATE leads SET {emptied} WHERE {where}; "
        f"or, if they name nobody, add --keep-columns {','.join(left)}"
    )
