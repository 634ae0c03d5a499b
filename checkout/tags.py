"""Google Analytics and Meta, where the shop has them and this visitor agreed: only then does a page load them, and only
then does its content policy name them. No answer is a no.
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

# Written by the script that asks, read here. Without scripts there is nothing to agree to.
COOKIE = "tags"
BOTH = Text(es="{one} y {other}", en="{one} and {other}")


class Service(NamedTuple):
    """Who measures. origins: what a page that loads it may reach, by directive of the content policy."""

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
    # Told by requests alone: Meta's own script could read what is typed in a form.
    Service("Meta", "META_PIXEL_ID", {"connect-src": ("https://www.facebook.com",)}),
)


class TagsMiddleware:
    """Lets a page that loads tags reach them."""

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
    """Return those that the shop has."""
    return [service for service in SERVICES if getattr(settings, service.setting)]


def on_page(request: HttpRequest) -> dict[str, Any]:
    """Return what a page needs that may have tags; {} where the shop has none, or the browser itself says no.

    answer: "yes", "no", or "" for none yet.
    """
    if not (ours := services()) or asks_for_privacy(request):
        return {}
    said = request.COOKIES.get(COOKIE, "")
    answer = said if said in ("yes", "no") else ""
    request.has_tags = answer == "yes"  # type: ignore[attr-defined]  # for the middleware
    return {
        "answer": answer,
        "services": _listed([service.name for service in ours]),
        "ga4": settings.GA4_MEASUREMENT_ID,
        "meta": settings.META_PIXEL_ID,
    }


def _listed(names: Sequence[str]) -> str:
    return BOTH.say(site.language(), one=names[0], other=names[1]) if len(names) == 2 else names[0]


def _origins() -> dict[str, list[str]]:
    named: dict[str, list[str]] = {}
    for service in services():
        for directive, origins in service.origins.items():
            named.setdefault(directive, []).extend(origins)
    return named
