"""Explains a fee of the bill in one sentence: what was counted, at which price, and what would avoid it."""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

from quoter.engine.conditions import Scope
from quoter.engine.explain import in_parts
from quoter.engine.fees import Computed, Fee
from quoter.engine.measure import QUANTITY
from quoter.engine.numbers import Number, as_decimal, canonical, decimal_places, grouped, money
from quoter.engine.pricebook import PriceBook
from quoter.engine.text import Language, Text

PER_UNIT = Text(es="{quantity} × {price}.", en="{quantity} × {price}.")
PER_EACH = Text(es="{quantity}, a {price} por cada {each}.", en="{quantity}, at {price} for each {each}.")
FIRST_AND_FURTHER = Text(
    es="{quantity}: el primero a {price}, los demás al {percent} de ese precio.",
    en="{quantity}: the first at {price}, each additional one at {percent} of that.",
)
FOR_BAND = Text(es="{price} por {quantity}.", en="{price} for {quantity}.")
BY_PARTS = Text(es="{quantity}: {parts}.", en="{quantity}: {parts}.")
PERCENT = Text(es="{percent} de {base}.", en="{percent} of {base}.")
PERCENT_AND = Text(es="{price} más {percent} de {base}.", en="{price} plus {percent} of {base}.")
PERCENT_EACH = Text(es="{quantity} × {percent} de {base}.", en="{quantity} × {percent} of {base}.")
PERCENT_AND_EACH = Text(
    es="{quantity} × ({price} más {percent} de {base}).", en="{quantity} × ({price} plus {percent} of {base})."
)
AT_LEAST = Text(es="Mínimo {bound}.", en="At least {bound}.")
AT_MOST = Text(es="Máximo {bound}.", en="At most {bound}.")
UP_TO = Text(
    es="El mínimo es de {least}: aquí van los {amount} que faltan.",
    en="The minimum is {least}: this adds the missing {amount}.",
)
FREE_FROM = Text(es="Desde {amount} es gratis: te faltan {missing}.", en="Free from {amount}: {missing} to go.")
UNTIL = Text(es="Hasta el {day}.", en="Until {day}.")


def explain_fee(
    fee: Fee, computed: Computed, amount: Decimal, *, book: PriceBook, scope: Scope, language: Language
) -> str:
    """Return the explanation of a fee, "" for one that says everything by its name. amount: what is charged."""
    parts = [fee.help.in_(language)] if fee.help else []
    parts += [sentence.in_(language) for sentence in _sentences(fee, computed, amount, book, scope)]
    return " ".join(parts)


def _sentences(fee: Fee, computed: Computed, amount: Decimal, book: PriceBook, scope: Scope) -> Iterable[Text]:
    say = _Money(book)
    if fee.up_to is not None:
        yield UP_TO.fill(least=say(fee.up_to), amount=say(amount))
        return
    if computed.bound is not None:
        is_least = computed.bound == fee.minimum and computed.bound > 0
        yield (AT_LEAST if is_least else AT_MOST).fill(bound=say(abs(computed.bound)))
    elif computed.rate:
        yield _percent(fee, computed, book, say)
    elif computed.quantity is not None:
        yield _counted(fee, computed, book, say)
    for condition in fee.when:
        if condition.amount_of and condition.below is not None:
            missing = condition.below - scope.amount_of(condition.amount_of)
            yield FREE_FROM.fill(amount=say(condition.below), missing=say(missing))
    if fee.until:
        yield UNTIL.fill(day=fee.until.isoformat())


def _percent(fee: Fee, computed: Computed, book: PriceBook, say: "_Money") -> Text:
    values: dict[str, str | Text] = {"percent": percent(abs(computed.rate)), "base": say(computed.base)}
    values["price"] = say(abs(computed.price))
    count = None if computed.quantity is None else computed.quantity / Fraction(fee.each)
    if count is None or fee.pricing != "unit" or (count == 1 and not fee.unit):
        return (PERCENT_AND if computed.price else PERCENT).fill(**values)
    values["quantity"] = _quantity(count, fee.unit if fee.each == 1 else "", book)
    return (PERCENT_AND_EACH if computed.price else PERCENT_EACH).fill(**values)


def _counted(fee: Fee, computed: Computed, book: PriceBook, say: "_Money") -> Text:
    assert computed.quantity is not None
    quantity = _quantity(computed.quantity, fee.unit, book)
    price = say(abs(computed.price))
    if fee.pricing == "graduated":
        return BY_PARTS.fill(quantity=quantity, parts=in_parts(computed.parts, book.currency))
    if fee.pricing == "flat":
        return FOR_BAND.fill(quantity=quantity, price=price)
    if fee.further is not None and computed.quantity > fee.each:
        return FIRST_AND_FURTHER.fill(quantity=quantity, price=price, percent=percent(fee.further))
    if fee.each != 1:
        each = _quantity(Fraction(fee.each), fee.unit, book)
        return PER_EACH.fill(quantity=quantity, price=price, each=each)
    return PER_UNIT.fill(quantity=quantity, price=price)


def _quantity(number: Number, unit: str, book: PriceBook) -> Text:
    shown = as_decimal(number)
    text = grouped(shown, places=min(6, decimal_places(shown)))
    return QUANTITY.fill(number=text, unit=book.unit_text(unit, number)) if unit else Text(es=text, en=text)


def percent(rate: Decimal) -> str:
    """Write a fraction in per cent: 0.0775 -> 7.75 %."""
    return f"{canonical(rate * 100)} %"


class _Money:
    """Writes amounts in the currency of a book."""

    def __init__(self, book: PriceBook) -> None:
        self._currency = book.currency

    def __call__(self, amount: Decimal) -> str:
        return money(amount, self._currency)
