"""Fees and discounts: what comes on top of the prices by itself, per line or per order.

    amount = quantity ÷ each × (price + rate × what the codes in `of` have been charged so far)

rounded once, then held between its minimum and its maximum. A discount is a fee below zero.
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from quoter.engine.conditions import ALL, Codes, Condition, Scope, all_hold
from quoter.engine.numbers import Figure
from quoter.engine.quantities import Factors, names_in, product_of
from quoter.engine.text import Text
from quoter.engine.tiers import FeeTier, NoTier, Pricing, Tier, graduated, tier_for


class FeePrice(BaseModel):
    """A row of a fee's table: the price, or the tiers, for these choices. All choices it names have to be made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    options: dict[str, str] = {}
    price: Figure = Decimal(0)
    rate: Figure = Decimal(0)
    tiers: tuple[FeeTier, ...] = ()

    def fits(self, scope: Scope) -> bool:
        return all(scope.choices.get(code) == choice for code, choice in self.options.items())


class Computed(NamedTuple):
    """What a fee comes to, before it is rounded. quantity: None for a fee that has none.

    price, rate: those that applied; base: what the rate is of; part: so much of it is charged, when a minimum or
    maximum has decided; parts: how much of the quantity is in which tier, of a graduated fee.
    """

    amount: Fraction
    quantity: Fraction | None
    price: Decimal
    rate: Decimal
    base: Decimal
    tier: Tier | None = None
    bound: Decimal | None = None
    parts: Sequence[tuple[Fraction, Tier]] = ()


class Fee(BaseModel):
    """A rule that charges by itself.

    quantity: names that are multiplied, as "km" or ["marquees", "further_days"]; without it the fee comes once. price:
    for `each` units of it (95.00 for each 60 minutes). rate, of: a part of what these codes have been charged so far,
    "all" for everything. tiers: by its own quantity, by the quantity `by`, or by the money of the codes `by_amount`.
    prices: a table by choices. gaps: what tiers and table lack is refused on
    purpose, and no fault. further: every unit after the first costs this part
    of the price. up_to: raises what `of` has been charged to this amount. minimum, maximum: of the fee itself, in
    money. start, until: first and last day.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    code: str
    label: Text
    help: Text | None = None
    when: tuple[Condition, ...] = ()
    start: date | None = Field(default=None, alias="from")
    until: date | None = None
    quantity: Factors = ()
    unit: str = ""
    each: Figure = Field(default=Decimal(1), gt=0)
    price: Figure = Decimal(0)
    rate: Figure = Decimal(0)
    of: Codes = (ALL,)
    pricing: Pricing = "unit"
    tiers: tuple[FeeTier, ...] = ()
    by: str = ""
    by_amount: Codes = ()
    prices: tuple[FeePrice, ...] = ()
    gaps: bool = False
    further: Figure | None = None
    up_to: Figure | None = None
    minimum: Figure | None = None
    maximum: Figure | None = None

    def computed(self, scope: Scope, *, on: date) -> Computed | None:
        """Return what the fee comes to, None when it does not apply; NoTier when it has no price for this request."""
        if (self.start and on < self.start) or (self.until and on > self.until) or not all_hold(self.when, scope):
            return None
        quantity = product_of(self.quantity, scope.numbers) if self.quantity else None
        if quantity == 0:
            return None
        base = scope.amount_of(self.of)
        if self.up_to is not None:
            return Computed(max(Fraction(self.up_to - base), Fraction(0)), None, self.up_to, Decimal(0), base)
        result = self._priced(scope, quantity, base)
        return self._bounded(result)

    def _priced(self, scope: Scope, quantity: Fraction | None, base: Decimal) -> Computed:
        row = self._row(scope)
        count = Fraction(1) if quantity is None else quantity / Fraction(self.each)
        if self.pricing == "graduated":
            parts = graduated(row.tiers, count)
            amount = sum((part * Fraction(tier.price) for part, tier in parts), Fraction(0))
            return Computed(amount, quantity, parts[-1][1].price, Decimal(0), base, parts[-1][1], parts=parts)
        tier = None
        price, rate = row.price, row.rate
        if row.tiers:
            tier = tier_for(row.tiers, self._place(scope, quantity))
            price, rate = tier.price, tier.rate
        if self.pricing == "flat":
            count = Fraction(1)
        elif self.further is not None:
            count = min(count, Fraction(1)) + max(count - 1, Fraction(0)) * Fraction(self.further)
        return Computed(count * (Fraction(price) + Fraction(rate) * Fraction(base)), quantity, price, rate, base, tier)

    def _row(self, scope: Scope) -> FeePrice:
        if not self.prices:
            return FeePrice(price=self.price, rate=self.rate, tiers=self.tiers)
        for row in self.prices:
            if row.fits(scope):
                return row
        raise NoTier(f"{self.code} has no price for these choices")

    def _place(self, scope: Scope, quantity: Fraction | None) -> Fraction:
        if self.by_amount:
            return Fraction(scope.amount_of(self.by_amount))
        return Fraction(scope.numbers.get(self.by, 0)) if self.by else quantity or Fraction(0)

    def _bounded(self, result: Computed) -> Computed:
        """Hold the amount within the fee's bounds. A discount has its bounds below zero: at most 500 off is -500."""
        bound = None
        if self.minimum is not None and result.amount < self.minimum:
            bound = self.minimum
        if self.maximum is not None and result.amount > self.maximum:
            bound = self.maximum
        return result if bound is None else result._replace(amount=Fraction(bound), bound=bound)

    @property
    def is_percent(self) -> bool:
        return bool(self.rate or any(tier.rate for tier in self.tiers) or any(row.rate for row in self.prices))

    def used_names(self) -> set[str]:
        """Return the names of the numbers that the fee is calculated from."""
        names = set(names_in([self.quantity])) | {condition.name for condition in self.when if condition.has_bounds}
        return names | ({self.by} if self.by else set())


def all_tiers(fee: Fee) -> Sequence[Sequence[Tier]]:
    """Return the fee's lists of tiers: its own, or those of the rows of its table."""
    return [row.tiers for row in fee.prices if row.tiers] or ([fee.tiers] if fee.tiers else [])
