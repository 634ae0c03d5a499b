"""The error pages of staff: what went wrong, in plain words, and the way back to the list.

They query nothing but the permission that is missing, because an error page must not fail itself.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import REASON_NO_CSRF_COOKIE
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.views.csrf import csrf_failure as django_csrf_failure

from leads.staff import second_factor, unfinished
from leads.staff.admin import PERMISSIONS
from leads.staff.pages import is_staff_page

TITLES = {
    400: _("This page does not understand the request"),
    403: _("Your login may not do this"),
    404: _("There is no such page"),
    405: _("This page does not understand the request"),
    500: _("Something went wrong"),
}
TEXTS = {
    400: _("The address or the form is damaged or too large. Nothing was changed. Begin again from the list."),
    403: _("Nothing was changed. Whoever manages the logins can give you the permission."),
    404: _("The address may be cut short, or the page is gone. The list has all leads."),
    405: _("The address cannot be opened in this way. Nothing was changed. Begin again from the list."),
    500: _("It is our fault. Go back in the browser: what you typed is still there. Then try again."),
}
TOO_OLD = _("This page was older than your login, so this was not done.")
# The permission that a page needs, by the last part of its URL's name, where the two differ.
PERMISSION_OF = {
    "changelist": "view",
    "history": "view",
    "live": "view",
    "states": "view",
    "find": "view",
    "export": "export_lead",
    "quote": "quote_lead",
    "offer": "quote_lead",
    "requote": "quote_lead",
    "whatsapp": "contact_lead",
    "contact": "contact_lead",
    "revert": "contact_lead",
    "aside": "contact_lead",
    "restore": "contact_lead",
    "quarantine": "contact_lead",
}


def error_page(request: HttpRequest, status: int, *, text: Any = None) -> HttpResponse:
    """Return the page of an error. text: what to do, instead of the usual sentence for this status."""
    context = {
        "title": TITLES[status],
        "is_the_list": request.path_info == reverse("admin:leads_lead_changelist"),
        "text": text or TEXTS[status],
        "missing": _missing_permission(request) if status == 403 and text is None else "",
    }
    return render(request, "leads/staff/error.html", context, status=status)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form with a wrong CSRF token, usually that of a page which is older than the last login.

    A form of this site's own page is offered again. OutageMiddleware has loaded the user before.
    """
    if not is_staff_page(request):
        return django_csrf_failure(request, reason=reason)
    sent = unfinished.of(request)
    has_logged_in = request.user.is_authenticated and not second_factor.is_missing(request)
    if sent and not has_logged_in:
        return unfinished.log_in_first(request, sent)
    if sent and sent.match:
        lead = unfinished.lead_of(sent.match) if request.user.has_perm("leads.view_lead") else None
        return unfinished.page(request, sent, reason=TOO_OLD, lead=lead, status=403)
    if has_logged_in and not request.path_info.startswith(reverse("account_login")):
        text = _("This page was older than your login. Nothing was changed. Open the page again and repeat it.")
        return error_page(request, 403, text=text)
    if reason == REASON_NO_CSRF_COOKIE:
        text = _("To log in, this browser has to accept cookies of this site. Then try again.")
    else:
        text = _("That page was too old. Log in again, and repeat it.")
    return error_page(request, 403, text=text)


def not_allowed(request: HttpRequest) -> HttpResponse:
    """Answer a request with the wrong method. Whoever opens the address of a button gets its lead or the list."""
    match = request.resolver_match
    is_button = request.method in ("GET", "HEAD") and match and unfinished.action(request.path_info)
    if not is_button or not match:
        return error_page(request, 405)
    messages.warning(request, _("Nothing was changed: that is the address of a button. Tap the button again."))
    lead = unfinished.lead_of(match)
    return redirect("admin:leads_lead_change", lead.pk) if lead else redirect("admin:leads_lead_changelist")


def _missing_permission(request: HttpRequest) -> str:
    """Return what the user of a refused page may not do, as in "Leads: export"; "" when that is unknown."""
    name = (request.resolver_match and request.resolver_match.url_name) or ""
    app, _separator, rest = name.partition("_")
    model, _separator, page = rest.partition("_")
    try:
        about = capfirst(apps.get_model(app, model)._meta.verbose_name_plural)
    except (LookupError, ValueError):
        return ""
    words = PERMISSIONS.get(PERMISSION_OF.get(page, page))
    return f"{about}: {words}" if words else about
