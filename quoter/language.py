"""The language of a page: the one in its address (`?lang=en`), else the browser's. No cookie keeps it.

Our own links and forms carry the parameter on, so a visitor who has switched stays in that language.
"""

from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.cache import patch_vary_headers

PARAMETER = "lang"


@dataclass(frozen=True)
class PageLanguage:
    """A language that pages are offered in. code: in addresses; tag: in HTML; locale: as Open Graph writes it."""

    code: str
    django: str
    tag: str
    locale: str
    name: str


PAGE_LANGUAGES = (
    PageLanguage(code="es", django="es-mx", tag="es-MX", locale="es_MX", name="Español"),
    PageLanguage(code="en", django="en", tag="en", locale="en_US", name="English"),
)


class LanguageMiddleware:
    """Activates the language of each page, and names it in the response's headers."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        asked = of_address(request)
        request.LANGUAGE_CODE = asked.django if asked else translation.get_language_from_request(request)
        translation.activate(request.LANGUAGE_CODE)
        response = self.get_response(request)
        if not asked:
            patch_vary_headers(response, ["Accept-Language"])
        response.headers.setdefault("Content-Language", of_page().tag)
        return response


def of_address(request: HttpRequest) -> PageLanguage | None:
    """Return the language that a page's address asks for; None when it asks for none."""
    if not request.META.get("QUERY_STRING"):  # even an empty query takes time to parse
        return None
    code = request.GET.get(PARAMETER)
    return next((each for each in PAGE_LANGUAGES if each.code == code), None)


def of_page() -> PageLanguage:
    """Return the language of the page being made."""
    return next((each for each in PAGE_LANGUAGES if each.django == translation.get_language()), PAGE_LANGUAGES[0])


def carried(address: str, request: HttpRequest, query: str = "") -> str:
    """Return one of our addresses with a query, and with the language if this page's own address has one."""
    asked = of_address(request)
    queries = [f"{PARAMETER}={asked.code}"] if asked else []
    queries += [query] if query else []
    return f"{address}?{'&'.join(queries)}" if queries else address


def in_language(address: str, language: PageLanguage) -> str:
    """Return the address of a page in a language. address: without a query."""
    return f"{address}?{PARAMETER}={language.code}"


def alternates(address: str) -> dict[str, str]:
    """Return the address of a page in each language, and in the browser's own, by its `hreflang`."""
    return {**{each.tag: in_language(address, each) for each in PAGE_LANGUAGES}, "x-default": address}
