"""The error pages: bad request, not found, server error, database unavailable. Each of the last three offers the chat.

Staff get their own pages.
"""

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseForbidden
from django.shortcuts import render

from leads.staff.errors import error_page
from leads.staff.pages import is_staff_page
from telemetry.current import request_id


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_staff_page(request):
        return error_page(request, 400)
    # Not Django's page, which reads the form again, and fails when that is what cannot be read.
    return HttpResponseBadRequest(f"Bad Request\n{request_id()}\n", content_type="text/plain")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_staff_page(request):
        return error_page(request, 403)
    return HttpResponseForbidden(f"Forbidden\n{request_id()}\n", content_type="text/plain")


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if is_staff_page(request):
        return error_page(request, 404)
    return render(request, "checkout/not_found.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    if is_staff_page(request):
        return error_page(request, 500)
    return render(request, "checkout/unavailable.html", status=500)


def unavailable(request: HttpRequest, *, folio: str) -> HttpResponse:
    """Return the 503 page for a quote that only the database has, while the database is down."""
    return render(request, "checkout/unavailable.html", {"folio": folio, "here": request.path}, status=503)
