"""Explains a line of the bill: why its quantity was rounded, which price applies, what a cheaper tier would cost."""

from collections.abc import Sequence
from decimal import Decimal

from quoter.engine.measure import Measured, unit_text
from quoter.engine.numbers import canonical, grouped, money, to_cents
from quoter.engine.pricebook import Extra, Product, Tier
from quoter.engine.text import Language, Text

MEASURED = Text(es="Medida: {steps} = {requested} {unit}.", en="Measured: {steps} = {requested} {unit}.")
ROUNDED = Text(
    es="Se surte de {step} en {step} {unit}: {requested} {unit} se cobran como {rounded}.",
    en="Sold in steps of {step} {unit}: {requested} {unit} is billed as {rounded}.",
)
RAISED = Text(
    es="El pedido mínimo es de {minimum} {unit}: {requested} {unit} se cobran como {minimum}.",
    en="The minimum order is {minimum} {unit}: {requested} {unit} is billed as {minimum}.",
)
TIER_RANGE = Text(
    es="Precio de {start} a {end} {unit}: {price} por {unit}.",
    en="Price from {start} to {end} {unit}: {price} per {unit}.",
)
TIER_EXACT = Text(
    es="Precio para {start} {unit}: {price} por {unit}.",
    en="Price for {start} {unit}: {price} per {unit}.",
)
TIER_OPEN = Text(
    es="Precio desde {start} {unit}: {price} por {unit}.",
    en="Price from {start} {unit} on: {price} per {unit}.",
)
NEXT_TIER = Text(
    es="Desde {start} {unit} baja a {price}: {start} {unit} costarían {amount} más impuestos.",
    en="From {start} {unit} on it drops to {price}: {start} {unit} would cost {amount} plus tax.",
)
NEXT_TIER_CHEAPER = Text(
    es="Desde {start} {unit} baja a {price}: {start} {unit} costarían {amount} más impuestos, {less} menos.",
    en="From {start} {unit} on it drops to {price}: {start} {unit} would cost {amount} plus tax, {less} less.",
)

# A cheaper tier is mentioned when it begins at 1.5 times the billed quantity or less, or when it costs less in total.
NEAR = Decimal("1.5")


def explain(
    product: Product,
    measured: Measured,
    *,
    rounded: Decimal,
    billed: Decimal,
    tiers: tuple[Tier, ...],
    tier: Tier,
    extras: Sequence[Extra],
    amount: Decimal,
    language: Language,
) -> str:
    """Return the explanation of one line, as one paragraph.

    rounded: the quantity rounded up to the step; billed: that raised to the minimum; extras: the chosen ones; amount:
    of the line, extras included.
    """
    places = decimal_places(product.step)
    unit, requested = unit_text(product.unit).in_(language), _requested(measured.quantity, step=product.step)
    steps = measured.steps.in_(language)
    parts: list[str] = []

    if "×" in steps:
        parts.append(MEASURED.say(language, steps=steps, requested=requested, unit=unit))
    if billed > rounded:
        parts.append(RAISED.say(language, minimum=canonical(billed), requested=requested, unit=unit))
    elif rounded != measured.quantity:
        step = canonical(product.step)
        billed_as = grouped(rounded, places=places)
        parts.append(ROUNDED.say(language, step=step, unit=unit, requested=requested, rounded=billed_as))
    if len(tiers) > 1:
        parts.append(_which_tier(tier, unit=unit, language=language))
    if following := _next_cheaper(tiers, tier, billed=billed):
        per_unit = [extra.price for extra in extras if extra.per == "unit"]
        more = _cost(following.start, [following.price, *per_unit]) - _cost(billed, [tier.price, *per_unit])
        if more < 0 or following.start <= NEAR * billed:
            parts.append(_next_tier(following, unit=unit, amount=amount + more, more=more, language=language))
    return " ".join(parts)


def decimal_places(number: Decimal) -> int:
    """Return how many decimals a number is written with: 0.50 -> 1, 100 -> 0."""
    exponent = number.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


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


def _which_tier(tier: Tier, *, unit: str, language: Language) -> str:
    values = {"start": canonical(tier.start), "unit": unit, "price": money(tier.price)}
    if tier.end is None:
        return TIER_OPEN.say(language, **values)
    if tier.end == tier.start:
        return TIER_EXACT.say(language, **values)
    return TIER_RANGE.say(language, end=canonical(tier.end), **values)


def _next_cheaper(tiers: tuple[Tier, ...], tier: Tier, *, billed: Decimal) -> Tier | None:
    later = [other for other in tiers if other.start > billed and other.price < tier.price]
    return min(later, key=lambda other: other.start, default=None)


def _cost(quantity: Decimal, unit_prices: Sequence[Decimal]) -> Decimal:
    return sum((to_cents(quantity * price) for price in unit_prices), Decimal("0.00"))


def _next_tier(following: Tier, *, unit: str, amount: Decimal, more: Decimal, language: Language) -> str:
    values = {
        "start": canonical(following.start),
        "unit": unit,
        "price": money(following.price),
        "amount": money(amount),
    }
    if more < 0:
        return NEXT_TIER_CHEAPER.say(language, less=money(-more), **values)
    return NEXT_TIER.say(language, **values)
