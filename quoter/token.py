"""The token: a complete quote, signed and compressed, safe in a URL. It is the proof at checkout and needs no database.

There are two formats, and `loads` reads both. A whole token is the quote as it is stored, which is cheap to read. A
short token is for chat messages, where space is scarce: it holds only the request, its time and the part of the price
book that was used, and reading it prices them again. With either, a quote keeps its prices when the book changes. The
tests read stored tokens, so a change to the engine cannot alter a quote that was already given.
"""

import binascii
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Self, cast
from zoneinfo import ZoneInfo

from django.core import signing
from pydantic import ValidationError
from pydantic_core import from_json, to_json

from quoter.engine import discount, pricing
from quoter.engine.discount import Discount
from quoter.engine.pricebook import PriceBook, as_data
from quoter.engine.quote import LineRequest, Quote
from quoter.engine.text import Language

_SIGNER = "quoter.token"
_SHORT, _WHOLE = "1", "2"
# In a short token, as answers to no question, which an earlier release ignores.
_REPLACES, _SELLER = "", "@"

# Text that nearly every token contains, which the compressor then only refers to. Part of the formats: never edit.
_SHORT_DICTIONARY = (
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
_WHOLE_DICTIONARY = _SHORT_DICTIONARY + (
    "From 1.5 to 2 m² on it drops to $: would cost plus tax, less. Price from $ per m³. Sold in steps of: is billed as "
    "The minimum order is. Measured: m × m × cm = . Se surte de en m³: se cobran como. El pedido mínimo es de 3 m³: "
    "Medida: m² × 0.98 = . Precio desde m³ por m³. Desde 10 m³ baja a $,: costarían $,.00 más impuestos, menos. "
    '"}],"amount":"00","explanation":"Precio de 5.5 a 7 m³: $2,00.00 por m³."},{"product":"","description":"",'
    '"options":{},"measure":{"kind":"volume","m3":"5.5"},"requested":"5.5","billed":"6","unit":"m³",'
    '"unit_price":"2569.46","base":"15416.76","extras":[],"amount":".00","explanation":""}],"subtotal":"","tax":{'
    '"name":"IVA","rate":"0.16","amount":""},"total":"","language":"es","prices":{"name":"concrete",'
    '"version":"2026-01","title":"","currency":"MXN",{"folio":"261122-","issued_at":"2026-11-22T10:00:00-07:00",'
    '"valid_until":"2026-11-29T23:59:59-07:00","currency":"MXN","price_book":{"name":"concrete",'
    '"version":"2026-01"},"lines":[{"product":"concrete","description":"'
).encode()  # fmt: skip


class BadToken(ValueError):
    """The token is forged, cut short or from another shop."""


class IssuedQuote(NamedTuple):
    """A quote as it was given. text: the same as JSON, as it is stored: the core of a `quote_data`."""

    quote: Quote
    text: bytes

    @classmethod
    def of(cls, quote: Quote, *, prices: Mapping[str, Any]) -> Self:
        """prices: the part of the book that the quote used, as JSON values."""
        return cls(quote, to_json({**quote.model_dump(mode="json"), "language": quote.language, "prices": prices}))

    @property
    def prices(self) -> Mapping[str, Any]:
        return cast(Mapping[str, Any], from_json(self.text)["prices"])

    @property
    def language(self) -> Language:
        return self.quote.language

    @property
    def discount(self) -> Discount | None:
        """What a seller took off, if anything."""
        return discount.given(self.prices)


def issue(book: PriceBook, quote: Quote) -> IssuedQuote:
    """Return the quote together with the part of the book that it used."""
    return IssuedQuote.of(quote, prices=as_data(pricing.excerpt(book, quote), quote.language))


def dumps(issued: IssuedQuote) -> str:
    """Return the whole token of a quote: URL-safe characters only."""
    return _sign(_WHOLE, issued.text, _WHOLE_DICTIONARY)


def short(issued: IssuedQuote) -> str:
    """Return the short token of a quote, which fits a chat message with twenty lines: URL-safe characters only."""
    lines = [
        [line.product, line.options, line.measure, line.extras, *([line.inputs] if line.inputs else [])]
        for line in pricing.requests(issued.quote)
    ]
    at = issued.quote.issued_at.isoformat(timespec="seconds")
    payload = [at, issued.quote.folio, issued.language, issued.prices, lines]
    about = {code: said for code, said in ((_REPLACES, issued.quote.replaces), (_SELLER, issued.quote.seller)) if said}
    answers = {**issued.quote.answers, **about}
    payload += [answers] if answers else []
    return _sign(_SHORT, to_json(payload), _SHORT_DICTIONARY)


def loads(token: str, *, zone: ZoneInfo) -> IssuedQuote:
    """Return the quote that a token carries, expired or not; BadToken unless we signed every character of it."""
    try:
        signed = _signer().unsign(token)
        version, packed = signed[:1], signed[1:]
        if version == _WHOLE:
            text = _unpack(packed, _WHOLE_DICTIONARY)
            return IssuedQuote(Quote.model_validate_json(text), text)
        if version == _SHORT:
            return _priced_again(*from_json(_unpack(packed, _SHORT_DICTIONARY)), zone=zone)
    except (signing.BadSignature, binascii.Error, zlib.error, ValidationError, ValueError) as error:
        raise BadToken(type(error).__name__) from error
    raise BadToken("unknown version")


def _priced_again(
    issued_at: str,
    folio: str,
    language: Language,
    prices: Mapping[str, Any],
    lines: Sequence[Any],
    answers: Mapping[str, str] = pricing.NO_ANSWERS,
    *,
    zone: ZoneInfo,
) -> IssuedQuote:
    quote = pricing.price(
        PriceBook.model_validate(prices),
        [
            LineRequest(product=p, options=o, measure=m, extras=tuple(e), inputs=dict(*inputs))
            for p, o, m, e, *inputs in lines
        ],
        answers=answers,
        folio=folio,
        issued_at=datetime.fromisoformat(issued_at),
        zone=zone,
        language=language,
    )
    about = {"replaces": answers.get(_REPLACES, ""), "seller": answers.get(_SELLER, "")}
    return IssuedQuote.of(quote.model_copy(update=about), prices=prices)


def _sign(version: str, text: bytes, dictionary: bytes) -> str:
    # This window of 8 kB holds the dictionary and most quotes. Preparing a larger one can take four times as long.
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -13, 6, zdict=dictionary)
    packed = urlsafe_b64encode(squeeze.compress(text) + squeeze.flush()).rstrip(b"=").decode()
    return _signer().sign(version + packed)


def _unpack(packed: str, dictionary: bytes) -> bytes:
    squeezed = urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
    return zlib.decompressobj(-15, zdict=dictionary).decompress(squeezed)


def _signer() -> signing.Signer:
    return signing.Signer(salt=_SIGNER, sep=".")
