"""Conditions of rules: on what was chosen, on a number, on the money so far, on a day or an hour."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from quoter.engine.numbers import Figure, Number, to_cents

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ALL = "all"
EVERYTHING = (ALL,)
NOTHING = Decimal("0.00")


def _listed(given: object) -> object:
    return [given] if isinstance(given, str) else given


Codes = Annotated[tuple[str, ...], BeforeValidator(_listed)]


@dataclass(slots=True)
class Scope:
    """What the rules of a line, or of an order, may look at.

    numbers: by name; choices: the code chosen, or the day or hour answered, by the option's or question's code;
    amounts: what has been charged so far, by code, in order; tax_rate: of all taxes that are added to the prices.
    """

    numbers: dict[str, Number]
    choices: dict[str, str]
    amounts: list[tuple[str, Decimal]]
    tax_rate: Decimal

    def amount_of(self, codes: Collection[str]) -> Decimal:
        """Return what the codes have been charged so far; "all" stands for everything."""
        is_everything, total = ALL in codes, NOTHING
        for code, amount in self.amounts:
            if is_everything or code in codes:
                total += amount
        return total


class Condition(BaseModel):
    """One condition; a rule applies when all of its conditions hold.

    name: what it looks at: an option, a question or a number. is, is_not: choices; from, above, to, below: bounds of a
    number or, with amount_of, of the money charged so far for these codes, before tax or, with with_tax, tax included.
    weekdays, months, dates: of an answered day; from_hour (included), to_hour (not included): of an answered hour,
    past midnight when from_hour is the later one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    name: str = ""
    amount_of: Codes = ()
    with_tax: bool = False
    one_of: Codes = Field(default=(), alias="is")
    is_not: Codes = ()
    start: Figure | None = Field(default=None, alias="from")
    above: Figure | None = None
    to: Figure | None = None
    below: Figure | None = None
    weekdays: tuple[Weekday, ...] = ()
    months: tuple[Annotated[int, Field(ge=1, le=12)], ...] = ()
    dates: tuple[date, ...] = ()
    from_hour: time | None = None
    to_hour: time | None = None

    def holds(self, scope: Scope) -> bool:
        """Return whether the condition holds. One on a day or hour that was not answered does not."""
        if self.amount_of:
            amount = scope.amount_of(self.amount_of)
            return self._is_within(to_cents(amount * (1 + scope.tax_rate)) if self.with_tax else amount)
        if self.has_bounds and not self._is_within(scope.numbers.get(self.name, Fraction(0))):
            return False
        chosen = scope.choices.get(self.name, "")
        if (self.one_of and chosen not in self.one_of) or chosen in self.is_not:
            return False
        return self._is_day(chosen) and self._is_hour(chosen)

    @property
    def has_bounds(self) -> bool:
        return any(bound is not None for bound in (self.start, self.above, self.to, self.below))

    @property
    def is_point(self) -> bool:
        """Whether its bounds, when they meet, leave one number."""
        return self.above is None and self.below is None

    @property
    def is_of_day(self) -> bool:
        return bool(self.weekdays or self.months or self.dates)

    @property
    def is_of_hour(self) -> bool:
        return self.from_hour is not None or self.to_hour is not None

    def _is_within(self, number: Number) -> bool:
        return within(number, start=self.start, above=self.above, to=self.to, below=self.below)

    def _is_day(self, answer: str) -> bool:
        if not self.is_of_day:
            return True
        try:
            day = date.fromisoformat(answer)
        except ValueError:
            return False
        fits = not self.weekdays or WEEKDAYS[day.weekday()] in self.weekdays
        return fits and (not self.months or day.month in self.months) and (not self.dates or day in self.dates)

    def _is_hour(self, answer: str) -> bool:
        if not self.is_of_hour:
            return True
        try:
            hour = time.fromisoformat(answer)
        except ValueError:
            return False
        opens, closes = self.from_hour or time.min, self.to_hour
        if closes is not None and closes <= opens:
            return hour >= opens or hour < closes
        return hour >= opens and (closes is None or hour < closes)


def within(
    number: Number, *, start: Decimal | None, above: Decimal | None, to: Decimal | None, below: Decimal | None
) -> bool:
    """Return whether a number is from `start` (included) or `above` (not included) `to` or `below`."""
    return (
        (start is None or number >= start)
        and (above is None or number > above)
        and (to is None or number <= to)
        and (below is None or number < below)
    )


def all_hold(conditions: Iterable[Condition], scope: Scope) -> bool:
    return all(condition.holds(scope) for condition in conditions)
