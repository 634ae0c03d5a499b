"""GET /metrics: the site's numbers for Prometheus, with the token in METRICS_TOKEN and not without.

It never waits for Postgres: what only Postgres knows was asked by the alerts worker. It is a middleware before those
that look at the host and the scheme, because Prometheus asks this machine, by any name and without TLS.
"""

from collections.abc import Callable, Iterator

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.crypto import constant_time_compare

from telemetry import series
from telemetry.requests import METRICS


class MetricsMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        if not settings.METRICS_TOKEN:
            raise MiddlewareNotUsed
        from leads.ops import exposition  # imports prometheus_client, which takes a tenth of a start

        self.get_response, self._exposition = get_response, exposition
        series.start(customer_routes())

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info != METRICS:
            return self.get_response(request)
        given = request.headers.get("Authorization", "")
        if not constant_time_compare(given, f"Bearer {settings.METRICS_TOKEN}"):
            return HttpResponse("METRICS_TOKEN is needed.\n", "text/plain", 401, headers={"WWW-Authenticate": "Bearer"})
        body, content_type = self._exposition.page(request.headers.get("Accept", ""))
        return HttpResponse(body, content_type, headers={"Cache-Control": "no-store"})


def customer_routes() -> Iterator[str]:
    """Yield the names of the views outside the staff's pages, as `telemetry.requests.route_of` returns them."""
    is_of_staff = settings.SESSION_COOKIE_PATH.lstrip("/")
    for pattern in get_resolver().url_patterns:
        if not str(pattern.pattern).startswith(is_of_staff):
            yield from _routes(pattern, namespaces=())


def _routes(pattern: URLPattern | URLResolver, *, namespaces: tuple[str, ...]) -> Iterator[str]:
    if isinstance(pattern, URLPattern):
        yield ":".join((*namespaces, pattern.name or pattern.lookup_str))
        return
    inner = (*namespaces, pattern.namespace) if pattern.namespace else namespaces
    for each in pattern.url_patterns:
        yield from _routes(each, namespaces=inner)
