"""A cell of the owner's pages as the templates show it: label, value, what is in force, what is wrong."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext as translated

from leads.desk.owner.sheets import Prices, Sheet
from quoter.engine.finding import BookFinding
from quoter.shop import draft
from quoter.shop.table import rows
from quoter.shop.table.cells import TIER_BOUNDS

_NO_LETTER_OR_DIGIT = re.compile(r"[\W_]")


@dataclass(frozen=True)
class Field:
    """value, was: as a form has them, was None: nothing is drafted; seen: the mark of what the draft has; by: who
    changed it; before, after: what stands beside it; where: customers see it; options: (value, words) to choose from.
    """

    path: str
    label: str
    value: str
    seen: str
    was: str | None
    by: str
    errors: tuple[str, ...]
    kind: str = "number"
    before: str = ""
    after: str = ""
    where: str = ""
    said: str = ""
    options: tuple[tuple[str, str], ...] = ()
    column: str = ""

    @cached_property  # the page asks for it six times
    def id(self) -> str:
        return id_of(self.path)

    @property
    def is_long(self) -> bool:
        return self.kind in ("area", "picture", "photo") or len(self.value) > 40

    @property
    def is_number(self) -> bool:
        return self.kind in ("number", "price", "rate")


@dataclass
class Shown:
    """A sheet as its page shows it. typed, errors: what could not be saved, by path; found: the draft's findings.

    Every finding is taken by the one who shows its place; those that nobody takes are `general`.
    """

    sheet: Sheet
    typed: Mapping[str, str]
    errors: Mapping[str, str]
    findings: Sequence[BookFinding] = ()
    _left: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        empty = self._empty() if self.findings else set()
        self._left = {path: [_("Fill this in.")] for path in empty}
        for finding in self.findings:
            path = rows.path_of(self.sheet.after, finding.place) if isinstance(self.sheet, Prices) else finding.place
            if path not in empty:
                self._left.setdefault(path, []).append(in_words(finding))
        for path in filter(rows.is_row, self.errors):
            self._left.setdefault(path, []).append(self.errors[path])

    def _empty(self) -> set[str]:
        """Return the cells that must not stay empty. Not all have a finding: the check stops at the first ones."""
        if not isinstance(self.sheet, Prices):
            return set()
        gone = [path for path, text in self.sheet.changes.items() if not text and rows.is_row(path)]
        needed = [cell.path for cell in self.sheet.cells.values() if cell.field not in TIER_BOUNDS]
        empty = {path for path in needed if self.text(path) == ""}
        return {path for path in empty if not any(rows.is_below(path, row) for row in gone)}

    def text(self, path: str) -> str:
        drafted = self.sheet.drafted.get(path)
        return drafted.text if drafted else self.sheet.texts.get(path, "")

    def field(self, path: str, label: str, **more: Any) -> Field:
        cell = self.sheet.drafted.get(path)
        text = self.text(path)
        own = [self.errors[path]] if path in self.errors else []
        return Field(
            path=path,
            label=label,
            value=self.typed.get(path, self.sheet.shown(path, text)),
            seen=draft.mark(text),
            was=self.sheet.shown(path, self.sheet.texts.get(path, "")) if cell else None,
            by=cell.by if cell else "",
            errors=(*own, *self._left.pop(path, ())),
            **more,
        )

    def of_row(self, path: str) -> list[str]:
        """Take the findings of a row, and of what is in it and no cell."""
        below = [each for each in self._left if each == path or rows.is_below(each, path)]
        return [message for each in below for message in self._left.pop(each)]

    def general(self) -> list[str]:
        """Return the findings that stand beside nothing."""
        return [message for messages in self._left.values() for message in messages]


def in_words(finding: BookFinding) -> str:
    """Return what a finding says, in the language of the page where it has words for that."""
    return translated(finding.template) % finding.params


def id_of(path: str) -> str:
    return _NO_LETTER_OR_DIGIT.sub("-", path)
