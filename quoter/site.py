"""Gives the plain engine what it needs from this site: price book, time zone, language, clock and random numbers."""

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, cast
from zoneinfo import ZoneInfo

from django.apps import apps
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.functional import SimpleLazyObject
from django.utils.translation import get_language

from quoter import brand, palette, token
from quoter.apps import QuoterConfig
from quoter.engine import folio, pricing
from quoter.engine.discount import Discount, with_discount
from quoter.engine.pricebook import PriceBook
from quoter.engine.pricing import NO_ANSWERS
from quoter.engine.quote import LineRequest, Quote
from quoter.engine.text import Language
from quoter.language import of_address
from quoter.shop import served, storefront
from quoter.shop.values import shop


def price_book() -> PriceBook:
    """Return the prices of this request: those that were published, or as long as none were, those of PRICE_BOOK."""
    if published := served.current().prices:
        return published
    return cast(QuoterConfig, apps.get_app_config("quoter")).book


def zone() -> ZoneInfo:
    """Return the business's time zone."""
    return ZoneInfo(settings.TIME_ZONE)


def language() -> Language:
    """Return the language of the page being made."""
    return "en" if (get_language() or "").startswith("en") else "es"


def preview(
    lines: Sequence[LineRequest], answers: Mapping[str, str] = NO_ANSWERS, *, discount: Discount | None = None
) -> Quote:
    """Return what the lines would cost now, without a folio; QuoteRefused as `pricing.price`."""
    book = with_discount(price_book(), discount)
    return pricing.price(
        book, lines, answers=answers, folio="", issued_at=timezone.now(), zone=zone(), language=language()
    )


def issue(
    lines: Sequence[LineRequest],
    answers: Mapping[str, str] = NO_ANSWERS,
    *,
    replaces: str = "",
    visitor_id: str = "",
    seller: str = "",
    discount: Discount | None = None,
) -> token.IssuedQuote:
    """Price the lines now and give the quote its folio; QuoteRefused as `pricing.price`.

    replaces: the folio of the quote that was changed into this one. visitor_id: who asks for the same job again on the
    same day, at the same prices, gets the same folio; without an id every quote has its own. seller: the name of who
    makes it for a customer; discount: what they take off. No customer's request gives either.
    """
    quote = preview(lines, answers, discount=discount)
    if replaces or seller:
        quote = quote.model_copy(update={"replaces": replaces, "seller": seller})
    bits = _bits_of(quote, visitor_id) if visitor_id else secrets.randbits(folio.RANDOM_BITS)
    number = folio.mint(quote.issued_at.date(), random_bits=bits)
    return token.issue(with_discount(price_book(), discount), quote.model_copy(update={"folio": number}))


def _bits_of(quote: Quote, visitor_id: str) -> int:
    """Return a folio's random bits, which only this site can tell from the visitor and the job."""
    job = [line.model_dump(mode="json") for line in pricing.requests(quote)]
    what = [visitor_id, quote.price_book.version, str(quote.total), job, quote.answers, quote.replaces]
    digest = salted_hmac("quoter.folio", json.dumps(what, sort_keys=True), algorithm="sha256").digest()
    return int.from_bytes(digest) % (1 << folio.RANDOM_BITS)


def translated(issued: token.IssuedQuote, language: Language) -> token.IssuedQuote:
    """Return the quote in another language; unchanged if today's price book no longer gives the same total."""
    quote, book = issued.quote, price_book()
    if issued.language == language or (quote.price_book.name, quote.price_book.version) != (book.name, book.version):
        return issued
    try:
        same_quote = pricing.price(
            book,
            pricing.requests(quote),
            answers=quote.answers,
            folio=quote.folio,
            issued_at=quote.issued_at,
            zone=zone(),
            language=language,
        ).model_copy(update={"replaces": quote.replaces, "seller": quote.seller})
    except pricing.QuoteRefused:
        return issued
    is_the_same = (same_quote.total, same_quote.valid_until) == (quote.total, quote.valid_until)
    return token.issue(book, same_quote) if is_the_same else issued


def address(request: HttpRequest) -> str:
    """Return this site's address, without a path: with its public name if it has one, else with the request's host."""
    return f"{request.scheme}://{settings.PUBLIC_HOST.removeprefix('.') or request.get_host()}"


def is_framed(request: HttpRequest) -> bool:
    """Return whether the page is shown in a frame of the shop's own site."""
    return bool(settings.EMBED_ORIGINS) and request.headers.get("Sec-Fetch-Dest") == "iframe"


def seen_by(request: HttpRequest) -> str:
    """Return a key for what a part of a page depends on that shows nothing of one visit, one quote or one host."""
    asked = of_address(request)
    what = [served.current().key, timezone.localdate().isoformat(), language(), asked.code if asked else ""]
    return " ".join([*what, str(is_framed(request))])


def business(request: HttpRequest) -> dict[str, Any]:
    """Give every template the business's name, number and look. A context processor."""
    return {
        "business_name": shop.BUSINESS_NAME,
        "whatsapp_number": shop.WHATSAPP_NUMBER,
        "brand_stylesheet": brand.address_of(brand.stylesheet()),
        "brand_logo": brand.address_of(brand.logo()),
        "can_be_framed": bool(settings.EMBED_ORIGINS),
        "is_framed": is_framed(request),
        "theme_color": shop.BRAND_COLOR or palette.COLOR,
        "seen_by": SimpleLazyObject(lambda: seen_by(request)),
        # Lazy, because most pages of staff do not say it.
        "storefront": SimpleLazyObject(lambda: storefront.of_shop(language())),
        "brand_photo": brand.address_of(brand.photo()),
    }
