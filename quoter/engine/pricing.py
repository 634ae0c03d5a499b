"""Prices lines: from a request, a price book and a time to a quote. No database, no clock.

The rules, as docs/price-book.md has them: a request is rounded to the step, then raised to the minimum; the tier is
chosen by the billed quantity; base = round(billed x unit price); an extra = round(price x billed), or its fixed price
once per order; then the fees and discounts of the line, those of the order, and the taxes on the sum of all that.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from quoter.engine import charging, lines
from quoter.engine import excerpt as excerpts
from quoter.engine.conditions import Scope
from quoter.engine.lines import PricedLine, round_up
from quoter.engine.pricebook import PriceBook
from quoter.engine.questions import read_answers
from quoter.engine.quote import LineRequest, PriceBookVersion, Quote, QuotedDeposit, QuotedFee, QuotedTax
from quoter.engine.refusal import MAX_LINES, NO_LINES, TOO_MANY_LINES, FieldError, QuoteRefused
from quoter.engine.taxes import Tax, Taxed, added_rate, taxed
from quoter.engine.text import Language
from quoter.engine.tiers import NoTier, tier_for

__all__ = [
    "MAX_LINES",
    "NO_ANSWERS",
    "TOO_MANY_LINES",
    "FieldError",
    "NoTier",
    "QuoteRefused",
    "excerpt",
    "price",
    "requests",
    "round_up",
    "tier_for",
]

NO_ANSWERS: Mapping[str, str] = {}


def price(
    book: PriceBook,
    requested: Sequence[LineRequest],
    *,
    answers: Mapping[str, str] = NO_ANSWERS,
    folio: str,
    issued_at: datetime,
    zone: ZoneInfo,
    language: Language,
) -> Quote:
    """Return the quote for the lines; QuoteRefused with every error when they cannot be priced.

    answers: to the book's questions about the order, as typed. issued_at: aware. zone: the business's; it decides the
    date, and so the tax in force and the last day of validity. language: of descriptions and explanations; amounts do
    not depend on it.
    """
    if not requested:
        raise QuoteRefused([FieldError("lines", NO_LINES)])
    if len(requested) > MAX_LINES:
        raise QuoteRefused([FieldError("lines", TOO_MANY_LINES)])
    issued_at = issued_at.astimezone(zone).replace(microsecond=0)
    today = issued_at.date()
    in_force = book.taxes_on(today)
    answered, order, errors = _answers(book, answers, in_force)
    priced, more_errors = lines.price(book, requested, order, today=today, language=language)
    if errors or more_errors:
        raise QuoteRefused([*errors, *more_errors])

    fees, discounts = _charge_order(book, priced, order, today=today, language=language)
    quoted = tuple([line.quoted for line in priced])
    amount = Decimal("0.00")
    for line in quoted:
        amount += line.amount
    for fee in (*fees, *discounts):
        amount += fee.amount
    with_tax = taxed(amount, in_force, are_included=book.prices_include_tax, rounded=book.rounded)
    taxes = tuple([_quoted(tax, part, book) for tax, part in with_tax.parts])
    return Quote(
        folio=folio,
        issued_at=issued_at,
        valid_until=datetime.combine(today + timedelta(days=book.validity_days), time(23, 59, 59), zone),
        currency=book.currency,
        price_book=PriceBookVersion(name=book.name, version=book.version),
        lines=quoted,
        subtotal=with_tax.subtotal,
        tax=taxes[0] if len(taxes) == 1 else _together(taxes, with_tax),
        total=with_tax.total,
        language=language,
        answers=answered,
        fees=fees,
        discounts=discounts,
        taxes=taxes if len(taxes) > 1 else (),
        deposit=_deposit(book, with_tax.total, language),
    )


def excerpt(book: PriceBook, quote: Quote) -> PriceBook:
    """Return the part of the book that a quote used. Priced from that part, the same lines give the same quote."""
    return excerpts.of(book, quote)


def requests(quote: Quote) -> list[LineRequest]:
    """Return the lines that, with the quote's answers, give its lines."""
    return [
        LineRequest(
            product=line.product,
            options=line.options,
            measure=line.measure,
            extras=tuple(extra.code for extra in line.extras),
            inputs=line.inputs,
        )
        for line in quote.lines
    ]


def _answers(
    book: PriceBook, typed: Mapping[str, str], in_force: Sequence[Tax]
) -> tuple[dict[str, str], Scope, list[FieldError]]:
    """Return the answers in their one spelling, what rules may look at in them, and an error for each wrong one."""
    order = Scope({}, {}, [], Decimal(0) if book.prices_include_tax else added_rate(in_force))
    if not book.questions:
        return {}, order, []
    questions = book.priced_questions
    answered, wrong = read_answers(questions, typed)
    for question in questions:
        answer = answered.get(question.code, "")
        order.choices[question.code] = answer
        if question.kind == "number":
            order.numbers[question.code] = Decimal(answer or 0)
        elif choice := question.choice(answer):
            order.numbers |= choice.values
    return answered, order, [FieldError(f"answers.{code}", message) for code, message in wrong.items()]


def _charge_order(
    book: PriceBook, priced: Sequence[PricedLine], order: Scope, *, today: date, language: Language
) -> tuple[tuple[QuotedFee, ...], tuple[QuotedFee, ...]]:
    if not (book.fees or book.limits or book.quantities):
        return (), ()
    scope = charging.order_scope([line.scope for line in priced], [line.quoted.product for line in priced], order)
    errors = charging.calculate(book.quantities, scope, path="lines", book=book)
    fees, discounts, more = charging.charge(book.fees, scope, on=today, book=book, language=language, path="lines")
    errors += more or charging.limited(book.limits, scope, path="lines")
    if errors:
        raise QuoteRefused(errors)
    return fees, discounts


def _quoted(tax: Tax, amount: Decimal, book: PriceBook) -> QuotedTax:
    is_inside = book.prices_include_tax and not tax.retained
    rate = -tax.rate if tax.retained else tax.rate
    return QuotedTax(name=tax.name, rate=rate, amount=amount, included=is_inside)


def _together(parts: Sequence[QuotedTax], with_tax: Taxed) -> QuotedTax:
    """Return several taxes, or none, as one."""
    return QuotedTax(
        name=" + ".join(part.name for part in parts),
        rate=sum((part.rate for part in parts), Decimal(0)),
        amount=with_tax.total - with_tax.subtotal,
        included=any(part.included for part in parts),
    )


def _deposit(book: PriceBook, total: Decimal, language: Language) -> QuotedDeposit | None:
    if book.deposit is None:
        return None
    amount = book.deposit.of(total, rounded=book.rounded)
    return QuotedDeposit(description=book.deposit.label.in_(language), amount=amount) if amount else None
