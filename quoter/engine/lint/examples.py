"""Checks a book's examples: prices each request and compares every figure that the example gives."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

from quoter.engine import pricing
from quoter.engine.examples import Example
from quoter.engine.finding import BookFinding
from quoter.engine.pricebook import PriceBook
from quoter.engine.quote import Quote

_ZONE = ZoneInfo("UTC")


def findings(book: PriceBook) -> Iterator[BookFinding]:
    """Yield what is wrong with the examples of a book; each names the example and the figure."""
    for number, example in enumerate(book.examples):
        place = f"examples[{number}]"
        try:
            quote = priced(book, example)
        except pricing.QuoteRefused as refused:
            fields = ", ".join(error.field for error in refused.errors)
            if not example.refused or example.refused not in [error.field for error in refused.errors]:
                yield BookFinding(place, "%(say)s: is refused, at %(fields)s", say=example.say, fields=fields)
        else:
            if example.refused:
                yield BookFinding(
                    f"{place}.refused",
                    "%(say)s: is priced at %(total)s, not refused",
                    say=example.say,
                    total=quote.total,
                )
            yield from _differences(example, quote, place)


def priced(book: PriceBook, example: Example) -> Quote:
    """Return the quote for an example's request, on its day; QuoteRefused as `pricing.price`."""
    return pricing.price(
        book,
        example.lines,
        answers=example.answers,
        folio="",
        issued_at=datetime.combine(example.on, time(12), _ZONE),
        zone=_ZONE,
        language="en",
    )


def amounts(quote: Quote) -> dict[str, Decimal]:
    """Return what each code comes to in a quote: products, extras, fees and discounts."""
    found: Counter[str] = Counter()
    for code, amount in (part for line in quote.lines for part in line.parts()):
        found[code] += amount  # type: ignore[assignment]  # a Counter of Decimals adds up as well
    for fee in (*quote.fees, *quote.discounts):
        found[fee.code] += fee.amount  # type: ignore[assignment]
    return {code: Decimal(amount) for code, amount in found.items()}


def _differences(example: Example, quote: Quote, place: str) -> Iterator[BookFinding]:
    found: dict[str, Decimal] = {
        **amounts(quote),
        "subtotal": quote.subtotal,
        "tax": quote.tax.amount,
        "total": quote.total,
        "deposit": quote.deposit.amount if quote.deposit else Decimal(0),
    }
    for name, expected in example.expected.items():
        amount = found.get(name, Decimal(0))
        if amount != expected:
            yield BookFinding(
                f"{place}.{name}",
                "%(say)s: %(name)s is %(amount)s, the example says %(expected)s",
                say=example.say,
                name=name,
                amount=amount,
                expected=expected,
            )
