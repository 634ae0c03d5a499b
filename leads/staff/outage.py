"""Staff pages while Postgres is down: a short page at once, with the people who wait, straight from the outbox.

Who may see them is proved by a signed cookie, given with every staff page while the database could still say who is
who: nothing here may ask it.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from django.conf import settings
from django.core import signing
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from leads import snapshot
from leads.delivery import relay
from leads.delivery.health import outbox_state
from leads.delivery.journal import census
from leads.inbox import pasted, search
from leads.snapshot import JournalRecord
from leads.staff import bulkhead
from leads.staff.pages import is_staff_page
from leads.staff.second_factor import is_missing

COOKIE = "staff-outage"
COOKIE_LIFE = timedelta(hours=12)
MOST_SHOWN = 200
# A table that is not there, a database that only reads: faults, too, though Django has other names for them.
GONE = ("42P01", "25006")


class Waiting(NamedTuple):
    """A lead that is still in the journal."""

    record: JournalRecord
    since: datetime


class OutageMiddleware:
    """Answers staff pages while the breaker is open, so that none of them holds a thread that customers need.

    An error of Postgres in any view makes the relay look, so that /healthz does not say "up" meanwhile.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not is_staff_page(request):
            return self.get_response(request)
        our_relay = relay.of_this_process()
        if our_relay.is_down:
            if request.method == "POST" and "retry-now" in request.POST and _is_staff(request):
                our_relay.turns.ask_all_to_retry()
            return outage_page(request)
        with bulkhead.place() as has_place:
            return self._answer(request) if has_place else outage_page(request)

    def _answer(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        user = getattr(request, "known_user", None)
        if response.status_code >= 500 or user is None:
            return response  # who this is could not be asked, and would be asked again
        if response.status_code == 200 and request.method == "GET" and _may_see_leads(user):
            response.set_cookie(
                COOKIE,
                signing.dumps(user.get_username(), salt=COOKIE),
                max_age=COOKIE_LIFE,
                path=settings.SESSION_COOKIE_PATH,
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Strict",
            )
        elif COOKIE in request.COOKIES and not user.is_authenticated:
            response.delete_cookie(COOKIE, path=settings.SESSION_COOKIE_PATH, samesite="Strict")
        return response

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponse | None:
        """Ask who this is. Django remembers it for the request, and only errors of views reach `process_exception`."""
        if not is_staff_page(request):
            return None
        try:
            has_logged_in = request.user.is_authenticated
            if not (has_logged_in and is_missing(request)):
                request.known_user = request.user  # type: ignore[attr-defined]  # for the cookie
        except (DatabaseError, InterfaceError) as error:
            if page := self.process_exception(request, error):
                return page
            raise
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        is_fault = isinstance(exception, OperationalError | InterfaceError)
        is_gone = getattr(exception.__cause__, "sqlstate", None) in GONE
        if not (is_fault or is_gone):
            return None
        if not is_staff_page(request):
            relay.of_this_process().look_again()
            return None
        relay.of_this_process().failed(exception)
        return outage_page(request)


def _may_see_leads(user: Any) -> bool:
    try:
        return bool(user.has_perm("leads.view_lead"))  # most views have asked this, and Django remembers it
    except (DatabaseError, InterfaceError):
        return False  # the page is ready; the next one brings the cookie


def outage_page(request: HttpRequest) -> HttpResponse:
    """Return the 503 page; for staff with the cookie, with who waits, oldest first."""
    context: dict[str, Any] = {"waiting": outbox_state()}
    if _is_staff(request):
        text = request.POST.get("text", "").strip()
        # A search looks at quotes without a person, too.
        found = (lead for lead in _waiting() if (search.is_found(lead.record, text) if text else lead.record.phone))
        context |= {"term": text, "leads": list(islice(found, MOST_SHOWN))}
        if text and (said := pasted.message(text)) and said.issued:
            quote = said.issued.quote
            context |= {"said": said, "quote": quote, "is_altered": said.is_altered(quote)}
    response = render(request, "leads/staff/outage.html", context, status=503)
    response["Retry-After"] = "5"
    response["Cache-Control"] = "no-store"
    return response


def _is_staff(request: HttpRequest) -> bool:
    try:
        signing.loads(request.COOKIES.get(COOKIE, ""), salt=COOKIE, max_age=COOKIE_LIFE)
    except signing.BadSignature:
        return False
    return True


def _waiting() -> Iterator[Waiting]:
    for path in census.segment_paths(settings.OUTBOX_DIRECTORIES):
        for item in census.waiting(path):
            record = snapshot.journal_record(snapshot.loads(item.text))
            yield Waiting(record, since=datetime.fromtimestamp(item.at, tz=UTC))
