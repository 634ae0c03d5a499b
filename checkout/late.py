"""POST /late/: the leads that customers' devices kept while this site could not be reached.

A lead of a quote that we gave out comes with its token, and is the checkout that did not get through. A quote that the
device priced itself, from the last price book that it knew, comes as its lines: it is priced here, today. Neither is
refused for its price or its age; staff are told instead.

Anybody can send the second kind. It has a folio of a device (`quoter.engine.folio`), and is written without
`submitted_at`, by which the upsert knows newer details from older: so it can add a lead, and never change one.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_POST
from pydantic_core import to_json

from checkout import notice
from checkout.contact import contact_of
from checkout.submission import NO_TOKEN, NOT_TEXT, OrderSubmission, SubmissionRefused
from checkout.views import BROKEN_LINK, recorded
from leads.delivery.record import LeadRecord, Outcome, lead_record
from quoter import incoming, origin, site, token
from quoter.engine import folio, pricing
from quoter.engine.pricing import FieldError, NoTier, QuoteRefused
from quoter.engine.quote import PriceBookVersion, Quote, QuotedTax
from quoter.engine.text import Language
from quoter.forms import json_lines
from quoter.token import BadToken, IssuedQuote

# How far back a device's word for the time is taken; it keeps a lead no longer itself.
OLDEST = timedelta(days=30)
# Of lines that cannot be priced, so much is kept for staff to read.
MOST_KEPT = 4000
_AMOUNT = re.compile(r"\d{1,12}\.\d\d", re.ASCII)
_NOT_OF_NOTHING = ("subtotal", "tax", "total")


class Refused(ValueError):
    """What was sent is no lead; `error` says why."""

    def __init__(self, error: FieldError) -> None:
        super().__init__(error.field)
        self.error = error


@require_POST
def late(request: HttpRequest) -> HttpResponse:
    """Record a lead that a device kept; 200 {"success": true, "folio"} only once it is safe here."""
    sent = incoming.read(request)
    try:
        if sent.faults or not sent.is_json:
            raise Refused(FieldError("", sent.fault or NOT_TEXT))
        lead = (_of_our_quote if sent.json.get("token") else _of_a_device_s_quote)(request, sent.json)
    except Refused as refused:
        return incoming.refusal([refused.error])
    except SubmissionRefused as refused:
        return incoming.refusal(refused.errors)
    if recorded(lead) is Outcome.CARRIED:  # no message carries this one: the device has to keep it
        return JsonResponse({"success": False, "folio": lead.folio}, status=503)
    return JsonResponse({"success": True, "folio": lead.folio})


def _of_our_quote(request: HttpRequest, sent: Mapping[str, Any]) -> LeadRecord:
    submission = OrderSubmission.read(sent)
    try:
        issued = token.loads(submission.token, zone=site.zone())
    except BadToken:
        raise Refused(FieldError("token", BROKEN_LINK)) from None
    now, quoted_at = timezone.now(), issued.quote.issued_at
    at = max(_believed(sent.get("submitted_at"), now=now), quoted_at)
    contact = contact_of(
        request,
        submission,
        quoted_at=quoted_at,
        at=at,
        came_from=origin.read(sent.get("attribution")),
        flags=["late", "expired"] if issued.quote.is_expired(at) else ["late"],
        notice_version=_version(sent.get("notice_version")),
    )
    return _with(lead_record(issued, contact), received_at=now)


def _of_a_device_s_quote(request: HttpRequest, sent: Mapping[str, Any]) -> LeadRecord:
    number = _folio_of_a_device(sent.get("folio"))
    submission = OrderSubmission.read({**sent, "token": number})  # which stands in the place of a token
    now = timezone.now()
    quoted_at = _believed(sent.get("issued_at"), now=now)
    language: Language = "en" if sent.get("language") == "en" else "es"
    flags, about = ["late", "made_offline"], {"shown_total": _amount(sent.get("total"))}
    try:
        issued = _priced(sent, number=number, at=quoted_at, language=language)
    except (QuoteRefused, NoTier):
        flags.append("unpriced")
        about["asked"] = json.dumps(sent.get("lines"))[:MOST_KEPT]
        issued = _of_nothing(number, quoted_at, language)
    else:
        if about["shown_total"] != f"{issued.quote.total:.2f}":
            flags.append("price_mismatch")
    contact = contact_of(
        request,
        submission,
        quoted_at=quoted_at,
        at=max(_believed(sent.get("submitted_at"), now=now), quoted_at),
        came_from=origin.read(sent.get("attribution")),
        flags=flags,
        notice_version=_version(sent.get("notice_version")),
    )
    lead = _with(lead_record(issued, contact), received_at=now, **about)
    return replace(lead, submitted_at=None)


def _priced(sent: Mapping[str, Any], *, number: str, at: datetime, language: Language) -> IssuedQuote:
    lines, errors = json_lines(sent)
    if errors:
        raise QuoteRefused(errors)
    book = site.price_book()
    quote = pricing.price(book, lines, folio=number, issued_at=at, zone=site.zone(), language=language)
    return token.issue(book, quote)


def _of_nothing(number: str, at: datetime, language: Language) -> IssuedQuote:
    """Return a quote without lines: the frame of a lead whose lines mean nothing to today's price book."""
    book, at = site.price_book(), at.astimezone(site.zone()).replace(microsecond=0)
    nothing, tax = Decimal("0.00"), book.tax_on(at.date())
    quote = Quote(
        folio=number,
        issued_at=at,
        valid_until=at,
        currency=book.currency,
        price_book=PriceBookVersion(name=book.name, version=book.version),
        lines=(),
        subtotal=nothing,
        tax=QuotedTax(name=tax.name, rate=tax.rate, amount=nothing),
        total=nothing,
        language=language,
    )
    kept = {name: value for name, value in quote.model_dump(mode="json").items() if name not in _NOT_OF_NOTHING}
    return IssuedQuote(quote, to_json({**kept, "language": language}))


def _with(lead: LeadRecord, *, received_at: datetime, **about: str) -> LeadRecord:
    late = {"received_at": received_at.isoformat(timespec="seconds"), **about}
    return replace(lead, about={**lead.about, "late": late})


def _folio_of_a_device(sent: object) -> str:
    try:
        number = folio.parse(sent if isinstance(sent, str) else "")
    except folio.NotAFolio:
        raise Refused(FieldError("folio", NO_TOKEN)) from None
    if not folio.is_of_a_device(number):
        raise Refused(FieldError("folio", NO_TOKEN))
    return number


def _believed(sent: object, *, now: datetime) -> datetime:
    """Return a moment that a device named, where it may be true; else now: clocks of phones are often wrong."""
    try:
        at = datetime.fromisoformat(sent) if isinstance(sent, str) else now
        return at if now - OLDEST <= at <= now else now
    except (ValueError, TypeError, OverflowError):  # no moment, or one without an offset
        return now


def _amount(sent: object) -> str:
    return sent if isinstance(sent, str) and _AMOUNT.fullmatch(sent) else ""


def _version(sent: object) -> str:
    return sent if isinstance(sent, str) and len(sent) <= notice.MAX_VERSION and sent.isprintable() else ""
