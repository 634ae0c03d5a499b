"""Middleware of Django and django-csp, spared where a customer's page has no use for it.

Staff pages have middleware of their own, which no other page runs; the content policy is written once, not once a page.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from csp.constants import HEADER
from csp.middleware import CSPMiddleware, PolicyParts
from csp.utils import build_policy
from django.conf import settings
from django.core.handlers.base import BaseHandler
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.module_loading import import_string

STAFF_PATH = "/admin/"


class StaffPagesMiddleware:
    """Hands staff pages to a handler with STAFF_MIDDLEWARE; every other page costs one look at its address."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._customers = get_response
        self._staff = _StaffHandler().chain

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        is_staff_page = request.path_info.startswith(STAFF_PATH)
        answer: HttpResponseBase = (self._staff if is_staff_page else self._customers)(request)
        return answer


class _StaffHandler(BaseHandler):
    """Django's own handler, which takes its middleware from STAFF_MIDDLEWARE."""

    def __init__(self) -> None:
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        self.chain: Any = convert_exception_to_response(self._get_response)  # type: ignore[attr-defined]
        for path in reversed(settings.STAFF_MIDDLEWARE):
            middleware = import_string(path)(self.chain)
            if hasattr(middleware, "process_view"):
                self._view_middleware.insert(0, middleware.process_view)
            if hasattr(middleware, "process_exception"):
                self._exception_middleware.append(middleware.process_exception)
            self.chain = convert_exception_to_response(middleware)


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
