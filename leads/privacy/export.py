"""Export leads as CSV or JSON lines, a page at a time, and add an event to each exported lead."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, TextIO

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone

from leads import customer, snapshot
from leads.models import LeadEvent, LeadQuerySet
from leads.paging import pages
from leads.snapshot import Line
from quoter.engine.numbers import canonical

# Excel reads a CSV file as UTF-8 only with this mark.
BYTE_ORDER_MARK = "\ufeff"

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
    "quote_data": "quote_data",
}
_COMMAND_STARTS = tuple("=+-@\t\r\n＝＋－＠")


class ExportFormat(StrEnum):
    """CSV: a row for each lead, for a spreadsheet. JSONL: a line with a lead's whole row as JSON, for a program."""

    CSV = "csv"
    JSONL = "jsonl"


def export(
    out: TextIO, leads: LeadQuerySet, *, only: Q, form: ExportFormat, by: User | None, clock: Callable[[], datetime]
) -> Iterator[tuple[int, float]]:
    """Write leads, oldest first; after each page yield how many were written so far, and the progress from 0 to 1.

    leads: all, or those of a range of created_at; only: a filter on each page; by: who exports, None for a command.
    Times are in the business's zone. Each lead gets its event before it is written, so no export goes unrecorded.
    """
    write = _csv_writer(out) if form is ExportFormat.CSV else _jsonl_writer(out)
    written = 0
    for page in pages(leads):
        found = list(page.leads.filter(only).values_list("pk", *FIELDS.values()))
        if found:
            LeadEvent.objects.note(
                LeadEvent.Kind.EXPORTED, [pk for pk, *_ in found], by=by, now=clock(), detail=str(form)
            )
            write(as_data(row) for _, *row in found)
            written += len(found)
        yield written, page.fraction


def as_data(values: Iterable[Any]) -> dict[str, Any]:
    """Return a row as JSON values. values: in the order of FIELDS."""
    return {
        name: timezone.localtime(value).isoformat() if isinstance(value, datetime) else value
        for name, value in zip(FIELDS, values, strict=True)
    }


def _jsonl_writer(out: TextIO) -> Callable[[Iterable[dict[str, Any]]], None]:
    def write(rows: Iterable[dict[str, Any]]) -> None:
        out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)

    return write


def _csv_writer(out: TextIO) -> Callable[[Iterable[dict[str, Any]]], None]:
    sheet = csv.writer(out)
    answers = [field.name for field in customer.OPTIONAL]
    sheet.writerow([*COLUMNS, *answers])

    def write(rows: Iterable[dict[str, Any]]) -> None:
        sheet.writerows([escape_formula(cell) for cell in _cells(row, answers)] for row in rows)

    return write


def escape_formula(cell: object) -> str:
    """Return a cell's text, marked with an apostrophe when a spreadsheet would read it as a formula.

    The apostrophe is a spreadsheet's own mark for text. Phones get it too, because +526561234567 would lose its plus.
    """
    text = "" if cell is None else f"{cell:f}" if isinstance(cell, Decimal) else str(cell)
    return f"'{text}" if text.startswith(_COMMAND_STARTS) else text


def _cells(row: Mapping[str, Any], answers: Sequence[str]) -> list[object]:
    stored = snapshot.read(row["quote_data"])
    from_quote = {
        "lines": "; ".join(map(_line, stored.lines)),
        "subtotal": stored.subtotal,
        "tax": stored.tax,
        "total": stored.total,
        "currency": stored.currency,
    }
    known = [from_quote[column] if column in from_quote else row[column] for column in COLUMNS]
    return [*known, *(stored.customer.answers.get(name) for name in answers)]


def _line(line: Line) -> str:
    return f"{line.description}: {canonical(line.billed)} {line.unit}"
