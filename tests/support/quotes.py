"""The two bundled price books, lines of each product, and quotes priced from them."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from quoter.engine import pricing
from quoter.engine.pricebook import PriceBook, read
from quoter.engine.quote import LineRequest, Quote
from quoter.engine.text import Language

BOOKS = Path(__file__).parents[2] / "quoter" / "books"
CONCRETE = read(BOOKS / "concrete.toml")
TURF = read(BOOKS / "turf.toml")

ZONE = ZoneInfo("America/Ciudad_Juarez")
A_MOMENT = datetime(2026, 11, 22, 16, 30, tzinfo=ZONE)
A_FOLIO = "261122-7F3K-Q2M9-Q"


def concrete(m3: str = "6", *, strength: str = "200", service: str = "direct", extras: tuple[str, ...] = ()):
    options = {"strength": strength, "service": service}
    return LineRequest(product="concrete", options=options, measure={"kind": "volume", "m3": m3}, extras=extras)


def turf(m2: str = "20", *, pile_mm: str = "30", base: str = "soil", extras: tuple[str, ...] = ()):
    options = {"pile_mm": pile_mm, "base": base}
    return LineRequest(product="turf", options=options, measure={"kind": "area", "m2": m2}, extras=extras)


def edging(m: str = "10", *, material: str = "pvc", extras: tuple[str, ...] = ()):
    measure = {"kind": "metres", "m": m}
    return LineRequest(product="edging", options={"material": material}, measure=measure, extras=extras)


def priced(book: PriceBook, *lines: LineRequest, at: datetime = A_MOMENT, language: Language = "en") -> Quote:
    return pricing.price(book, lines, folio=A_FOLIO, issued_at=at, zone=ZONE, language=language)


def refusal(book: PriceBook, *lines: LineRequest) -> dict[str, str]:
    """Price lines that must be refused; return each wrong field with its message in English."""
    try:
        quote = priced(book, *lines)
    except pricing.QuoteRefused as refused:
        return {error.field: error.message.en for error in refused.errors}
    raise AssertionError(f"not refused: {quote}")
