"""Kept libraries' middleware, spared where a customer's page has no use for it.

Session, login, account, message and CSRF middleware are for staff pages alone: customer pages have no session, no
cookie and no query, and the signed token is the proof at checkout. The content policy is written once, not once a page.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from allauth.account.middleware import AccountMiddleware
from csp.constants import HEADER
from csp.middleware import CSPMiddleware, PolicyParts
from csp.utils import build_policy
from django.conf import settings
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


class StaffAccountMiddleware:
    """allauth's, which is a function."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self._for_staff: Any = AccountMiddleware(get_response)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        is_staff_page = request.path_info.startswith(STAFF_PATH)
        answer: HttpResponseBase = (self._for_staff if is_staff_page else self.get_response)(request)
        return answer

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        if request.path_info.startswith(STAFF_PATH):
            answer: HttpResponseBase | None = self._for_staff.process_exception(request, exception)
            return answer
        return None


class StaffCsrfMiddleware(_StaffPagesOnly, CsrfViewMiddleware):
    def process_view(self, request, callback, callback_args, callback_kwargs):  # type: ignore[no-untyped-def]
        if request.path_info.startswith(STAFF_PATH):
            return super().process_view(request, callback, callback_args, callback_kwargs)
        return None


class ContentPolicyMiddleware(CSPMiddleware):
    """django-csp's, with its work done once for the answers, nearly all, that add nothing to the site's own policy."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        has_its_own = self.get_policy_parts(request, response) != PolicyParts() or hasattr(response, "_csp_exempt")
        if has_its_own or settings.DEBUG:
            return super().process_response(request, response)
        response.headers.setdefault(HEADER, _site_policy())
        return response


@cache
def _site_policy() -> str:
    return build_policy()
