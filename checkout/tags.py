"""Google Analytics and Meta tags.

A page loads them, and its content policy allows them, only if the shop has set them up and the visitor agreed. No
answer counts as no.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

from checkout.visitor import asks_for_privacy
from quoter import site
from quoter.content_policy import HEADER, policy
from quoter.engine.text import Text

# Set by static/checkout/consent.js. Without scripts no tag loads, so there is nothing to agree to.
COOKIE = "tags"
BOTH = Text(es="{one} y {other}", en="{one} and {other}")


class Service(NamedTuple):
    """An analytics service. setting: the one with the shop's id; origins: by directive of the content policy."""

    name: str
    setting: str
    origins: Mapping[str, Sequence[str]]


_GOOGLE = ("https://www.googletagmanager.com", "https://*.google-analytics.com", "https://*.analytics.google.com")
SERVICES = (
    Service(
        "Google Analytics",
        "GA4_MEASUREMENT_ID",
        {"script-src": _GOOGLE[:1], "connect-src": _GOOGLE, "img-src": _GOOGLE},
    ),
    # Our own script sends the events: Meta's script could read what is typed in a form.
    Service("Meta", "META_PIXEL_ID", {"connect-src": ("https://www.facebook.com",)}),
)


class TagsMiddleware:
    """Allows the tags' origins in the content policy of a page that loads them."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        if not services():
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if (is_agreed := getattr(request, "has_tags", None)) is not None:
            patch_vary_headers(response, ["Cookie"])
            if is_agreed:
                response.headers[HEADER] = policy(_origins())
        return response


def services() -> list[Service]:
    """Return the services that the shop has set up."""
    return [service for service in SERVICES if getattr(settings, service.setting)]


def on_page(request: HttpRequest) -> dict[str, Any]:
    """Return the template context of a page that may load tags; {} if the shop has none or the browser opts out.

    In it, answer: "yes", "no", or "" when the visitor has not answered.
    """
    if not (shop_services := services()) or asks_for_privacy(request):
        return {}
    cookie = request.COOKIES.get(COOKIE, "")
    answer = cookie if cookie in ("yes", "no") else ""
    request.has_tags = answer == "yes"  # type: ignore[attr-defined]  # for the middleware
    return {
        "answer": answer,
        "services": _listed([service.name for service in shop_services]),
        "ga4": settings.GA4_MEASUREMENT_ID,
        "meta": settings.META_PIXEL_ID,
    }


def _listed(names: Sequence[str]) -> str:
    return BOTH.say(site.language(), one=names[0], other=names[1]) if len(names) == 2 else names[0]


def _origins() -> dict[str, list[str]]:
    allowed: dict[str, list[str]] = {}
    for service in services():
        for directive, origins in service.origins.items():
            allowed.setdefault(directive, []).extend(origins)
    return allowed
