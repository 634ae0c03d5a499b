"""The monitor's answer. It never touches Postgres, so that a monitor's request does not become a query."""

import threading
import time

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from leads.delivery import relay
from leads.delivery.journal.census import Census, census

# A long backlog takes a while to count; then it is counted less often.
FRESH_S = 1.0
COST_FACTOR = 20

_lock = threading.Lock()
_counted: tuple[float, Census] | None = None  # until when it counts as fresh, and what was found


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer a monitor: 200 as long as customers pass; `degraded` asks for a person."""
    database, waiting = database_state(), outbox_state()
    oldest_seconds = round(time.time() - waiting.oldest_at) if waiting.oldest_at else 0
    is_well = database != "down" and not waiting.quarantined and not waiting.damaged
    return JsonResponse(
        {
            "status": "ok" if is_well else "degraded",
            "database": database,
            "outbox": {
                "pending": waiting.pending,
                "oldest_seconds": max(0, oldest_seconds),
                "quarantined": waiting.quarantined,
            },
        }
    )


def database_state() -> str:
    """Return up, down or unknown: what this process's relay last saw of Postgres."""
    if settings.DATABASE_FAULT:
        return "down"
    return relay.of_this_process().database_state


def outbox_state() -> Census:
    """Return what waits, over all processes of this machine, as counted a moment ago."""
    global _counted
    with _lock:
        if _counted is None or time.monotonic() >= _counted[0]:
            started = time.monotonic()
            found = census(settings.OUTBOX_DIRECTORIES)
            took = time.monotonic() - started
            _counted = (time.monotonic() + max(FRESH_S, COST_FACTOR * took), found)
        return _counted[1]


def forget() -> None:
    """Count again at the next request."""
    global _counted
    _counted = None
