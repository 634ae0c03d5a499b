"""The page of a quote: GET /q/<token or folio>/, also shown again with the errors of a refused checkout."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache, partial
from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from checkout import hours, qr
from checkout.apps import notice_in_force
from checkout.fallbacks import not_found, unavailable
from checkout.whatsapp import quote_chat_url
from leads import snapshot
from leads.customer import form
from leads.delivery import relay
from leads.errors import error_name
from leads.models import Lead
from leads.staff import bulkhead
from quoter import incoming, origin, site, token
from quoter.engine import folio
from quoter.engine.pricing import FieldError, requests
from quoter.forms import hidden_fields
from quoter.language import carried
from quoter.reprice import BEFORE, compared, earlier
from quoter.shop.values import shop
from quoter.templatetags.figures import gist
from quoter.token import IssuedQuote

logger = logging.getLogger(__name__)

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
    came_from = origin.of_visit(request, landing=_quotes_path())
    return show(request, issued, came_from=came_from, is_stored=_is_folio(reference))


def found(request: HttpRequest, reference: str) -> IssuedQuote | HttpResponse:
    """Return the quote of a token or a folio, else the page that says why there is none."""
    try:
        number = folio.parse(reference)
    except folio.NotAFolio:
        return earlier(reference) or not_found(request)
    try:
        return _stored(number) or not_found(request)
    except NoDatabase:
        return unavailable(request, folio=number)


@require_safe
@never_cache
def arrived(request: HttpRequest, number: str) -> JsonResponse:
    """GET /q/<folio>/arrived says whether the database has the quote, and so whether its short address works."""
    try:
        is_stored = _stored(folio.parse(number)) is not None
    except (folio.NotAFolio, NoDatabase):
        is_stored = False
    return JsonResponse({"stored": is_stored})


class NoDatabase(Exception):
    """Postgres is down, or no place is free to wait for it."""


def _stored(number: str) -> IssuedQuote | None:
    """Return the quote of a folio; NoDatabase when it cannot be looked up."""
    our_relay = relay.of_this_process()
    with bulkhead.QUOTES.place() as has_place:
        if our_relay.is_down or not has_place:
            raise NoDatabase
        try:
            data = Lead.objects.filter(folio=number).values_list("quote_data", flat=True).first()
        except DatabaseError as error:
            our_relay.failed(error)
            logger.warning("Quote page without the database: folio=%s error=%s", number, error_name(error))
            raise NoDatabase from error
    return snapshot.read(data).issued


def _is_folio(reference: str) -> bool:
    try:
        return bool(folio.parse(reference))
    except folio.NotAFolio:
        return False


def show(
    request: HttpRequest,
    issued: IssuedQuote | None,
    *,
    came_from: Mapping[str, str],
    errors: Iterable[FieldError] = (),
    status: int = 200,
    is_stored: bool = False,
) -> HttpResponse:
    """Return the page of a quote, with the values typed in the request's form. errors: why a checkout was refused.

    issued: None for a broken token, which leaves only the form and its errors. is_stored: whether the short address by
    folio is known to work.
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
        context |= _of_quote(request, site.translated(issued, site.language()), came_from, is_stored=is_stored)
    return render(request, "checkout/quote.html", context, status=status)


def _of_quote(
    request: HttpRequest, issued: IssuedQuote, came_from: Mapping[str, str], *, is_stored: bool
) -> dict[str, Any]:
    """Return the template context of a quote. is_stored: as of `show`."""
    signed, short = token.dumps(issued), token.short(issued)
    own = request.path if request.path.startswith(_quotes_path()) else path_of(signed)
    shared, _before = fitting([path_of(short)], issued)
    page, short_page = _with_host(request, shared), address(request, issued.quote.folio)
    now = timezone.now()
    expired = issued.quote.is_expired(now)
    here, here_query = fitting(
        [own, path_of(short)],
        issued,
        query=origin.as_query(came_from),
        before=request.GET.get(BEFORE),
    )
    chat_url = partial(
        quote_chat_url,
        shop.WHATSAPP_NUMBER,
        issued.quote,
        language=issued.language,
        link=short_page if is_stored else page,
    )
    return {
        "address": site.address(request),
        "here": here,
        "here_query": here_query,
        "quote": issued.quote,
        "foreign": issued.language if issued.language != site.language() else "",
        "token": signed,
        "expired": expired,
        "again": [*hidden_fields(requests(issued.quote), issued.quote.answers), (BEFORE, short)] if expired else (),
        "earlier": _earlier(request, issued, is_stored=is_stored),
        "link": page,
        "short_link": short_page,
        "is_stored": is_stored,
        "what": gist(issued.quote),
        "change": _change(request, origin.as_query({**came_from, BEFORE: short})),
        "answer_times": hours.sentences(now, site.language()),
        "qr": None if _is_phone(request) else qr.code(chat_url(most=qr.MOST_CHARACTERS)),
        "file_url": carried(f"{shared}pdf", request),
        "chat_url": chat_url(),
        # When the server does not answer, the page's script opens this chat with the typed values filled in.
        "chat_url_to_fill": chat_url(name="{name}", answers=form.placeholders(issued.language)),
        "notice_version": notice_in_force().version,
    }


def _change(request: HttpRequest, query: str) -> str:
    """Return the address of the calculator filled in with a quote; "" when it is too long for one."""
    change = carried(_calculators_path(), request, query)
    return change if len(change) <= LONGEST_ADDRESS else ""


def _is_phone(request: HttpRequest) -> bool:
    """Return whether the chat is on this device: elsewhere the page has a code to scan, without personal data."""
    return "Mobi" in request.headers.get("User-Agent", "")


def address(request: HttpRequest, reference: str) -> str:
    """Return the full address of a quote's page. reference: its token or folio, which need no escaping."""
    return _with_host(request, path_of(reference))


def address_of_new(request: HttpRequest, issued: IssuedQuote, signed: str) -> str:
    """Return the full address of a new quote's page. signed: its whole token."""
    path, _before = fitting(_paths(issued, signed), issued)
    return _with_host(request, path)


def path_of_new(
    request: HttpRequest, issued: IssuedQuote, signed: str, *, came_from: Mapping[str, str], before: IssuedQuote | None
) -> str:
    """Return the path and query of a new quote's page, with the page's language.

    came_from: as `origin.read` returns it; before: the quote that this one replaces, which the page compares with this
    one when it is for the same job.
    """
    query = origin.as_query(came_from)
    reference = token.short(before) if before and compared(before, issued) else None
    path, comparison = fitting(_paths(issued, signed), issued, query=query, before=reference)
    return carried(path, request, origin.as_query({**came_from, **comparison}))


def path_of(reference: str) -> str:
    return f"{_quotes_path()}{reference}/"


def fitting(
    paths: Iterable[str], issued: IssuedQuote, *, query: str = "", before: object = None
) -> tuple[str, dict[str, str]]:
    """Return the first of a quote's paths with which an address is short enough, and the earlier quote in its query.

    query: the rest of the query. When none fits, the last path without the earlier quote, which is then not compared;
    when that is too long as well, the path by folio, which needs the database.
    """
    comparison = {BEFORE: before} if isinstance(before, str) and earlier(before) else {}
    longest = LONGEST_ADDRESS - len(query)
    for path in paths:
        if len(path) + len(origin.as_query(comparison)) <= longest:
            return path, comparison
    return (path, {}) if len(path) <= longest else (path_of(issued.quote.folio), {})


def _paths(issued: IssuedQuote, signed: str) -> Iterator[str]:
    yield path_of(signed)
    yield path_of(token.short(issued))


def _with_host(request: HttpRequest, path: str) -> str:
    return f"{request.scheme}://{request.get_host()}{path}"


def _earlier(request: HttpRequest, issued: IssuedQuote, *, is_stored: bool) -> dict[str, Any] | None:
    """Return the earlier quote and its comparison with this one; None without one that can be compared.

    The address names it; the short one, by folio, does not, but there the database has it.
    """
    before = earlier(request.GET.get(BEFORE))
    if before is None and is_stored and issued.quote.replaces:
        with suppress(NoDatabase):
            before = _stored(issued.quote.replaces)
    comparison = compared(before, issued) if before else None
    return {"quote": before.quote, "comparison": comparison} if before and comparison else None


@cache
def _calculators_path() -> str:
    return reverse("quoter:calculator")


@cache
def _quotes_path() -> str:
    # Cached, because reverse() takes 3 % of a checkout: 75 µs under load.
    return reverse("checkout:quote_page", args=["-"]).removesuffix("-/")
