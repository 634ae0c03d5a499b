"""What a customer's device keeps so that it can go on without us: the worker, and the kit that the calculator needs.

The kit is a page of templates, with the price book and the words in it, in one language. It names every file that its
release needs, and the worker is another one whenever any of it is: a device has a release whole, or the one before.
"""

import json
from functools import cache
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils import translation
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_safe

from checkout import whatsapp
from checkout.apps import notice_in_force
from quoter import brand, offline, site
from quoter.engine.text import Text
from quoter.language import PARAMETER, TONGUES, Tongue, in_tongue, of_page

TO_CONFIRM = Text(
    es="Calculada sin conexión en mi teléfono: el precio está por confirmar.",
    en="Priced offline on my phone: the price is to be confirmed.",
)
# Besides what its pages name.
_SCRIPTS = ("checkout/offline.js", "quoter/engine.js", "quoter/offline.js")
_SHOWN = (
    "favicon.svg",
    "site.css",
    "checkout/checkout.js",
    "checkout/consent.js",
    "checkout/kept.js",
    "checkout/mine.js",
    "checkout/share.js",
    "quoter/calculator.js",
)


@require_safe
def kit(request: HttpRequest) -> HttpResponse:
    """GET /offline/?lang=es: what the calculator needs where it cannot ask us."""
    return _checked_each_time(HttpResponse(_kit(of_page())))


@require_safe
def worker(request: HttpRequest) -> HttpResponse:
    """GET /worker.js: the customers' service worker; it stands here so that it may serve every page."""
    return _checked_each_time(HttpResponse(_worker(), content_type="text/javascript"))


def _checked_each_time(response: HttpResponse) -> HttpResponse:
    patch_cache_control(response, no_cache=True)
    return response


@cache
def _worker() -> str:
    calculator, offline_kit = reverse("quoter:calculator"), reverse("checkout:offline")
    brand_files = filter(None, [brand.address_of(brand.stylesheet()), brand.address_of(brand.logo())])
    files = [*map(static, (*_SHOWN, *_SCRIPTS)), *brand_files]
    pages = [calculator, *(in_tongue(page, tongue) for page in (calculator, offline_kit) for tongue in TONGUES)]
    release = sha256("".join([*files, *map(_kit, TONGUES)]).encode()).hexdigest()[:16]
    told = json.dumps({"release": release, "files": files, "pages": pages})
    return f'import {{ serve }} from "{static("checkout/worker.js")}";\n\nserve({told});\n'


@cache
def _kit(tongue: Tongue) -> str:
    request = HttpRequest()
    request.GET = QueryDict(f"{PARAMETER}={tongue.code}")
    with translation.override(tongue.django):
        language = site.language()
        blank = offline.blank_lines(site.price_book(), language=language)
        context: dict[str, Any] = {
            "blank": blank,
            "several": [None, None],  # lines: what only one of several has is taken away where there is one
            "engine": offline.engine_data(site.price_book(), language=language),
            "desk": {
                "zone": settings.TIME_ZONE,
                "number": settings.WHATSAPP_NUMBER,
                "no_number": offline.NO_NUMBER,
                "language": language,
                "texts": {name: text.in_(language) for name, text in _CHAT.items()},
            },
            "notice_version": notice_in_force().version,
            "version": site.price_book().version,
        }
        return render_to_string("checkout/offline.html", context, request)


_CHAT = {
    "GREETING": whatsapp.GREETING,
    "HELLO": whatsapp.HELLO,
    "SUBJECT": whatsapp.SUBJECT,
    "LINE": whatsapp.LINE,
    "EXTRAS": whatsapp.EXTRAS,
    "MORE": whatsapp.MORE,
    "ONE_MORE": whatsapp.ONE_MORE,
    "ALL": whatsapp.ALL,
    "ALL_ONE": whatsapp.ALL_ONE,
    "TOTAL": whatsapp.TOTAL,
    "TO_CONFIRM": TO_CONFIRM,
}
