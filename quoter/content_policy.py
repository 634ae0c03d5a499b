"""The Content-Security-Policy of every answer, written once. Django 6.0 reads the same setting."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

HEADER = "Content-Security-Policy"


class ContentPolicyMiddleware:
    """Sends SECURE_CSP with each answer that has no policy of its own, and lets no site frame the pages of staff."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self._policy = policy()
        self._staff_policy = policy(framed_by=())

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        is_for_staff = request.path_info.startswith(settings.SESSION_COOKIE_PATH)
        if settings.EMBED_ORIGINS and not is_for_staff:
            del response.headers["X-Frame-Options"]  # it can name no site, and some browsers would obey it
            patch_vary_headers(response, ["Sec-Fetch-Dest"])  # base.html
        is_for_developers = settings.DEBUG and response.status_code in (404, 500)  # Django's pages, with inline styles
        if not is_for_developers:
            response.headers.setdefault(HEADER, self._staff_policy if is_for_staff else self._policy)
        return response


def policy(more: Mapping[str, Sequence[str]] = MappingProxyType({}), *, framed_by: Sequence[str] | None = None) -> str:
    """Return the site's policy, with `more` origins for some of its directives.

    framed_by: the sites that may frame the page, instead of EMBED_ORIGINS.
    """
    allowed = {name: [*origins, *more.get(name, ())] for name, origins in settings.SECURE_CSP.items()}
    if framed_by is not None:
        allowed["frame-ancestors"] = [*framed_by] or ["'none'"]
    return "; ".join(f"{name} {' '.join(origins)}" for name, origins in allowed.items())
