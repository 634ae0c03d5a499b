"""Explains a line of the bill: why its quantity was rounded, which price applies, what a cheaper tier would cost."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from quoter.engine.measure import Measured
from quoter.engine.numbers import Number, as_decimal, decimal_places, grouped, money, written
from quoter.engine.pricebook import Extra, PriceBook, Product
from quoter.engine.text import Language, Text
from quoter.engine.tiers import Tier, graduated

MEASURED = Text(es="Medida: {steps} = {requested} {unit}.", en="Measured: {steps} = {requested} {unit}.")
ROUNDED = Text(
    es="Se vende de {step} en {step} {unit}: de {requested} sube a {rounded} {unit}.",
    en="Sold in steps of {step} {unit}: {requested} {unit} is billed as {rounded}.",
)
RAISED = Text(
    es="El pedido mínimo es de {minimum} {unit}: de {requested} sube a {minimum} {unit}.",
    en="The minimum order is {minimum} {unit}: {requested} {unit} is billed as {minimum}.",
)
ROUNDED_OTHERWISE = Text(
    es="{requested} {unit} se cobran como {rounded}.", en="{requested} {unit} is billed as {rounded}."
)
PACKS = Text(
    es="Se vende por {pack}: {requested} {unit} son {count} {packs} de {size} {unit}.",
    en="Sold by the {pack}: {requested} {unit} is {count} {packs} of {size} {unit}.",
)
LEAST = Text(es="El cobro mínimo es de {least}.", en="The minimum charge is {least}.")
TIER_RANGE = Text(
    es="Precio de {start} a {end} {unit}: {price} por {one}.",
    en="Price for {start} to {end} {unit}: {price} per {one}.",
)
TIER_EXACT = Text(
    es="Precio para {start} {unit}: {price} por {one}.",
    en="Price for {start} {unit}: {price} per {one}.",
)
TIER_OPEN = Text(
    es="Precio desde {start} {unit}: {price} por {one}.",
    en="Price for {start} {unit} or more: {price} per {one}.",
)
FLAT_RANGE = Text(es="Precio de {start} a {end} {unit}: {price}.", en="Price for {start} to {end} {unit}: {price}.")
FLAT_OPEN = Text(es="Precio desde {start} {unit}: {price}.", en="Price for {start} {unit} or more: {price}.")
NEXT_TIER_PRICE = Text(
    es="Desde {start} {unit} baja a {price}.", en="Order {start} {unit} or more and it drops to {price}."
)
NEXT_TIER_WITH_TAX = Text(
    es="Desde {start} {unit} baja a {price}: {start} {unit} costarían {amount}.",
    en="Order {start} {unit} or more and it drops to {price}: {start} {unit} would cost {amount}.",
)
NEXT_TIER_WITH_TAX_CHEAPER = Text(
    es="Desde {start} {unit} baja a {price}: {start} {unit} costarían {amount}, {less} menos.",
    en="Order {start} {unit} or more and it drops to {price}: {start} {unit} would cost {amount}, {less} less.",
)
NEXT_TIER = Text(
    es="Desde {start} {unit} baja a {price}: {start} {unit} costarían {amount} más impuestos.",
    en="Order {start} {unit} or more and it drops to {price}: {start} {unit} would cost {amount} plus tax.",
)
NEXT_TIER_CHEAPER = Text(
    es="Desde {start} {unit} baja a {price}: {start} {unit} costarían {amount} más impuestos, {less} menos.",
    en="Order {start} {unit} or more and it drops to {price}: {start} {unit} would cost {amount} plus tax, "
    "{less} less.",
)

# A cheaper tier is mentioned when it begins at 1.5 times the billed quantity or less, or when it costs less in total.
NEAR = Decimal("1.5")
_ONE = Decimal(1)


class Explained(NamedTuple):
    """What is explained of a line.

    rounded: the quantity rounded to the step; billed: that raised to the minimum; step: the size of a pack, if there
    is one; extras: the chosen ones; amount: of the line, extras included; raised_to: the least amount, when it decided;
    has_fees: whether fees or discounts are in the amount.
    """

    book: PriceBook
    product: Product
    measured: Measured
    rounded: Number
    billed: Number
    step: Decimal
    tiers: tuple[Tier, ...]
    tier: Tier
    extras: Sequence[Extra]
    amount: Decimal
    raised_to: Decimal | None
    has_fees: bool

    @property
    def has_more_to_count(self) -> bool:
        """Whether another quantity would change more of the line than its base and its extras per unit."""
        by_line = self.has_fees or self.product.pack or self.product.tiers_across == "product"
        return bool(by_line or any(extra.rate or extra.quantity or extra.each != 1 for extra in self.extras))


def explain(line: Explained, language: Language) -> str:
    """Return the explanation of a line, as one paragraph."""
    unit = line.book.unit_text(line.product.unit).in_(language)
    steps = line.measured.steps(language, line.book.unit_text)
    parts: list[str] = []
    if steps or line.product.pack or line.billed != line.measured.quantity:
        parts = _how_billed(line, steps, unit, language)
    if line.raised_to is not None:
        parts.append(LEAST.say(language, least=money(line.raised_to, line.book.currency)))
    elif len(line.tiers) > 1:
        parts.append(_which_tier(line, unit, language))
        if line.product.pricing == "unit" and (following := _next_cheaper(line)):
            parts += _next_tier(line, following, unit, language)
    return " ".join(parts)


def _how_billed(line: Explained, steps: str, unit: str, language: Language) -> list[str]:
    """Return how the quantity was calculated, and why another one is billed."""
    requested = _requested(as_decimal(line.measured.quantity), step=line.step)
    parts: list[str] = []
    if any(sign in steps for sign in "×÷−+"):
        of_so_many = line.book.unit_text(line.product.unit, line.measured.quantity).in_(language)
        parts.append(MEASURED.say(language, steps=steps, requested=requested, unit=of_so_many))
    if line.billed > line.rounded:
        minimum = written(as_decimal(line.billed))
        parts.append(RAISED.say(language, minimum=minimum, requested=requested, unit=unit))
    elif line.product.pack:
        parts.append(_packs(line, requested, unit, language))
    elif line.rounded != line.measured.quantity:
        parts.append(_rounded(line, requested, unit, language))
    return parts


def _packs(line: Explained, requested: str, unit: str, language: Language) -> str:
    assert line.product.pack
    count = Fraction(line.billed) / Fraction(line.step)
    name = line.product.pack.name
    return PACKS.say(
        language,
        pack=name.one.in_(language),
        packs=name.of(count).in_(language),
        count=written(as_decimal(count)),
        size=written(line.step),
        requested=requested,
        unit=unit,
    )


def _rounded(line: Explained, requested: str, unit: str, language: Language) -> str:
    rounded = written(as_decimal(line.rounded))
    is_up = line.rounded > line.measured.quantity and line.product.exact_to is None
    words = ROUNDED if is_up else ROUNDED_OTHERWISE
    return words.say(language, step=written(line.step), unit=unit, requested=requested, rounded=rounded)


def readable(quantity: Decimal, *, at_least: int) -> str:
    """Write a quantity with its own decimals, three at most, but with no fewer than `at_least` (17.64, 5.6, 87.620)."""
    places = max(at_least, min(3, decimal_places(quantity)))
    return grouped(quantity, places=places)


def _requested(quantity: Decimal, *, step: Decimal) -> str:
    """Write a requested quantity with enough decimals to show why it is rounded: 3.0004 in steps of 0.5, not 3.000."""
    exact, least = decimal_places(quantity), decimal_places(step)
    if quantity % step:
        least = next((places for places in range(least, exact) if round(quantity, places) % step), exact)
    return readable(quantity, at_least=least)


def _which_tier(line: Explained, unit: str, language: Language) -> str:
    tier, is_flat = line.tier, line.product.pricing == "flat"
    if line.product.pricing == "graduated":
        return f"{in_parts(graduated(line.tiers, line.billed), line.book.currency)}."
    values = {
        "start": written(tier.low),
        "unit": unit,
        "one": line.book.unit_text(line.product.unit, _ONE).in_(language),
        "price": money(tier.price, line.book.currency),
    }
    if tier.high is None:
        return (FLAT_OPEN if is_flat else TIER_OPEN).say(language, **values)
    if tier.high == tier.low and not is_flat:
        return TIER_EXACT.say(language, **values)
    return (FLAT_RANGE if is_flat else TIER_RANGE).say(language, end=written(tier.high), **values)


def in_parts(parts: Iterable[tuple[Fraction, Tier]], currency: str) -> str:
    """Write how much of a quantity is billed at which price: 50 × $3.00 + 1 × $1.50."""
    return " + ".join(f"{written(as_decimal(part))} × {money(tier.price, currency)}" for part, tier in parts)


def _next_cheaper(line: Explained) -> Tier | None:
    later = [other for other in line.tiers if other.low > line.billed and other.price < line.tier.price]
    return min(later, key=lambda other: other.low, default=None)


def _next_tier(line: Explained, following: Tier, unit: str, language: Language) -> list[str]:
    """Return what the next cheaper tier would cost, when it is near or when it costs less in total.

    What else the line has may depend on the quantity in other ways; then only the price is said.
    """
    is_near = following.low <= NEAR * as_decimal(line.billed)
    code = line.book.currency
    values = {"start": written(following.low), "unit": unit, "price": money(following.price, code)}
    if line.has_more_to_count:
        return [NEXT_TIER_PRICE.say(language, **values)] if is_near else []
    per_unit = [extra.price for extra in line.extras if extra.per == "unit"]
    now = _cost(line, line.billed, [line.tier.price, *per_unit])
    more = _cost(line, following.low, [following.price, *per_unit]) - now
    if more >= 0 and not is_near:
        return []
    values["amount"] = money(line.amount + more, code)
    has_tax = line.book.prices_include_tax or not line.book.taxes
    if more < 0:
        words = NEXT_TIER_WITH_TAX_CHEAPER if has_tax else NEXT_TIER_CHEAPER
        return [words.say(language, less=money(-more, code), **values)]
    return [(NEXT_TIER_WITH_TAX if has_tax else NEXT_TIER).say(language, **values)]


def _cost(line: Explained, quantity: Number, unit_prices: Sequence[Decimal]) -> Decimal:
    exact = as_decimal(quantity)
    return sum((line.book.rounded(exact * price) for price in unit_prices), Decimal("0.00"))
