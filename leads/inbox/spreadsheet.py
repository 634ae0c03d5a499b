"""Leads as a spreadsheet for people: an XLSX file in the language of the thread, in constant memory."""

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import IO, Any, NamedTuple, Self

from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from xlsxwriter import Workbook
from xlsxwriter.exceptions import FileCreateError

from leads.customer import answers
from leads.inbox import flags
from leads.models import Lead
from leads.privacy.export import Row, lines_text
from quoter import site

# With the row of headings. A spreadsheet has no more rows.
MOST_ROWS = 1_048_576
FIRST_YEAR = 1900  # of a spreadsheet's calendar
# XML can hold none of these.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class Column(NamedTuple):
    """heading: translated when it is written; width: in characters; value: the text, time or amount of a row."""

    heading: Any
    width: int
    value: Callable[[Row], object]


COLUMNS = [
    Column(_("Folio"), 20, lambda row: row.values["folio"]),
    Column(_("quoted at"), 16, lambda row: row.values["created_at"]),
    Column(_("asked at"), 16, lambda row: row.values["submitted_at"]),
    Column(_("Valid until"), 16, lambda row: row.stored.valid_until),
    Column(_("status"), 12, lambda row: _status(row.values["status"])),
    Column(_("Name"), 26, lambda row: row.values["name"]),
    Column(_("Phone"), 16, lambda row: row.values["phone"]),
    Column(_("Quote"), 44, lambda row: lines_text(row.stored)),
    Column(_("Discount"), 13, lambda row: row.stored.discount),
    Column(_("Subtotal"), 13, lambda row: row.stored.subtotal),
    Column(_("tax"), 13, lambda row: row.stored.tax),
    Column(_("Total"), 13, lambda row: row.stored.total),
    Column(_("currency"), 9, lambda row: row.stored.currency),
    Column(_("Source"), 14, lambda row: row.stored.source),
    Column(_("quoted by"), 18, lambda row: row.stored.seller),
    Column(_("remarks"), 18, lambda row: ", ".join(map(str, flags.labels(row.stored)))),
    Column(_("contacted at"), 16, lambda row: row.values["contacted_at"]),
    Column(_("contacted by"), 18, lambda row: row.seller),
    Column(_("next step on"), 16, lambda row: row.arranged.step and row.arranged.step.step_at),
    Column(_("Next step"), 30, lambda row: row.arranged.step and row.arranged.step.step),
    Column(_("customer of"), 18, lambda row: _full_name(row.arranged.seller)),
    Column(_("outcome"), 12, lambda row: row.arranged.outcome and row.arranged.outcome.get_kind_display()),
    Column(_("outcome amount"), 13, lambda row: row.arranged.outcome and row.arranged.outcome.amount),
    Column(_("Reason"), 24, lambda row: row.arranged.outcome and row.arranged.outcome.reason),
    Column(_("outcome at"), 16, lambda row: row.arranged.outcome and row.arranged.outcome.at),
    Column(_("outcome by"), 18, lambda row: row.arranged.outcome and _full_name(row.arranged.outcome.by)),
    Column(_("notes"), 40, lambda row: row.values["notes"]),
]


class Spreadsheet:
    """Writes rows into a file, which is complete after `close`. After MOST_ROWS rows another sheet begins.

    directory: for temporary files, which hold everything; only their owner may read it, and the caller removes it.
    """

    def __init__(self, out: IO[bytes], *, directory: str) -> None:
        options = {"constant_memory": True, "tmpdir": directory, "default_date_format": "yyyy-mm-dd hh:mm"}
        self._sink = _Sink(out)
        self._book = Workbook(self._sink, options)
        self._book.use_zip64()  # a sheet of many long notes is larger than 4 GB
        self._bold = self._book.add_format({"bold": True, "bottom": 1})
        self._money = self._book.add_format({"num_format": "#,##0.00"})
        self._columns = [*COLUMNS, *map(_answer, answers.columns(site.language()))]
        self._next_row = MOST_ROWS

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._sink.is_over = True
        for sheet in self._book.worksheets():
            sheet._opt_close()  # a temporary file that stays open when the file was not completed

    def write(self, rows: Iterable[Row]) -> None:
        for row in rows:
            if self._next_row == MOST_ROWS:
                self._add_sheet()
            for number, column in enumerate(self._columns):
                self._write_cell(number, column.value(row))
            self._next_row += 1

    def write_remark(self, text: str) -> None:
        """Write a text into a row of its own."""
        if self._next_row == MOST_ROWS:
            self._add_sheet()
        self._sheet.write_string(self._next_row, 0, text)
        self._next_row += 1

    def close(self) -> None:
        """Complete the file. OSError when the disk does not take it."""
        if not self._book.worksheets():
            self._add_sheet()
        self._end_sheet()
        try:
            self._book.close()
        except FileCreateError as error:
            raise error.args[0] from error

    def _add_sheet(self) -> None:
        number = len(self._book.worksheets()) + 1
        if number > 1:
            self._end_sheet()
        title = gettext("Leads")
        self._sheet = self._book.add_worksheet(title if number == 1 else f"{title} {number}")
        self._sheet.freeze_panes(1, 0)
        for column_number, column in enumerate(self._columns):
            self._sheet.set_column(column_number, column_number, column.width)
            self._sheet.write_string(0, column_number, capfirst(str(column.heading)), self._bold)
        self._next_row = 1

    def _end_sheet(self) -> None:
        last_row, last_column = max(self._next_row - 1, 1), len(self._columns) - 1
        self._sheet.autofilter(0, 0, last_row, last_column)
        # Else each phone has a mark that says that it looks like a number.
        self._sheet.ignore_errors({"number_stored_as_text": f"A1:XFD{MOST_ROWS}"})

    def _write_cell(self, column: int, value: object) -> None:
        match value:
            case None | "":
                return
            case datetime():
                at = timezone.localtime(value).replace(tzinfo=None)
                if at.year >= FIRST_YEAR:
                    self._sheet.write_datetime(self._next_row, column, at)
                else:
                    self._sheet.write_string(self._next_row, column, str(at))
            case Decimal():
                self._sheet.write_number(self._next_row, column, float(value), self._money)
            case _:
                # Always as text: `write` would take a text that begins with = for a formula.
                self._sheet.write_string(self._next_row, column, _cell_text(str(value)))


class _Sink:
    """The file as XlsxWriter sees it. When it is over, nothing more is written.

    After a fault, Python's ZipFile would write its end when it is collected as garbage, and print a second traceback.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.is_over = file, False

    def write(self, data: bytes) -> int:
        return len(data) if self.is_over else self._file.write(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        return 0 if self.is_over else self._file.seek(offset, whence)

    def tell(self) -> int:
        return 0 if self.is_over else self._file.tell()

    def flush(self) -> None:
        if not self.is_over:
            self._file.flush()


def _cell_text(text: str) -> str:
    kept = _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
    # XlsxWriter takes such a text for XML of its own, and would write it unescaped.
    return f"{kept} " if kept.endswith("</r>") else kept


def _status(stored: object) -> object:
    """Return a status in words. An adopted table may have others than Folio's, which stay as they are."""
    return dict(Lead.Status.choices).get(str(stored), stored)


def _full_name(user: User | None) -> str:
    return (user.get_full_name() or user.get_username()) if user else ""


def _answer(question: tuple[str, str]) -> Column:
    code, label = question

    def in_words(row: Row) -> str:
        given = row.stored.customer.answers.get(code, "")
        return next((said for _label, said in answers.in_words({code: given}, site.language())), "")

    return Column(label, 24, in_words)
