"""The shape of `quote_data`: `quote_metadata` builds what it holds besides the quote; `read` is its only reader.

A row may come from any release or from an adopted table, or be damaged, and no page may fail on it. So `read` never
raises: what is missing or has another shape is read as empty. Only `parse_quote` raises, so the audit can report why.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic import ValidationError

from leads.snapshot import foreign
from leads.snapshot.decoder import Decoder as Decoder
from leads.snapshot.decoder import loads as loads
from leads.snapshot.decoder import readable as readable
from leads.snapshot.foreign import folio_of as folio_of
from leads.snapshot.values import figure, is_plausible, mapping, text
from quoter.engine import discount
from quoter.engine.numbers import decimal_places, grouped, money
from quoter.engine.pricebook import PriceBook
from quoter.engine.quote import Quote
from quoter.engine.text import Language
from quoter.origin import MAX_VALUE
from quoter.token import IssuedQuote

COLUMN = "quote_data"
# Paths into it, for the ORM.
ATTRIBUTION = "quote_data__attribution"
SOURCE = "quote_data__attribution__utm_source"
# What names the source, the first that says something; and the page that linked here.
SOURCES = (SOURCE, "quote_data__attribution__source")
REFERRER = "quote_data__attribution__referrer"
PRODUCT = "quote_data__lines__0__product"
TOTAL = "quote_data__total"
CURRENCY = "quote_data__currency"
SELLER = "quote_data__seller"
# Amount and code of the last discount: a seller's comes after all others.
DISCOUNT = ("quote_data__discounts__-1__amount", "quote_data__discounts__-1__code")
PHONE_RAW = "quote_data__customer__phone_raw"
FLAGS = "quote_data__flags"

# The keys that stay when a person is erased. All others are removed, so a new key is not kept by oversight.
KEPT_KEYS = frozenset({*Quote.model_fields, "language", "privacy", "flags", "prices"})
EMPTY_PERSON: dict[str, Any] = {
    "customer": {"name": "", "phone": "", "phone_raw": ""},
    "visitor_id": "",
    "attribution": {},
}

# Others may have no local time.
YEARS = range(2000, 3000)


class Flag(StrEnum):
    """How a lead came. Only earlier releases, in which devices priced quotes, wrote the last three."""

    LATE = "late"
    EXPIRED = "expired"
    HONEYPOT = "honeypot"
    TOO_FAST = "too_fast"
    MANY_FROM_ADDRESS = "many_from_address"
    MANY_OF_PHONE = "many_of_phone"
    DEMO = "demo"
    MADE_OFFLINE = "made_offline"
    PRICE_MISMATCH = "price_mismatch"
    UNPRICED = "unpriced"


# A lead with one of these does not stand among those who wait, but under a tab of its own.
SET_ASIDE = frozenset({Flag.HONEYPOT, Flag.TOO_FAST, Flag.MANY_FROM_ADDRESS, Flag.MANY_OF_PHONE})


class Customer(NamedTuple):
    """phone: +E.164 when it is valid, else as typed; phone_raw: as typed; answers: at checkout, by question's code."""

    name: str = ""
    phone: str = ""
    phone_raw: str = ""
    answers: Mapping[str, str] = MappingProxyType({})


class Privacy(NamedTuple):
    """What the customer agreed to, and when. notice_version: of the privacy notice that was shown."""

    accepted_at: datetime | None = None
    marketing_accepted_at: datetime | None = None
    notice_version: str = ""


class Late(NamedTuple):
    """About a lead that a customer's device kept and sent later.

    received_at: when it arrived; shown_total: the total that the device showed, in an earlier release.
    """

    received_at: datetime | None = None
    shown_total: Decimal | None = None


class Line(NamedTuple):
    """A line of the quote. billed: the quantity charged for, in `unit`."""

    description: str
    billed: Decimal
    unit: str

    def __str__(self) -> str:
        return f"{grouped(self.billed, places=decimal_places(self.billed))} {self.unit} · {self.description}"


class EarlierDetails(NamedTuple):
    """What the same person had sent before, when it differs. submitted_at: when."""

    submitted_at: datetime | None
    customer: Customer


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A stored quote, of this site or of another program. A missing amount or time is None, a missing text is "".

    lines: those with a description and a quantity; tax: the amount; prices: the part of the price book that was used,
    as JSON values; attribution: where the customer came from, by the keys of `quoter.origin`; seller: the name of who
    made it for the customer; discount: what they took off, below zero; replaces: the folio of the quote before.
    """

    language: Language
    currency: str
    lines: tuple[Line, ...]
    subtotal: Decimal | None
    tax: Decimal | None
    total: Decimal | None
    valid_until: datetime | None
    prices: Mapping[str, Any]
    customer: Customer
    attribution: Mapping[str, str]
    privacy: Privacy
    flags: tuple[Flag, ...]
    late: Late
    earlier: tuple[EarlierDetails, ...]
    seller: str
    discount: Decimal | None
    replaces: str
    _data: object = field(repr=False)

    @property
    def total_text(self) -> str:
        """The total with its currency, as in $1,234.56 MXN."""
        return "" if self.total is None else f"{money(self.total, self.currency or 'MXN')} {self.currency}".strip()

    @property
    def source(self) -> str:
        return source_of(self.attribution)

    @property
    def issued(self) -> IssuedQuote | None:
        """The quote as it was issued, without the person; None when it is incomplete or not from this site."""
        try:
            quote = parse_quote(self._data)
            PriceBook.model_validate(self.prices)
            return IssuedQuote.of(quote, prices=self.prices)
        except ValueError:
            return None

    @property
    def raw_json(self) -> str:
        """Everything that is stored, as indented JSON."""
        try:
            return json.dumps(self._data, ensure_ascii=False, indent=2)
        except (ValueError, TypeError, RecursionError):  # not for a value that `loads` returned
            return ""


class NotAQuote(ValueError):
    """The stored data is not a quote of this site. The message names the missing or wrong part, but no value."""


def read(data: object) -> Snapshot:
    """Return what a `quote_data` says. data: its JSON value."""
    stored = mapping(data)
    tax = stored.get("tax")
    # This site's quotes have their prices with them, except those of earlier releases that could not be priced.
    other = foreign.NOTHING if mapping(stored.get("prices")) else foreign.read(stored)
    return Snapshot(
        language="en" if stored.get("language") == "en" else "es",
        currency=text(stored.get("currency")) or other.currency,
        lines=tuple(_lines(stored.get("lines"))) or tuple(Line(*line) for line in other.lines),
        subtotal=_or(figure(stored.get("subtotal")), other.subtotal),
        tax=_or(figure(tax.get("amount") if isinstance(tax, dict) else tax), other.tax),
        total=_or(figure(stored.get("total")), other.total),
        valid_until=_moment(stored.get("valid_until")),
        prices=mapping(stored.get("prices")),
        customer=_customer(mapping(stored.get("customer"))),
        attribution={key: value for key, value in mapping(stored.get("attribution")).items() if isinstance(value, str)},
        privacy=_privacy(mapping(stored.get("privacy"))),
        flags=tuple(_flags(stored.get("flags"))),
        late=_late(mapping(stored.get("late"))),
        earlier=tuple(sorted(_earlier(stored.get("earlier")), key=lambda details: str(details.submitted_at))),
        seller=text(stored.get("seller")),
        discount=_discount(stored.get("discounts")),
        replaces=text(stored.get("replaces")),
        _data=data,
    )


def amount(stored: str | None) -> Decimal | None:
    """Return a number that was fetched alone, as text, by one of the paths; None for anything else."""
    return figure(stored)


def carries_prices(data: object) -> bool:
    """Return whether a `quote_data` is one of this site with the prices that it was made from, or has lost them.

    False for quotes of other programs, and for those that an earlier release stored without an amount.
    """
    stored = mapping(data)
    is_own = "prices" in stored or {"issued_at", "lines", "tax"} <= stored.keys()
    return is_own and Flag.UNPRICED not in _flags(stored.get("flags"))


def parse_quote(data: object) -> Quote:
    """Return the quote in a `quote_data`, without a check of its prices; NotAQuote when it is not one of this site."""
    try:
        quote = Quote.model_validate(data)
    except ValidationError as error:
        raise NotAQuote(_fault(error)) from None
    if not all(at.tzinfo and at.year in YEARS for at in (quote.issued_at, quote.valid_until)):
        raise NotAQuote("its times are out of bounds or lack an offset")
    if not all(map(is_plausible, _figures(quote))):
        raise NotAQuote("its figures are out of bounds")
    return quote


def source_of(attribution: object) -> str:
    """Return the customer's campaign, or else the host of the site that linked here, or "". attribution: JSON value."""
    stored = mapping(attribution)
    linked_from = text(stored.get("referrer")).partition("://")[2].partition("/")[0]
    return (text(stored.get("utm_source")) or text(stored.get("source")) or linked_from)[:MAX_VALUE]


def quote_metadata(
    *, customer: Customer, visitor_id: str, attribution: Mapping[str, str], privacy: Privacy, flags: tuple[str, ...]
) -> dict[str, Any]:
    """Return what `quote_data` holds besides the quote, as JSON values."""
    return {
        "customer": {
            "name": customer.name,
            "phone": customer.phone,
            "phone_raw": customer.phone_raw,
            **({"answers": dict(customer.answers)} if customer.answers else {}),
        },
        "visitor_id": visitor_id,
        "attribution": dict(attribution),
        "privacy": {
            "accepted_at": _iso(privacy.accepted_at),
            "marketing_accepted_at": _iso(privacy.marketing_accepted_at),
            "notice_version": privacy.notice_version,
        },
        "flags": list(flags),
    }


def without_person(data: object) -> dict[str, Any]:
    """Return a `quote_data` without its person."""
    return {**{name: value for name, value in mapping(data).items() if name in KEPT_KEYS}, **EMPTY_PERSON}


class JournalRecord(NamedTuple):
    """A row of `leads` in this machine's outbox or quarantine. A missing text is "", a missing time None."""

    folio: str
    name: str
    phone: str
    created_at: datetime | None
    quote_data: object

    @property
    def snapshot(self) -> Snapshot:
        return read(self.quote_data)


def journal_record(record: object) -> JournalRecord:
    """Return the row in a record of the journal. record: its JSON value."""
    stored = mapping(record)
    return JournalRecord(
        folio=text(stored.get("folio")),
        name=text(stored.get("name")),
        phone=text(stored.get("phone")),
        created_at=_moment(stored.get("created_at")),
        quote_data=stored.get("quote_data"),
    )


def _customer(stored: Mapping[str, Any]) -> Customer:
    # Earlier releases kept answers beside name and phone.
    texts = {name: value for name, value in stored.items() if isinstance(value, str)}
    texts |= {code: value for code, value in mapping(stored.get("answers")).items() if isinstance(value, str)}
    return Customer(
        name=texts.pop("name", ""),
        phone=texts.pop("phone", ""),
        phone_raw=texts.pop("phone_raw", ""),
        answers=texts,
    )


def _privacy(stored: Mapping[str, Any]) -> Privacy:
    return Privacy(
        accepted_at=_moment(stored.get("accepted_at")),
        marketing_accepted_at=_moment(stored.get("marketing_accepted_at")),
        notice_version=text(stored.get("notice_version")),
    )


def _late(stored: Mapping[str, Any]) -> Late:
    return Late(received_at=_moment(stored.get("received_at")), shown_total=figure(stored.get("shown_total")))


def _earlier(listed: object) -> Iterator[EarlierDetails]:
    for details in map(mapping, listed if isinstance(listed, list) else ()):
        yield EarlierDetails(_moment(details.get("submitted_at")), _customer(mapping(details.get("customer"))))


def _lines(listed: object) -> Iterator[Line]:
    for line in map(mapping, listed if isinstance(listed, list) else ()):
        description, billed = text(line.get("description")), figure(line.get("billed"))
        if description and billed is not None:
            yield Line(description, billed, text(line.get("unit_name")) or text(line.get("unit")))


def _discount(listed: object) -> Decimal | None:
    for part in map(mapping, listed if isinstance(listed, list) else ()):
        if part.get("code") == discount.CODE:
            return figure(part.get("amount"))
    return None


def _flags(listed: object) -> Iterator[Flag]:
    for flag in listed if isinstance(listed, list) else ():
        if isinstance(flag, str) and flag in _FLAGS:
            yield _FLAGS[flag]


_FLAGS = {flag.value: flag for flag in Flag}


def _or(own: Decimal | None, other: Decimal | None) -> Decimal | None:
    return other if own is None else own


def _moment(value: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return at if at and at.tzinfo and at.year in YEARS else None


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _figures(quote: Quote) -> Iterator[Decimal]:
    yield from (quote.subtotal, quote.tax.rate, quote.tax.amount, quote.total)
    for line in quote.lines:
        yield from (line.requested, line.billed, line.unit_price, line.base, line.amount)
        yield from (part.amount for part in line.added)
    yield from (fee.amount for fee in (*quote.fees, *quote.discounts))
    yield from (tax.amount for tax in quote.taxes)
    yield from (quote.deposit.amount,) if quote.deposit else ()


def _fault(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    if not place:
        return "it is no JSON object"
    return f"it lacks '{place}'" if first["type"] == "missing" else f"its '{place}' is wrong ({first['type']})"
