"""Prices a quote again by another price book, and compares: the difference, and which rules have changed."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from quoter import site, token
from quoter.engine import pricing
from quoter.engine.numbers import canonical, decimal_places, grouped, money
from quoter.engine.pricebook import PriceBook, Product
from quoter.engine.quote import Quote, QuotedExtra, QuotedFee, QuoteLine
from quoter.engine.text import Text
from quoter.engine.units import unit_text
from quoter.token import BadToken, IssuedQuote

# The form field and the query parameter with the token of an earlier quote, which is changed or priced again.
BEFORE = "before"

TAX = Text(es="Impuesto", en="Tax")
STEP = Text(es="Incremento", en="Step")
MINIMUM = Text(es="Mínimo", en="Minimum")
MEASURED = Text(es="Cantidad medida", en="Measured quantity")
BILLED = Text(es="Cantidad cobrada", en="Billed quantity")
UNIT_PRICE = Text(es="Precio unitario", en="Unit price")
FEE = Text(es="Cargo", en="Fee")
DISCOUNT = Text(es="Descuento", en="Discount")
EXTRA = Text(es="Adicional", en="Extra")
LINE = Text(es="Partida", en="Line")
NOTHING = Text(es="nada", en="nothing")


@dataclass(frozen=True, slots=True)
class RuleChange:
    """One rule that has changed. subject: the line or tax it belongs to; before, after: its values, for people."""

    subject: str
    rule: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Repriced:
    """A quote at other prices, or of a job that was changed.

    quote: None when the prices cannot price the job; refusals: why not; difference: the new total minus the old one.
    """

    quote: Quote | None = None
    difference: Decimal = Decimal("0.00")
    changes: tuple[RuleChange, ...] = ()
    refusals: tuple[str, ...] = ()
    is_same_job: bool = True


def earlier(reference: object) -> IssuedQuote | None:
    """Return the quote that a BEFORE names; None unless it is a valid token. reference: as the client sent it."""
    try:
        return token.loads(reference, zone=site.zone()) if isinstance(reference, str) and reference else None
    except BadToken:
        return None


def still_holds(before: IssuedQuote, after: IssuedQuote, *, now: datetime) -> bool:
    """Return whether the earlier quote is for the same job, still valid and not dearer."""
    is_valid = not before.quote.is_expired(now) and before.quote.total <= after.quote.total
    return is_valid and _is_same_job(before.quote, after.quote)


def reprice(issued: IssuedQuote) -> Repriced:
    """Price the same request by today's book, with the same discount if a seller gave one."""
    try:
        today = site.preview(pricing.requests(issued.quote), issued.quote.answers, discount=issued.discount)
    except pricing.QuoteRefused as refused:
        return Repriced(refusals=tuple(error.message.in_(site.language()) for error in refused.errors))
    return _compared(issued, today, site.price_book())


def compared(before: IssuedQuote, after: IssuedQuote) -> Repriced | None:
    """Compare two quotes, each with its own prices; None when neither is for the other's job or takes its place."""
    if _is_same_job(before.quote, after.quote):
        return _compared(before, after.quote, PriceBook.model_validate(after.prices))
    if after.quote.replaces != before.quote.folio:
        return None
    changes = tuple(_changes_of_job(before.quote, after.quote))
    return Repriced(after.quote, after.quote.total - before.quote.total, changes, is_same_job=False)


def _is_same_job(one: Quote, other: Quote) -> bool:
    return pricing.requests(one) == pricing.requests(other) and one.answers == other.answers


def _compared(before: IssuedQuote, after: Quote, book: PriceBook) -> Repriced:
    changes = tuple(_changes(before.quote, after, PriceBook.model_validate(before.prices), book))
    return Repriced(after, after.total - before.quote.total, changes)


def _changes_of_job(before: Quote, after: Quote) -> Iterator[RuleChange]:
    """Yield the lines that went and came, those of one product and description side by side, and what else changed."""

    def say(amount: Decimal) -> str:
        return money(amount, after.currency)

    gone, come = ([*quote.lines] for quote in (before, after))
    for line in before.lines:
        if same := next((each for each in come if (each.measure, each.amount) == (line.measure, line.amount)), None):
            gone.remove(line)
            come.remove(same)
    for line in gone:
        if other := next((each for each in come if each.description == line.description), None):
            come.remove(other)
        new = f"{_billed(other)} · {say(other.amount)}" if other else _in_words(NOTHING)
        yield RuleChange(line.description, _in_words(LINE), f"{_billed(line)} · {say(line.amount)}", new)
    for line in come:
        yield RuleChange(line.description, _in_words(LINE), _in_words(NOTHING), f"{_billed(line)} · {say(line.amount)}")
    yield from _changes_of_parts((*before.fees, *before.discounts), (*after.fees, *after.discounts), say)


def _billed(line: QuoteLine) -> str:
    return line.billed_in(site.language())


def _changes(before: Quote, today: Quote, old_book: PriceBook, book: PriceBook) -> Iterator[RuleChange]:
    compared_products: set[str] = set()

    def say(amount: Decimal) -> str:
        return money(amount, today.currency)

    for old, new in zip(before.lines, today.lines, strict=True):
        old_product, product = old_book.product(old.product), book.product(new.product)
        if old_product and product and old.product not in compared_products:
            compared_products.add(old.product)
            yield from _changes_of_product(old_product, product)
        yield from _changes_of_line(old, new, say)
    yield from _changes_of_parts((*before.fees, *before.discounts), (*today.fees, *today.discounts), say)
    if before.tax.rate != today.tax.rate:
        yield RuleChange(today.tax.name, _in_words(TAX), _percent(before.tax.rate), _percent(today.tax.rate))


def _changes_of_product(old: Product, new: Product) -> Iterator[RuleChange]:
    name = new.label.in_(site.language())
    for rule, before, after in [(STEP, old.step, new.step), (MINIMUM, old.minimum, new.minimum)]:
        if before != after:
            yield RuleChange(
                name, _in_words(rule), _with_unit(canonical(before), old.unit), _with_unit(canonical(after), new.unit)
            )


def _changes_of_line(old: QuoteLine, new: QuoteLine, say: Callable[[Decimal], str]) -> Iterator[RuleChange]:
    name = new.description
    if old.requested != new.requested:
        yield RuleChange(name, _in_words(MEASURED), _quantity(old.requested, old), _quantity(new.requested, new))
    if old.billed != new.billed:
        yield RuleChange(name, _in_words(BILLED), _quantity(old.billed, old), _quantity(new.billed, new))
    if old.unit_price != new.unit_price:
        yield RuleChange(name, _in_words(UNIT_PRICE), say(old.unit_price), say(new.unit_price))
    yield from _changes_of_parts(
        (*old.extras, *old.fees, *old.discounts), (*new.extras, *new.fees, *new.discounts), say
    )


def _changes_of_parts(
    old: Iterable[QuotedExtra | QuotedFee], new: Iterable[QuotedExtra | QuotedFee], say: Callable[[Decimal], str]
) -> Iterator[RuleChange]:
    before, after = {part.code: part for part in old}, {part.code: part for part in new}
    for code, part in {**after, **before}.items():
        amounts = [each[code].amount if code in each else Decimal(0) for each in (before, after)]
        if amounts[0] != amounts[1]:
            kind = EXTRA if isinstance(part, QuotedExtra) else FEE if part.amount > 0 else DISCOUNT
            yield RuleChange(part.description, _in_words(kind), *map(say, amounts))


def _in_words(rule: Text) -> str:
    return rule.in_(site.language())


def _quantity(quantity: Decimal, line: QuoteLine) -> str:
    return _with_unit(grouped(quantity, places=decimal_places(quantity)), line.unit)


def _with_unit(number: str, unit: str) -> str:
    return f"{number} {unit_text(unit).in_(site.language())}"


def _percent(rate: Decimal) -> str:
    return f"{canonical(rate * 100)} %"
