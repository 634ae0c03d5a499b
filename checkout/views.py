"""From a priced form to a chat: POST /quote/, GET /q/<token or folio>/, POST /checkout/.

A fault of ours is never the customer's problem: what cannot be stored goes on in the WhatsApp message.
"""

import logging
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any, cast

from django.apps import apps
from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from checkout import phone as phones
from checkout.apps import CheckoutConfig
from checkout.notice import Notice
from checkout.submission import OrderSubmission, SubmissionRefused
from checkout.whatsapp import quote_chat_url
from leads import courier
from leads.models import Lead
from leads.record import Contact, LeadRecord, Outcome, lead_record, quote_record, record
from leads.sealed import seal
from leads.seats import a_seat
from quoter import folio, incoming, origin, site, token
from quoter import views as quoter_views
from quoter.forms import TypedLine, hidden_fields, json_lines, typed_lines
from quoter.incoming import Incoming
from quoter.pricing import FieldError, QuoteRefused, requests
from quoter.quote import Quote
from quoter.text import Text
from quoter.token import BadToken, IssuedQuote

logger = logging.getLogger(__name__)

VISITOR_COOKIE = "visitor"
VISITOR_COOKIE_AGE = timedelta(days=365)
# Nobody reads a quote and types a name and a phone in less.
HUMAN_FILL_TIME = timedelta(seconds=3)

BROKEN_LINK = Text(
    es="El enlace de la cotización está incompleto o no es nuestro. Vuelve a calcularla.",
    en="The link of the quote is incomplete or not ours. Please price it again.",
)
EXPIRED = Text(
    es="Esta cotización ya venció. Vuelve a calcularla con los precios de hoy.",
    en="This quote has expired. Please price it again at today's prices.",
)


class SeeOther(HttpResponseRedirect):
    """303: the browser goes on with a GET, and Back does not send the form again."""

    status_code = 303


@require_http_methods(["GET", "HEAD", "POST"])
def give_quote(request: HttpRequest) -> HttpResponse:
    """POST /quote/: price the lines, mint the folio, record the quote, and go to its page."""
    if request.method != "POST":
        return redirect("quoter:calculator")
    sent = incoming.read(request)
    typed = typed_lines(sent.form)
    lines, errors = json_lines(sent.json) if sent.is_json else ([line.request() for line in typed], [])
    errors = [*sent.faults, *errors]
    try:
        issued = site.issue(lines)
    except QuoteRefused as refused:
        errors += [] if sent.is_json and not lines and errors else refused.errors
    if errors:
        return _refuse_quote(request, sent, typed, errors)

    visitor_id = _visitor_id(request) or secrets.token_urlsafe(16)
    came_from = origin.read(sent.fields.get("attribution"))
    recorded(quote_record(issued, visitor_id=visitor_id, attribution=came_from))
    signed = token.dumps(issued)
    if sent.is_json:
        answer = {
            "folio": issued.quote.folio,
            "token": signed,
            "quote": issued.quote.model_dump(mode="json"),
            "url": _address(request, signed),
        }
        return JsonResponse(answer, status=201)
    page = reverse("checkout:quote_page", args=[signed])
    response = SeeOther(f"{page}?{origin.as_query(came_from)}" if came_from else page)
    response.set_cookie(
        VISITOR_COOKIE,
        visitor_id,
        max_age=VISITOR_COOKIE_AGE,
        secure=not settings.DEBUG,
        httponly=True,
        samesite="Lax",
    )
    return response


@require_safe
@never_cache
def quote_page(request: HttpRequest, reference: str) -> HttpResponse:
    """GET /q/<token>/ shows a quote from its token alone; GET /q/<folio>/ from the database, without name or phone."""
    came_from = origin.of_visit(request, landing=_quotes_path())
    try:
        number = folio.parse(reference)
    except folio.NotAFolio:
        try:
            return _show_quote(request, token.loads(reference, zone=site.zone()), came_from=came_from)
        except BadToken:
            return not_found(request)
    ours = courier.of_this_process()
    with a_seat() as has_seat:
        if ours.is_down or not has_seat:
            return render(request, "checkout/unavailable.html", {"folio": number}, status=503)
        try:
            data = Lead.objects.filter(folio=number).values_list("quote_data", flat=True).first()
        except DatabaseError as error:
            ours.failed(error)
            logger.warning("Quote page without the database: folio=%s error=%s", number, courier.named(error))
            return render(request, "checkout/unavailable.html", {"folio": number}, status=503)
    try:
        issued = token.from_stored(data or {})
    except (TypeError, KeyError, ValueError):  # there is none, or one of before Folio
        return not_found(request)
    return _show_quote(request, issued, came_from=came_from)


@require_http_methods(["GET", "HEAD", "POST"])
def checkout(request: HttpRequest) -> HttpResponse:
    """POST /checkout/: record who asked, and go on to the chat, whatever became of the record."""
    if request.method != "POST":
        return redirect("quoter:calculator")
    sent = incoming.read(request)
    issued, token_errors = _quote_at_checkout(sent.fields.get("token"))
    try:
        submission = OrderSubmission.read(sent.fields)
    except SubmissionRefused as refused:
        others = [error for error in refused.errors if error.field != "token" or not token_errors]
        return _refuse_checkout(request, sent, issued, [*sent.faults, *token_errors, *others])
    if issued is None or token_errors or sent.faults:
        return _refuse_checkout(request, sent, issued, [*sent.faults, *token_errors])

    contact = _contact(request, submission, issued.quote, origin.read(sent.fields.get("attribution")))
    outcome = recorded(lead_record(issued, contact))
    chat_url = quote_chat_url(
        settings.WHATSAPP_NUMBER,
        issued.quote,
        language=issued.language,
        link=_link(request, issued, contact, outcome),
        name=contact.name,
    )
    if not sent.is_json:
        return SeeOther(chat_url)
    answer = {"success": True, "folio": issued.quote.folio, "whatsapp_url": chat_url}
    return JsonResponse(answer if outcome is Outcome.STORED else {**answer, "warning": "db_down"})


@require_safe
def privacy(request: HttpRequest) -> HttpResponse:
    """GET /privacy/: the shop's privacy notice, in the visitor's language."""
    text = _notice().text.say(site.language(), business=settings.BUSINESS_NAME)
    return render(request, "checkout/privacy.html", {"notice": _notice(), "text": text})


def recorded(lead: LeadRecord) -> Outcome:
    """Record the lead; whatever goes wrong, the customer goes on.

    The WhatsApp message carries the quote when nothing else does, so staff can restore the lead from the chat.
    """
    try:
        return record(lead)
    except Exception as error:  # the one broad except of the project: here a narrow one would lose a sale
        logger.error(
            "Lead not recorded, the chat message carries it: folio=%s error=%s", lead.folio, courier.named(error)
        )
        return Outcome.CARRIED


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render(request, "checkout/not_found.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    return render(request, "checkout/unavailable.html", status=500)


def _notice() -> Notice:
    return cast(CheckoutConfig, apps.get_app_config("checkout")).notice


def _contact(request: HttpRequest, submission: OrderSubmission, quote: Quote, came_from: dict[str, str]) -> Contact:
    now = timezone.now()
    has_agreed = submission.privacy_accepted or submission.marketing_accepted
    suspicions = {"honeypot": submission.website, "too_fast": now - quote.issued_at < HUMAN_FILL_TIME}
    return Contact(
        name=submission.name,
        phone=phones.normalise(submission.phone, region=phones.region_of(settings.WHATSAPP_NUMBER)),
        phone_raw=submission.phone,
        submitted_at=now,
        visitor_id=_visitor_id(request),
        privacy_accepted_at=now if submission.privacy_accepted else None,
        privacy_notice_version=_notice().version if has_agreed else "",
        marketing_accepted_at=now if submission.marketing_accepted else None,
        attribution=came_from,
        flags=tuple(flag for flag, raised in suspicions.items() if raised),
    )


def _visitor_id(request: HttpRequest) -> str:
    """Return the visitor's cookie where there is one of ours: as `token_urlsafe` makes them."""
    value = request.COOKIES.get(VISITOR_COOKIE, "")
    return value if re.fullmatch(r"[A-Za-z0-9_-]{22}", value) else ""


def _quote_at_checkout(sent: object) -> tuple[IssuedQuote | None, list[FieldError]]:
    if not isinstance(sent, str) or not sent:
        return None, []
    try:
        issued = token.loads(sent, zone=site.zone())
    except BadToken:
        return None, [FieldError("token", BROKEN_LINK)]
    expired = issued.quote.is_expired(timezone.now())
    return issued, [FieldError("token", EXPIRED)] if expired else []


def _link(request: HttpRequest, issued: IssuedQuote, contact: Contact, outcome: Outcome) -> str:
    """Return the link for the chat: short when the lead is stored; otherwise it carries the whole lead."""
    number = issued.quote.folio
    if outcome is Outcome.STORED:
        return _address(request, number)
    # An advertiser's mark of one click is long, and the lines of the quote need the room.
    sealed = replace(contact, attribution=origin.without(contact.attribution, origin.CLICKS))
    return f"{_address(request, token.short(issued))}#{seal(sealed, folio=number)}"


def _address(request: HttpRequest, reference: str) -> str:
    """Return the full address of a quote's page. reference: its token or folio, which need no escaping."""
    return f"{request.scheme}://{request.get_host()}{_quotes_path()}{reference}/"


@cache
def _quotes_path() -> str:
    # Once: looking an address up takes as long as building the whole message.
    return reverse("checkout:quote_page", args=["-"]).removesuffix("-/")


def _refuse_quote(
    request: HttpRequest, sent: Incoming, typed: list[TypedLine], errors: Iterable[FieldError]
) -> HttpResponse:
    if sent.is_json:
        return incoming.refusal(errors)
    came_from = origin.read(sent.fields.get("attribution"))
    return quoter_views.page(request, typed, came_from=came_from, errors=errors, status=422)


def _refuse_checkout(
    request: HttpRequest, sent: Incoming, issued: IssuedQuote | None, errors: Iterable[FieldError]
) -> HttpResponse:
    if sent.is_json:
        return incoming.refusal(errors)
    typed = {name: sent.form.get(name, "") for name in ("name", "phone", "marketing_accepted")}
    came_from = origin.read(sent.fields.get("attribution"))
    return _show_quote(request, issued, came_from=came_from, typed=typed, errors=errors, status=422)


def _show_quote(
    request: HttpRequest,
    issued: IssuedQuote | None,
    *,
    came_from: Mapping[str, str],
    typed: Mapping[str, str] | None = None,
    errors: Iterable[FieldError] = (),
    status: int = 200,
) -> HttpResponse:
    messages: dict[str, list[str]] = {}
    for error in errors:
        messages.setdefault(error.field or "form", []).append(error.message.in_(site.language()))
    context: dict[str, Any] = {"typed": typed or {}, "errors": messages, "attribution": origin.as_query(came_from)}
    if issued:
        page = _address(request, token.short(issued))
        context |= {
            "address": site.address(request),
            "quote": issued.quote,
            "token": token.dumps(issued),
            "expired": issued.quote.is_expired(timezone.now()),
            "again": hidden_fields(requests(issued.quote)),
            "chat_url": quote_chat_url(settings.WHATSAPP_NUMBER, issued.quote, language=issued.language, link=page),
        }
    return render(request, "checkout/quote.html", context, status=status)
