"""Doubts about a price book that is right as far as it goes: each may be meant so, and often is not."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise

from quoter.engine import currency
from quoter.engine.finding import BookFinding
from quoter.engine.numbers import canonical, money
from quoter.engine.pricebook import PriceBook, PriceList, Product

Findings = Iterator[BookFinding]

# A factor with so many digits or more is likely one divided by a whole number or by a size.
_LONG = 4


def findings(book: PriceBook) -> Findings:
    """Yield the doubts."""
    if "rounding" not in book.model_fields_set and currency.of(book.currency).places != 2:
        places = currency.of(book.currency).places
        yield BookFinding(
            "rounding",
            "%(currency)s has %(places)s decimals; say to what amounts are rounded",
            currency=book.currency,
            places=places,
        )
    if not book.examples and _has_rules(book):
        yield BookFinding("examples", "there is none, and nothing else proves that the rules charge what is meant")
    for number, sold in enumerate(book.products):
        place = f"products[{number}]"
        if not sold.falls:
            for row, listed in enumerate(sold.prices):
                yield from _falls(book, sold, listed, f"{place}.prices[{row}]")
        yield from _factors(sold, place)


def _has_rules(book: PriceBook) -> bool:
    rules = (book.fees, book.quantities, book.limits, book.priced_questions)
    return any(rules) or any(any((sold.fees, sold.inputs, sold.quantities, sold.limits)) for sold in book.products)


def _falls(book: PriceBook, sold: Product, listed: PriceList, place: str) -> Findings:
    """Find tiers that begin cheaper than the last quantity of the tier before costs: more costs less."""
    if sold.pricing == "graduated":
        return
    for number, (lower, upper) in enumerate(pairwise(listed.tiers), start=1):
        if lower.high is None:
            continue
        before, after = lower.price, upper.price
        if sold.pricing == "unit":
            before, after = lower.high * lower.price, upper.low * upper.price
        if after < before:
            names = ", ".join([sold.code, *listed.options.values()])
            yield BookFinding(
                f"{place}.tiers[{number}]",
                "%(of)s: %(more)s costs %(less_money)s, but %(less)s costs %(money)s; "
                "write falls = true in the product if that is meant",
                of=names,
                more=canonical(upper.low),
                less_money=money(after, book.currency),
                less=canonical(lower.high),
                money=money(before, book.currency),
            )


def _factors(sold: Product, place: str) -> Findings:
    """Find factors that stand for a division but do not invert: 0.6945 boxes for each m² makes 10 boxes 11."""
    for number, measure in enumerate(sold.measures):
        factors = [(f"{place}.measures[{number}].factor", measure.factor)]
        if table := measure.coefficients:
            rows = enumerate(table.choices)
            factors += [(f"{place}.measures[{number}].coefficients.choices[{row}]", each.factor) for row, each in rows]
        for here, factor in factors:
            if size := _size_behind(factor):
                yield BookFinding(
                    here,
                    "%(of)s: %(factor)s looks like 1 ÷ %(size)s, but is not: use quantities with divide = [%(size)s]",
                    of=sold.code,
                    factor=factor,
                    size=size,
                )


def _size_behind(factor: Decimal) -> str:
    """Return the short number of which a long factor is nearly, but not exactly, the inverse; "" when there is none."""
    if len(factor.normalize().as_tuple().digits) < _LONG:
        return ""
    size = round(1 / factor, 2)
    if size <= 0 or size * factor == 1 or len(canonical(size).replace(".", "")) > _LONG:
        return ""
    last_digit = Decimal((0, (1,), int(factor.as_tuple().exponent)))
    return canonical(size) if abs(1 / size - factor) <= last_digit else ""
