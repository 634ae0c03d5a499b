"""A discount that a seller gives on a quote: the last fee of the order, below zero, in the quote's own price book.

So it is priced, rounded, taxed, stored, signed and recomputed as every other discount. Only who prices a quote with
`with_discount` can give one: no request of a customer names it.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from quoter.engine.fees import Fee
from quoter.engine.numbers import canonical
from quoter.engine.pricebook import PriceBook
from quoter.engine.text import Text

# The code of the fee, which the check of price books refuses to every other.
CODE = "seller_discount"
LABEL = Text(es="Descuento: {reason}", en="Discount: {reason}")


class Discount(NamedTuple):
    """rate: the part of all that is charged before taxes that is taken off, a fraction; label: with the reason."""

    rate: Decimal
    label: Text

    @classmethod
    def of(cls, rate: Decimal, reason: Text) -> "Discount":
        return cls(rate, LABEL.fill(reason=reason))

    def says(self, other: "Discount") -> bool:
        """Return whether both say the same, of which the other may be in one language alone."""
        return self.rate == other.rate and other.label.es in (self.label.es, self.label.en)

    @property
    def percent(self) -> str:
        """The rate in per cent, as it is typed: 7.5."""
        return canonical(self.rate * 100)


def with_discount(book: PriceBook, discount: Discount | None) -> PriceBook:
    """Return the book with a discount, which comes after all its fees; the book itself for None."""
    if discount is None:
        return book
    return book.model_copy(update={"fees": (*book.fees, Fee(code=CODE, label=discount.label, rate=-discount.rate))})


def given(prices: Mapping[str, Any]) -> Discount | None:
    """Return the discount that a quote was given. prices: the part of the book that it used, as JSON values."""
    for fee in prices.get("fees", ()):
        if fee["code"] == CODE:
            return Discount(-Decimal(fee["rate"]), Text.model_validate(fee["label"]))
    return None
