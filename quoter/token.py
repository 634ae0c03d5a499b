"""The token: a complete quote, signed and compressed, safe in a URL. It is the proof at checkout and needs no database.

A quote follows from what was asked, when, and the part of the price book that it used; the token carries those, and
reading it prices them again. So a quote keeps its prices when the book changes, and no amount in it can disagree with
its own prices. The engine is held to its old answers by stored tokens in the tests.
"""

import binascii
import json
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.core import signing
from pydantic import ValidationError

from quoter import pricing
from quoter.pricebook import PriceBook, as_data
from quoter.quote import LineRequest, Quote
from quoter.text import Language

_SIGNER = "quoter.token"
_VERSION = "1"

# What nearly every token says: the compressor then only points at it. Part of the format of version 1: never edit.
_DICTIONARY_V1 = (
    '"products":[{"code":"","label":"","unit":"pza""m""m²""m³","step":"1""0.5","minimum":"10""5""3","maximum":"5000""1000"'
    '"until":"2026-12-31"}],"per":"order"}],"formula":"length_width_height""length_height""length""area_thickness""area"'
    '"known""length_width_thickness""length_width","coefficients":{"name":"","label":"","choices":[{"code":"","label":"",'
    '"factor":"1.0""0."},{"code":"}]}},{"kind":"","label":"","formula":"","factor":"1.05""0.98"},{"kind":"'
    '"extras":[{"code":"","label":"","price":"150"},{"code":"","label":"","price":"950","per":"order"}],"measures":[{"kind":"'
    '"}]},{"code":"","label":"","choices":[{"code":"","label":""},{"code":"","label":"","options":[{"code":"","label":"",'
    '"choices":[{"code":"","label":""}]},{"options":{"":"","":""},"tiers":[{"from":"10","to":"49.5","price":"'
    '"}],"prices":[{"options":{"":""},"tiers":[{"from":"3","to":"3.5","price":"3"},{"from":"4","to":"4.5","price":""},{"from":"5",'
    '"price":"{"name":"","version":"2026-01","title":"","currency":"MXN","validity_days":7,"taxes":[{"name":"IVA",'
    '"rate":"0.16","from":"2026-01-01"}],"products":[{"code":"","label":"","unit":"m³","step":"0.5","minimum":"3",'
    '"maximum":"500","options":[}]],["","en","es","area_m2":"","height_m":"",[["",{"strength":"","service":""},{"kind":"'
    'coffered_dimensions","length_m":"","width_m":"","block_cm":"10"},[]],["",{},{"kind":"solid_dimensions","length_m":"",'
    '"width_m":"","thickness_cm":""},[]],["",{},{"kind":"solid_area","area_m2":""},[]],["",{},{"kind":"volume","m3":""},[]]]'
    '["2026-'
).encode()


class BadToken(ValueError):
    """The token is forged, cut short or from another shop."""


class IssuedQuote(NamedTuple):
    """A quote as it was given out. prices: the part of the book that it used; language: of its texts."""

    quote: Quote
    prices: PriceBook
    language: Language


def issue(book: PriceBook, quote: Quote, *, language: Language) -> IssuedQuote:
    """Return the quote together with the part of the book that it used."""
    return IssuedQuote(quote=quote, prices=pricing.excerpt(book, quote, language=language), language=language)


def from_stored(data: Mapping[str, Any]) -> IssuedQuote:
    """Return the quote in a stored `quote_data`, as it was given out."""
    return IssuedQuote(
        quote=Quote.model_validate(data),
        prices=PriceBook.model_validate(data["prices"]),
        language=data["language"],
    )


def dumps(issued: IssuedQuote) -> str:
    """Return the token of a quote: URL-safe characters only."""
    lines = [[line.product, line.options, line.measure, line.extras] for line in pricing.requests(issued.quote)]
    at = issued.quote.issued_at.isoformat(timespec="seconds")
    payload = [at, issued.quote.folio, issued.language, as_data(issued.prices), lines]
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zdict=_DICTIONARY_V1)
    packed = urlsafe_b64encode(squeeze.compress(text) + squeeze.flush()).rstrip(b"=").decode()
    return _signer().sign(_VERSION + packed)


def loads(token: str, *, zone: ZoneInfo) -> IssuedQuote:
    """Return the quote that a token carries, expired or not; BadToken unless we signed every character of it."""
    try:
        packed = _signer().unsign(token)
        if packed[0] != _VERSION:
            raise BadToken("unknown version")
        squeezed = urlsafe_b64decode(packed[1:] + "=" * (-len(packed[1:]) % 4))
        text = zlib.decompressobj(-15, zdict=_DICTIONARY_V1).decompress(squeezed)
        issued_at, folio, language, prices, lines = json.loads(text)
        book = PriceBook.model_validate(prices)
        quote = pricing.price(
            book,
            [LineRequest(product=p, options=o, measure=m, extras=tuple(e)) for p, o, m, e in lines],
            folio=folio,
            issued_at=datetime.fromisoformat(issued_at),
            zone=zone,
            language=language,
        )
    except (signing.BadSignature, binascii.Error, zlib.error, ValidationError, ValueError, IndexError) as error:
        raise BadToken(type(error).__name__) from error
    return IssuedQuote(quote=quote, prices=book, language=language)


def _signer() -> signing.Signer:
    return signing.Signer(salt=_SIGNER, sep=".")
