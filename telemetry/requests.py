"""Gives each request an id, writes its line into the log, and counts it.

Ids that come from outside are not used: whoever sends one could make two requests look like one, or write into the log.
"""

import logging
import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from telemetry import current, series
from telemetry.current import Current
from telemetry.request_lines import log_line

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
        request.id = this.id  # type: ignore[attr-defined]  # for error pages
        try:
            response = self.get_response(request)
        except Exception:  # broad: the error page has failed as well; gunicorn logs it after this, with the id
            _report(request, this, status=500, size=None, seconds=time.perf_counter() - started)
            raise
        response.headers[HEADER] = this.id
        seconds = time.perf_counter() - started
        _report(request, this, status=response.status_code, size=_size(response), seconds=seconds)
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


def _report(request: HttpRequest, this: Current, *, status: int, size: int | None, seconds: float) -> None:
    route = route_of(request)
    is_staff = request.path_info.startswith(settings.SESSION_COOKIE_PATH)
    series.DURATIONS.observe(seconds, STAFF if is_staff else route, f"{status // 100}xx")
    if settings.REQUEST_LOG and logger.isEnabledFor(logging.INFO) and (status >= 400 or route not in _QUIET):
        method = request.method if request.method in _METHODS else "OTHER"
        log_line(this, method=method, route=route, status=status, ms=round(seconds * 1000, 1), size=size)
