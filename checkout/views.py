"""From a priced form to a chat: POST /quote/ and POST /checkout/; and the privacy page.

When a lead cannot be stored, the customer still reaches the chat, and the WhatsApp message carries the lead.
"""

from collections.abc import Iterable
from dataclasses import replace

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from checkout import quote_page, visitor
from checkout.apps import notice_in_force
from checkout.contact import contact_of
from checkout.submission import OrderSubmission, SubmissionRefused
from checkout.whatsapp import quote_chat_url
from leads.customer.answers import fields, in_words
from leads.delivery.record import Contact, Outcome, lead_record, quote_record, recorded
from leads.delivery.sealed import seal
from quoter import incoming, origin, site, token
from quoter import views as quoter_views
from quoter.engine.pricing import FieldError, QuoteRefused
from quoter.engine.text import Text
from quoter.forms import TypedLine, begun, typed_answers, typed_lines
from quoter.incoming import Incoming, json_answers, json_lines
from quoter.language import carried
from quoter.reprice import BEFORE, earlier, still_holds
from quoter.shop.values import shop
from quoter.token import BadToken, IssuedQuote
from quoter.undo import Draft

BROKEN_LINK = Text(
    es="El enlace de la cotización está incompleto o no es nuestro. Vuelve a calcularla.",
    en="The link of the quote is incomplete or not ours. Please price it again.",
)
EXPIRED = Text(
    es="Esta cotización ya venció. Vuelve a calcularla con los precios de hoy.",
    en="This quote has expired. Please price it again at today's prices.",
)


class SeeOther(HttpResponseRedirect):
    """303: the browser follows with a GET, and Back does not send the form again."""

    status_code = 303


@require_http_methods(["GET", "HEAD", "POST"])
def give_quote(request: HttpRequest) -> HttpResponse:
    """POST /quote/: price the lines, mint the folio, record the quote, and go to its page."""
    if request.method != "POST":
        return redirect(carried(reverse("quoter:calculator"), request))
    sent = incoming.read(request)
    if sent.faults:
        return _refuse_quote(request, sent, [], sent.faults)
    typed, errors = typed_lines(sent.form)
    typed = begun(typed, site.price_book())
    lines, answers = [line.request() for line in typed], typed_answers(sent.form)
    if sent.is_json:
        lines, errors = json_lines(sent.json)
        answers, more_errors = json_answers(sent.json)
        errors += more_errors
    visitor_id = visitor.id_or_new(request)
    before = None if sent.is_json else earlier(sent.form.get(BEFORE))
    replaces = before.quote.folio if before else ""
    try:
        # A client that sends JSON asks for a new quote each time.
        issued = site.issue(lines, answers, replaces=replaces, visitor_id="" if sent.is_json else visitor_id)
    except QuoteRefused as refused:
        errors += [] if sent.is_json and not lines and errors else refused.errors
    if errors:
        return _refuse_quote(request, sent, typed, errors)

    came_from = origin.read(sent.fields.get("attribution"))
    if before and still_holds(before, issued, now=timezone.now()):
        issued, before = before, None  # nothing was changed
    else:
        recorded(quote_record(issued, visitor_id=visitor_id, attribution=came_from))
    signed = token.dumps(issued)
    if sent.is_json:
        answer = {
            "folio": issued.quote.folio,
            "token": signed,
            "quote": issued.quote.model_dump(mode="json"),
            "url": quote_page.address_of_new(request, issued, signed),
        }
        return JsonResponse(answer, status=201)
    page = quote_page.path_of_new(request, issued, signed, came_from=came_from, before=before)
    # calculator.js sends the form with fetch(), then navigates to this URL.
    by_script = request.headers.get("Accept") == "application/json"
    response = JsonResponse({"url": page}, status=201) if by_script else SeeOther(page)
    if visitor_id:
        visitor.keep(response, visitor_id)
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def checkout(request: HttpRequest) -> HttpResponse:
    """POST /checkout/: record who asked, and redirect to the chat, even when the lead could not be stored."""
    if request.method != "POST":
        return redirect(carried(reverse("quoter:calculator"), request))
    sent = incoming.read(request)
    if sent.faults:
        return _refuse_checkout(request, sent, None, sent.faults)
    issued, token_errors = _quote_at_checkout(sent.fields.get("token"))
    try:
        submission = OrderSubmission.read(sent.fields, fields(today=timezone.localdate()))
    except SubmissionRefused as refused:
        others = [error for error in refused.errors if error.field != "token" or not token_errors]
        return _refuse_checkout(request, sent, issued, [*token_errors, *others])
    if issued is None or token_errors:
        return _refuse_checkout(request, sent, issued, token_errors)

    came_from = origin.read(sent.fields.get("attribution"))
    contact = contact_of(
        request,
        submission,
        folio=issued.quote.folio,
        quoted_at=issued.quote.issued_at,
        at=timezone.now(),
        came_from=came_from,
    )
    outcome = recorded(lead_record(issued, contact))
    chat_url = chat_for(request, issued, contact, outcome)
    return as_json(issued, chat_url, outcome) if sent.is_json else SeeOther(chat_url)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def privacy(request: HttpRequest) -> HttpResponse:
    """GET /privacy/: the shop's privacy notice, in the visitor's language; POST: allow or refuse the visitor cookie."""
    if request.method == "POST":
        response = SeeOther(f"{carried(request.path, request)}#visitor")
        if request.headers.get("Sec-Fetch-Site") != "cross-site":  # another site must not decide for the visitor
            visitor.decide(response, is_allowed=incoming.read(request).form.get("mark") == "on")
        return response
    notice = notice_in_force()
    context = {
        "here": request.path,
        "notice": notice,
        "text": notice.text.say(site.language(), business=shop.BUSINESS_NAME),
        "asks_for_privacy": visitor.asks_for_privacy(request),
        "has_declined": visitor.has_declined(request),
    }
    return render(request, "checkout/privacy.html", context)


def chat_for(request: HttpRequest, issued: IssuedQuote, contact: Contact, outcome: Outcome) -> str:
    """Return the URL of the chat with the customer's message.

    outcome: where the lead is; unless it is in Postgres, the link in the message carries it.
    """
    return quote_chat_url(
        shop.WHATSAPP_NUMBER,
        issued.quote,
        language=issued.language,
        link=_link(request, issued, contact, outcome),
        name=contact.name,
        answers=in_words(contact.answers, issued.language),
    )


def as_json(issued: IssuedQuote, chat_url: str, outcome: Outcome) -> JsonResponse:
    """Return the contract's JSON for a successful checkout."""
    answer = {"success": True, "folio": issued.quote.folio, "whatsapp_url": chat_url}
    return JsonResponse(answer if outcome is Outcome.STORED else {**answer, "warning": "db_down"})


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
        return quote_page.address(request, number)
    # Click ids (gclid, fbclid) are long, and the message needs the room for the lines of the quote.
    sealed = replace(contact, attribution=origin.without(contact.attribution, origin.CLICKS))
    return f"{quote_page.address(request, token.short(issued))}#{seal(sealed, folio=number)}"


def _refuse_quote(
    request: HttpRequest, sent: Incoming, typed: list[TypedLine], errors: Iterable[FieldError]
) -> HttpResponse:
    if sent.is_json:
        return incoming.refusal(errors)
    came_from = origin.read(sent.fields.get("attribution"))
    draft, _errors = Draft.read(sent.form)
    return quoter_views.page(request, replace(draft, lines=typed), came_from=came_from, errors=errors, status=422)


def _refuse_checkout(
    request: HttpRequest, sent: Incoming, issued: IssuedQuote | None, errors: Iterable[FieldError]
) -> HttpResponse:
    if sent.is_json:
        return incoming.refusal(errors)
    came_from = origin.read(sent.fields.get("attribution"))
    return quote_page.show(request, issued, came_from=came_from, errors=errors, status=422)
