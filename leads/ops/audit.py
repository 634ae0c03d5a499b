"""Prices stored quotes again from the prices that they carry, and reports amounts that do not follow."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from leads.models import LeadQuerySet
from leads.paging import pages
from quoter.engine import pricing
from quoter.engine.pricebook import PriceBook
from quoter.engine.quote import LineRequest

# Quotes repeat the same few combinations, and parsing their prices takes longer than pricing with them.
_PRICES_KEPT = 2000


class AuditFinding(NamedTuple):
    """One fault of a stored quote.

    place: a path into `quote_data`, "" when the quote cannot be read; found: the stored value, or why it cannot be
    read; expected: the value that follows from the quote's own prices.
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
    """One page of leads. quotes: how many; fraction: how much of the table is done after it, from 0 to 1."""

    quotes: int
    findings: list[AuditFinding]
    fraction: float


def audit(leads: LeadQuerySet, *, zone: ZoneInfo) -> Iterator[Audited]:
    """Yield the faults in the quotes of leads, page after page; each fault once.

    leads: all, or those of a range of created_at. zone: the business's.
    """
    for page in pages(leads):
        stored = list(page.leads.values_list("folio", "quote_data"))
        findings = [finding for folio, data in stored for finding in findings_in(folio, data, zone=zone)]
        yield Audited(len(stored), findings, page.fraction)


def findings_in(folio: str, data: Any, *, zone: ZoneInfo) -> list[AuditFinding]:
    """Return each amount of a stored quote that does not follow from its own prices, or why it cannot be read."""
    if isinstance(data, dict) and "unpriced" in (data.get("flags") or ()):
        return []  # an earlier release kept what it could not price: no amount was promised
    try:
        stored, expected = _amounts(data), _amounts(_priced_again(data, zone=zone))
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:
        return [AuditFinding(folio, "", _reason(error), "")]
    places = {**expected, **stored}
    return [
        AuditFinding(folio, place, str(stored.get(place, "missing")), str(expected.get(place, "none")))
        for place in places
        if stored.get(place) != expected.get(place)
    ]


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it lacks {error}"
    # A refusal names fields, measures and amounts, but never a person.
    return f"{type(error).__name__}: {error}" if isinstance(error, pricing.QuoteRefused) else type(error).__name__


def _priced_again(data: Mapping[str, Any], *, zone: ZoneInfo) -> dict[str, Any]:
    lines = [
        LineRequest(
            product=line["product"],
            options=line["options"],
            measure=line["measure"],
            extras=tuple(extra["code"] for extra in line["extras"]),
        )
        for line in data["lines"]
    ]
    quote = pricing.price(
        _prices(json.dumps(data["prices"])),
        lines,
        folio=data["folio"],
        issued_at=datetime.fromisoformat(data["issued_at"]),
        zone=zone,
        language=data["language"],
    )
    return quote.model_dump(mode="json")


@lru_cache(_PRICES_KEPT)
def _prices(text: str) -> PriceBook:
    return PriceBook.model_validate_json(text)


def _amounts(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return every figure of a quote that follows from its prices, by its path."""
    amounts = {
        "subtotal": data["subtotal"],
        "tax.rate": data["tax"]["rate"],
        "tax.amount": data["tax"]["amount"],
        "total": data["total"],
    }
    for number, line in enumerate(data["lines"]):
        for name in ("requested", "billed", "unit_price", "base", "amount"):
            amounts[f"lines.{number}.{name}"] = line[name]
        for extra in line["extras"]:
            amounts[f"lines.{number}.extras.{extra['code']}"] = extra["amount"]
    return amounts
