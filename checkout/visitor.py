"""The visitor's mark: a random cookie that ties a device's quotes together, for those who do not mind. Never needed."""

import re
import secrets
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse

COOKIE = "visitor"
# The same for everybody who wants no mark, so it tells nobody apart.
NO_MARK = "off"
_AGE = timedelta(days=365)


def asks_for_privacy(request: HttpRequest) -> bool:
    """Tell whether the browser itself asks not to be followed: Global Privacy Control, or its forerunner."""
    return "1" in (request.headers.get("Sec-GPC"), request.headers.get("DNT"))


def has_declined(request: HttpRequest) -> bool:
    """Tell whether the person said on the privacy page that they want no mark."""
    return request.COOKIES.get(COOKIE) == NO_MARK


def mark_of(request: HttpRequest) -> str:
    """Return the visitor's mark where there is one of ours, as `token_urlsafe` makes them, and it may be used."""
    value = request.COOKIES.get(COOKIE, "")
    is_ours = re.fullmatch(r"[A-Za-z0-9_-]{22}", value)
    return value if is_ours and not asks_for_privacy(request) else ""


def marked(request: HttpRequest) -> str:
    """Return the visitor's mark, a new one where there is none; "" for who wants none."""
    if asks_for_privacy(request) or has_declined(request):
        return ""
    return mark_of(request) or secrets.token_urlsafe(16)


def keep(response: HttpResponse, mark: str) -> None:
    """Set the mark on the visitor's device."""
    response.set_cookie(COOKIE, mark, max_age=_AGE, secure=not settings.DEBUG, httponly=True, samesite="Lax")


def decide(response: HttpResponse, *, wants_mark: bool) -> None:
    """Do as the person says: no mark from now on, or again one with the next quote."""
    if wants_mark:
        response.delete_cookie(COOKIE, samesite="Lax")
    else:
        keep(response, NO_MARK)
