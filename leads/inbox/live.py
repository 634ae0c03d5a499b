"""The view that open inboxes poll: how many people wait, and whether that has changed since the last poll.

One process counts for those of all machines, at most once a second, into a row that the others read. So the cost for
Postgres is the same at any number of machines, but for reading that row.
"""

import threading
import time
from datetime import UTC
from functools import lru_cache
from typing import Any, NamedTuple

from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified, JsonResponse
from django.views.decorators.http import require_safe

from leads.models import Lead, WaitingCount
from leads.models.follow_up import PersonKey

MOST_COUNTED = 1001
# All inboxes together query the leads once in this time, and those of a process read the row once.
STATE_CACHE_S = 1.0
# How old a state another process may be counting anew. When it takes longer, each process counts for itself.
COUNTING_S = 3.0
# A permission takes two more queries, half of the cost of an answer.
PERMISSION_CACHE_S = 30.0

_lock = threading.Lock()
_cached: tuple[float, "WaitingState"] | None = None  # monotonic time until which it is fresh, and the state
_may_see_until: dict[int, float] = {}  # by user id


class WaitingState(NamedTuple):
    """waiting: how many people, MOST_COUNTED when so many leads wait; newest: when the last of these leads arrived, ISO
    8601 in UTC, "" when nobody waits.

    etag: changes whenever a lead begins or stops waiting; at: when Postgres was queried, in Unix seconds by its clock.
    """

    waiting: int
    newest: str
    etag: str
    at: float


@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """Return {"waiting", "newest", "at"} as JSON, or 304 when the inbox has this state already.

    Each process caches the state, so another process may answer with an older one. `at` shows that to the inbox.
    """
    if not _may_see(request.user):
        raise PermissionDenied
    current = state()
    is_known = request.headers.get("If-None-Match") == current.etag
    response = (
        HttpResponseNotModified()
        if is_known
        else JsonResponse({"waiting": current.waiting, "newest": current.newest, "at": current.at})
    )
    response["ETag"] = current.etag
    return response


def state(*, fresh: bool = False) -> WaitingState:
    """Return who waits, at most twice STATE_CACHE_S old. fresh: query the leads now."""
    global _cached
    with _lock:
        if fresh or _cached is None or time.monotonic() >= _cached[0]:
            new_state = _query_state() if fresh else _state_of_all()
            _cached = (time.monotonic() + STATE_CACHE_S, new_state)
        return _cached[1]


def forget() -> None:
    """Empty the caches."""
    global _cached
    _cached = None
    _may_see_until.clear()


def _may_see(user: Any) -> bool:
    if time.monotonic() >= _may_see_until.get(user.pk, 0.0):
        if not user.has_perm("leads.view_lead"):
            return False
        _may_see_until[user.pk] = time.monotonic() + PERMISSION_CACHE_S
    return True


# Whoever sets asked_at counts. It stays the one for STATE_CACHE_S, and if it dies, the next one follows then.
_ASK = """
INSERT INTO lead_waiting_count (key, asked_at) VALUES (1, statement_timestamp())
ON CONFLICT (key) DO UPDATE SET asked_at = excluded.asked_at
WHERE lead_waiting_count.asked_at NOT BETWEEN excluded.asked_at - make_interval(secs => %s) AND excluded.asked_at
"""


def _state_of_all() -> WaitingState:
    """Return the state that all processes share, after having counted it anew if it is old and nobody else does."""
    now, shared = _shared_state()
    age_s = now - shared.at if shared else COUNTING_S
    if shared and 0 <= age_s < STATE_CACHE_S:
        return shared
    try:
        with connection.cursor() as cursor:
            cursor.execute(_ASK, [STATE_CACHE_S])
            is_mine = bool(cursor.rowcount)
        if shared and not is_mine and 0 <= age_s < COUNTING_S:
            return shared
        counted = _query_state()
        if is_mine:
            WaitingCount.objects.update(**counted._asdict())
        return counted
    except DatabaseError:  # in a database that is read-only, staff still read
        return _query_state()


def _shared_state() -> tuple[float, WaitingState | None]:
    """Return Postgres's time, in Unix seconds, and the state that was shared last."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM statement_timestamp())::float8, waiting, newest, etag, at "
            "FROM (VALUES (1)) AS one LEFT JOIN lead_waiting_count ON at IS NOT NULL"
        )
        now, *shared = cursor.fetchone()
    return now, WaitingState(*shared) if shared[-1] is not None else None


def _query_state() -> WaitingState:
    sql, parameters = _waiting()
    # The ETag includes a sum of hashed ids: when one lead takes the place of another, the count stays the same, and so
    # does the newest time if the lead was delivered late.
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH waiting AS MATERIALIZED ({sql}) SELECT count(*), "
            f"CASE WHEN count(*) < {MOST_COUNTED} THEN (SELECT count(DISTINCT {_PERSON}) FROM waiting) END, "
            "max(arrived_at), coalesce(sum(hashtext(pk::text)), 0), "
            "extract(epoch FROM statement_timestamp())::float8 FROM waiting",
            parameters,
        )
        leads, people, last, numbers, at = cursor.fetchone()
    newest = last.astimezone(UTC).isoformat(timespec="microseconds") if last else ""
    return WaitingState(MOST_COUNTED if people is None else people, newest, f'"{leads}-{numbers}-{newest}"', at)


# As `with_person`. To find the people of a thousand leads takes 6 ms, and nobody needs it of so many.
_PERSON = f"coalesce({PersonKey.template % {'expressions': 'waiting.phone'}}, '#' || pk)"


@lru_cache(maxsize=1)
def _waiting() -> tuple[str, tuple[Any, ...]]:
    """Return the SQL of the newest leads that wait, MOST_COUNTED at most. To build it takes as long as to run it."""
    newest_first = Lead.objects.waiting().order_by("-arrived_at", "-id")
    sql, parameters = newest_first.values("pk", "arrived_at", "phone")[:MOST_COUNTED].query.sql_with_params()
    return sql, tuple(parameters)
