"""The visitor cookie: a random id that links a device's quotes. Visitors may refuse it, and nothing depends on it."""

import re
import secrets
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse

COOKIE = "visitor"
# The cookie's value for everybody who refuses an id, so it does not tell visitors apart.
REFUSED = "off"
_AGE = timedelta(days=365)


def asks_for_privacy(request: HttpRequest) -> bool:
    """Return whether the browser sends Global Privacy Control or its predecessor, Do Not Track."""
    return "1" in (request.headers.get("Sec-GPC"), request.headers.get("DNT"))


def has_declined(request: HttpRequest) -> bool:
    """Return whether the person refused the visitor cookie on the privacy page."""
    return request.COOKIES.get(COOKIE) == REFUSED


def id_of(request: HttpRequest) -> str:
    """Return the visitor's id, of the form that `id_or_new` makes; "" if there is none or the browser opts out."""
    value = request.COOKIES.get(COOKIE, "")
    is_id = re.fullmatch(r"[A-Za-z0-9_-]{22}", value)
    return value if is_id and not asks_for_privacy(request) else ""


def id_or_new(request: HttpRequest) -> str:
    """Return the visitor's id, or a new one if they have none; "" if they refuse one."""
    if asks_for_privacy(request) or has_declined(request):
        return ""
    return id_of(request) or secrets.token_urlsafe(16)


def keep(response: HttpResponse, value: str) -> None:
    """Set the visitor cookie. value: an id, or REFUSED."""
    response.set_cookie(COOKIE, value, max_age=_AGE, secure=not settings.DEBUG, httponly=True, samesite="Lax")


def decide(response: HttpResponse, *, is_allowed: bool) -> None:
    """Store the person's choice: refused from now on, or allowed, in which case the next quote sets a new id."""
    if is_allowed:
        response.delete_cookie(COOKIE, samesite="Lax")
    else:
        keep(response, REFUSED)
