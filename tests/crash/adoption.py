"""Builds a crash state in a directory, has the real code adopt and deliver it, and checks every lead.

Postgres keeps what it had committed; here it is the simulation's model of the table, which test_table.py holds to the
real one. test_crash_states.py also delivers some states with a real relay to a real Postgres.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from leads.delivery import flush, postgres_writer
from leads.delivery.journal.census import census
from tests.crash.disk import Tree
from tests.crash.program import DIRECTORIES
from tests.crash.trace import Mark
from tests.simulation.table import Table

Person = tuple[str, str, str]  # folio, phone, name
ACKNOWLEDGED = ("stored", "queued")
# Later than everything that was recorded.
NOW = datetime(2200, 1, 1, tzinfo=UTC)


class Known(NamedTuple):
    """What was known when the power failed.

    asked: who had come; answered: who had been told that their lead is kept; statements: what Postgres had committed.
    """

    asked: set[Person]
    answered: set[Person]
    statements: list[tuple[bool, list[dict[str, Any]]]]

    def table(self) -> Table:
        table = Table()
        for is_quick, records in self.statements:
            apply(table, records, is_quick=is_quick)
        return table


def known_at(line: int, marks: list[Mark]) -> Known:
    known, sent = Known(set(), set(), []), {}
    for mark in marks:
        if mark.line > line:
            break
        kind, *words = mark.words
        if kind == "asks":
            known.asked.add(tuple(words))
        elif kind == "answered" and words[3] in ACKNOWLEDGED:
            known.answered.add(tuple(words[:3]))
        elif kind == "sends":
            sent[mark.thread] = (words[0], [json.loads(text) for text in words[1]])
        elif kind == "committed":
            known.statements.append(sent[mark.thread])
    return known


def apply(table: Table, records: Sequence[dict[str, Any]], *, is_quick: bool) -> None:
    """Do what leads.delivery.upsert.upsert does."""
    if not is_quick or table.insert(records, now=NOW) < len(records):
        table.upsert(records, now=NOW)


def build(tree: Tree, base: Path) -> list[Path]:
    """Make a directory hold a state alone; return the outbox's directories in it."""
    shutil.rmtree(base, ignore_errors=True)
    base.mkdir(parents=True)
    for path, content in tree.items():
        if content is None:
            base.joinpath(path).mkdir()
        else:
            base.joinpath(path).write_bytes(content)
    return [base / name for name in DIRECTORIES]


@contextmanager
def delivering_to(table: Table) -> Iterator[None]:
    """Have the relay's statements go to the model of a table, which takes every row."""

    def upsert(texts: Sequence[bytes], *, keep: bool = True, is_quick: bool = False) -> None:
        if keep:
            apply(table, [json.loads(text) for text in texts], is_quick=is_quick)

    real, postgres_writer.upsert = postgres_writer.upsert, upsert
    try:
        yield
    finally:
        postgres_writer.upsert = real


def broken(directories: list[Path], known: Known, table: Table) -> str:
    """Adopt and deliver a state, twice, as `manage.py outbox flush` does; return what promise was broken, or "".

    table: what Postgres had.
    """
    flush.flush(directories, timeout_s=0.0, with_quarantined=True)
    left = census(directories)
    if left.pending or left.quarantined:
        return f"there still wait {left.pending}, and {left.quarantined} that were refused"
    if wrong := _wrong(known, table):
        return wrong
    before = _described(table)
    flush.flush(directories, timeout_s=0.0, with_quarantined=True)
    return "" if _described(table) == before else "delivering again changes something"


def _wrong(known: Known, table: Table) -> str:
    for folio, phone, name in sorted(known.answered):
        rows = table.rows.get(folio, [])
        if not phone:
            if not rows:
                return f"the quote {folio} is lost"
            continue
        row = next((row for row in rows if row.phone == phone), None)
        if row is None:
            return f"{folio} of {phone} is lost"
        if name not in {row.name, *(each["customer"]["name"] for each in row.quote_data.get("earlier", ()))}:
            return f"{folio} of {phone} has lost the details of {name}"
    people = {(folio, phone) for folio, phone, _ in known.asked}
    names = {(folio, name) for folio, _, name in known.asked}
    for folio, rows in table.rows.items():
        phones = [row.phone for row in rows if row.phone]
        if len(phones) != len(set(phones)) or sum(row.is_first for row in rows) != 1:
            return f"{folio} is there more than once"
        for row in rows:
            if (folio, row.phone) not in people or (folio, row.name) not in names:
                return f"{folio} of {row.phone} comes from nowhere"
    return ""


def _described(table: Table) -> list[tuple[Any, ...]]:
    return [
        (row.folio, row.phone, row.name, row.is_first, json.dumps(row.quote_data, sort_keys=True))
        for rows in table.rows.values()
        for row in rows
    ]
