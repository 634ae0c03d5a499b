from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from leads.delivery import courier
from leads.staff import second_factor
from leads.staff.outage import outage_page


class SecondFactorMiddleware:
    """Lets staff without a second factor do one thing: set one up."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if _is_about_the_login(request):
            return self.get_response(request)
        try:
            is_refused = second_factor.is_missing(request)
        except (OperationalError, InterfaceError) as error:  # raised before there is a view, so nobody else answers it
            courier.of_this_process().failed(error)
            return outage_page(request)
        return redirect("mfa_index") if is_refused else self.get_response(request)


def _is_about_the_login(request: HttpRequest) -> bool:
    pages = (reverse("mfa_index"), reverse("account_reauthenticate"))
    return request.path_info.startswith(pages) or request.path_info == reverse("account_logout")
