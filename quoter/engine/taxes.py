"""Taxes: added to the prices or included in them, one or several at a time, retained, from one day to another."""

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from quoter.engine.numbers import Figure, Number
from quoter.engine.text import Text


class Tax(BaseModel):
    """A tax on the subtotal, as a fraction, from its first day to its last, both included.

    Without a last day it applies until the next tax begins. beside: it applies beside the others and follows those of
    its own name alone; retained: so too, and the customer keeps it back, so it makes the total smaller.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    name: str
    rate: Figure
    start: date = Field(alias="from")
    end: date | None = Field(default=None, alias="until")
    beside: bool = False
    retained: bool = False

    @property
    def series(self) -> str:
        """Taxes of one series follow each other by date: "" is the main one."""
        return self.name if self.beside or self.retained else ""


class Taxed(NamedTuple):
    """An amount with its taxes. parts: what each tax comes to; a retained one is below zero."""

    subtotal: Decimal
    parts: tuple[tuple[Tax, Decimal], ...]
    total: Decimal


def series_of(taxes: Sequence[Tax]) -> list[list[Tax]]:
    """Return the taxes that follow each other by date, the main ones first."""
    named: dict[str, list[Tax]] = {}
    for tax in taxes:
        named.setdefault(tax.series, []).append(tax)
    return [named[name] for name in sorted(named, key=bool)]


def in_force(taxes: Sequence[Tax], day: date) -> tuple[Tax, ...]:
    """Return the taxes on a day in the business's time zone, one of each series.

    When none is in force, the last one before that day goes on applying; before the first one begins, the first one
    does. A date that has passed must not stop the shop. The check finds a gap between two taxes; a system check warns
    when the last one has ended.
    """
    if len(taxes) == 1:
        return (taxes[0],)
    found = []
    for listed in series_of(taxes):
        begun = [tax for tax in listed if tax.start <= day]
        found.append(max(begun, key=_start) if begun else min(listed, key=_start))
    return tuple(found)


def _start(tax: Tax) -> date:
    return tax.start


def added_rate(taxes: Sequence[Tax]) -> Decimal:
    """Return what the taxes add to an amount, as a fraction; those that are retained do not count."""
    rate = Decimal(0)
    for tax in taxes:
        if not tax.retained:
            rate += tax.rate
    return rate


def taxed(amount: Decimal, taxes: Sequence[Tax], *, are_included: bool, rounded: Callable[[Number], Decimal]) -> Taxed:
    """Return an amount with its taxes, each rounded once. are_included: whether the amount has them inside."""
    whole = 1 + Fraction(added_rate(taxes)) if are_included else None
    subtotal = total = amount
    parts: list[tuple[Tax, Decimal]] = []
    for tax in taxes:
        if tax.retained:
            continue
        if whole is None:
            part = rounded(amount * tax.rate)
            total += part
        else:
            part = rounded(Fraction(amount) * Fraction(tax.rate) / whole)
            subtotal -= part
        parts.append((tax, part))
    for tax in taxes:
        if tax.retained:
            parts.append((tax, -rounded(subtotal * tax.rate)))
            total += parts[-1][1]
    return Taxed(subtotal, tuple(parts), total)


class Deposit(BaseModel):
    """What is paid in advance: a part of the total, an amount, or both; at least the minimum, at most the total."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: Text
    rate: Figure = Decimal(0)
    price: Figure = Decimal(0)
    minimum: Figure = Decimal(0)

    def of(self, total: Decimal, *, rounded: Callable[[Number], Decimal]) -> Decimal:
        return min(max(rounded(total * self.rate) + self.price, self.minimum), total)
