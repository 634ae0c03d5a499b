"""Prices the lines of a request: first every line is read and measured, then each gets its tier, extras and fees."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from quoter.engine import charging
from quoter.engine.conditions import EVERYTHING, Scope, all_hold
from quoter.engine.explain import Explained, explain
from quoter.engine.measure import AMOUNT, QUANTITIES, Measure, Measured, MeasureRefused, quantity, read_inputs
from quoter.engine.numbers import Number, as_decimal, multiple_of, written
from quoter.engine.pricebook import Choice, Extra, PriceBook, PriceList, Product, with_choices
from quoter.engine.quantities import product_of, value_of
from quoter.engine.questions import CHOOSE
from quoter.engine.quote import LineRequest, QuotedExtra, QuotedFee, QuoteLine
from quoter.engine.refusal import (
    CHOOSE_AT_MOST_ONE,
    CHOOSE_ONE,
    EXTRA_NOT_OFFERED,
    NOT_OFFERED,
    NOT_OFFERED_ALONE,
    NOT_OFFERED_WITH_ANY,
    NOT_POSITIVE,
    NOT_PRICED,
    TOO_LITTLE,
    TOO_MUCH,
    TOO_SMALL,
    UNKNOWN_EXTRA,
    UNKNOWN_MEASURE,
    UNKNOWN_PRODUCT,
    FieldError,
    QuoteRefused,
)
from quoter.engine.text import Language, Text, joined
from quoter.engine.tiers import NoTier, Tier, graduated, tier_for

_ONE = Decimal(1)

ALREADY_CHARGED = Text(es="{label} (una vez por pedido, ya incluido)", en="{label} (once per order, already included)")


class PricedLine(NamedTuple):
    """A line of the quote, and what the rules of the order may look at in it."""

    quoted: QuoteLine
    scope: Scope


class _ReadLine(NamedTuple):
    """A line whose request is whole. rounded: its quantity rounded; billed: that raised to the minimum."""

    product: Product
    options: dict[str, str]
    chosen: list[Choice]
    listed: PriceList
    measured: Measured
    kind: str
    inputs: dict[str, str]
    extras: list[Extra]
    scope: Scope
    rounded: Number
    billed: Number
    step: Decimal


def price(
    book: PriceBook, requested: Sequence[LineRequest], order: Scope, *, today: date, language: Language
) -> tuple[list[PricedLine], list[FieldError]]:
    """Return the priced lines, or every error of every line. order: the answers that rules may look at."""
    errors: list[FieldError] = []
    read: list[_ReadLine] = []
    for number, line in enumerate(requested):
        try:
            read.append(_read(book, line, order))
        except QuoteRefused as refused:
            errors += [FieldError(f"lines.{number}.{error.field}", error.message) for error in refused.errors]
    if errors:
        return [], [error._replace(field=error.field.removesuffix(".")) for error in errors]
    priced: list[PricedLine] = []
    charged_once: set[str] = set()
    for number, line_read in enumerate(read):
        across = line_read.billed
        if line_read.product.tiers_across == "product":
            across = sum((Fraction(other.billed) for other in read if other.product is line_read.product), Fraction(0))
        try:
            priced.append(_price(book, line_read, across, today, language, charged_once))
        except NoTier:  # the check finds such a gap; a book that was not checked refuses the line
            label = line_read.product.label
            errors.append(FieldError(f"lines.{number}.product", NOT_PRICED.fill(label=label)))
        except QuoteRefused as refused:
            path = f"lines.{number}"
            errors += [FieldError(f"{path}.{error.field}".rstrip("."), error.message) for error in refused.errors]
    return priced, errors


def round_up(requested: Decimal, *, step: Decimal) -> Decimal:
    """Return the requested quantity rounded up to the next step."""
    return multiple_of(step, requested, mode="up")


# --- Reading ----------------------------------------------------------------------------------------------------------


def _read(book: PriceBook, line: LineRequest, order: Scope) -> _ReadLine:
    product = book.product(line.product)
    if product is None:
        raise QuoteRefused([FieldError("product", UNKNOWN_PRODUCT)])
    options, chosen, listed, errors = _chosen(product, line, order)
    extras: list[Extra] = []
    if line.extras:
        extras = [extra for extra in product.extras if extra.code in line.extras]
        if any(product.extra(code) is None for code in line.extras):
            errors.append(FieldError("extras", UNKNOWN_EXTRA))

    numbers: dict[str, Number] = dict(order.numbers)
    if product.has_values:
        for choice in chosen:
            numbers |= choice.values
    inputs: dict[str, str] = {}
    if product.inputs:
        inputs, stated, wrong = read_inputs(product.inputs, line.inputs, book.unit_text)
        numbers |= stated
        errors += [FieldError(f"inputs.{name}", message) for name, message in wrong.items()]
    measure = product.measure(line.measure.get("kind"))
    measured = None
    if measure is None:
        errors.append(FieldError("measure.kind", UNKNOWN_MEASURE))
    elif not (errors and measure.quantities):
        try:
            measured = quantity(measure, product.unit, line.measure, names=numbers, say_unit=book.unit_text)
        except MeasureRefused as refused:
            errors += [FieldError(f"measure.{name}", message) for name, message in refused.errors.items()]
        else:
            if not 0 < measured.quantity <= product.maximum:
                errors.append(_quantity_error(book, product, measured.quantity))
    if errors or measure is None or measured is None or listed is None:
        raise QuoteRefused(errors)

    scope = Scope(numbers, order.choices | options, [], order.tax_rate)
    numbers |= measured.numbers
    rounded, step = _rounded(product, measure, measured.quantity, numbers)
    billed = _raised(book, product, listed, rounded)
    numbers["requested"], numbers["billed"] = measured.quantity, billed
    if product.pack:
        numbers["packs"] = Fraction(billed) / Fraction(step)
    for extra in extras:  # one that is not chosen counts nought, as each name without a number
        numbers[extra.code] = _ONE
    if product.quantities and (errors := charging.calculate(product.quantities, scope, path="", book=book)):
        raise QuoteRefused(errors)
    if (extras or product.groups) and (errors := _choice_errors(product, extras, scope)):
        raise QuoteRefused(errors)
    return _ReadLine(
        product, options, chosen, listed, measured, measure.kind, inputs, extras, scope, rounded, billed, step
    )


def _chosen(
    product: Product, line: LineRequest, order: Scope
) -> tuple[dict[str, str], list[Choice], PriceList | None, list[FieldError]]:
    """Return the options, their choices, the prices of the combination, and what is wrong with it."""
    options: dict[str, str] = {}
    chosen: list[Choice] = []
    for option in product.options:
        code = options[option.code] = line.options.get(option.code, "")
        if choice := option.choice(code):
            chosen.append(choice)
    combination = options
    if product.by_questions:
        combination = {**options, **{code: order.choices.get(code, "") for code in product.by_questions}}
    listed = product.price_list(combination)
    if listed and len(chosen) == len(options):
        return options, chosen, listed, []
    errors = _option_errors(product, options)
    # A question that prices are listed by, and that is not answered, is an error of its own.
    if not listed and not errors and all(combination[code] for code in product.by_questions):
        errors = [_not_offered(product, combination)]
    return options, chosen, listed, errors


def _rounded(
    product: Product, measure: Measure, requested: Number, numbers: dict[str, Number]
) -> tuple[Number, Decimal]:
    """Return the quantity rounded to the step or the pack, and the size of that."""
    step = as_decimal(value_of(product.pack.size, numbers)) if product.pack else product.step
    if product.exact_to is not None and requested <= product.exact_to:
        return requested, step
    return multiple_of(step, requested, mode=measure.round or product.round), step


def _raised(book: PriceBook, product: Product, listed: PriceList, rounded: Number) -> Number:
    minimum = product.minimum if listed.minimum is None else listed.minimum
    if rounded >= minimum and rounded > 0:
        return rounded
    if product.below_minimum == "refuse" and rounded < minimum:
        message = TOO_LITTLE.fill(minimum=written(minimum), unit=book.unit_text(product.unit, minimum))
        raise QuoteRefused([FieldError(_quantity_field(product), message)])
    if minimum <= 0:  # and it was rounded down to nothing
        raise QuoteRefused([FieldError(_quantity_field(product), NOT_POSITIVE)])
    return minimum


def _quantity_field(product: Product) -> str:
    return f"measure.{QUANTITIES.get(product.unit, AMOUNT)}"


def _option_errors(product: Product, options: dict[str, str]) -> list[FieldError]:
    return [
        FieldError(f"options.{option.code}", CHOOSE.fill(label=option.label))
        for option in product.options
        if option.choice(options[option.code]) is None
    ]


def _quantity_error(book: PriceBook, product: Product, requested: Number) -> FieldError:
    if requested <= 0:
        return FieldError(_quantity_field(product), NOT_POSITIVE)
    message = TOO_MUCH.fill(maximum=written(product.maximum), unit=book.unit_text(product.unit, product.maximum))
    return FieldError(_quantity_field(product), message)


def _choice_errors(product: Product, extras: Sequence[Extra], scope: Scope) -> list[FieldError]:
    """Return an error for each extra that is not offered here, and for each group of which too many were chosen."""
    errors = [
        FieldError("extras", EXTRA_NOT_OFFERED.fill(label=extra.label))
        for extra in extras
        if extra.when and not all_hold(extra.when, scope)
    ]
    for group in product.groups:
        count = sum(extra.group == group.code for extra in extras)
        offered = any(extra.group == group.code and all_hold(extra.when, scope) for extra in product.extras)
        if group.choose == "one" and count != 1 and offered:
            errors.append(FieldError("extras", CHOOSE_ONE.fill(label=group.label)))
        elif count > 1:
            errors.append(FieldError("extras", CHOOSE_AT_MOST_ONE.fill(label=group.label)))
    return errors


def _not_offered(product: Product, options: dict[str, str]) -> FieldError:
    """Return the error for the product's last option, which names the choices that go with the other options."""
    named = product.priced_options
    if not named:
        return FieldError("product", NOT_PRICED.fill(label=product.label))
    last = named[-1]
    offered = [choice.label for choice in last.choices if product.tiers({**options, last.code: choice.code})]
    others = [option.label_of(options[option.code]) for option in named[:-1]]
    message = (NOT_OFFERED if others else NOT_OFFERED_ALONE) if offered else NOT_OFFERED_WITH_ANY
    return FieldError(
        f"options.{last.code}",
        message.fill(
            choice=last.label_of(options[last.code]),
            others=joined(", ", others),
            offered=joined(", ", offered),
            label=last.label,
        ),
    )


# --- Pricing ----------------------------------------------------------------------------------------------------------


def _price(
    book: PriceBook, line: _ReadLine, across: Number, today: date, language: Language, charged_once: set[str]
) -> PricedLine:
    product, scope = line.product, line.scope
    tiers, billed = line.listed.tiers, line.billed
    if product.adds_to_price:
        tiers = tuple(_with_choices(tier, line.chosen) for tier in tiers)
    tier = tier_for(tiers, across)
    base = book.rounded(_base(product, tiers, tier, billed))
    raised_to = None
    least = product.least if line.listed.least is None else line.listed.least
    if least is not None and base < least:
        base = raised_to = least
    if base <= 0:
        raise QuoteRefused([FieldError(_quantity_field(product), TOO_SMALL)])
    scope.amounts.append((product.code, base))
    extras = _quote_extras(book, line, language, charged_once) if line.extras else ()
    fees: tuple[QuotedFee, ...] = ()
    discounts: tuple[QuotedFee, ...] = ()
    if product.fees or product.limits:
        fees, discounts, errors = charging.charge(product.fees, scope, on=today, book=book, language=language, path="")
        if errors := errors + charging.limited(product.limits, scope, path=""):
            raise QuoteRefused(errors)
    amount = scope.amount_of(EVERYTHING)
    has_fees = bool(fees or discounts)
    measured, step = line.measured, line.step
    explained = Explained(
        book, product, measured, line.rounded, billed, step, tiers, tier, line.extras, amount, raised_to, has_fees
    )
    quoted = QuoteLine(
        product=product.code,
        description=", ".join([product.label.in_(language), *[each.label.in_(language) for each in line.chosen]]),
        options=line.options,
        measure={"kind": line.kind, **line.measured.values},
        requested=as_decimal(line.measured.quantity),
        billed=as_decimal(billed),
        unit=product.unit,
        unit_price=tier.price,
        base=base,
        extras=extras,
        amount=amount,
        explanation=explain(explained, language),
        inputs=line.inputs,
        fees=fees,
        discounts=discounts,
        unit_name="" if product.unit in QUANTITIES else _unit_name(book, product, billed, language),
        pricing=product.pricing,
    )
    return PricedLine(quoted, scope)


def _unit_name(book: PriceBook, product: Product, billed: Number, language: Language) -> str:
    """Return how the unit is written on the bill; "" for a sign, which every page can write."""
    name = book.unit_text(product.unit, billed).in_(language)
    return "" if name == product.unit else name


def _with_choices(tier: Tier, chosen: Sequence[Choice]) -> Tier:
    return tier.model_copy(update={"price": with_choices(tier.price, chosen)})


def _base(product: Product, tiers: Sequence[Tier], tier: Tier, billed: Number) -> Number:
    if product.pricing == "unit":
        return billed * tier.price if isinstance(billed, Decimal) else billed * Fraction(tier.price)
    if product.pricing == "flat":
        return tier.price
    return sum((part * Fraction(each.price) for part, each in graduated(tiers, billed)), Fraction(0))


def _quote_extras(
    book: PriceBook, line: _ReadLine, language: Language, charged_once: set[str]
) -> tuple[QuotedExtra, ...]:
    quoted = []
    for extra in line.extras:
        label = extra.label
        if extra.per == "order" and extra.code in charged_once:
            amount, label = Decimal("0.00"), ALREADY_CHARGED.fill(label=label)
        else:
            amount = book.rounded(_extra_amount(extra, line))
            charged_once.add(extra.code)
        line.scope.amounts.append((extra.code, amount))
        quoted.append(QuotedExtra(code=extra.code, description=label.in_(language), amount=amount))
    return tuple(quoted)


def _extra_amount(extra: Extra, line: _ReadLine) -> Number:
    if extra.rate:
        return line.scope.amount_of(extra.of) * extra.rate
    if extra.quantity:
        return product_of(extra.quantity, line.scope.numbers) / Fraction(extra.each) * Fraction(extra.price)
    if extra.per != "unit":
        return extra.price
    if not isinstance(line.billed, Decimal) or extra.each != 1:
        return Fraction(line.billed) / Fraction(extra.each) * Fraction(extra.price)
    return extra.price * line.billed
