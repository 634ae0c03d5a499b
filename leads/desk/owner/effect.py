"""What a draft of the prices does to the last quotes: each priced again by the prices in force and by the draft."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils import timezone

from leads.models import Lead
from quoter import site
from quoter.engine import pricing
from quoter.engine.pricebook import PriceBook
from quoter.engine.quote import LineRequest
from quoter.shop.table.examples import Became, became

QUOTES = 200
MOST_NAMED, MOST_EXAMPLES = 5, 3


@dataclass(frozen=True, slots=True)
class Changed:
    folio: str
    before: Decimal
    after: Decimal

    @property
    def difference(self) -> Decimal:
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class Effect:
    """count: quotes that both price; before, after: their totals; most: the most changed; lost: those without one.

    examples: what the book's own examples become.
    """

    count: int
    before: Decimal
    after: Decimal
    changed: int
    most: tuple[Changed, ...]
    lost: tuple[str, ...]
    examples: tuple[Became, ...]

    @property
    def difference(self) -> Decimal:
        return self.after - self.before


def of(draft: PriceBook) -> Effect:
    """Compare the draft with the prices in force, for the last quotes."""
    in_force, rows, lost = site.price_book(), [], []
    for lead in Lead.objects.filter(is_first=True).order_by("-arrived_at", "-pk")[:QUOTES]:
        issued = lead.snapshot.issued
        before = issued and _total(in_force, pricing.requests(issued.quote))
        if not issued or before is None:
            continue
        after = _total(draft, pricing.requests(issued.quote))
        if after is None:
            lost.append(lead.folio)
        else:
            rows.append(Changed(lead.folio, before, after))
    changed = sorted((row for row in rows if row.difference), key=lambda row: -abs(row.difference))
    zero = Decimal("0.00")
    return Effect(
        count=len(rows),
        before=sum((row.before for row in rows), zero),
        after=sum((row.after for row in rows), zero),
        changed=len(changed),
        most=tuple(changed[:MOST_NAMED]),
        lost=tuple(lost),
        examples=tuple(became(in_force, draft, MOST_EXAMPLES)),
    )


def _total(book: PriceBook, lines: list[LineRequest]) -> Decimal | None:
    how: dict[str, Any] = {"folio": "", "issued_at": timezone.now(), "zone": site.zone(), "language": site.language()}
    try:
        return pricing.price(book, lines, **how).total
    except (pricing.QuoteRefused, LookupError):
        return None
