"""The health check for monitors. It never queries Postgres, so that a monitor adds no load."""

import threading
import time

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from leads.delivery import relay, trouble
from leads.delivery.journal.census import Census, census

# Counting a long backlog takes a while, so a count stays fresh for COST_FACTOR times as long as it took.
FRESH_S = 1.0
COST_FACTOR = 20

_lock = threading.Lock()
_counted: tuple[float, Census] | None = None  # until when the count is fresh, and the count


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Return 200 as long as customers can check out; `degraded` means that a person is needed."""
    database, waiting = database_state(), outbox_state()
    is_well = database != "down" and not (waiting.quarantined or waiting.damaged or waiting.inaccessible)
    is_well = is_well and not trouble.current(settings.OUTBOX_DIRECTORIES)
    return JsonResponse(
        {
            "status": "ok" if is_well else "degraded",
            "database": database,
            "outbox": {
                "pending": waiting.pending,
                "oldest_seconds": round(waiting.age_s(time.time())),
                "quarantined": waiting.quarantined,
            },
        }
    )


def database_state() -> str:
    """Return up, down or unknown: the state of Postgres, as this process's relay last saw it."""
    if settings.DATABASE_FAULT:
        return "down"
    return relay.of_this_process().database_state


def outbox_state() -> Census:
    """Return a recent count of what waits in the outbox of this machine, over all processes."""
    global _counted
    with _lock:
        if _counted is None or time.monotonic() >= _counted[0]:
            started = time.monotonic()
            count = census(settings.OUTBOX_DIRECTORIES)
            took = time.monotonic() - started
            _counted = (time.monotonic() + max(FRESH_S, COST_FACTOR * took), count)
        return _counted[1]


def forget() -> None:
    """Count again at the next request."""
    global _counted
    _counted = None
