"""A book's examples after a change of prices: an owner sees what they become, and the book goes on checking itself."""

import copy
from decimal import Decimal
from typing import NamedTuple

from quoter.engine import pricing
from quoter.engine.examples import Example
from quoter.engine.lint.examples import amounts, findings, priced
from quoter.engine.pricebook import PriceBook
from quoter.engine.quote import Quote
from quoter.shop.table.rows import EXAMPLES, Document


class Became(NamedTuple):
    """An example's total before a change and after it; None: refused."""

    say: str
    before: Decimal | None
    after: Decimal | None


def as_they_become(data: Document, book: PriceBook) -> tuple[Document, list[str]]:
    """Return the document with what its examples come to, and in words those that it no longer has.

    An example goes when its request is priced no more, or not refused as it says: owners cannot write another one.
    """
    after, left_out = copy.deepcopy(data), []
    for written, example in zip(data.get(EXAMPLES, ()), book.examples, strict=True):
        quote, place = _quoted(book, example), after[EXAMPLES].index(written)
        if quote and not example.refused:
            after[EXAMPLES][place] = written | _figures(written, quote)
        elif [*findings(book.model_copy(update={"examples": (example,)}))]:
            del after[EXAMPLES][place]
            left_out.append(example.say)
    return after, left_out


def _figures(written: Document, quote: Quote) -> Document:
    each = {
        "subtotal": quote.subtotal,
        "tax": quote.tax.amount,
        "total": quote.total,
        "deposit": quote.deposit.amount if quote.deposit else Decimal(0),
    }
    found: Document = {name: amount for name, amount in each.items() if name in written}
    if "amounts" in written:
        charged = amounts(quote)
        found["amounts"] = {code: charged.get(code, Decimal(0)) for code in written["amounts"]}
    return found


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
