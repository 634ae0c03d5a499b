"""Loads at the start what requests will need later, so that a running site needs nothing of its release on the disk.

gunicorn loads the application once and forks its workers. A deploy may replace, break or remove the files under them:
workers go on, and one that is killed comes back as it was.
"""

import logging
import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from typing import cast
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth import get_backends, hashers, password_validation
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.template.backends.django import DjangoTemplates
from django.urls import URLResolver, get_resolver
from django.utils import formats, translation
from phonenumbers import PhoneMetadata

from settings import static

logger = logging.getLogger(__name__)

# Of these every module is imported, except what no request needs.
PACKAGES = (
    *("quoter", "leads", "checkout"),
    *("django.contrib.admin", "django.contrib.auth", "django.contrib.messages", "django.contrib.sessions"),
    *("allauth.account", "allauth.core", "allauth.mfa"),
)
UNNEEDED = re.compile(
    r".*\.(?:management|migrations|tests?)\b.*|leads\.ops\.doctor\b.*|quoter\.drawing|checkout\.paper\.layout"
)
# What libraries import only when they need it. A test finds what is missing here.
LATE = (
    *("encodings.idna", "encodings.unicode_escape", "encodings.utf_16_le"),
    *("django.core.mail.backends.smtp", "qrcode.image.svg"),
)
# Answers that are made once for each process. Making them also compiles the templates of the calculator.
ONCE = ("/worker.js",)


def everything() -> HttpResponse:
    """Load everything; return the answer to a fault of the site."""
    for name in (*LATE, *_modules()):
        import_module(name)
    urls = get_resolver()
    _load_urls(urls)
    _load_what_settings_name()
    _load_texts()
    PhoneMetadata.load_all()
    if not settings.DEBUG:
        static.release()
        static.keep()
    for path in ONCE:
        try:
            urls.resolve(path).func(_a_request())
        except Exception as error:  # broad: customers of a page that fails still get the way to WhatsApp
            logger.error("%s cannot be made.", path, exc_info=error)
    return answer_to_a_fault()


def answer_to_a_fault() -> HttpResponse:
    """Return the answer to a fault of the site, for the shop that is served now."""
    answer: HttpResponse = get_resolver().resolve_error_handler(500)(_a_request())
    return answer


def _a_request() -> HttpRequest:
    request = HttpRequest()
    request.method = "GET"
    return request


def _modules() -> Iterator[str]:
    for package in PACKAGES:
        modules = pkgutil.walk_packages(import_module(package).__path__, f"{package}.")
        yield from (module.name for module in modules if not UNNEEDED.fullmatch(module.name))


def _load_urls(urls: URLResolver) -> None:
    for pattern in urls.url_patterns:
        if isinstance(pattern, URLResolver):
            _load_urls(pattern)


def _load_what_settings_name() -> None:
    get_backends()
    hashers.get_hashers()
    password_validation.get_default_password_validators()
    caches["default"]
    for engine in engines.all():
        cast(DjangoTemplates, engine).engine.template_context_processors  # noqa: B018  (imports them)


def _load_texts() -> None:
    ZoneInfo("Etc/UTC")
    for language, _name in settings.LANGUAGES:
        with translation.override(language):
            translation.gettext("Call")
            formats.get_format("DATE_FORMAT")
