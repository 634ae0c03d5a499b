"""The lint: finds everything in a price book that would price a job wrongly, twice or not at all."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import chain, pairwise, product
from pathlib import Path

from pydantic import BaseModel

from quoter.engine.explain import decimal_places
from quoter.engine.measure import INPUTS, Measure, Unit
from quoter.engine.numbers import canonical
from quoter.engine.pricebook import (
    BookFinding,
    Preset,
    PriceBook,
    PriceBookInvalid,
    PriceList,
    Product,
    Tax,
    place_of,
    read,
)
from quoter.engine.pricing import round_up

Findings = Iterator[BookFinding]

# Powers of a metre. Those of a helper's inputs must add up to that of the product's unit.
_POWERS = {"pza": 0, "m": 1, "cm": 1, "m²": 2, "m³": 3}


def load(path: Path) -> PriceBook:
    """Return the book in a file; PriceBookInvalid with all findings when there are any."""
    book = read(path)
    if findings := check(book):
        raise PriceBookInvalid(findings)
    return book


def check(book: PriceBook) -> tuple[BookFinding, ...]:
    """Return everything that is wrong with a book; () when it prices every job as its owner wrote it."""
    return tuple(
        chain(
            _empty_texts(book),
            _repeated_codes(book),
            _taxes(book.taxes),
            *(_product(sold, f"products[{number}]") for number, sold in enumerate(book.products)),
            _order_extras(book.products),
            *(_preset(book, preset, f"presets[{number}]") for number, preset in enumerate(book.presets)),
        )
    )


# --- The whole book ---------------------------------------------------------------------------------------------------


def _empty_texts(book: PriceBook) -> Findings:
    for path, node in _nodes(book):
        if isinstance(node, str) and not node.strip():
            yield BookFinding(place_of(path), "is empty")


def _repeated_codes(book: PriceBook) -> Findings:
    for path, node in _nodes(book):
        first: dict[str, str] = {}
        for number, row in enumerate(node if isinstance(node, tuple) else ()):
            here = place_of((*path, number))
            code = getattr(row, "code", getattr(row, "kind", None))
            if code is not None and first.setdefault(code, here) != here:
                yield BookFinding(here, f"the code {code} is already used by {first[code]}")


def _nodes(node: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], object]]:
    """Yield every part of a book with its path, from the whole down to each text and number."""
    yield path, node
    inside: Iterable[tuple[str | int, object]] = ()
    if isinstance(node, BaseModel):
        inside = ((field.alias or name, getattr(node, name)) for name, field in type(node).model_fields.items())
    elif isinstance(node, tuple):
        inside = enumerate(node)
    for step, member in inside:
        yield from _nodes(member, (*path, step))


def _taxes(taxes: Sequence[Tax]) -> Findings:
    for number, tax in enumerate(taxes):
        if not 0 <= tax.rate < 1:
            yield BookFinding(f"taxes[{number}].rate", f"{tax.rate} is not a fraction from 0 to 1; 8 % is written 0.08")
        if tax.end is not None and tax.end < tax.start:
            yield BookFinding(f"taxes[{number}]", f"ends on {tax.end}, before it begins on {tax.start}")

    by_day = sorted(enumerate(taxes), key=lambda row: row[1].start)
    for (_, earlier), (number, tax) in pairwise(by_day):
        if tax.start == earlier.start or (earlier.end is not None and tax.start <= earlier.end):
            yield BookFinding(f"taxes[{number}]", f"overlaps another, which still applies on {tax.start}")
        elif earlier.end is not None and tax.start - earlier.end > timedelta(days=1):
            yield BookFinding(f"taxes[{number}]", f"a gap, no tax applies between {earlier.end} and {tax.start}")


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


def _product(sold: Product, place: str) -> Findings:
    yield from _quantities(sold, place)
    yield from _combinations(sold, place)
    for number, listed in enumerate(sold.prices):
        yield from _tiers(sold, listed, f"{place}.prices[{number}]")
    for number, extra in enumerate(sold.extras):
        yield from _price(extra.price, f"{place}.extras[{number}].price", f"{_hint(sold)}, {extra.code}")
    for number, measure in enumerate(sold.measures):
        yield from _measure(measure, sold.unit, f"{place}.measures[{number}]", f"{_hint(sold)}, {measure.kind}")


def _quantities(sold: Product, place: str) -> Findings:
    hint = _hint(sold)
    if sold.step <= 0:
        yield BookFinding(f"{place}.step", f"{hint}: a step of {sold.step} is not above zero")
    elif sold.minimum % sold.step:
        yield BookFinding(f"{place}.minimum", f"{hint}: {sold.minimum} is not a multiple of the step, {sold.step}")
    if sold.minimum < 0:
        yield BookFinding(f"{place}.minimum", f"{hint}: {sold.minimum} is below zero")
    if sold.maximum <= 0:
        yield BookFinding(f"{place}.maximum", f"{hint}: {sold.maximum} is not above zero")
    if sold.minimum > sold.maximum:
        yield BookFinding(f"{place}.minimum", f"{hint}: {sold.minimum} is above the maximum, {sold.maximum}")


def _combinations(sold: Product, place: str) -> Findings:
    """Check that each combination of choices is listed exactly once: with a price, or in `not_offered`."""
    listed = [(f"{place}.prices[{number}].options", row.options) for number, row in enumerate(sold.prices)]
    listed += [(f"{place}.not_offered[{number}]", options) for number, options in enumerate(sold.not_offered)]
    first: dict[frozenset[tuple[str, str]], str] = {}
    for here, options in listed:
        yield from _choices(sold, options, here)
        for option in sold.options:
            if option.code not in options:
                yield BookFinding(here, f"{_hint(sold, options)}: the option {option.code} is missing")
        there = first.setdefault(frozenset(options.items()), here)
        if there != here:
            yield BookFinding(here, f"{_hint(sold, options)}: is listed twice, also at {there}")

    codes = [option.code for option in sold.options]
    for chosen in product(*([choice.code for choice in option.choices] for option in sold.options)):
        options = dict(zip(codes, chosen, strict=True))
        if frozenset(options.items()) not in first:
            yield BookFinding(f"{place}.prices", f"{_hint(sold, options)}: has no price and is not in not_offered")


def _choices(sold: Product, options: Mapping[str, str], place: str) -> Findings:
    choices = {option.code: [choice.code for choice in option.choices] for option in sold.options}
    for code, choice in options.items():
        if code not in choices:
            yield BookFinding(place, f"{_hint(sold, options)}: there is no option {code}")
        elif choice not in choices[code]:
            yield BookFinding(f"{place}.{code}", f"{_hint(sold, options)}: {code} has no choice {choice}")


def _hint(sold: Product, options: Mapping[str, str] | None = None) -> str:
    return ", ".join([sold.code, *(f"{code} {choice}" for code, choice in (options or {}).items())])


def _price(price: Decimal, place: str, hint: str) -> Findings:
    if price <= 0:
        yield BookFinding(place, f"{hint}: a price of {price} is not above zero")
    elif decimal_places(price) > 2:
        yield BookFinding(place, f"{hint}: {price} has more than two decimals")


# --- Tiers ------------------------------------------------------------------------------------------------------------


def _tiers(sold: Product, listed: PriceList, place: str) -> Findings:
    hint = _hint(sold, listed.options)
    for number, tier in enumerate(listed.tiers):
        here = f"{place}.tiers[{number}]"
        yield from _price(tier.price, f"{here}.price", hint)
        if tier.end is not None and tier.end < tier.start:
            yield BookFinding(here, f"{hint}: its from, {tier.start}, is above its to, {tier.end}")
        for name, bound in (("from", tier.start), ("to", tier.end)):
            if sold.step > 0 and bound is not None and bound % sold.step:
                yield BookFinding(f"{here}.{name}", f"{hint}: {bound} is not a multiple of the step, {sold.step}")
    if sold.step > 0:
        yield from _coverage(sold, listed, place, hint)


def _coverage(sold: Product, listed: PriceList, place: str, hint: str) -> Findings:
    """Check that each quantity that can be billed, every step from the minimum to the maximum, has exactly one tier."""
    after = Decimal("-Infinity")  # the first step after the tiers so far
    unpriced = max(sold.minimum, sold.step)
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


def _measure(measure: Measure, unit: Unit, place: str, hint: str) -> Findings:
    inputs = measure.inputs(unit)
    power = sum(_POWERS[INPUTS[name].unit] for name in inputs)
    if _POWERS[unit] not in _possible_powers(measure, power):
        yield BookFinding(f"{place}.formula", f"{hint}: {measure.formula} does not give {unit}")
    for name, bounds in measure.bounds.items():
        if name not in inputs:
            yield BookFinding(f"{place}.bounds.{name}", f"{hint}: {measure.formula} asks for {', '.join(inputs)} only")
        if bounds.min > bounds.max:
            yield BookFinding(f"{place}.bounds.{name}", f"{hint}: min {bounds.min} is above max {bounds.max}")
    if (table := measure.coefficients) and table.name in ("kind", *INPUTS):
        yield BookFinding(f"{place}.coefficients.name", f"{hint}: {table.name} is the name of an input")


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
