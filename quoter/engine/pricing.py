"""Prices lines: from a request, a price book and a time to a quote. No database, no clock.

The rules, as docs/price-book.md has them: a request is rounded up to the step, then raised to the minimum; the tier is
chosen by the billed quantity; base = round(billed x unit price); an extra = round(price x billed), or its fixed price
once per order; tax = round(subtotal x rate), once per quote. Nothing else is rounded.
"""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from quoter.engine.explain import decimal_places, explain
from quoter.engine.measure import QUANTITIES, MeasureRefused, quantity, unit_text
from quoter.engine.numbers import canonical, grouped, to_cents
from quoter.engine.pricebook import Extra, PriceBook, Product, Tier, UsedByLine
from quoter.engine.quote import LineRequest, PriceBookVersion, Quote, QuotedExtra, QuotedTax, QuoteLine
from quoter.engine.text import Language, Text, joined

MAX_LINES = 20

NO_LINES = Text(es="Agrega al menos una partida.", en="Add at least one line.")
TOO_MANY_LINES = Text(
    es="Una cotización lleva {most} partidas como máximo. Divide el pedido en dos.",
    en="A quote has at most {most} lines. Split the order in two.",
).fill(most=str(MAX_LINES))
UNKNOWN_PRODUCT = Text(es="Elige un producto de la lista.", en="Choose a product from the list.")
UNKNOWN_CHOICE = Text(es="Elige una opción: {label}.", en="Choose an option: {label}.")
UNKNOWN_MEASURE = Text(es="Elige cómo nos dices la cantidad.", en="Choose how to enter the quantity.")
UNKNOWN_EXTRA = Text(es="Este adicional no existe.", en="There is no such extra.")
NOT_OFFERED = Text(
    es="«{choice}» no se ofrece con {others}. Sí se ofrece: {offered}.",
    en="“{choice}” is not offered with {others}. Offered: {offered}.",
)
NOT_OFFERED_WITH_ANY = Text(
    es="«{choice}» no se ofrece con {others}, ni otra opción de «{label}»: cambia lo demás.",
    en="“{choice}” is not offered with {others}, and neither is any other “{label}”: change the rest.",
)
NOT_OFFERED_ALONE = Text(
    es="Por ahora no se ofrece «{choice}». Sí se ofrece: {offered}.",
    en="“{choice}” is not offered right now. Offered: {offered}.",
)
NOT_POSITIVE = Text(es="La cantidad debe ser mayor que cero.", en="The quantity must be more than zero.")
TOO_MUCH = Text(
    es="En línea cotizamos hasta {maximum} {unit} por partida. Para más, escríbenos por WhatsApp.",
    en="We quote up to {maximum} {unit} per line online. For more, write to us on WhatsApp.",
)
ALREADY_CHARGED = Text(es="{label} (una vez por pedido, ya incluido)", en="{label} (once per order, already included)")


class FieldError(NamedTuple):
    """An error that the customer can correct. field: a path into the request, as in lines.0.options.service."""

    field: str
    message: Text


class QuoteRefused(ValueError):
    """The request cannot be priced as it stands; every error names its field."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{error.field}: {error.message.en}" for error in errors))
        self.errors = tuple(errors)


class NoTier(LookupError):
    """The price book has no unit price for a billed quantity: a gap that the lint finds."""


def price(
    book: PriceBook,
    lines: Sequence[LineRequest],
    *,
    folio: str,
    issued_at: datetime,
    zone: ZoneInfo,
    language: Language,
) -> Quote:
    """Return the quote for the lines; QuoteRefused with every error when they cannot be priced.

    issued_at: aware. zone: the business's; it decides the date, and so the tax in force and the last day of validity.
    language: of descriptions and explanations; amounts do not depend on it.
    """
    if not lines:
        raise QuoteRefused([FieldError("lines", NO_LINES)])
    if len(lines) > MAX_LINES:
        raise QuoteRefused([FieldError("lines", TOO_MANY_LINES)])

    errors: list[FieldError] = []
    quoted: list[QuoteLine] = []
    charged_once: set[str] = set()
    for number, line in enumerate(lines):
        try:
            quoted.append(_price_line(book, line, language=language, charged_once=charged_once))
        except QuoteRefused as refused:
            errors += [FieldError(f"lines.{number}.{error.field}", error.message) for error in refused.errors]
    if errors:
        raise QuoteRefused(errors)

    issued_at = issued_at.astimezone(zone).replace(microsecond=0)
    last_day = issued_at.date() + timedelta(days=book.validity_days)
    tax = book.tax_on(issued_at.date())
    subtotal = sum((line.amount for line in quoted), Decimal("0.00"))
    tax_amount = to_cents(subtotal * tax.rate)
    return Quote(
        folio=folio,
        issued_at=issued_at,
        valid_until=datetime.combine(last_day, time(23, 59, 59), zone),
        currency=book.currency,
        price_book=PriceBookVersion(name=book.name, version=book.version),
        lines=tuple(quoted),
        subtotal=subtotal,
        tax=QuotedTax(name=tax.name, rate=tax.rate, amount=tax_amount),
        total=subtotal + tax_amount,
        language=language,
    )


def excerpt(book: PriceBook, quote: Quote) -> PriceBook:
    """Return the part of the book that a quote used. Priced from that part, the same lines give the same quote."""
    used = [
        UsedByLine(line.product, line.options, line.measure["kind"], [extra.code for extra in line.extras])
        for line in quote.lines
    ]
    return book.excerpt(used, on=quote.issued_at.date(), language=quote.language)


def requests(quote: Quote) -> list[LineRequest]:
    """Return the request that gives the lines of a quote."""
    return [
        LineRequest(
            product=line.product,
            options=line.options,
            measure=line.measure,
            extras=tuple(extra.code for extra in line.extras),
        )
        for line in quote.lines
    ]


def round_up(requested: Decimal, *, step: Decimal) -> Decimal:
    """Return the requested quantity rounded up to the next step."""
    return (requested / step).to_integral_value(rounding=ROUND_CEILING) * step


def tier_for(tiers: Sequence[Tier], billed: Decimal) -> Tier:
    """Return the tier of a billed quantity; NoTier when none covers it."""
    for tier in tiers:
        if tier.covers(billed):
            return tier
    raise NoTier(f"no tier for {canonical(billed)}")


def _price_line(book: PriceBook, line: LineRequest, *, language: Language, charged_once: set[str]) -> QuoteLine:
    product = book.product(line.product)
    if product is None:
        raise QuoteRefused([FieldError("product", UNKNOWN_PRODUCT)])
    options = {option.code: line.options.get(option.code, "") for option in product.options}
    tiers = product.tiers(options)
    errors = [] if tiers else _option_errors(product, options) or [_not_offered(product, options)]
    errors += _extra_errors(product, line.extras)

    measure = product.measure(line.measure.get("kind"))
    measured = None
    if measure is None:
        errors.append(FieldError("measure.kind", UNKNOWN_MEASURE))
    else:
        try:
            measured = quantity(measure, product.unit, line.measure)
        except MeasureRefused as refused:
            errors += [FieldError(f"measure.{name}", message) for name, message in refused.errors.items()]
        else:
            errors += _quantity_errors(product, measured.quantity)
    if errors or measure is None or measured is None:
        raise QuoteRefused(errors)

    rounded = round_up(measured.quantity, step=product.step)
    billed = max(rounded, product.minimum)
    tier = tier_for(tiers, billed)
    base = to_cents(billed * tier.price)
    # In the book's order and once each, even when the request has another order or repeats one.
    added = [extra for extra in product.extras if extra.code in line.extras]
    extras = _quote_extras(added, billed=billed, language=language, charged_once=charged_once)
    amount = base + sum((extra.amount for extra in extras), Decimal("0.00"))
    explanation = explain(
        product,
        measured,
        rounded=rounded,
        billed=billed,
        tiers=tiers,
        tier=tier,
        extras=added,
        amount=amount,
        language=language,
    )
    labels = [product.label, *(option.label_of(options[option.code]) for option in product.options)]
    return QuoteLine(
        product=product.code,
        description=", ".join(label.in_(language) for label in labels),
        options=options,
        measure={"kind": measure.kind, **measured.values},
        requested=measured.quantity,
        billed=billed,
        unit=product.unit,
        unit_price=tier.price,
        base=base,
        extras=extras,
        amount=amount,
        explanation=explanation,
    )


def _quote_extras(
    extras: Sequence[Extra], *, billed: Decimal, language: Language, charged_once: set[str]
) -> tuple[QuotedExtra, ...]:
    quoted = []
    for extra in extras:
        label = extra.label
        if extra.per == "unit":
            amount = to_cents(extra.price * billed)
        elif extra.code in charged_once:
            amount, label = Decimal("0.00"), ALREADY_CHARGED.fill(label=label)
        else:
            amount = to_cents(extra.price)
            charged_once.add(extra.code)
        quoted.append(QuotedExtra(code=extra.code, description=label.in_(language), amount=amount))
    return tuple(quoted)


def _option_errors(product: Product, options: dict[str, str]) -> list[FieldError]:
    return [
        FieldError(f"options.{option.code}", UNKNOWN_CHOICE.fill(label=option.label))
        for option in product.options
        if options[option.code] not in {choice.code for choice in option.choices}
    ]


def _extra_errors(product: Product, codes: Sequence[str]) -> list[FieldError]:
    return [FieldError("extras", UNKNOWN_EXTRA)] if any(product.extra(code) is None for code in codes) else []


def _quantity_errors(product: Product, requested: Decimal) -> list[FieldError]:
    field = f"measure.{QUANTITIES[product.unit]}"
    if requested <= 0:
        return [FieldError(field, NOT_POSITIVE)]
    if requested > product.maximum:
        maximum = grouped(product.maximum, places=decimal_places(product.maximum))
        return [FieldError(field, TOO_MUCH.fill(maximum=maximum, unit=unit_text(product.unit)))]
    return []


def _not_offered(product: Product, options: dict[str, str]) -> FieldError:
    """Return the error for the product's last option, which names the choices that go with the other options."""
    *_, last = product.options
    offered = [choice.label for choice in last.choices if product.tiers({**options, last.code: choice.code})]
    others = [option.label_of(options[option.code]) for option in product.options if option is not last]
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
