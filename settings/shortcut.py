"""Middleware that takes the forms of customers past the middleware of staff, which does nothing for them.

Its two parts enclose the middleware of staff in MIDDLEWARE, which takes 7 % of a checkout (docs/performance.md). Every
other address has all of MIDDLEWARE, and what Django calls before each view, such as the check of CSRF tokens, stays.
"""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse

Handler = Callable[[HttpRequest], HttpResponseBase]
FORMS = ("checkout:give_quote", "checkout:checkout")

_past_staff: Handler


def ends(get_response: Handler) -> Handler:
    """Come after the last middleware that is only for staff. Django loads it before `begins`."""
    global _past_staff
    _past_staff = get_response
    return get_response


def begins(get_response: Handler) -> Handler:
    """Come before the first middleware that is only for staff."""
    past_staff = _past_staff
    addresses = frozenset(map(reverse, FORMS))

    def middleware(request: HttpRequest) -> HttpResponseBase:
        return past_staff(request) if request.path_info in addresses else get_response(request)

    return middleware
