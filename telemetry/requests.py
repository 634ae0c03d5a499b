"""Gives each request an id, writes the line of each that fails into the log, on request of all, and counts them.

Ids that come from outside are not used: whoever sends one could make two requests look like one, or write into the log.
"""

import logging
import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from telemetry import current, numbers, series
from telemetry.current import Current

HEADER = "X-Request-ID"
STAFF, STATIC, NO_ROUTE = "staff", "static", "-"
# Answered by middleware, without a view.
METRICS, HEALTHZ = "/metrics", "/healthz"
# A line for each style sheet and each look of a monitor would hide the others.
_QUIET = frozenset({STATIC, "metrics", "healthz"})
_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"})

logger = logging.getLogger(__name__)


class RequestMiddleware:
    """The outermost, so that the id is also on what the others refuse."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        this = current.begin()
        request.current = this  # type: ignore[attr-defined]  # for error pages
        try:
            response = self.get_response(request)
        except Exception:  # broad: the error page has failed as well; gunicorn logs it after this, with the id
            _report(request, this, status=500, size=None, seconds=time.perf_counter() - started)
            raise
        seconds = time.perf_counter() - started
        if _report(request, this, status=response.status_code, size=_size(response), seconds=seconds):
            response.headers[HEADER] = this.id
        current.end()
        return response


def route_of(request: HttpRequest) -> str:
    """Return the name of the request's view, or of its function; never its path, which may have a token or a folio."""
    if match := request.resolver_match:
        return match.view_name
    if request.path_info in (METRICS, HEALTHZ):
        return request.path_info[1:]
    if request.path_info.startswith(settings.STATIC_URL):
        return STATIC
    return STAFF if request.path_info.startswith(settings.SESSION_COOKIE_PATH) else NO_ROUTE


def _size(response: HttpResponse) -> int | None:
    """Return the bytes of the body; None for one that is made while it is sent."""
    if "Content-Length" in response.headers:
        return int(response.headers["Content-Length"])
    return None if response.streaming else len(response.content)


def _report(request: HttpRequest, this: Current, *, status: int, size: int | None, seconds: float) -> bool:
    """Count a request; return whether it has a line in the log."""
    is_failed = status >= 400
    if not (is_failed or settings.REQUEST_LOG or numbers.are_counted()):
        return False
    route = route_of(request)
    is_staff = request.path_info.startswith(settings.SESSION_COOKIE_PATH)
    series.DURATIONS.observe(seconds, STAFF if is_staff else route, f"{status // 100}xx")
    if not (is_failed or settings.REQUEST_LOG and route not in _QUIET) or not logger.isEnabledFor(logging.INFO):
        return False
    line = {
        "method": request.method if request.method in _METHODS else "OTHER",
        "route": route,
        "status": status,
        "ms": round(seconds * 1000, 1),
        "bytes": "-" if size is None else size,
        "outcome": this.outcome,
    }
    text = "{method} {route} {status} {ms} ms {bytes} bytes {outcome}".format_map(line).rstrip()
    logger.info("%s", text, extra={"fields": line})
    return True
