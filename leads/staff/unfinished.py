"""What staff sent when it could not be done: the session had ended, the page was too old, or the database was down.

Nobody has to tap or type it again. `of` reads it from the request. A page offers it with one button, which sends the
same form to the same address. Over a login it waits in a signed cookie; the page at `account_unfinished` reads that.

Only forms of this site's own pages are kept: no other site can prepare an action for the next login.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import Resolver404, ResolverMatch, resolve, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from leads.models import Lead

# A cookie for each form that waits for a login, so that two tabs do not overwrite each other: its name ends in a key.
COOKIE = "staff-unfinished-"
COOKIE_LIFE = timedelta(hours=2)
# Of all these cookies together. gunicorn refuses requests with more than 8,190 bytes of cookies.
MOST_COOKIE_BYTES = 3500
# Names the user who was last logged in with this browser, second factor included. It gives access to nothing; in this
# browser, failed logins elsewhere do not keep the user from logging in.
USER_COOKIE = "staff-user"
USER_COOKIE_LIFE = timedelta(days=180)
KEY_FIELD = "unfinished"  # a hidden field of the page that offers the form again: the key of its cookie
MOST_FIELDS = 200
# Fields of buttons and hidden ones, which nobody types.
TECHNICAL = {"next", "action", "format", "lead", "when", "ready", "at", "day", "reason", "to", "knows"}
# Of a job that is quoted.
JOB = ("lines.", "answers.", "removed", "before", "language")
# The owner's pages. Forms of prices and the shop have every cell, and beside it what it was: only what differs is kept.
OWNER_PAGES = {"owner_prices", "owner_shop", "staff_team"}
CELL, SEEN = "cell:", "seen:"
NOT_SENT_AGAIN = {"csrfmiddlewaretoken", "retry-now", KEY_FIELD}
# Each button of a person's page sends these as they are, and only one of them changes anything by them.
CORRECTION, CORRECTED = "leads_lead_correct", {"new_name", "new_phone"}

# What the button says, by the last part of the URL's name. who: the customer.
BUTTONS = {
    "whatsapp": _("Open WhatsApp with %(who)s"),
    "contact": _("Mark %(who)s as contacted"),
    "revert": _("Put %(who)s back to waiting"),
    "change": _("Save what you typed about %(who)s"),
    "plan": _("Note the next step with %(who)s"),
    "sold": _("Note the sale to %(who)s"),
    "lost": _("Note that %(who)s does not buy"),
    "aside": _("Put %(who)s aside"),
    "hand": _("Give %(who)s to a colleague"),
    "correct": _("Correct name or phone of %(who)s"),
    "quote": _("Go on with the quote"),
    "offer": _("Send the quote"),
    "find": _("Search"),
    "restore": _("Restore the lead"),
    "quarantine": _("Try the refused leads again"),
    "export": _("Download the list"),
}
OTHER_BUTTON = _("Do it now")


class Field(NamedTuple):
    """A field of a form. is_typed: whether a person may have typed it, and so wants to see it."""

    name: str
    value: str

    @property
    def is_typed(self) -> bool:
        is_technical = self.name in TECHNICAL or self.name.startswith(("_", SEEN, *JOB))
        return not is_technical and any(character.isalpha() for character in self.value)


class Unfinished(NamedTuple):
    """A form that was sent. path: where to, with its query; by: the id of the user who sent it, if known."""

    path: str
    fields: tuple[Field, ...]
    by: int | None = None

    @property
    def match(self) -> ResolverMatch | None:
        return action(self.path.partition("?")[0])


def action(path: str) -> ResolverMatch | None:
    """Return the page of leads, prices or the shop at a path. None for others: some of their forms hold a password."""
    try:
        match = resolve(path)
    except Resolver404:
        return None
    name = match.url_name or ""
    return match if (match.namespace == "admin" and name.startswith("leads_")) or name in OWNER_PAGES else None


def lead_of(match: ResolverMatch) -> Lead | None:
    """Return the lead whose page or button is at a path. Queries Postgres."""
    key = Lead.key_of(match.kwargs.get("lead_id") or match.kwargs.get("object_id") or "")
    return Lead.objects.filter(pk=key).first() if key is not None else None


def of(request: HttpRequest) -> Unfinished | None:
    """Return the form that a person has sent from a page of this site; None for any other request."""
    is_form = request.method == "POST" and "text/html" in request.headers.get("Accept", "")
    if not is_form or not _is_from_this_site(request) or not (match := action(request.path_info)):
        return None
    sent = [Field(name, str(value)) for name, values in request.POST.lists() for value in values]
    cells = {name: SEEN + name.removeprefix(CELL) for name, _value in sent if name.startswith(CELL)}
    same = {name for name, seen in cells.items() if request.POST[name] == request.POST.get(seen)}
    not_again = NOT_SENT_AGAIN | same | {cells[name] for name in same}
    if match.url_name != CORRECTION:
        not_again |= CORRECTED
    fields = tuple(field for field in sent if field.name not in not_again)
    if len(fields) > MOST_FIELDS:
        return None
    return Unfinished(request.get_full_path(), fields, by=_last_user(request))


def _is_from_this_site(request: HttpRequest) -> bool:
    """Return whether the browser says that a page of this site has sent the request. Other sites cannot forge that."""
    source = request.headers.get("Origin") or request.headers.get("Referer", "")
    ours = {f"{request.scheme}://{request.get_host()}", *settings.CSRF_TRUSTED_ORIGINS}
    return any(source == origin or source.startswith(f"{origin}/") for origin in ours)


# --- The page that offers it ------------------------------------------------------------------------------------------


def context_of(unfinished: Unfinished, *, lead: Lead | None = None) -> dict[str, Any]:
    """Return what `leads/staff/_unfinished.html` shows. lead: whom it is about, if known."""
    match = unfinished.match
    name = (match.url_name or "").rpartition("_")[2] if match else ""
    who = (lead.name or lead.folio) if lead else gettext("this customer")
    return {"unfinished": unfinished, "button": BUTTONS.get(name, OTHER_BUTTON) % {"who": who}}


def page(
    request: HttpRequest, unfinished: Unfinished, *, reason: Any, lead: Lead | None = None, key: str = "", status: int
) -> HttpResponse:
    """Return the page that offers a form again. reason: why it was not done, a sentence; key: of its cookie."""
    context = context_of(unfinished, lead=lead) | {"reason": reason, "key": key}
    response = render(request, "leads/staff/unfinished.html", context, status=status)
    response["Cache-Control"] = "no-store"
    return response


@require_safe
def resume(request: HttpRequest, key: str) -> HttpResponse:
    """After a login, offer the form that waits in a cookie. Without one, show the list with a sentence."""
    unfinished = _kept(request, key)
    if unfinished is None:
        text = _("What you tapped before the login was not kept. Nothing was changed: tap it again.")
    elif unfinished.by not in (None, request.user.pk):
        text = _("Somebody else tapped this before you logged in. Nothing was changed.")
    else:
        may_see = request.user.has_perm("leads.view_lead")
        lead = lead_of(unfinished.match) if may_see and unfinished.match else None
        reason = _("Your session had ended, so this was not done.")
        return page(request, unfinished, reason=reason, lead=lead, key=key, status=200)
    messages.warning(request, text)
    return redirect("admin:leads_lead_changelist")


# --- Over a login -----------------------------------------------------------------------------------------------------


def log_in_first(request: HttpRequest, unfinished: Unfinished) -> HttpResponse:
    """Send a browser without a session to the login, and from there to the page that offers the form."""
    key = secrets.token_hex(4)
    kept = [unfinished.path, unfinished.fields, unfinished.by]
    value = signing.dumps(kept, salt=COOKIE + key, compress=True)
    if len(value) + sum(len(cookie) for _key, cookie in _cookies(request)) > MOST_COOKIE_BYTES:
        reason = _("Your session has ended. Log in in another tab, come back to this page, and then:")
        return page(request, unfinished, reason=reason, status=403)
    messages.warning(request, _("Your session has ended. Log in, and go on with what you tapped."))
    response = redirect_to_login(reverse("account_unfinished", args=[key]), reverse("account_login"))
    _set_cookie(response, COOKIE + key, value, COOKIE_LIFE)
    return response


def waiting_url(request: HttpRequest) -> str | None:
    """Return the page of a form that waits for the login of this user, or None."""
    for key, _cookie in _cookies(request):
        if (unfinished := _kept(request, key)) and unfinished.by in (None, request.user.pk):
            return reverse("account_unfinished", args=[key])
    return None


def update_cookies(request: HttpRequest, response: HttpResponse, *, user: int) -> None:
    """Delete the cookie of a form that was sent again, and remember who is logged in. user: the id."""
    key = request.POST.get(KEY_FIELD, "") if request.method == "POST" else ""
    if COOKIE + key in request.COOKIES and response.status_code < 400:
        response.delete_cookie(COOKIE + key, path=settings.SESSION_COOKIE_PATH, samesite="Strict")
    if _last_user(request) != user:
        _set_cookie(response, USER_COOKIE, signing.dumps(user, salt=USER_COOKIE), USER_COOKIE_LIFE)


def last_username(request: HttpRequest) -> str:
    """Return who was last logged in with this browser; "" when that is unknown. Queries Postgres."""
    user = _last_user(request)
    found = User.objects.filter(pk=user).values_list("username", flat=True).first() if user is not None else None
    return found or ""


def _kept(request: HttpRequest, key: str) -> Unfinished | None:
    salt = COOKIE + key
    try:
        path, fields, by = signing.loads(request.COOKIES.get(salt, ""), salt=salt, max_age=COOKIE_LIFE)
    except signing.BadSignature:
        return None
    return Unfinished(path, tuple(Field(*field) for field in fields), by)


def _cookies(request: HttpRequest) -> Iterator[tuple[str, str]]:
    """Yield key and value of the cookies of forms."""
    return ((name[len(COOKIE) :], text) for name, text in request.COOKIES.items() if name.startswith(COOKIE))


def _last_user(request: HttpRequest) -> int | None:
    try:
        user: int = signing.loads(request.COOKIES.get(USER_COOKIE, ""), salt=USER_COOKIE, max_age=USER_COOKIE_LIFE)
    except signing.BadSignature:
        return None
    return user


def _set_cookie(response: HttpResponse, name: str, value: str, life: timedelta) -> None:
    response.set_cookie(
        name,
        value,
        max_age=life,
        path=settings.SESSION_COOKIE_PATH,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Strict",
    )
