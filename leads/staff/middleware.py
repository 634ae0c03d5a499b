from collections.abc import Callable
from typing import Any

from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from leads.staff import errors, second_factor, unfinished
from leads.staff.pages import is_staff_page

# A whole WhatsApp message has 65,536 characters. A page that shows such a form again has less than half a megabyte.
MOST_CHARACTERS = 70_000
# A frame of 256 kB: Python takes a chunk of 512 kB for it, and the rest of that has room for 600 calls in each other.
FRAME_WORDS = 32 * 1024
TOO_LONG = _(
    "The form has too much text: a whole WhatsApp message fits, and no more. Nothing was changed. Go back in the "
    "browser, where your text still is, and send a part of it, such as the message with the folio or the link."
)


class LongFormMiddleware:
    """Refuses a form with more text than staff's pages may show again. No other page of theirs has to limit a text."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method == "POST" and is_staff_page(request) and _is_too_long(request):
            return errors.error_page(request, 400, text=TOO_LONG)
        return self.get_response(request)


def _is_too_long(request: HttpRequest) -> bool:
    try:
        fields = [(name, str(value)) for name, values in request.POST.lists() for value in values]
    except (RequestDataTooBig, TooManyFieldsSent):
        return True
    return sum(len(name) + len(value) for name, value in fields) > MOST_CHARACTERS


class OneChunkMiddleware:
    """Lets Python keep the frames of all calls for a staff page in one chunk of memory.

    Python takes chunks of 16 kB from the system, and returns each when the first call in it ends. A template calls so
    deeply that some loop of it stands at the end of a chunk, and takes and returns one in every round. For a list of
    fifty people, that was 2,000 page faults and a fifth of its CPU (docs/performance.md). Newer Pythons keep a chunk
    (python/cpython issue 142183). Customers' pages have no page faults; this would cost them 10 µs.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._in_one_chunk(request) if is_staff_page(request) else self.get_response(request)

    def _in_one_chunk(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    # The frame has this size, and nothing is ever put into it.
    _in_one_chunk.__code__ = _in_one_chunk.__code__.replace(co_stacksize=FRAME_WORDS)


class SecondFactorMiddleware:
    """Redirects staff who have not shown a second factor to the page where they set one up."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponse | None:
        # Here and not in __call__: OutageMiddleware.process_view has read session and user before, and handled errors.
        if is_staff_page(request) and not _is_about_the_login(request) and second_factor.is_missing(request):
            return redirect("mfa_index")
        return None


class UnfinishedMiddleware:
    """Keeps what staff send without a session over their login, and answers requests with the wrong method.

    It comes after the CSRF check, so nothing that another site has sent is kept.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not is_staff_page(request):
            return response
        if response.status_code == 405:
            response = errors.not_allowed(request)
        # A login has replaced the user meanwhile.
        if hasattr(request, "known_user") and request.user.is_authenticated and not second_factor.is_missing(request):
            unfinished.update_cookies(request, response, user=request.user.pk)
        return response

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponse | None:
        if request.method != "POST" or not is_staff_page(request) or request.user.is_authenticated:
            return None
        sent = unfinished.of(request)
        return unfinished.log_in_first(request, sent) if sent else None


def _is_about_the_login(request: HttpRequest) -> bool:
    pages = (reverse("mfa_index"), reverse("account_reauthenticate"))
    return request.path_info.startswith(pages) or request.path_info == reverse("account_logout")
