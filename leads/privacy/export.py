"""Read leads for an export, a page at a time, write them as CSV or JSON lines, and note which leads left, and when.

CSV and JSON lines are for programs; `leads.inbox.spreadsheet` writes the file for people.
"""

import csv
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from itertools import islice
from typing import Any, NamedTuple, Self, TextIO

from django.contrib.auth.models import User
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, Q
from django.db.models.functions import JSONObject
from django.utils import timezone

from leads import snapshot
from leads.customer import answers
from leads.models import Lead, LeadEvent, LeadNote, LeadQuerySet
from leads.paging import pages
from leads.privacy import arranged
from leads.privacy.arranged import Arranged
from leads.snapshot import Line, Snapshot
from quoter.engine.numbers import canonical
from quoter.engine.questions import ANSWER

# Excel reads a CSV file as UTF-8 only with this mark.
BYTE_ORDER_MARK = "\ufeff"

# Programs rely on these names.
COLUMNS = [
    "folio",
    "created_at",
    "submitted_at",
    "status",
    "name",
    "phone",
    "lines",
    "subtotal",
    "tax",
    "total",
    "currency",
    "contacted_at",
    "contacted_by",
    "notes",
    "valid_until",
    "source",
    "flags",
    "discount",
    "seller",
    "next_step_at",
    "next_step",
    "customer_of",
    "outcome",
    "outcome_amount",
    "outcome_reason",
    "outcome_at",
    "outcome_by",
]
FIELDS = {
    "folio": "folio",
    "name": "name",
    "phone": "phone",
    "status": "status",
    "visitor_id": "visitor_id",
    "created_at": "created_at",
    "submitted_at": "submitted_at",
    "contacted_at": "contacted_at",
    "contacted_by": "contacted_by__username",
    "notes": "notes",
    "set_aside": "set_aside",
    "arrived_at": "arrived_at",
    "quote_data": "quote_data",
}
_SELLER = ("contacted_by__first_name", "contacted_by__last_name")
_KEPT_NOTES = ArraySubquery(
    LeadNote.objects.filter(lead=OuterRef("pk"))
    .order_by("at", "pk")
    .values(note=JSONObject(at="at", author="author__username", text="text"))
)

# How many events are written with one statement.
_NOTED_AT_ONCE = 2_000
# Where a spreadsheet may see a formula: at the beginning of a cell, and after whatever separates cells or rows in some
# country or some import, because a quote in the middle of a cell does not protect what follows.
_SEPARATORS = ";|\t\v\f\r\n\x85\u2028\u2029"
_FORMULA = re.compile(r"(?:^|(?<![;|\"\s])(?=[;|\"\s]))[;|\"\s]*+(?=[=+\-@＝＋－＠])")
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")  # as E.164 writes it


class ExportFormat(StrEnum):
    """XLSX: a spreadsheet, for people. CSV and JSONL, a line with a lead's whole row as JSON: for programs."""

    XLSX = "xlsx"
    CSV = "csv"
    JSONL = "jsonl"


class Row(NamedTuple):
    """A lead to export. values: by the names of FIELDS; seller: who contacted it, by full name or else user name."""

    pk: Any
    values: dict[str, Any]
    seller: str
    stored: Snapshot
    arranged: Arranged


def export(
    write: Callable[[list[Row]], None],
    leads: LeadQuerySet,
    *,
    only: Q,
    note: Callable[[Sequence[Any]], None],
) -> Iterator[tuple[int, float]]:
    """Write leads, oldest first; after each page yield how many were written so far, and the progress from 0 to 1.

    leads: all, or those of a range of created_at; only: a filter on each page; note: called with the ids of a page
    before it is written.
    """
    written = 0
    for page in pages(leads):
        if found := rows_of(page.leads.filter(only)):
            note([row.pk for row in found])
            write(found)
            written += len(found)
        yield written, page.fraction


def rows_of(leads: LeadQuerySet) -> list[Row]:
    """Return the rows of leads, in their order, with five queries at most."""
    found = list(leads.values_list("pk", _KEPT_NOTES, *_SELLER, *FIELDS.values()))
    phone = list(FIELDS).index("phone") - len(FIELDS)
    arrangements = arranged.of_leads((values[0], values[phone]) for values in found)
    return [_row(arrangements[pk], pk, *values) for pk, *values in found]


def _row(
    arrangement: Arranged,
    pk: Any,
    kept_notes: Iterable[Mapping[str, str]],
    first_name: str | None,
    last_name: str | None,
    *fields: Any,
) -> Row:
    values = dict(zip(FIELDS, fields, strict=True))
    full_name = f"{first_name or ''} {last_name or ''}".strip()
    texts = [f"{_moment(note['at']):%Y-%m-%d %H:%M} {note['author'] or ''}: {note['text']}" for note in kept_notes]
    values["notes"] = "\n".join(filter(None, [values["notes"], *texts]))
    return Row(pk, values, full_name or values["contacted_by"] or "", snapshot.read(values["quote_data"]), arrangement)


def _moment(text: str) -> datetime:
    return timezone.localtime(datetime.fromisoformat(text))


def as_data(values: Iterable[Any]) -> dict[str, Any]:
    """Return a row as JSON values, with times in the business's zone. values: in the order of FIELDS."""
    return {name: _local(value) for name, value in zip(FIELDS, values, strict=True)}


def _local(value: Any) -> Any:
    return timezone.localtime(value).isoformat() if isinstance(value, datetime) else value


# --- Events -----------------------------------------------------------------------------------------------------------


class Ledger:
    """The leads of an export that is not complete yet, in a temporary file without a name. A context manager."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile("w+")  # noqa: SIM115  (__exit__ closes it)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def add(self, lead_ids: Iterable[Any]) -> None:
        self._file.writelines(f"{key}\n" for key in lead_ids)

    def write_events(self, *, by: User | None, now: datetime, form: ExportFormat) -> None:
        """Add an event to each of the leads. Call it in a transaction, when the export is complete."""
        self._file.seek(0)
        key = Lead._meta.pk.to_python
        while lines := list(islice(self._file, _NOTED_AT_ONCE)):
            note_exported([key(line.strip()) for line in lines], by=by, now=now, form=form)


def note_exported(lead_ids: Sequence[Any], *, by: User | None, now: datetime, form: ExportFormat) -> None:
    """Add an event to each lead. by: None for a command."""
    LeadEvent.objects.note(LeadEvent.Kind.EXPORTED, lead_ids, by=by, now=now, detail=str(form))


# --- Formats for programs ---------------------------------------------------------------------------------------------


class JsonLines:
    """Writes whole rows, unchanged, each with its outcome and corrections, and what was arranged with its person."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, rows: Iterable[Row]) -> None:
        for row in rows:
            whole = as_data(row.values.values()) | arranged.as_data(row.arranged)
            self._out.write(json.dumps(whole, ensure_ascii=False) + "\n")


class Csv:
    """Writes a row for each lead, every cell in quotes. Times are ISO 8601, phones as they are stored."""

    def __init__(self, out: TextIO) -> None:
        self._sheet = csv.writer(out, quoting=csv.QUOTE_ALL)
        self._answers = [code for code, _label in answers.columns("es")]
        # With a prefix: a question may be called "notes".
        self._sheet.writerow([*COLUMNS, *(f"{ANSWER}{code}" for code in self._answers)])

    def write(self, rows: Iterable[Row]) -> None:
        self._sheet.writerows([csv_text(cell) for cell in self._cells(row)] for row in rows)

    def _cells(self, row: Row) -> list[object]:
        stored, step, outcome = row.stored, row.arranged.step, row.arranged.outcome
        computed = {
            "lines": lines_text(stored),
            "subtotal": stored.subtotal,
            "tax": stored.tax,
            "total": stored.total,
            "currency": stored.currency,
            "valid_until": stored.valid_until,
            "source": stored.source,
            "flags": " ".join(stored.flags),
            "discount": stored.discount,
            "seller": stored.seller,
            "next_step_at": step and step.step_at,
            "next_step": step and step.step,
            "customer_of": row.arranged.seller,
            "outcome": outcome and outcome.kind,
            "outcome_amount": outcome and outcome.amount,
            "outcome_reason": outcome and outcome.reason,
            "outcome_at": outcome and outcome.at,
            "outcome_by": outcome and outcome.by,
        }
        known = [computed[column] if column in computed else row.values[column] for column in COLUMNS]
        return [*known, *(stored.customer.answers.get(code) for code in self._answers)]


def csv_text(cell: object) -> str:
    """Return a cell's text, in which no spreadsheet sees a formula, whatever it takes for a separator.

    An apostrophe comes before each sign that could begin one. A number stays, and so does a phone: +526561234567 is
    a number for a spreadsheet, and runs nothing.
    """
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    text = "" if cell is None else str(_local(cell))
    return text if _PHONE.fullmatch(text) else _FORMULA.sub(_harmless, text)


def _harmless(before: re.Match[str]) -> str:
    """Return what is before a sign, with an apostrophe if a formula could begin with the sign."""
    is_beginning = before.start() == 0 or any(separator in before[0] for separator in _SEPARATORS)
    return f"{before[0]}'" if is_beginning else before[0]


def lines_text(stored: Snapshot) -> str:
    """Return the lines of a quote in one text."""
    return "; ".join(map(_line, stored.lines))


def _line(line: Line) -> str:
    return f"{line.description}: {canonical(line.billed)} {line.unit}"
