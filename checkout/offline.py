"""What a customer's device keeps for times without a connection: a service worker and an offline calculator.

The offline page is the calculator itself, the same for everybody. It says that there is no connection until it finds
one. The worker's cache is named after a hash of the page and of its files, so a device has either the whole new release
or the whole old one.
"""

import json
from functools import lru_cache
from hashlib import sha256
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.templatetags.static import static
from django.urls import reverse
from django.utils import translation
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_safe

from quoter import brand
from quoter import views as quoter_views
from quoter.language import PAGE_LANGUAGES, PARAMETER, PageLanguage, in_language, of_page
from quoter.shop import served
from quoter.undo import Draft

_FILES = (
    "favicon.svg",
    "site.css",
    "checkout/checkout.js",
    "checkout/consent.js",
    "checkout/kept.js",
    "checkout/mine.js",
    "quoter/busy.js",
    "quoter/calculator.js",
)


@require_safe
def calculator(request: HttpRequest) -> HttpResponse:
    """GET /offline/: the calculator as a device keeps it, in the language of the page."""
    return _revalidated(HttpResponse(_page(of_page(), served.current().key)))


@require_safe
def worker(request: HttpRequest) -> HttpResponse:
    """GET /worker.js: the customers' service worker, at the root because a worker serves only paths below its own."""
    return _revalidated(HttpResponse(_worker(served.current().key), content_type="text/javascript"))


def prepare(**kwargs: Any) -> None:
    """Make both for the shop that is served now, so that no customer waits for them."""
    with served.one_version():
        _worker(served.current().key)


def _revalidated(response: HttpResponse) -> HttpResponse:
    """Have browsers ask the server each time before they use their copy."""
    patch_cache_control(response, no_cache=True)
    return response


@lru_cache(maxsize=4)
def _worker(shop: str) -> str:
    """shop: the key of the one that this request sees."""
    page = reverse("checkout:offline")
    brand_files = filter(None, [brand.address_of(brand.stylesheet()), brand.address_of(brand.logo())])
    files = [*map(static, _FILES), *brand_files]
    pages = [page, *(in_language(page, each) for each in PAGE_LANGUAGES)]
    shown = [_page(language, shop) for language in PAGE_LANGUAGES]
    release = sha256("".join([*files, *shown]).encode()).hexdigest()[:16]
    manifest = json.dumps({"release": release, "files": files, "pages": pages})
    return f'import {{ serve }} from "{static("checkout/worker.js")}";\n\nserve({manifest});\n'


@lru_cache(maxsize=8)
def _page(language: PageLanguage, shop: str) -> str:
    request = HttpRequest()
    request.GET = QueryDict(f"{PARAMETER}={language.code}")
    with translation.override(language.django):
        return quoter_views.page(request, Draft(), came_from={}, is_offline=True).content.decode()
