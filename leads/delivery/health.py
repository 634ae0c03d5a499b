"""The health check for monitors. It never queries Postgres, so that a monitor adds no load."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from leads.delivery import relay, trouble
from leads.delivery.journal.census import Census, census
from leads.delivery.notices import notice
from leads.delivery.system import threading, time
from leads.errors import error_name

PATH = "/healthz"
# Counting a long backlog takes a while, so a count stays fresh for COST_FACTOR times as long as it took.
FRESH_S = 1.0
COST_FACTOR = 20
# How long a monitor waits for the disk.
PATIENCE_S = 1.0

_lock, _counting = threading.Lock(), threading.Lock()
_counted: tuple[float, Census] | None = None  # until when the count is fresh, and the count
# One thread looks, for all monitors: a disk that hangs takes this one, and none of those that serve customers.
_looking = ThreadPoolExecutor(1, thread_name_prefix="health")
_look: Future[dict[str, Any]] | None = None


class HealthMiddleware:
    """Answers /healthz before Django checks the Host header: monitors and load balancers ask by address, or by a name
    of their own.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return healthz(request) if request.path_info == PATH else self.get_response(request)


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Return 200 as long as customers can check out; `degraded` means that a person is needed.

    `/healthz?alarm` answers 503 instead when a person is needed, for monitors that read nothing but the status.
    """
    answer = _state()
    is_alarm = "alarm" in request.GET and answer["status"] != "ok"
    return JsonResponse(answer, status=503 if is_alarm else 200, headers={"Cache-Control": "no-store"})


def _state() -> dict[str, Any]:
    """Return the answer. What hinders the look at the disk needs a person, and no customer notices it."""
    global _look
    try:
        with _lock:
            if _look is None or _look.done():
                _look = _looking.submit(_looked)
            look = _look
        return look.result(PATIENCE_S)
    except Exception as error:  # broad: a load balancer would take a machine away that serves customers
        notice("health unknown", error=error_name(error))
        return _answer("unknown", Census(0, None, 0, 0), is_well=False)


def _looked() -> dict[str, Any]:
    directories, database, counts = settings.OUTBOX_DIRECTORIES, database_state(), outbox_state()
    on_disk = trouble.on_disk(counts, directories, now=time.time())
    is_well = database != "down" and not any(on_disk) and not trouble.current(directories)
    return _answer(database, counts, is_well=is_well)


def _answer(database: str, counts: Census, *, is_well: bool) -> dict[str, Any]:
    return {
        "status": "ok" if is_well else "degraded",
        "database": database,
        "outbox": {
            "pending": counts.pending,
            "oldest_seconds": round(counts.age_s(time.time())),
            "quarantined": counts.quarantined,
        },
    }


def database_state() -> str:
    """Return up, down or unknown: the state of Postgres, as this machine's relays last saw it."""
    if settings.DATABASE_FAULT:
        return "down"
    state = relay.of_this_process().database_state
    return "down" if state != "down" and trouble.is_outage_noted(settings.OUTBOX_DIRECTORIES) else state


def outbox_state() -> Census:
    """Return a recent count of what waits in the outbox of this machine, over all processes."""
    global _counted
    with _counting:
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
