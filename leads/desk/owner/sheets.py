"""The two things that an owner edits, as cells: the texts in force, the draft over them, and the document they make."""

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from functools import cached_property
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from leads import phones
from quoter import site
from quoter.engine.finding import BookFinding, PriceBookInvalid
from quoter.engine.pricebook import PriceBook, parse
from quoter.shop import details, draft, publishing, served
from quoter.shop.models import DraftCell, Published
from quoter.shop.table import cells, edits, examples, numbers, rows
from quoter.shop.table.cells import Cell

LONGEST_TEXT = 1_000


def content_in_force(kind: str) -> str:
    row = Published.objects.filter(kind=kind).begun().first()
    return row.content if row else publishing.first_content(kind)


class Sheet:
    """texts: of the version in force, and of the drafted new rows, by path; drafted: what differs, by path.

    lost: what somebody typed into a cell that has changed, or gone, under the draft.
    """

    kind: str
    content: str
    texts: dict[str, str]

    def _read_draft(self) -> None:
        stored = {each.path: each for each in DraftCell.objects.filter(kind=self.kind)}
        self.drafted = draft.current(stored.values(), self.texts)
        same = {path for path, each in stored.items() if self.texts.get(path, "") == each.text}
        self.lost = [each for path, each in stored.items() if path not in self.drafted and path not in same]

    @property
    def changes(self) -> dict[str, str]:
        return {path: each.text for path, each in self.drafted.items()}

    def shown(self, path: str, text: str) -> str:
        """Return the text of a cell as a form has it."""
        return text

    def read(self, path: str, typed: str) -> str:
        """Return what was typed into a cell as the document has it; ValueError for what cannot be its value."""
        raise NotImplementedError

    def drafted_content(self) -> str:
        """Return the document with the draft, without another version's name."""
        raise NotImplementedError

    def to_publish(self, today: date) -> str:
        raise NotImplementedError

    @cached_property
    def findings(self) -> list[BookFinding]:
        """What is wrong with the draft; [] when it could be published."""
        try:
            served.check(self.kind, self.drafted_content())
        except PriceBookInvalid as invalid:
            return list(invalid.findings)
        return []


class Prices(Sheet):
    """The price list. base: its document with the drafted new rows; walked: its rows and cells, in their order; after:
    with the whole draft.
    """

    kind = served.PRICES

    def __init__(self) -> None:
        self.content = content_in_force(self.kind)
        in_force = rows.parse(self.content)
        new = DraftCell.objects.filter(kind=self.kind, was="").exclude(text="").values_list("path", "text")
        self.base, self.added = edits.with_rows(in_force, {path: text for path, text in new if rows.is_row(path)})
        self.walked = list(cells.walk(self.base, site.language()))
        self.cells = {each.path: each for each in self.walked if isinstance(each, Cell)}
        self.texts = edits.texts_of(self.base, self.added)
        self._read_draft()

    @property
    def after(self) -> rows.Document:
        """The document with the whole draft, and its examples with what they come to then."""
        return self._become[0]

    @property
    def left_out(self) -> list[str]:
        """The examples that go with the draft, in their own words."""
        return self._become[1]

    @cached_property
    def _become(self) -> tuple[rows.Document, list[str]]:
        return self.become(self.changes) if self.changes else (edits.changed(self.base, {}), [])

    def become(self, changes: Mapping[str, str]) -> tuple[rows.Document, list[str]]:
        """Return the document with these changes, and the examples that go with them."""
        after = edits.changed(self.base, changes)
        with suppress(PriceBookInvalid):
            return examples.as_they_become(after, parse(rows.dumps(after)))
        return after, []

    def shown(self, path: str, text: str) -> str:
        return numbers.percent(text) if path in self.cells and self.cells[path].kind == "rate" and text else text

    def read(self, path: str, typed: str) -> str:
        cell, text = self.cells[path], typed.strip()
        if text == "" and cell.kind == "number" and cell.field in cells.TIER_BOUNDS:
            return ""
        try:
            if cell.kind == "rate":
                return numbers.fraction(text)
            if cell.kind == "number":
                return numbers.number(text, signed=cell.is_signed)
        except (numbers.NotANumber, ArithmeticError):
            raise ValueError(_("Write a number such as 1890.00.")) from None
        if cell.kind == "date":
            try:
                return date.fromisoformat(text).isoformat()
            except ValueError:
                raise ValueError(_("Write a day such as 2027-01-31.")) from None
        if cell.kind == "choice":
            return text
        if len(text) > LONGEST_TEXT or any(not letter.isprintable() and letter not in "\n\t" for letter in text):
            raise ValueError(_("This text is too long, or has a character that cannot be shown."))
        return text

    def drafted_content(self) -> str:
        return rows.dumps(self.after) if self.changes else self.content

    def to_publish(self, today: date) -> str:
        """Return the document under a version that no other prices have: the day, and a number if it needs one."""
        known = Published.objects.filter(kind=self.kind).values_list("content", flat=True)
        used = {_version(content) for content in [self.content, *known.filter(content__contains=str(today))]}
        names = (f"{today}.{number}" if number > 1 else str(today) for number in range(1, len(used) + 2))
        return rows.dumps(self.after | {"version": next(name for name in names if name not in used)})

    def book(self) -> PriceBook:
        """Return what the draft means; only when nothing is wrong with it."""
        book: PriceBook = served.check(self.kind, self.drafted_content())
        return book


class Details(Sheet):
    """The shop's settings. Its cells have the names of the variables."""

    kind = served.DETAILS

    def __init__(self) -> None:
        self.content = content_in_force(self.kind)
        self._given = json.loads(self.content)
        ready = details.ready(self._given)
        self.texts = {**dict.fromkeys(details.names(), ""), **settings.SHOP_TEXTS, **self._given, **ready}
        self._read_draft()

    def read(self, path: str, typed: str) -> str:
        text = typed.replace("\r\n", "\n").strip()
        value = details.value_of(path, text)
        if path == "WHATSAPP_NUMBER" and not phones.is_valid(value):
            raise ValueError(_("No phone has this number."))
        return text

    def drafted_content(self) -> str:
        return details.document(self._given | self.changes)

    def to_publish(self, today: date) -> str:
        return details.document(with_notice_version(self._given, self.changes, today))


def with_notice_version(given: Mapping[str, Any], changes: Mapping[str, str], today: date) -> dict[str, Any]:
    """Return the settings after the changes; those of the privacy notice make another version of it."""
    after = {**given, **changes}
    if any(path.startswith(details.NOTICE) for path in changes):
        number = 1 + str(given.get(details.NOTICE_VERSION, "")).startswith(str(today))
        after[details.NOTICE_VERSION] = f"{today}.{timezone.now():%H%M%S}" if number > 1 else str(today)
    return after


SHEETS: dict[str, type[Sheet]] = {served.PRICES: Prices, served.DETAILS: Details}


def _version(content: str) -> str:
    try:
        return parse(content).version
    except PriceBookInvalid:
        return ""
