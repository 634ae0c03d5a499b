"""Checks the products of a price book: quantities, combinations, tiers, extras, helpers and presets."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import product
from types import MappingProxyType

from quoter.engine.finding import BookFinding
from quoter.engine.lint.ladder import ladder_findings
from quoter.engine.lint.spans import most_billed
from quoter.engine.measure import INPUTS, INPUTS_OF, Measure
from quoter.engine.numbers import canonical, decimal_places
from quoter.engine.pricebook import Preset, PriceBook, PriceList, Product
from quoter.engine.pricing import round_up
from quoter.engine.tiers import Tier

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
                yield BookFinding(
                    here,
                    "%(of)s: costs %(price)s per order here and %(other)s at %(there)s",
                    of=f"{_hint(sold)}, {extra.code}",
                    price=extra.price,
                    other=price,
                    there=there,
                )


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
            yield BookFinding(f"{here}.rate", "%(of)s: has a price and a rate; give one of them", of=hint)
        if extra.group and extra.group not in [group.code for group in sold.groups]:
            yield BookFinding(f"{here}.group", "%(of)s: there is no group %(group)s", of=hint, group=extra.group)
    yield from _groups(sold, place)
    for number, measure in enumerate(sold.measures):
        yield from _measure(measure, sold.unit, f"{place}.measures[{number}]", f"{_hint(sold)}, {measure.kind}")


def _groups(sold: Product, place: str) -> Findings:
    for number, group in enumerate(sold.groups):
        here, hint = f"{place}.groups[{number}]", f"{_hint(sold)}, {group.code}"
        members = [extra for extra in sold.extras if extra.group == group.code]
        if not members:
            yield BookFinding(here, "%(of)s: no extra is in this group", of=hint)
        if sum(extra.is_usual for extra in members) > 1:
            yield BookFinding(here, "%(of)s: more than one of it is on unless it is declined", of=hint)


def _quantities(sold: Product, place: str) -> Findings:
    hint = _hint(sold)
    if sold.step <= 0:
        yield BookFinding(f"{place}.step", "%(of)s: a step of %(step)s is not above zero", of=hint, step=sold.step)
    elif sold.minimum % sold.step and not sold.pack:
        yield BookFinding(
            f"{place}.minimum",
            "%(of)s: %(number)s is not a multiple of the step, %(step)s",
            of=hint,
            number=sold.minimum,
            step=sold.step,
        )
    if sold.minimum < 0:
        yield BookFinding(f"{place}.minimum", "%(of)s: %(number)s is below zero", of=hint, number=sold.minimum)
    if sold.maximum <= 0:
        yield BookFinding(f"{place}.maximum", "%(of)s: %(number)s is not above zero", of=hint, number=sold.maximum)
    if sold.minimum > sold.maximum:
        yield BookFinding(
            f"{place}.minimum",
            "%(of)s: %(minimum)s is above the maximum, %(maximum)s",
            of=hint,
            minimum=sold.minimum,
            maximum=sold.maximum,
        )
    for number, listed in enumerate(sold.prices):
        least = listed.minimum
        if least is not None and (least > sold.maximum or (sold.step > 0 and least % sold.step and not sold.pack)):
            yield BookFinding(
                f"{place}.prices[{number}].minimum",
                "%(of)s: %(minimum)s is above the maximum, or not a multiple of the step, %(step)s",
                of=hint,
                minimum=least,
                step=sold.step,
            )


def _combinations(book: PriceBook, sold: Product, place: str) -> Findings:
    """Check that each combination of choices is listed exactly once: with a price, or in `not_offered`."""
    asked = [question for question in book.priced_questions if question.code in sold.by_questions]
    by_questions = {question.code: [choice.code for choice in question.choices] for question in asked}
    for code in sold.by_questions:
        if not by_questions.get(code):
            yield BookFinding(
                f"{place}.by_questions", "%(of)s: there is no question %(code)s with choices", of=_hint(sold), code=code
            )
    for question in asked:
        if not (question.is_required or question.default_choice):
            yield BookFinding(
                f"{place}.by_questions",
                "%(of)s: %(code)s may be left unanswered, and then there is no price",
                of=_hint(sold),
                code=question.code,
            )
    options_named = {option.code: [choice.code for choice in option.choices] for option in sold.priced_options}
    named = {**options_named, **by_questions}
    listed = [(f"{place}.prices[{number}].options", row.options) for number, row in enumerate(sold.prices)]
    listed += [(f"{place}.not_offered[{number}]", options) for number, options in enumerate(sold.not_offered)]
    first: dict[frozenset[tuple[str, str]], str] = {}
    for here, options in listed:
        yield from _choices(sold, options, here, by_questions)
        for code in named:
            if code not in options:
                yield BookFinding(here, "%(of)s: the option %(code)s is missing", of=_hint(sold, options), code=code)
        there = first.setdefault(frozenset(options.items()), here)
        if there != here:
            yield BookFinding(here, "%(of)s: is listed twice, also at %(there)s", of=_hint(sold, options), there=there)

    for chosen in product(*named.values()):
        options = dict(zip(named, chosen, strict=True))
        if frozenset(options.items()) not in first:
            yield BookFinding(
                f"{place}.prices", "%(of)s: has no price and is not in not_offered", of=_hint(sold, options)
            )


def _choices(
    sold: Product, options: Mapping[str, str], place: str, more: Mapping[str, list[str]] = MappingProxyType({})
) -> Findings:
    """Check that the options and choices exist. more: choices of what counts as an option besides."""
    choices = {**{option.code: [choice.code for choice in option.choices] for option in sold.options}, **more}
    for code, choice in options.items():
        if code not in choices:
            yield BookFinding(place, "%(of)s: there is no option %(code)s", of=_hint(sold, options), code=code)
        elif choice not in choices[code]:
            yield BookFinding(
                f"{place}.{code}",
                "%(of)s: %(code)s has no choice %(choice)s",
                of=_hint(sold, options),
                code=code,
                choice=choice,
            )


def _hint(sold: Product, options: Mapping[str, str] | None = None) -> str:
    return ", ".join([sold.code, *(f"{code} {choice}" for code, choice in (options or {}).items())])


def _price(price: Decimal, place: str, hint: str, *, is_whole: bool = False) -> Findings:
    """Check a price. is_whole: it is charged as it stands, so it has no parts of a cent."""
    if price <= 0:
        yield BookFinding(place, "%(of)s: a price of %(price)s is not above zero", of=hint, price=price)
    elif is_whole and decimal_places(price) > 2:
        yield BookFinding(place, "%(of)s: %(price)s has more than two decimals", of=hint, price=price)


# --- Tiers ------------------------------------------------------------------------------------------------------------


def _tiers(sold: Product, listed: PriceList, place: str) -> Findings:
    hint = _hint(sold, listed.options)
    for number, tier in enumerate(listed.tiers):
        here = f"{place}.tiers[{number}]"
        yield from _price(tier.price, f"{here}.price", hint, is_whole=sold.pricing == "flat")
        cheapest = least_price(sold, tier)
        if cheapest <= 0 < tier.price:
            yield BookFinding(
                f"{here}.price",
                "%(of)s: with what its options take off, %(price)s is not above zero",
                of=hint,
                price=cheapest,
            )
        if tier.end is not None and tier.end < tier.start:
            yield BookFinding(
                here, "%(of)s: its from, %(start)s, is above its to, %(end)s", of=hint, start=tier.start, end=tier.end
            )
        for name, bound in (("from", tier.start), ("to", tier.end)):
            if sold.step > 0 and bound is not None and bound % sold.step and not _is_continuous(sold, listed):
                yield BookFinding(
                    f"{here}.{name}",
                    "%(of)s: %(number)s is not a multiple of the step, %(step)s",
                    of=hint,
                    number=bound,
                    step=sold.step,
                )
    if sold.step > 0 and _is_continuous(sold, listed):
        minimum = sold.minimum if listed.minimum is None else listed.minimum
        most = None if sold.tiers_across == "product" else most_billed(sold)
        yield from ladder_findings(listed.tiers, place, hint, step=Decimal(0), least=minimum, most=most)
    elif sold.step > 0:
        yield from _coverage(sold, listed, place, hint)
    last = listed.tiers[-1].high
    if sold.tiers_across == "product" and last is not None:
        yield BookFinding(
            f"{place}.tiers[{len(listed.tiers) - 1}]",
            "%(of)s: the last tier ends at %(end)s, and all lines together can come to more",
            of=hint,
            end=canonical(last),
        )


def _is_continuous(sold: Product, listed: PriceList) -> bool:
    """Return whether billed quantities are not all multiples of the product's step."""
    by_bounds = any(tier.above is not None or tier.below is not None for tier in listed.tiers)
    return by_bounds or sold.pack is not None or sold.exact_to is not None


def least_price(sold: Product, tier: Tier) -> Decimal:
    """Return the least price of a tier, with what the chosen options add to it or take off."""
    added = [min(choice.add or Decimal(0) for choice in option.choices) for option in sold.options]
    price = tier.price + sum(added, Decimal(0))
    for option in sold.options:
        price *= 1 + min(choice.rate or Decimal(0) for choice in option.choices)
    return price


def _coverage(sold: Product, listed: PriceList, place: str, hint: str) -> Findings:
    """Check that each quantity that can be billed, every step from the minimum to the maximum, has exactly one tier."""
    after = Decimal("-Infinity")  # the first step after the tiers so far
    unpriced = max(sold.minimum if listed.minimum is None else listed.minimum, sold.step)
    for number, tier in enumerate(listed.tiers):
        here = f"{place}.tiers[{number}]"
        low, high = sorted((tier.start, tier.start if tier.end is None else tier.end))
        starts = round_up(low, step=sold.step)
        if number and tier.start < listed.tiers[number - 1].start:
            yield BookFinding(here, "%(of)s: out of order, %(low)s comes after a higher tier", of=hint, low=low)
        elif starts < after:
            yield BookFinding(here, "%(of)s: overlaps a tier before it, %(low)s has two prices", of=hint, low=low)
        elif starts > unpriced:
            yield BookFinding(
                here,
                "%(of)s: a gap, %(quantity)s %(unit)s has no price",
                of=hint,
                quantity=canonical(unpriced),
                unit=sold.unit,
            )
        after = max(after, Decimal("Infinity") if tier.end is None else (high // sold.step + 1) * sold.step)
        unpriced = max(unpriced, after)

    if unpriced <= round_up(sold.maximum, step=sold.step):
        yield BookFinding(
            f"{place}.tiers[{len(listed.tiers) - 1}]",
            "%(of)s: the last tier ends below the maximum, %(quantity)s %(unit)s has no price",
            of=hint,
            quantity=canonical(unpriced),
            unit=sold.unit,
        )


# --- Helpers and presets ----------------------------------------------------------------------------------------------


def _measure(measure: Measure, unit: str, place: str, hint: str) -> Findings:
    inputs = measure.inputs(unit)
    if measure.formula == "calculated" and not (measure.asks and measure.quantities):
        yield BookFinding(f"{place}.quantities", "%(of)s: needs asks and quantities, or a formula", of=hint)
    if measure.formula == "calculated" or measure.asks:
        if measure.formula == "known" and len(measure.asks) > 1:
            yield BookFinding(f"{place}.asks", "%(of)s: a known quantity is one number", of=hint)
        if measure.formula not in ("calculated", "known"):
            yield BookFinding(
                f"{place}.asks",
                "%(of)s: %(formula)s asks for %(inputs)s",
                of=hint,
                formula=measure.formula,
                inputs=", ".join(INPUTS_OF[measure.formula]),
            )
        return
    if measure.formula == "known":
        yield from _bounds(measure, inputs, place, hint)
        return
    if unit not in _POWERS:
        yield BookFinding(
            f"{place}.formula",
            "%(of)s: %(formula)s does not give %(unit)s; use asks and quantities",
            of=hint,
            formula=measure.formula,
            unit=unit,
        )
        return
    power = sum(_POWERS[INPUTS[name].unit] for name in inputs)
    if _POWERS[unit] not in _possible_powers(measure, power):
        yield BookFinding(
            f"{place}.formula",
            "%(of)s: %(formula)s does not give %(unit)s",
            of=hint,
            formula=measure.formula,
            unit=unit,
        )
    yield from _bounds(measure, inputs, place, hint)
    if (table := measure.coefficients) and table.name in ("kind", *INPUTS):
        yield BookFinding(
            f"{place}.coefficients.name", "%(of)s: %(name)s is the name of an input", of=hint, name=table.name
        )


def _bounds(measure: Measure, inputs: Sequence[str], place: str, hint: str) -> Findings:
    for name, bounds in measure.bounds.items():
        if name not in inputs:
            yield BookFinding(
                f"{place}.bounds.{name}",
                "%(of)s: %(formula)s asks for %(inputs)s only",
                of=hint,
                formula=measure.formula,
                inputs=", ".join(inputs),
            )
        if bounds.min > bounds.max:
            yield BookFinding(
                f"{place}.bounds.{name}",
                "%(of)s: min %(min)s is above max %(max)s",
                of=hint,
                min=bounds.min,
                max=bounds.max,
            )


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
        yield BookFinding(
            f"{place}.product", "%(of)s: there is no product %(product)s", of=preset.code, product=preset.product
        )
        return
    wrong = list(_choices(sold, preset.options, f"{place}.options"))
    yield from wrong
    if not wrong and not any(preset.options.items() <= listed.options.items() for listed in sold.prices):
        yield BookFinding(f"{place}.options", "%(of)s: no combination with these options has a price", of=preset.code)
    if preset.reason and not preset.options:
        yield BookFinding(f"{place}.reason", "%(of)s: sets no option, so the reason is shown nowhere", of=preset.code)
    if preset.measure is not None and sold.measure(preset.measure) is None:
        yield BookFinding(
            f"{place}.measure",
            "%(of)s: %(product)s has no measure %(measure)s",
            of=preset.code,
            product=sold.code,
            measure=preset.measure,
        )
