"""A discount that a seller gives on a quote: the last fee of the order, below zero, in the quote's own price book.

So it is priced, rounded, taxed, stored, signed and recomputed as every other discount. Only who prices a quote with
`with_discount` can give one: no request of a customer names it.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from quoter.engine.fees import Fee
from quoter.engine.numbers import canonical, money
from quoter.engine.pricebook import PriceBook
from quoter.engine.quote import Quote
from quoter.engine.text import Text

# The code of the fee, which the check of price books refuses to every other.
CODE = "seller_discount"
LABEL = Text(es="Descuento: {reason}", en="Discount: {reason}")


class Discount(NamedTuple):
    """rate: the part of all that is charged before taxes that is taken off, a fraction; label: with the reason.

    amount: what is taken off in money, before taxes, in place of a part; 0 for a part.
    """

    rate: Decimal
    label: Text
    amount: Decimal = Decimal(0)

    @classmethod
    def of(cls, rate: Decimal, reason: Text, *, amount: Decimal = Decimal(0)) -> "Discount":
        return cls(rate, LABEL.fill(reason=reason), amount)

    def says(self, other: "Discount") -> bool:
        """Return whether both say the same, of which the other may be in one language alone."""
        return self[::2] == other[::2] and other.label.es in (self.label.es, self.label.en)

    @property
    def percent(self) -> str:
        """The rate in per cent, as it is typed: 7.5; "" for an amount."""
        return "" if self.amount else canonical(self.rate * 100)

    def written(self, currency: str) -> str:
        """Return what is taken off, for people: 7.5 %, $500.00."""
        return money(self.amount, currency) if self.amount else f"{self.percent}\N{NO-BREAK SPACE}%"


def with_discount(book: PriceBook, discount: Discount | None) -> PriceBook:
    """Return the book with a discount, which comes after all its fees; the book itself for None."""
    if discount is None:
        return book
    fee = Fee(code=CODE, label=discount.label, rate=-discount.rate, price=-discount.amount)
    return book.model_copy(update={"fees": (*book.fees, fee)})


def charged(quote: Quote) -> Decimal:
    """Return what a seller's discount is taken off: all that is charged before taxes, as the book writes its prices."""
    parts = [*(line.amount for line in quote.lines), *(fee.amount for fee in quote.fees)]
    parts += [fee.amount for fee in quote.discounts if fee.code != CODE]
    return sum(parts, Decimal("0.00"))


def given(prices: Mapping[str, Any]) -> Discount | None:
    """Return the discount that a quote was given. prices: the part of the book that it used, as JSON values."""
    for fee in prices.get("fees", ()):
        if fee["code"] == CODE:
            rate, price = (-Decimal(fee.get(name, 0)) for name in ("rate", "price"))
            return Discount(rate, Text.model_validate(fee["label"]), price)
    return None
