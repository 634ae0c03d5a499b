"""The partitions of `leads`: which there are, and new ones for the months to come."""

import re
from datetime import date
from typing import Any, NamedTuple, Self

from django.db import connections, transaction

from leads.ops import estimates, supabase

TABLE = "leads"
# Takes what belongs to no month: folios of other programs, rows without one, and months that nobody made.
DEFAULT = "leads_default"
# How many months after the current one have a partition.
AHEAD = 3

_PARTITIONS = """
SELECT c.oid::regclass::text, pg_get_expr(relpartbound, c.oid) FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
WHERE inhparent = to_regclass(%s) ORDER BY c.relname
"""
_COLUMNS = """
SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""
# Triggers that a DELETE fires, of a table's own.
_TRIGGERS = """
SELECT quote_ident(tgname), tgenabled::text FROM pg_trigger
WHERE tgrelid = to_regclass(%s) AND NOT tgisinternal AND tgenabled <> 'D' AND tgtype & 8 > 0
"""
# The word that enables a trigger again, by what pg_trigger says of it.
TRIGGER_STATES = {"O": "", "A": "ALWAYS ", "R": "REPLICA "}
_BOUND = re.compile(r"FOR VALUES FROM \((MINVALUE|'[^']*')\) TO \((MAXVALUE|'[^']*')\)")


class Month(NamedTuple):
    """A month. Its folios are those from `start` on, before the next month's."""

    year: int
    month: int

    @classmethod
    def of(cls, day: date) -> Self:
        return cls(day.year, day.month)

    def later(self, months: int) -> "Month":
        years, index = divmod(self.month - 1 + months, 12)
        return Month(self.year + years, index + 1)

    def until(self, other: "Month") -> int:
        """Return how many months later the other is; negative when it is earlier."""
        return (other.year - self.year) * 12 + other.month - self.month

    @property
    def start(self) -> str:
        """The beginning of the month's first folio."""
        return f"{self.year % 100:02d}{self.month:02d}01"

    @property
    def bounds(self) -> str:
        return f"FROM ('{self.start}') TO ('{self.later(1).start}')"

    @property
    def table(self) -> str:
        return f"{TABLE}_{self.year}_{self.month:02d}"

    def __str__(self) -> str:
        return f"{self.year}-{self.month:02d}"


class Partition(NamedTuple):
    """A partition, with the folios from `start` on, before `end`; "" where there is no bound. table: as SQL."""

    table: str
    start: str
    end: str
    is_default: bool


def is_partitioned(using: str) -> bool:
    return rows(using, "SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass(%s)", [TABLE]) == [(True,)]


def partitions(using: str) -> list[Partition]:
    """Return the partitions of `leads`, by name; [] when it has none."""
    return [_partition(name, bound) for name, bound in rows(using, _PARTITIONS, [TABLE])]


def missing_months(using: str, today: date) -> list[Month]:
    """Return the months from this one to the last of AHEAD that no partition covers."""
    ranges = [each for each in partitions(using) if not each.is_default]
    wanted = [Month.of(today).later(months) for months in range(AHEAD + 1)]
    return [month for month in wanted if not any(_covers(each, month) for each in ranges)]


def add_missing_months(using: str, today: date) -> list[Month]:
    """Add the partitions that are missing, each in a transaction of its own; return their months.

    Rows that wait for such a month in the default partition move to it. DatabaseError when another session holds the
    table for five seconds: run it again.
    """
    missing = missing_months(using, today)
    for month in missing:
        with transaction.atomic(using=using):
            execute(using, "SET LOCAL lock_timeout = '5s'", f"LOCK TABLE {TABLE} IN ACCESS EXCLUSIVE MODE")
            _add_month(using, month)
            supabase.close_data_api(using)
    return missing


def create_partition(using: str, month: Month) -> None:
    """Create an empty partition of a month, of which no row is in the default one."""
    execute(using, f"CREATE TABLE {month.table} PARTITION OF {TABLE} (PRIMARY KEY (id)) FOR VALUES {month.bounds}")
    estimates.create(using, month.table)


def analyze(using: str) -> None:
    """Collect statistics of the whole table, which autovacuum does only for its partitions."""
    execute(using, f"ANALYZE {TABLE}")


def columns(using: str) -> str:
    """Return the columns of `leads` that can be written, as SQL."""
    ((names,),) = rows(using, _COLUMNS, [TABLE])
    return str(names)


def execute(using: str, *statements: str) -> None:
    with connections[using].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def rows(using: str, sql: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
    """Return what a query returns."""
    with connections[using].cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def _add_month(using: str, month: Month) -> None:
    default = next((each.table for each in partitions(using) if each.is_default), None)
    belongs = f"folio >= '{month.start}' AND folio < '{month.later(1).start}'"
    if default is None or not rows(using, f"SELECT 1 FROM {default} WHERE {belongs} LIMIT 1", []):
        create_partition(using, month)
        return
    names, triggers = columns(using), rows(using, _TRIGGERS, [default])
    # Filled before it is attached, so that no trigger takes its rows for new ones, or for deleted ones.
    execute(
        using,
        f"CREATE TABLE {month.table} (LIKE {TABLE} INCLUDING ALL EXCLUDING INDEXES EXCLUDING IDENTITY)",
        f"ALTER TABLE {month.table} ADD PRIMARY KEY (id)",
        f"INSERT INTO {month.table} ({names}) SELECT {names} FROM {default} WHERE {belongs}",
        *(f"ALTER TABLE {default} DISABLE TRIGGER {name}" for name, _ in triggers),
        f"DELETE FROM {default} WHERE {belongs}",
        *(f"ALTER TABLE {default} ENABLE {TRIGGER_STATES[state]}TRIGGER {name}" for name, state in triggers),
        f"ALTER TABLE {TABLE} ATTACH PARTITION {month.table} FOR VALUES {month.bounds}",
    )
    estimates.create(using, month.table)


def _covers(partition: Partition, month: Month) -> bool:
    return partition.start <= month.start and (not partition.end or month.later(1).start <= partition.end)


def _partition(name: str, bound: str) -> Partition:
    found = _BOUND.fullmatch(bound)
    start, end = (each.strip("'") if each.startswith("'") else "" for each in found.groups()) if found else ("", "")
    return Partition(name, start, end, bound == "DEFAULT")
