"""The Content-Security-Policy of every answer, written once. Django 6.0 reads the same setting."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

HEADER = "Content-Security-Policy"


class ContentPolicyMiddleware:
    """Sends SECURE_CSP with each answer that has no policy of its own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self._policy = policy()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        is_for_developers = settings.DEBUG and response.status_code in (404, 500)  # Django's pages, with inline styles
        if not is_for_developers:
            response.headers.setdefault(HEADER, self._policy)
        return response


def policy(more: Mapping[str, Sequence[str]] = MappingProxyType({})) -> str:
    """Return the site's policy, with `more` origins for some of its directives."""
    allowed = {name: [*origins, *more.get(name, ())] for name, origins in settings.SECURE_CSP.items()}
    return "; ".join(f"{name} {' '.join(origins)}" for name, origins in allowed.items())
