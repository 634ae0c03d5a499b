"""Prices stored quotes again from the prices stored with them, and reports amounts that differ."""

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from leads import snapshot
from leads.models import LeadQuerySet
from leads.paging import pages
from quoter.engine import pricing
from quoter.engine.pricebook import PriceBook
from quoter.engine.quote import Quote, QuotedExtra, QuotedFee

# Many quotes have the same prices, and parsing prices takes longer than pricing with them.
_PRICES_KEPT = 2000


class AuditFinding(NamedTuple):
    """One fault of a stored quote.

    place: a path in `quote_data`, or "" when the quote cannot be read; found: the stored value, or why the quote cannot
    be read; expected: the value that its own prices give.
    """

    folio: str
    place: str
    found: str
    expected: str

    def __str__(self) -> str:
        if not self.place:
            return f"{self.folio}: cannot be read: {self.found}"
        return f"{self.folio}: {self.place} is {self.found}, its own prices give {self.expected}"


class Audited(NamedTuple):
    """One page of leads.

    quotes: how many; without_prices: how many of them are of other programs or were stored unpriced, so that nothing
    follows from their prices; fraction: how much of the table is done after it, from 0 to 1.
    """

    quotes: int
    without_prices: int
    findings: list[AuditFinding]
    fraction: float


def audit(leads: LeadQuerySet, *, zone: ZoneInfo) -> Iterator[Audited]:
    """Yield the faults in the leads' quotes, page by page.

    leads: all, or those of a range of created_at; zone: the business's.
    """
    for page in pages(leads):
        stored = list(page.leads.values_list("folio", "quote_data"))
        priced = [(folio, data) for folio, data in stored if snapshot.carries_prices(data)]
        findings = [finding for folio, data in priced for finding in findings_in(folio, data, zone=zone)]
        yield Audited(len(stored), len(stored) - len(priced), findings, page.fraction)


def findings_in(folio: str, data: object, *, zone: ZoneInfo) -> list[AuditFinding]:
    """Return each amount of a stored quote that differs from what its own prices give, or why it cannot be read.

    data: a quote that `snapshot.carries_prices`.
    """
    try:
        quote = snapshot.parse_quote(data)
        again = _priced_again(quote, _prices(json.dumps(snapshot.read(data).prices)), zone=zone)
    except (LookupError, ValueError, ArithmeticError) as error:
        return [AuditFinding(folio, "", _reason(error), "")]
    stored, expected = _amounts(quote), _amounts(again)
    return [
        AuditFinding(folio, place, _written(stored.get(place), "missing"), _written(expected.get(place), "none"))
        for place in {**expected, **stored}
        if stored.get(place) != expected.get(place)
    ]


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "its prices are not a price book"
    if isinstance(error, snapshot.NotAQuote):
        return str(error)
    # A refusal names fields, measures and amounts, but never a person.
    return f"{type(error).__name__}: {error}" if isinstance(error, pricing.QuoteRefused) else type(error).__name__


def _written(amount: Decimal | None, nothing: str) -> str:
    return nothing if amount is None else f"{amount:f}"


def _priced_again(quote: Quote, book: PriceBook, *, zone: ZoneInfo) -> Quote:
    return pricing.price(
        book,
        pricing.requests(quote),
        answers=quote.answers,
        folio=quote.folio,
        issued_at=quote.issued_at,
        zone=zone,
        language=quote.language,
    )


@lru_cache(_PRICES_KEPT)
def _prices(text: str) -> PriceBook:
    return PriceBook.model_validate_json(text)


def _amounts(quote: Quote) -> dict[str, Decimal]:
    """Return every figure that is computed from the quote's prices, by its path in `quote_data`."""
    amounts = {
        "subtotal": quote.subtotal,
        "tax.rate": quote.tax.rate,
        "tax.amount": quote.tax.amount,
        "total": quote.total,
    }
    for number, line in enumerate(quote.lines):
        amounts |= {
            f"lines.{number}.requested": line.requested.normalize(),
            f"lines.{number}.billed": line.billed.normalize(),
            f"lines.{number}.unit_price": line.unit_price,
            f"lines.{number}.base": line.base,
            f"lines.{number}.amount": line.amount,
        }
        amounts |= _parts(f"lines.{number}.extras", line.extras)
        amounts |= _parts(f"lines.{number}.fees", line.fees) | _parts(f"lines.{number}.discounts", line.discounts)
    amounts |= _parts("fees", quote.fees) | _parts("discounts", quote.discounts)
    amounts |= {f"taxes.{tax.name}": tax.amount for tax in quote.taxes}
    return amounts | ({"deposit": quote.deposit.amount} if quote.deposit else {})


def _parts(place: str, parts: Iterable[QuotedExtra | QuotedFee]) -> dict[str, Decimal]:
    return {f"{place}.{part.code}": part.amount for part in parts}
