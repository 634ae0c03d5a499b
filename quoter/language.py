"""The language of a page: what its address says (`?lang=en`), else what the browser asks for. No cookie keeps it.

Our own links and forms carry it on, so who has switched stays in that language, whatever the browser says.
"""

from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.cache import patch_vary_headers

PARAMETER = "lang"


@dataclass(frozen=True)
class Tongue:
    """A language that pages are to be had in. code: in addresses; tag: in HTML; locale: as Open Graph writes it."""

    code: str
    django: str
    tag: str
    locale: str
    name: str


TONGUES = (
    Tongue(code="es", django="es-mx", tag="es-MX", locale="es_MX", name="Español"),
    Tongue(code="en", django="en", tag="en", locale="en_US", name="English"),
)


class LanguageMiddleware:
    """Makes each page in its language, and says which one that is."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        asked = of_address(request)
        translation.activate(asked.django if asked else translation.get_language_from_request(request))
        request.LANGUAGE_CODE = translation.get_language()
        response = self.get_response(request)
        if not asked:
            patch_vary_headers(response, ["Accept-Language"])
        response.headers.setdefault("Content-Language", of_page().tag)
        return response


def of_address(request: HttpRequest) -> Tongue | None:
    """Return the language that a page's address asks for; None where it leaves that to the browser."""
    if not request.META.get("QUERY_STRING"):  # to read nothing takes its time, too
        return None
    said = request.GET.get(PARAMETER)
    return next((tongue for tongue in TONGUES if tongue.code == said), None)


def of_page() -> Tongue:
    """Return the language of the page being made."""
    return next((tongue for tongue in TONGUES if tongue.django == translation.get_language()), TONGUES[0])


def carried(address: str, request: HttpRequest, query: str = "") -> str:
    """Return an address of ours with a query, and with the language where that of the page at hand has one."""
    asked = of_address(request)
    queries = [f"{PARAMETER}={asked.code}"] if asked else []
    queries += [query] if query else []
    return f"{address}?{'&'.join(queries)}" if queries else address


def in_tongue(address: str, tongue: Tongue) -> str:
    """Return where a page is found in a language. address: without a query."""
    return f"{address}?{PARAMETER}={tongue.code}"


def alternates(address: str) -> dict[str, str]:
    """Return where a page is found in each language, and in the browser's own, by the tag that `hreflang` takes."""
    return {**{tongue.tag: in_tongue(address, tongue) for tongue in TONGUES}, "x-default": address}
