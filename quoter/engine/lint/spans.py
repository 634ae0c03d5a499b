"""The numbers that a name of a price book can stand for, and those that a quantity can come to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from quoter.engine.numbers import as_decimal, multiple_of
from quoter.engine.pricebook import Product
from quoter.engine.quantities import Quantity
from quoter.engine.questions import Input, Question

_NONE, _ONE = Decimal(0), Decimal(1)


@dataclass(frozen=True)
class Span:
    """Multiples of the step (0: any number) from least to most; without a most there is no end."""

    step: Decimal = _NONE
    least: Decimal = _NONE
    most: Decimal | None = None

    def joined(self, other: "Span") -> "Span":
        """Return the numbers of both."""
        step = self.step if self.step == other.step else _NONE
        most = None if self.most is None or other.most is None else max(self.most, other.most)
        return Span(step, min(self.least, other.least), most)


Spans = Mapping[str, Span]


def most_billed(sold: Product) -> Decimal | None:
    """Return the most that a line of a product is billed for; None when no number says what is in a pack."""
    size = sold.pack.size if sold.pack else sold.step
    if isinstance(size, str):
        return None
    return multiple_of(size, sold.maximum, mode="up") if size > 0 else sold.maximum


def of_input(asked: Input) -> Span:
    """Return what a customer can state; a question that is left unanswered counts nought."""
    least = asked.min if asked.default is None else min(asked.min, asked.default)
    if isinstance(asked, Question) and not asked.is_required and asked.default is None:
        least = min(least, _NONE)
    return Span(_ONE if asked.whole else _NONE, least, asked.max)


def of_quantity(quantity: Quantity, known: Spans) -> Span:
    """Return what a quantity can come to, before its own maximum refuses more."""
    added = [_product(term, known) for term in quantity.add]
    taken = [_product(term, known) for term in quantity.subtract]
    by, divisor = _product(quantity.multiply, known), _product(quantity.divide, known)
    least = max(_total(span.least for span in added) - (_sum_of_mosts(taken) or _NONE), _NONE)
    if _sum_of_mosts(taken) is None:
        least = _NONE
    most = _sum_of_mosts(added)
    if most is not None:
        most = max(most - _total(span.least for span in taken), _NONE)
    least = least * by.least / divisor.most if divisor.most else _NONE
    most = None if most is None or by.most is None or divisor.least <= 0 else most * by.most / divisor.least
    return _rounded(quantity, least, most)


def _rounded(quantity: Quantity, least: Decimal, most: Decimal | None) -> Span:
    step = _NONE
    if isinstance(quantity.step, str):
        least, most = _NONE, None
    elif quantity.step is not None and quantity.step > 0:
        step = quantity.step
        least = as_decimal(multiple_of(step, least, mode=quantity.round))
        most = None if most is None else as_decimal(multiple_of(step, most, mode=quantity.round))
    if quantity.minimum is not None:
        least = max(least, quantity.minimum) if least > 0 else least
        most = None if most is None else max(most, quantity.minimum)
    return Span(step, least, most)


def _product(factors: Iterable[Decimal | str], known: Spans) -> Span:
    """Return the product of names and numbers. With one below nought, nothing is known of it."""
    least = _ONE
    most: Decimal | None = _ONE
    for factor in factors:
        span = known.get(factor, Span()) if isinstance(factor, str) else Span(_NONE, factor, factor)
        if span.least < 0:
            return Span()
        least *= span.least
        most = None if most is None or span.most is None else most * span.most
    return Span(_NONE, least, most)


def _total(numbers: Iterable[Decimal]) -> Decimal:
    return sum(numbers, _NONE)


def _sum_of_mosts(spans: Iterable[Span]) -> Decimal | None:
    mosts = [span.most for span in spans]
    return None if None in mosts else _total(most for most in mosts if most is not None)
