"""Checks the products of a price book: quantities, combinations, tiers, extras, helpers and presets."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import product
from types import MappingProxyType

from quoter.engine.lint.ladder import ladder_faults
from quoter.engine.measure import INPUTS, INPUTS_OF, Measure
from quoter.engine.numbers import canonical, decimal_places
from quoter.engine.pricebook import BookFinding, Option, Preset, PriceBook, PriceList, Product
from quoter.engine.pricing import round_up

Findings = Iterator[BookFinding]

# Powers of a metre. Those of a fixed helper's inputs must add up to that of the product's unit.
_POWERS = {"pza": 0, "m": 1, "cm": 1, "m²": 2, "m³": 3}


def findings(book: PriceBook) -> Findings:
    """Yield what is wrong with the products and the presets of a book."""
    for number, sold in enumerate(book.products):
        yield from _product(book, sold, f"products[{number}]")
    yield from _order_extras(book.products)
    for number, preset in enumerate(book.presets):
        yield from _preset(book, preset, f"presets[{number}]")


def _order_extras(products: Sequence[Product]) -> Findings:
    """Check that an extra per order costs the same in every product.

    A quote charges it once, on the first line that has it, and the order of the lines must not change the total.
    """
    first: dict[str, tuple[str, Decimal]] = {}
    for number, sold in enumerate(products):
        for row, extra in enumerate(sold.extras):
            if extra.per != "order":
                continue
            here = f"products[{number}].extras[{row}].price"
            there, price = first.setdefault(extra.code, (here, extra.price))
            if extra.price != price:
                message = f"{extra.code} costs {extra.price} per order here and {price} at {there}"
                yield BookFinding(here, f"{_hint(sold)}: {message}")


# --- A product --------------------------------------------------------------------------------------------------------


def _product(book: PriceBook, sold: Product, place: str) -> Findings:
    yield from _quantities(sold, place)
    yield from _combinations(book, sold, place)
    for number, listed in enumerate(sold.prices):
        yield from _tiers(sold, listed, f"{place}.prices[{number}]")
    for number, extra in enumerate(sold.extras):
        here, hint = f"{place}.extras[{number}]", f"{_hint(sold)}, {extra.code}"
        if extra.rate <= 0:
            yield from _price(extra.price, f"{here}.price", hint, is_whole=extra.per == "order")
        elif extra.price:
            yield BookFinding(f"{here}.rate", f"{hint}: has a price and a rate; give one of them")
        if extra.group and extra.group not in [group.code for group in sold.groups]:
            yield BookFinding(f"{here}.group", f"{hint}: there is no group {extra.group}")
    for number, measure in enumerate(sold.measures):
        yield from _measure(measure, sold.unit, f"{place}.measures[{number}]", f"{_hint(sold)}, {measure.kind}")


def _quantities(sold: Product, place: str) -> Findings:
    hint = _hint(sold)
    if sold.step <= 0:
        yield BookFinding(f"{place}.step", f"{hint}: a step of {sold.step} is not above zero")
    elif sold.minimum % sold.step and not sold.pack:
        yield BookFinding(f"{place}.minimum", f"{hint}: {sold.minimum} is not a multiple of the step, {sold.step}")
    if sold.minimum < 0:
        yield BookFinding(f"{place}.minimum", f"{hint}: {sold.minimum} is below zero")
    if sold.maximum <= 0:
        yield BookFinding(f"{place}.maximum", f"{hint}: {sold.maximum} is not above zero")
    if sold.minimum > sold.maximum:
        yield BookFinding(f"{place}.minimum", f"{hint}: {sold.minimum} is above the maximum, {sold.maximum}")
    for number, listed in enumerate(sold.prices):
        least = listed.minimum
        if least is not None and (least > sold.maximum or (sold.step > 0 and least % sold.step and not sold.pack)):
            message = f"{hint}: {least} is above the maximum, or not a multiple of the step, {sold.step}"
            yield BookFinding(f"{place}.prices[{number}].minimum", message)


def _combinations(book: PriceBook, sold: Product, place: str) -> Findings:
    """Check that each combination of choices is listed exactly once: with a price, or in `not_offered`."""
    asked = [question for question in book.priced_questions if question.code in sold.by_questions]
    by_questions = {question.code: [choice.code for choice in question.choices] for question in asked}
    for code in sold.by_questions:
        if not by_questions.get(code):
            yield BookFinding(f"{place}.by_questions", f"{_hint(sold)}: there is no question {code} with choices")
    options_named = {option.code: [choice.code for choice in option.choices] for option in sold.priced_options}
    named = {**options_named, **by_questions}
    listed = [(f"{place}.prices[{number}].options", row.options) for number, row in enumerate(sold.prices)]
    listed += [(f"{place}.not_offered[{number}]", options) for number, options in enumerate(sold.not_offered)]
    first: dict[frozenset[tuple[str, str]], str] = {}
    for here, options in listed:
        yield from _choices(sold, options, here, by_questions)
        for code in named:
            if code not in options:
                yield BookFinding(here, f"{_hint(sold, options)}: the option {code} is missing")
        there = first.setdefault(frozenset(options.items()), here)
        if there != here:
            yield BookFinding(here, f"{_hint(sold, options)}: is listed twice, also at {there}")

    for chosen in product(*named.values()):
        options = dict(zip(named, chosen, strict=True))
        if frozenset(options.items()) not in first:
            yield BookFinding(f"{place}.prices", f"{_hint(sold, options)}: has no price and is not in not_offered")


def _choices(
    sold: Product, options: Mapping[str, str], place: str, more: Mapping[str, list[str]] = MappingProxyType({})
) -> Findings:
    """Check that the options and choices exist. more: choices of what counts as an option besides."""
    choices = {**{option.code: [choice.code for choice in option.choices] for option in sold.options}, **more}
    for code, choice in options.items():
        if code not in choices:
            yield BookFinding(place, f"{_hint(sold, options)}: there is no option {code}")
        elif choice not in choices[code]:
            yield BookFinding(f"{place}.{code}", f"{_hint(sold, options)}: {code} has no choice {choice}")


def _hint(sold: Product, options: Mapping[str, str] | None = None) -> str:
    return ", ".join([sold.code, *(f"{code} {choice}" for code, choice in (options or {}).items())])


def _price(price: Decimal, place: str, hint: str, *, is_whole: bool = False) -> Findings:
    """Check a price. is_whole: it is charged as it stands, so it has no parts of a cent."""
    if price <= 0:
        yield BookFinding(place, f"{hint}: a price of {price} is not above zero")
    elif is_whole and decimal_places(price) > 2:
        yield BookFinding(place, f"{hint}: {price} has more than two decimals")


# --- Tiers ------------------------------------------------------------------------------------------------------------


def _tiers(sold: Product, listed: PriceList, place: str) -> Findings:
    hint = _hint(sold, listed.options)
    for number, tier in enumerate(listed.tiers):
        here = f"{place}.tiers[{number}]"
        yield from _price(tier.price, f"{here}.price", hint, is_whole=sold.pricing == "flat")
        cheapest = tier.price + sum((_least_added(option) for option in sold.options), Decimal(0))
        if cheapest <= 0 < tier.price:
            yield BookFinding(f"{here}.price", f"{hint}: with what its options take off, {cheapest} is not above zero")
        if tier.end is not None and tier.end < tier.start:
            yield BookFinding(here, f"{hint}: its from, {tier.start}, is above its to, {tier.end}")
        for name, bound in (("from", tier.start), ("to", tier.end)):
            if sold.step > 0 and bound is not None and bound % sold.step and not _is_continuous(sold, listed):
                yield BookFinding(f"{here}.{name}", f"{hint}: {bound} is not a multiple of the step, {sold.step}")
    if sold.step > 0 and _is_continuous(sold, listed):
        minimum = sold.minimum if listed.minimum is None else listed.minimum
        maximum = round_up(sold.maximum, step=sold.step)
        for number, fault in ladder_faults(listed.tiers, step=Decimal(0), least=minimum, most=maximum):
            yield BookFinding(f"{place}.tiers[{number}]", f"{hint}: {fault}")
    elif sold.step > 0:
        yield from _coverage(sold, listed, place, hint)


def _is_continuous(sold: Product, listed: PriceList) -> bool:
    """Return whether billed quantities are not all multiples of the product's step."""
    by_bounds = any(tier.above is not None or tier.below is not None for tier in listed.tiers)
    return by_bounds or sold.pack is not None or sold.exact_to is not None


def _least_added(option: Option) -> Decimal:
    return min((choice.add or Decimal(0) for choice in option.choices), default=Decimal(0))


def _coverage(sold: Product, listed: PriceList, place: str, hint: str) -> Findings:
    """Check that each quantity that can be billed, every step from the minimum to the maximum, has exactly one tier."""
    after = Decimal("-Infinity")  # the first step after the tiers so far
    unpriced = max(sold.minimum if listed.minimum is None else listed.minimum, sold.step)
    for number, tier in enumerate(listed.tiers):
        here = f"{place}.tiers[{number}]"
        low, high = sorted((tier.start, tier.start if tier.end is None else tier.end))
        starts = round_up(low, step=sold.step)
        if number and tier.start < listed.tiers[number - 1].start:
            yield BookFinding(here, f"{hint}: out of order, {low} comes after a higher tier")
        elif starts < after:
            yield BookFinding(here, f"{hint}: overlaps a tier before it, {low} has two prices")
        elif starts > unpriced:
            yield BookFinding(here, f"{hint}: a gap, {canonical(unpriced)} {sold.unit} has no price")
        after = max(after, Decimal("Infinity") if tier.end is None else (high // sold.step + 1) * sold.step)
        unpriced = max(unpriced, after)

    if unpriced <= round_up(sold.maximum, step=sold.step):
        message = f"the last tier ends below the maximum, {canonical(unpriced)} {sold.unit} has no price"
        yield BookFinding(f"{place}.tiers[{len(listed.tiers) - 1}]", f"{hint}: {message}")


# --- Helpers and presets ----------------------------------------------------------------------------------------------


def _measure(measure: Measure, unit: str, place: str, hint: str) -> Findings:
    inputs = measure.inputs(unit)
    if measure.formula == "calculated" and not (measure.asks and measure.quantities):
        yield BookFinding(f"{place}.quantities", f"{hint}: needs asks and quantities, or a formula")
    if measure.formula == "calculated" or measure.asks:
        if measure.formula == "known" and len(measure.asks) > 1:
            yield BookFinding(f"{place}.asks", f"{hint}: a known quantity is one number")
        if measure.formula not in ("calculated", "known"):
            yield BookFinding(
                f"{place}.asks", f"{hint}: {measure.formula} asks for {', '.join(INPUTS_OF[measure.formula])}"
            )
        return
    if measure.formula == "known":
        yield from _bounds(measure, inputs, place, hint)
        return
    if unit not in _POWERS:
        yield BookFinding(
            f"{place}.formula", f"{hint}: {measure.formula} does not give {unit}; use asks and quantities"
        )
        return
    power = sum(_POWERS[INPUTS[name].unit] for name in inputs)
    if _POWERS[unit] not in _possible_powers(measure, power):
        yield BookFinding(f"{place}.formula", f"{hint}: {measure.formula} does not give {unit}")
    yield from _bounds(measure, inputs, place, hint)
    if (table := measure.coefficients) and table.name in ("kind", *INPUTS):
        yield BookFinding(f"{place}.coefficients.name", f"{hint}: {table.name} is the name of an input")


def _bounds(measure: Measure, inputs: Sequence[str], place: str, hint: str) -> Findings:
    for name, bounds in measure.bounds.items():
        if name not in inputs:
            yield BookFinding(f"{place}.bounds.{name}", f"{hint}: {measure.formula} asks for {', '.join(inputs)} only")
        if bounds.min > bounds.max:
            yield BookFinding(f"{place}.bounds.{name}", f"{hint}: min {bounds.min} is above max {bounds.max}")


def _possible_powers(measure: Measure, power: int) -> set[int]:
    """Return the powers of a metre that a helper can give.

    A coefficient may be a plain number, a thickness (m³ per m²) or pieces per m². A factor is never a thickness.
    """
    if measure.coefficients:
        return {power, power + 1, 0}
    return {power} if measure.factor == 1 else {power, 0}


def _preset(book: PriceBook, preset: Preset, place: str) -> Findings:
    sold = book.product(preset.product)
    if sold is None:
        yield BookFinding(f"{place}.product", f"{preset.code}: there is no product {preset.product}")
        return
    wrong = list(_choices(sold, preset.options, f"{place}.options"))
    yield from wrong
    if not wrong and not any(preset.options.items() <= listed.options.items() for listed in sold.prices):
        yield BookFinding(f"{place}.options", f"{preset.code}: no combination with these options has a price")
    if preset.reason and not preset.options:
        yield BookFinding(f"{place}.reason", f"{preset.code}: sets no option, so the reason is shown nowhere")
    if preset.measure is not None and sold.measure(preset.measure) is None:
        yield BookFinding(f"{place}.measure", f"{preset.code}: {sold.code} has no measure {preset.measure}")
