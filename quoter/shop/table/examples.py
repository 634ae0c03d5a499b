"""A book's examples after a change of prices: an owner sees what they become, and the book goes on checking itself."""

import copy
from decimal import Decimal
from typing import NamedTuple

from quoter.engine import pricing
from quoter.engine.examples import Example
from quoter.engine.lint.examples import amounts, priced
from quoter.engine.pricebook import PriceBook
from quoter.engine.quote import Quote
from quoter.shop.table.rows import EXAMPLES, Document


class Became(NamedTuple):
    """An example's total before a change and after it; None: refused."""

    say: str
    before: Decimal | None
    after: Decimal | None


def with_amounts_of(data: Document, book: PriceBook) -> Document:
    """Return the document with what its examples come to. One that is refused, or was, stays as it is."""
    after = copy.deepcopy(data)
    for written, example in zip(after.get(EXAMPLES, ()), book.examples, strict=True):
        if (quote := _quoted(book, example)) and not example.refused:
            found = {
                "subtotal": quote.subtotal,
                "tax": quote.tax.amount,
                "total": quote.total,
                "deposit": quote.deposit.amount if quote.deposit else Decimal(0),
            }
            written |= {name: amount for name, amount in found.items() if name in written}
            if "amounts" in written:
                each = amounts(quote)
                written["amounts"] = {code: each.get(code, Decimal(0)) for code in written["amounts"]}
    return after


def became(before: PriceBook, after: PriceBook, most: int) -> list[Became]:
    """Return what the examples of the book come to, those that change first."""
    found = []
    for example in after.examples:
        old, new = _quoted(before, example), _quoted(after, example)
        if not example.refused:
            found.append(Became(example.say, old.total if old else None, new.total if new else None))
    return sorted(found, key=lambda each: each.before == each.after)[:most]


def _quoted(book: PriceBook, example: Example) -> Quote | None:
    try:
        return priced(book, example)
    except (pricing.QuoteRefused, LookupError):
        return None
