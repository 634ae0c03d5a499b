"""Staff pages while Postgres is down: a short page that lists the leads in this machine's outbox.

It cannot look up sessions: who may see leads is what the machine last knew (sessions.py). A form that was sent is
offered again on the page, for when Postgres is back. The same page says "busy" when Postgres is up and only the
bulkhead is full.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.shortcuts import redirect, render
from django.urls import Resolver404, resolve, reverse
from django.utils.decorators import decorator_from_middleware
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import requires_csrf_token

from leads import snapshot
from leads.delivery import machines, relay
from leads.delivery.health import outbox_state
from leads.delivery.journal import census
from leads.inbox import greeting, pasted, search
from leads.snapshot import JournalRecord
from leads.staff import bulkhead, sessions, unfinished
from leads.staff.pages import is_staff_page
from leads.staff.second_factor import is_missing

MOST_SHOWN = 200
# Also signs of an outage, though Django raises other errors for them: a missing table, a read-only database.
OUTAGE_SQLSTATES = ("42P01", "25006")


class WaitingRecord(NamedTuple):
    """A record that is still in the journal. since: when it was journaled."""

    record: JournalRecord
    since: datetime

    @property
    def chat_url(self) -> str:
        return greeting.chat_url(self.record) if self.record.phone else ""


class OutageMiddleware:
    """Answers staff pages with the outage page while Postgres is down or the bulkhead is full.

    So staff pages hold no thread that customers need, and strangers at the login no place that staff need.
    A database error in any view makes the relay check the connection, so that /healthz does not keep saying "up".
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not is_staff_page(request):
            return self.get_response(request)
        process_relay = relay.of_this_process()
        is_down = process_relay.is_down
        if is_down and request.method == "POST" and "retry-now" in request.POST and sessions.may_see_leads(request):
            process_relay.turns.ask_all_to_retry()
        if request.method == "POST" and set(request.POST) == {"retry-now"}:
            # The page of a GET again, which reloads by itself, and also without JavaScript.
            return redirect(request.get_full_path())
        if is_down:
            return without_database(request)
        house = bulkhead.STAFF if sessions.is_known(request) else bulkhead.LOGINS
        if house is bulkhead.LOGINS and request.method == "POST" and not house.may_leave:
            return outage_page(request, is_busy=True)  # a password is being checked
        with house.place() as has_place:
            return self._answer(request) if has_place else without_database(request, is_busy=not process_relay.is_down)

    def _answer(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code >= 500 or not hasattr(request, "known_user"):
            return response  # the user is not known; to look it up here could raise outside of a view
        # A login or a logout has replaced the user meanwhile.
        if not request.user.is_authenticated:
            sessions.forget(request)
        elif response.status_code == 200 and request.method == "GET" and not is_missing(request):
            with suppress(DatabaseError, InterfaceError):  # this page is ready; the next one notes it
                sessions.note(request, request.user)
        return response

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponse | None:
        """Load the user. Django keeps it for the request.

        Errors in middleware do not reach `process_exception`, so those of this query are handled here.
        """
        if not is_staff_page(request):
            return None
        try:
            has_logged_in = request.user.is_authenticated
            if not (has_logged_in and is_missing(request)):
                request.known_user = request.user  # type: ignore[attr-defined]  # read without an error
        except (DatabaseError, InterfaceError) as error:
            if page := self.process_exception(request, error):
                return page
            raise
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, bulkhead.Full):
            return without_database(request, is_busy=True)
        is_connection_error = isinstance(exception, OperationalError | InterfaceError)
        is_outage = is_connection_error or getattr(exception.__cause__, "sqlstate", None) in OUTAGE_SQLSTATES
        if not is_outage:
            return None
        if not is_staff_page(request):
            relay.of_this_process().look_again()
            return None
        relay.of_this_process().failed(exception)
        return without_database(request)


class _TokenCheck(CsrfViewMiddleware):
    """The check of CSRF tokens, for which a form that fails is answered as any other is meanwhile."""

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        return outage_page(request)


def without_database(request: HttpRequest, *, is_busy: bool = False) -> HttpResponse:
    """Return the answer of a view that has one without the database, its `in_outage`; else the outage page.

    in_outage: takes the request, the seller whom this machine last knew behind it, and the view's arguments.
    """
    with suppress(Resolver404):
        match = resolve(request.path_info)
        view, seller = getattr(match.func, "in_outage", None), sessions.seller_of(request)
        if view and seller:
            checked: Callable[..., Any] = decorator_from_middleware(_TokenCheck)(never_cache(view))
            answer: HttpResponse = checked(request, seller, *match.args, **match.kwargs)
            return answer
    return outage_page(request, is_busy=is_busy)


# The page for strangers who find no place, by language and method. It is the same for all, and a flood asks for it.
_busy_pages: dict[tuple[str | None, str | None], bytes] = {}


def _busy_page(request: HttpRequest) -> HttpResponse:
    key = (get_language(), request.method if request.method == "GET" else "other")
    if key not in _busy_pages:
        _busy_pages[key] = render(request, "leads/staff/outage.html", {"is_busy": True}).content
    return HttpResponse(_busy_pages[key])


@requires_csrf_token  # the check of CSRF tokens, which reads the token from the cookie, comes later or not at all
def outage_page(request: HttpRequest, *, is_busy: bool = False) -> HttpResponse:
    """Return the 503 page. Staff who may see leads see the waiting leads, oldest first, or those that match a search.

    is_busy: Postgres is up, but no place in the bulkhead is free.
    """
    text = request.POST.get("text", "").strip() if request.path_info == reverse("admin:leads_lead_find") else ""
    sent = None if text else unfinished.of(request)
    if is_busy and not sent and not sessions.is_known(request):
        response = _busy_page(request)
    else:
        response = render(request, "leads/staff/outage.html", _context(request, text=text, sent=sent, is_busy=is_busy))
    response.status_code = 503
    response["Retry-After"] = "5"
    response["Cache-Control"] = "no-store"
    return response


def _context(request: HttpRequest, *, text: str, sent: unfinished.Unfinished | None, is_busy: bool) -> dict[str, Any]:
    """Return what the page shows. text: what is searched for; sent: a form to be offered again."""
    context: dict[str, Any] = {
        "waiting": outbox_state(),
        "is_busy": is_busy,
        "path": _path_to_get(request),
        "machine": settings.MACHINE_NAME,
        "other_machines": machines.neighbours(),
    }
    if sessions.may_see_leads(request):
        message = pasted.message(text)
        term = text if message else text[: search.LONGEST_TERM]
        context |= {"term": term, "leads": _found(term), "may_quote": sessions.seller_of(request)}
        if message and message.issued:
            quote = message.issued.quote
            context |= {"pasted": message, "quote": quote, "is_altered": message.is_altered(quote)}
    return context | unfinished.context_of(sent) if sent else context


def _path_to_get(request: HttpRequest) -> str:
    """Return the address to load when Postgres is back: of this page, or of the list when a form was sent."""
    return reverse("admin:leads_lead_changelist") if request.method == "POST" else request.get_full_path()


def _found(text: str) -> list[WaitingRecord]:
    """Return the first waiting leads that match a search, or without one, those of a person.

    A person who checks out twice, as during an outage many do, is one lead with two records in the journal.
    """
    found: dict[tuple[str, str, str], WaitingRecord] = {}
    is_found = search.matcher(text) if text else lambda record: bool(record.phone)
    for waiting in _waiting():
        record = waiting.record
        if is_found(record):
            found.setdefault((record.folio, record.name, record.phone), waiting)
        if len(found) == MOST_SHOWN:
            break
    return list(found.values())


def _waiting() -> Iterator[WaitingRecord]:
    for path in census.segment_paths(settings.OUTBOX_DIRECTORIES):
        for item in census.waiting(path):
            record = snapshot.journal_record(snapshot.loads(item.text))
            yield WaitingRecord(record, since=datetime.fromtimestamp(item.at, tz=UTC))
