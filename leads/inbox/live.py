"""What open inboxes ask every few seconds: how many people wait, and whether that has changed since they last asked."""

import threading
import time
from datetime import UTC
from typing import Any, NamedTuple

from django.core.exceptions import PermissionDenied
from django.db.models import Count, Func, IntegerField, Max, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified, JsonResponse
from django.views.decorators.http import require_safe

from leads.models import Lead

MOST_COUNTED = 1001
# Twenty inboxes together ask Postgres once in this time, whatever each of them asks for.
FRESH_S = 1.0
# Asking whether somebody may see leads takes two questions more, half of what an answer costs.
BELIEVED_S = 30.0

_lock = threading.Lock()
_seen: tuple[float, "State"] | None = None  # until when it counts as fresh, and what was found
_may_see_until: dict[int, float] = {}  # by the user's id


class State(NamedTuple):
    """waiting: at most MOST_COUNTED; newest: when the last of them asked, ISO 8601 in UTC, "" when nobody waits.

    etag: another one whenever somebody came or went. at: when Postgres was asked, in Unix seconds.
    """

    waiting: int
    newest: str
    etag: str
    at: float


@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """Answer {"waiting", "newest", "at"}, or 304 to an inbox that knows.

    Each process remembers for a moment what it saw: by `at` an inbox knows an answer older than its own.
    """
    if not _may_see(request.user):
        raise PermissionDenied
    now = state()
    known = request.headers.get("If-None-Match") == now.etag
    answer = (
        HttpResponseNotModified()
        if known
        else JsonResponse({"waiting": now.waiting, "newest": now.newest, "at": now.at})
    )
    answer["ETag"] = now.etag
    return answer


def state(*, fresh: bool = False) -> State:
    """Return who waits, as this process saw it a moment ago. fresh: as it is now."""
    global _seen
    with _lock:
        if fresh or _seen is None or time.monotonic() >= _seen[0]:
            found = _ask()
            _seen = (time.monotonic() + FRESH_S, found)
        return _seen[1]


def forget() -> None:
    """Ask anew at the next question."""
    global _seen
    _seen = None
    _may_see_until.clear()


def _may_see(user: Any) -> bool:
    if time.monotonic() >= _may_see_until.get(user.pk, 0.0):
        if not user.has_perm("leads.view_lead"):
            return False
        _may_see_until[user.pk] = time.monotonic() + BELIEVED_S
    return True


def _ask() -> State:
    at = time.time()
    newest_first = Lead.objects.waiting().order_by("-created_at", "-id")
    # The folios are added up as numbers: one who came for one who went changes neither the count nor, late, the newest.
    number = Func("folio", function="hashtext", output_field=IntegerField())
    counted = newest_first.values(asked=Coalesce("submitted_at", "created_at"), number=number)[:MOST_COUNTED]
    found = counted.aggregate(waiting=Count("*"), newest=Max("asked"), numbers=Sum("number"))
    newest = found["newest"].astimezone(UTC).isoformat(timespec="microseconds") if found["newest"] else ""
    return State(found["waiting"], newest, f'"{found["waiting"]}-{found["numbers"] or 0}-{newest}"', at)
