"""A new shop's first page: what customers must not see wrong (name, number, prices), asked on one short page.

Owners land on it until all is set, or until they put it off. It reads memory only, so it keeps nobody from the admin.
"""

import json
import tomllib
from contextlib import suppress
from datetime import timedelta
from functools import cache
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from leads import phones
from leads.desk.owner import shop_fields
from leads.desk.owner.sheets import Details, with_notice_version
from leads.desk.owner.views import PERMISSIONS
from quoter import site
from quoter.shop import details, publishing, served
from quoter.shop.publishing import CannotPublish
from quoter.shop.table.cells import said
from quoter.shop.values import shop

NAMES = ("BUSINESS_NAME", "WHATSAPP_NUMBER")
UNNAMED = "Folio"
EXAMPLE_NUMBER = "526561234567"  # in .env.example
LATER, LATER_FOR = "owner-start-later", timedelta(days=30)
BOOKS = settings.BASE_DIR / "quoter" / "books"


def unset() -> list[str]:
    """Return what customers must not see wrong and nobody has set yet: name, number, prices."""
    numbers, book = served.current().numbers, settings.PRICE_BOOK
    missing = {
        _("Name"): UNNAMED == shop.BUSINESS_NAME,
        _("WhatsApp number"): not phones.is_valid(shop.WHATSAPP_NUMBER) or shop.WHATSAPP_NUMBER == EXAMPLE_NUMBER,
        _("Prices"): book.is_relative_to(BOOKS) and not numbers[served.PRICES],
    }
    return [name for name, is_missing in missing.items() if is_missing]


def index(request: HttpRequest) -> HttpResponseBase:
    """The first page of the admin, or for an owner of a shop that is not set up, this one. Not where it only runs to
    be tried, and not for superusers, who set the environment.
    """
    is_tried = not phones.is_valid(shop.WHATSAPP_NUMBER)  # the number of a trial is nobody's
    is_owner = all(map(request.user.has_perm, PERMISSIONS.values())) and not getattr(request.user, "is_superuser", True)
    if is_owner and not is_tried and LATER not in request.COOKIES and unset():
        return HttpResponseRedirect(reverse("owner_start"))
    return admin.site.index(request)


@require_http_methods(["GET", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """GET, POST /admin/start/: ask for what is missing, and publish it at once."""
    if not all(map(request.user.has_perm, PERMISSIONS.values())):
        raise PermissionDenied
    if request.method == "POST" and request.POST.get("action") == "later":
        later = HttpResponseRedirect(reverse("admin:index"))
        later.set_cookie(LATER, "1", LATER_FOR, path=settings.SESSION_COOKIE_PATH, httponly=True, samesite="Strict")
        return later
    errors: dict[str, str] = {}
    if request.method == "POST":
        errors = _published(request)
        if not errors:
            messages.success(request, _("Set. Customers see it in a few seconds."))
            return HttpResponseRedirect(reverse("admin:index"))
    return render(request, "leads/owner/start.html", _context(request, errors))


def _context(request: HttpRequest, errors: dict[str, str]) -> dict[str, Any]:
    typed = request.POST.get
    number = shop.WHATSAPP_NUMBER if phones.is_valid(shop.WHATSAPP_NUMBER) else ""
    name = "" if UNNAMED == shop.BUSINESS_NAME else shop.BUSINESS_NAME
    text = typed("WHATSAPP_NUMBER", "" if number == EXAMPLE_NUMBER else number)
    return {
        **admin.site.each_context(request),
        "title": _("Three things before customers come"),
        "name": typed("BUSINESS_NAME", name),
        "number": text,
        "number_said": phones.readable("".join(filter(str.isdigit, text))) if text else "",
        "books": [(code, said(tomllib.loads(content)["title"], site.language())) for code, content in _books().items()],
        "book": typed("book", ""),
        "in_force": site.price_book().title.in_(site.language()),
        "errors": errors,
    }


@cache
def _books() -> dict[str, str]:
    """Return the bundled price books by name; none where a deploy has taken their files away."""
    with suppress(OSError):
        return {file.stem: file.read_text(encoding="utf-8") for file in sorted(BOOKS.glob("*.toml"))}
    return {}


def _published(request: HttpRequest) -> dict[str, str]:
    """Publish what was typed; return what is wrong with it, by field, and then publish nothing."""
    sheet, by = Details(), request.user.get_username()
    texts, errors = {}, {}
    for name in NAMES:
        try:
            texts[name] = sheet.read(name, request.POST.get(name, ""))
        except ValueError as error:
            errors[name] = shop_fields.in_words(name, str(error))
    book = _books().get(request.POST.get("book", ""), "")
    if errors:
        return errors
    try:
        after = with_notice_version(json.loads(sheet.content), texts, timezone.localdate())
        publishing.publish(served.DETAILS, details.document(after), by=by)
        if book or not served.current().numbers[served.PRICES]:
            publishing.publish(served.PRICES, book or publishing.first_content(served.PRICES), by=by)
    except CannotPublish as error:
        return {"book": str(error)}
    return {}
