"""What the calculator's form holds, and how its edit buttons change it and take that back.

What was removed stays in the form, in one hidden field, so that undo needs no storage, no script and no cookie, and
comes back with the rest when the form is restored.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import NamedTuple, Self
from urllib.parse import urlencode

from django.core.exceptions import SuspiciousOperation
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict

from quoter import forms
from quoter.engine.pricebook import PriceBook
from quoter.engine.pricing import MAX_LINES, TOO_MANY_LINES, FieldError
from quoter.engine.text import Language
from quoter.example import worked
from quoter.forms import ANSWER, TypedLine, touched, typed_answers, typed_lines
from quoter.reprice import BEFORE

# The hidden field: the removals, oldest first, with a space between them. Each is a query string of the fields that
# went away, with the numbers that their lines had.
REMOVED = "removed"
# Names of fields in a removal: of everything, and of a line whose place an empty one took.
ALL, EMPTIED = "all", "emptied"
# Of that field, in characters; older removals are forgotten. A full form has about 30 kB.
_LONGEST = 64 * 1024


class Removal(NamedTuple):
    """The latest removal, for the page. place: the number of the line it stands before; what: was removed."""

    place: int
    is_all: bool
    is_new: bool
    what: str

    @property
    def ordinal(self) -> int:
        return self.place + 1


@dataclass(frozen=True)
class Draft:
    """What the form holds.

    before: the reference of the quote that is changed, or ""; removed: the removals, oldest first; has_removed: whether
    the latest edit removed something.
    """

    lines: Sequence[TypedLine] = ()
    answers: Mapping[str, str] = field(default_factory=dict)
    before: str = ""
    removed: tuple[str, ...] = ()
    has_removed: bool = False

    @classmethod
    def read(cls, form: MultiValueDict[str, str]) -> tuple[Self, list[FieldError]]:
        """Return what was posted, and the errors of the form as a whole."""
        lines, errors = typed_lines(form)
        text = form.get(REMOVED, "")
        removed = text[-_LONGEST:].split(" ")[len(text) > _LONGEST :]  # the first is cut then
        return cls(lines, typed_answers(form), form.get(BEFORE, ""), tuple(filter(None, removed))), errors

    def edited(self, edit: str, book: PriceBook) -> tuple[Self, list[FieldError]]:
        """Return the form after one edit button, and an error when there is no room for another line.

        edit: restart, undo:<line>, example:0 for the worked one in an empty form, or as `forms.edited` takes it;
        anything else changes nothing.
        """
        name, _colon, number = edit.partition(":")
        if name == "undo" and self.removed:
            return self._undone(book)
        if name == "restart" and self._has_something(book):
            fields = [(ALL, "1"), *self._fields(range(len(self.lines)))]
            fields += [(f"{ANSWER}{code}", text) for code, text in self.answers.items()]
            fields += [(BEFORE, self.before)] if self.before else []
            return replace(self._keeping(fields), lines=(), answers={}, before=""), []
        if name == "example" and not any(touched(self.lines, book)) and (example := worked()):
            lines = [replace(line, is_edited=True) for line in deepcopy(example.lines)]
            return replace(self, lines=lines, answers={**self.answers, **example.answers}), []
        lines, errors = forms.edited([*self.lines], edit, book)
        before = self
        if name == "remove" and len(lines) < len(self.lines):
            before = self._keeping(self._fields([int(number)]))
        elif name == "switch" and lines != [*self.lines] and any(touched([self.lines[int(number)]], book)):
            before = self._keeping([(EMPTIED, "1"), *self._fields([int(number)])])
        return replace(before, lines=lines), errors

    def latest(self, book: PriceBook, language: Language) -> Removal | None:
        """Return the removal that the page offers to undo."""
        if not self.removed:
            return None
        fields = _fields_of(self.removed[-1])
        place = min(min(forms.line_numbers(fields), default=0), max(len(self.lines), 1))
        [line, *_] = typed_lines(fields)[0] or [TypedLine()]
        product = book.product(line.product)
        preset = next((each for each in book.presets if each.code == line.preset), None)
        label = preset.label if preset else product.label if product else None
        return Removal(place, ALL in fields, self.has_removed, label.in_(language) if label else "")

    @property
    def is_restarted(self) -> bool:
        return self.has_removed and not self.lines

    def _has_something(self, book: PriceBook) -> bool:
        return bool(self.before or len(self.lines) > 1 or any(touched(self.lines, book)) or any(self.answers.values()))

    def _fields(self, numbers: Sequence[int]) -> list[tuple[str, str]]:
        return [each for number in numbers for each in self.lines[number].fields(number)]

    def _keeping(self, fields: list[tuple[str, str]]) -> Self:
        return replace(self, removed=_latest([*self.removed, urlencode(fields)]), has_removed=True)

    def _undone(self, book: PriceBook) -> tuple[Self, list[FieldError]]:
        fields = _fields_of(self.removed[-1])
        restored, _errors = typed_lines(fields)
        place = min(min(forms.line_numbers(fields), default=0), len(self.lines))
        lines = [*self.lines]
        end = place
        if EMPTIED in fields and lines[place:] and not any(touched(lines[place : place + 1], book)):
            end += 1
        if ALL in fields:  # what was typed since stays, after what comes back
            place, end, lines = 0, 0, [line for line, counts in zip(lines, touched(lines, book), strict=True) if counts]
        else:
            for line in restored:
                product = book.product(line.product)
                line.is_edited = bool(product and line.is_begun(product))
        lines[place:end] = restored
        if len(lines) > MAX_LINES:
            return self, [FieldError("lines", TOO_MANY_LINES)]
        answers = {**self.answers, **{code: text for code, text in typed_answers(fields).items() if text}}
        before = self.before or fields.get(BEFORE, "")
        return replace(self, lines=lines, answers=answers, before=before, removed=self.removed[:-1]), []


def _latest(removed: Sequence[str]) -> tuple[str, ...]:
    """Return as many of the latest removals as are kept."""
    sizes = accumulate(len(each) for each in reversed(removed))
    count = sum(size <= _LONGEST for size in sizes)
    return tuple(removed[len(removed) - count :])


def _fields_of(removal: str) -> QueryDict:
    try:
        return QueryDict(removal)
    except SuspiciousOperation:  # more fields than any form of ours has
        return QueryDict()
