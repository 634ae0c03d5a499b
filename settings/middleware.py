"""Django's session, login, message and CSRF middleware, for staff pages alone.

Customer pages need none of it: no session, no cookie, no query. The signed token is the proof at checkout.
"""

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware

STAFF_PATH = "/admin/"


class _StaffPagesOnly:
    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith(STAFF_PATH):
            return super().__call__(request)  # type: ignore[misc,no-any-return]
        return self.get_response(request)  # type: ignore[attr-defined,no-any-return]


class StaffSessionMiddleware(_StaffPagesOnly, SessionMiddleware):
    pass


class StaffAuthenticationMiddleware(_StaffPagesOnly, AuthenticationMiddleware):
    pass


class StaffMessageMiddleware(_StaffPagesOnly, MessageMiddleware):
    pass


class StaffCsrfMiddleware(_StaffPagesOnly, CsrfViewMiddleware):
    def process_view(self, request, callback, callback_args, callback_kwargs):  # type: ignore[no-untyped-def]
        if request.path_info.startswith(STAFF_PATH):
            return super().process_view(request, callback, callback_args, callback_kwargs)
        return None
