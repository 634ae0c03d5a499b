"""The page of a quote: GET /q/<token or folio>/, also shown again with the errors of a refused checkout."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, partial
from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from checkout import form
from checkout.apps import notice_in_force
from checkout.fallbacks import not_found, unavailable
from checkout.whatsapp import quote_chat_url
from leads import snapshot
from leads.delivery import relay
from leads.errors import error_name
from leads.models import Lead
from leads.staff import bulkhead
from quoter import incoming, origin, site, token
from quoter.engine import folio
from quoter.engine.pricing import FieldError, requests
from quoter.forms import hidden_fields
from quoter.language import carried
from quoter.reprice import compared
from quoter.shop.values import shop
from quoter.token import BadToken, IssuedQuote

logger = logging.getLogger(__name__)

# The form field and the query parameter with the token of the earlier quote, which this one prices again.
BEFORE = "before"
# Of a path and its query, in bytes. gunicorn takes 8,190 for "POST", the address and "HTTP/1.1", and proxies about as
# many.
LONGEST_ADDRESS = 8_000


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def quote_page(request: HttpRequest, reference: str) -> HttpResponse:
    """GET /q/<token>/ shows a quote from its token alone; GET /q/<folio>/ from the database, without name or phone.

    A POST comes from the button that switches the language. It shows the same page with what was typed.
    """
    issued = found(request, reference)
    if isinstance(issued, HttpResponse):
        return issued
    return show(request, issued, came_from=origin.of_visit(request, landing=_quotes_path()))


def found(request: HttpRequest, reference: str) -> IssuedQuote | HttpResponse:
    """Return the quote of a token or a folio, else the page that says why there is none."""
    try:
        number = folio.parse(reference)
    except folio.NotAFolio:
        return _loaded(reference) or not_found(request)
    our_relay = relay.of_this_process()
    with bulkhead.QUOTES.place() as has_place:
        if our_relay.is_down or not has_place:
            return unavailable(request, folio=number)
        try:
            data = Lead.objects.filter(folio=number).values_list("quote_data", flat=True).first()
        except DatabaseError as error:
            our_relay.failed(error)
            logger.warning("Quote page without the database: folio=%s error=%s", number, error_name(error))
            return unavailable(request, folio=number)
    return snapshot.read(data).issued or not_found(request)


def show(
    request: HttpRequest,
    issued: IssuedQuote | None,
    *,
    came_from: Mapping[str, str],
    errors: Iterable[FieldError] = (),
    status: int = 200,
) -> HttpResponse:
    """Return the page of a quote, with the values typed in the request's form. errors: why a checkout was refused.

    issued: None for a broken token, which leaves only the form and its errors.
    """
    messages: dict[str, list[str]] = {}
    for error in errors:
        messages.setdefault(error.field or "form", []).append(error.message.in_(site.language()))
    context: dict[str, Any] = {
        **form.context(incoming.read(request).form, messages),
        "errors": messages,
        "attribution": origin.as_query(came_from),
    }
    if issued:
        issued = site.translated(issued, site.language())
        signed, short = token.dumps(issued), token.short(issued)
        own = request.path if request.path.startswith(_quotes_path()) else path_of(signed)
        shared, _before = fitting([path_of(short)], issued)
        page = _with_host(request, shared)
        here, here_query = fitting(
            [own, path_of(short)],
            issued,
            query=origin.as_query(came_from),
            before=request.GET.get(BEFORE),
        )
        chat_url = partial(quote_chat_url, shop.WHATSAPP_NUMBER, issued.quote, language=issued.language, link=page)
        context |= {
            "address": site.address(request),
            "here": here,
            "here_query": here_query,
            "quote": issued.quote,
            "foreign": issued.language if issued.language != site.language() else "",
            "token": signed,
            "expired": issued.quote.is_expired(timezone.now()),
            "again": [*hidden_fields(requests(issued.quote), issued.quote.answers), (BEFORE, short)],
            "earlier": _earlier(request, issued),
            "link": page,
            "address_on_paper": address(request, issued.quote.folio),
            "file_url": carried(f"{shared}pdf", request),
            "chat_url": chat_url(),
            # When the server does not answer, the page's script opens this chat with the typed values filled in.
            "chat_url_to_fill": chat_url(
                name="{name}",
                answers=form.placeholders(),
            ),
            "notice_version": notice_in_force().version,
        }
    return render(request, "checkout/quote.html", context, status=status)


def address(request: HttpRequest, reference: str) -> str:
    """Return the full address of a quote's page. reference: its token or folio, which need no escaping."""
    return _with_host(request, path_of(reference))


def address_of_new(request: HttpRequest, issued: IssuedQuote, signed: str) -> str:
    """Return the full address of a new quote's page. signed: its whole token."""
    path, _before = fitting(_paths(issued, signed), issued)
    return _with_host(request, path)


def path_of_new(
    request: HttpRequest, issued: IssuedQuote, signed: str, *, came_from: Mapping[str, str], before: object
) -> str:
    """Return the path and query of a new quote's page, with the page's language.

    came_from: as `origin.read` returns it; before: the token of the quote that this one prices again, as it was sent.
    """
    query = origin.as_query(came_from)
    path, earlier = fitting(_paths(issued, signed), issued, query=query, before=before)
    return carried(path, request, origin.as_query({**came_from, **earlier}))


def path_of(reference: str) -> str:
    return f"{_quotes_path()}{reference}/"


def fitting(
    paths: Iterable[str], issued: IssuedQuote, *, query: str = "", before: object = None
) -> tuple[str, dict[str, str]]:
    """Return the first of a quote's paths with which an address is short enough, and the earlier quote in its query.

    query: the rest of the query. When none fits, the last path without the earlier quote, which is then not compared;
    when that is too long as well, the path by folio, which needs the database.
    """
    earlier = _after(before)
    longest = LONGEST_ADDRESS - len(query)
    for path in paths:
        if len(path) + len(origin.as_query(earlier)) <= longest:
            return path, earlier
    return (path, {}) if len(path) <= longest else (path_of(issued.quote.folio), {})


def _paths(issued: IssuedQuote, signed: str) -> Iterator[str]:
    yield path_of(signed)
    yield path_of(token.short(issued))


def _with_host(request: HttpRequest, path: str) -> str:
    return f"{request.scheme}://{request.get_host()}{path}"


def _after(before: object) -> dict[str, str]:
    """Return the `before` query parameter, which names the quote being repriced; {} unless it is a valid token.

    before: the token of that quote, as the client sent it.
    """
    return {BEFORE: before} if isinstance(before, str) and _loaded(before) else {}


def _earlier(request: HttpRequest, issued: IssuedQuote) -> dict[str, Any] | None:
    """Return the earlier quote and its comparison with this one; None unless the address names one for the same job."""
    before = _loaded(request.GET.get(BEFORE, ""))
    comparison = compared(before, issued) if before else None
    return {"quote": before.quote, "comparison": comparison} if before and comparison else None


def _loaded(reference: str) -> IssuedQuote | None:
    try:
        return token.loads(reference, zone=site.zone())
    except BadToken:
        return None


@cache
def _quotes_path() -> str:
    # Cached, because reverse() takes 3 % of a checkout: 75 µs under load.
    return reverse("checkout:quote_page", args=["-"]).removesuffix("-/")
