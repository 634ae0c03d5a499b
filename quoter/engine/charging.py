"""Charges the fees of a line or of an order: which apply, in order, and what each comes to."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction

from quoter.engine.conditions import EVERYTHING, Scope, all_hold
from quoter.engine.explain_fees import explain_fee
from quoter.engine.fees import Fee
from quoter.engine.numbers import written
from quoter.engine.pricebook import Limit, PriceBook
from quoter.engine.quantities import Quantity
from quoter.engine.quote import QuotedFee
from quoter.engine.refusal import NOT_PRICED, TOO_MUCH_OF, FieldError
from quoter.engine.text import Language, Text
from quoter.engine.tiers import NoTier


def calculate(quantities: Iterable[Quantity], scope: Scope, *, path: str, book: PriceBook) -> list[FieldError]:
    """Put the quantities into the scope, in order; return an error for each above its maximum. path: of the errors."""
    errors = []
    for quantity in quantities:
        number = quantity.of(scope.numbers)
        scope.numbers[quantity.code] = number
        if quantity.maximum is not None and number > quantity.maximum:
            label = quantity.label or Text(es=quantity.code, en=quantity.code)
            unit = book.unit_text(quantity.unit) if quantity.unit else Text.model_validate("")
            message = TOO_MUCH_OF.fill(label=label, maximum=written(quantity.maximum), unit=unit)
            errors.append(FieldError(path, message))
    return errors


def charge(
    fees: Sequence[Fee], scope: Scope, *, on: date, book: PriceBook, language: Language, path: str
) -> tuple[tuple[QuotedFee, ...], tuple[QuotedFee, ...], list[FieldError]]:
    """Return the fees, the discounts and an error for each fee that has no price for this request.

    Every amount goes into the scope, so that later fees can be a part of it. A fee of nothing is left out, and a
    discount never takes off more than has been charged.
    """
    if not fees:
        return (), (), []
    charged: list[QuotedFee] = []
    taken_off: list[QuotedFee] = []
    errors: list[FieldError] = []
    for fee in fees:
        try:
            computed = fee.computed(scope, on=on)
        except NoTier:
            errors.append(FieldError(path, NOT_PRICED.fill(label=fee.label)))
            continue
        amount = book.rounded(computed.amount) if computed else Decimal(0)
        if amount < 0:
            amount = max(amount, -scope.amount_of(EVERYTHING))
        if computed is None or not amount:
            continue
        explanation = explain_fee(fee, computed, amount, book=book, scope=scope, language=language)
        quoted = QuotedFee(code=fee.code, description=fee.label.in_(language), amount=amount, explanation=explanation)
        (charged if amount > 0 else taken_off).append(quoted)
        scope.amounts.append((fee.code, amount))
    return tuple(charged), tuple(taken_off), errors


def limited(limits: Iterable[Limit], scope: Scope, *, path: str) -> list[FieldError]:
    """Return an error for each limit that the request meets."""
    return [FieldError(path, limit.message) for limit in limits if all_hold(limit.when, scope)]


def order_scope(scopes: Sequence[Scope], codes: Sequence[str], answers: Scope) -> Scope:
    """Return what the rules of the whole order may look at.

    A number of the lines is their sum, unless an answer has the same name. The amount of a product, by its code, is
    that of all its lines. codes: of the lines' products.
    """
    numbers = dict(answers.numbers)
    for scope, code in zip(scopes, codes, strict=True):
        named = [(name, number) for name, number in scope.numbers.items() if name not in answers.numbers]
        for name, number in [*named, (f"{code}.billed", scope.numbers["billed"])]:
            numbers[name] = Fraction(numbers.get(name, 0)) + Fraction(number)
    numbers["lines"] = Decimal(len(scopes))
    amounts = [amount for scope in scopes for amount in scope.amounts]
    return Scope(numbers, answers.choices, amounts, answers.tax_rate)
