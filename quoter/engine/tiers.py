"""Tiers: prices by a quantity, or by the money so far."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from quoter.engine.conditions import within
from quoter.engine.numbers import Figure, Number, as_decimal, canonical

# unit: the price times the whole quantity; flat: the price once, for the whole band; graduated: each part of the
# quantity at the price of its own tier.
Pricing = Literal["unit", "flat", "graduated"]


class NoTier(LookupError):
    """The price book has no price for a quantity: a gap that the check finds, or a limit of what is priced online."""


class Tier(BaseModel):
    """A price for quantities from `start` to `end`, both included; without end: and above.

    above, below: bounds that are themselves outside of the tier, for quantities without a step.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    start: Figure = Field(default=Decimal(0), alias="from")
    end: Figure | None = Field(default=None, alias="to")
    above: Figure | None = None
    below: Figure | None = None
    price: Figure

    def covers(self, billed: Number) -> bool:
        if self.above is None and self.below is None:
            return self.start <= billed and (self.end is None or billed <= self.end)
        return within(billed, start=self.start, above=self.above, to=self.end, below=self.below)

    @property
    def low(self) -> Decimal:
        return self.start if self.above is None else max(self.start, self.above)

    @property
    def high(self) -> Decimal | None:
        return self.end if self.below is None else self.below


class FeeTier(Tier):
    """A tier of a fee. rate: in per cent, as a fraction."""

    price: Figure = Decimal(0)
    rate: Figure = Decimal(0)


_Tier = TypeVar("_Tier", bound=Tier)


def tier_for(tiers: Sequence[_Tier], billed: Number) -> _Tier:
    """Return the tier of a billed quantity; NoTier when none covers it."""
    for tier in tiers:
        if tier.covers(billed):
            return tier
    raise NoTier(f"no tier for {canonical(as_decimal(billed))}")


def graduated(tiers: Iterable[Tier], billed: Number) -> list[tuple[Fraction, Tier]]:
    """Return how much of a quantity is in each tier. A tier begins where the one before it ends."""
    parts, done = [], Fraction(0)
    for tier in tiers:
        high = tier.high
        end = Fraction(billed) if high is None else min(Fraction(billed), Fraction(high))
        if end > done:
            parts.append((end - done, tier))
            done = end
    if done < billed:
        raise NoTier(f"no tier for {billed}")
    return parts
