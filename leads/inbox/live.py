"""The view that open inboxes poll: how many people wait, and whether that has changed since the last poll."""

import threading
import time
from datetime import UTC
from typing import Any, NamedTuple

from django.core.exceptions import PermissionDenied
from django.db.models import Count, Func, IntegerField, Max, Sum, TextField
from django.db.models.functions import Cast
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified, JsonResponse
from django.views.decorators.http import require_safe

from leads.models import Lead

MOST_COUNTED = 1001
# All inboxes of a process together query the leads once in this time.
STATE_CACHE_S = 1.0
# A permission takes two more queries, half of the cost of an answer.
PERMISSION_CACHE_S = 30.0

_lock = threading.Lock()
_cached: tuple[float, "WaitingState"] | None = None  # monotonic time until which it is fresh, and the state
_may_see_until: dict[int, float] = {}  # by user id


class WaitingState(NamedTuple):
    """waiting: at most MOST_COUNTED; newest: when the last of them arrived, ISO 8601 in UTC, "" when nobody waits.

    etag: changes whenever a lead begins or stops waiting; at: when Postgres was queried, in Unix seconds.
    """

    waiting: int
    newest: str
    etag: str
    at: float


@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """Return {"waiting", "newest", "at"} as JSON, or 304 when the inbox has this state already.

    Each process caches its state, so another process may answer with an older one. `at` shows that to the inbox.
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
    """Return who waits, at most STATE_CACHE_S old. fresh: query Postgres now."""
    global _cached
    with _lock:
        if fresh or _cached is None or time.monotonic() >= _cached[0]:
            fresh_state = _query_state()
            _cached = (time.monotonic() + STATE_CACHE_S, fresh_state)
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


def _query_state() -> WaitingState:
    at = time.time()
    newest_first = Lead.objects.waiting().order_by("-arrived_at", "-id")
    # The ETag includes a sum of hashed ids: when one lead takes the place of another, the count stays the same, and so
    # does the newest time if the lead was delivered late.
    number = Func(Cast("pk", TextField()), function="hashtext", output_field=IntegerField())
    counted = newest_first.values("arrived_at", number=number)[:MOST_COUNTED]
    totals = counted.aggregate(waiting=Count("*"), newest=Max("arrived_at"), numbers=Sum("number"))
    newest = totals["newest"].astimezone(UTC).isoformat(timespec="microseconds") if totals["newest"] else ""
    return WaitingState(totals["waiting"], newest, f'"{totals["waiting"]}-{totals["numbers"] or 0}-{newest}"', at)
