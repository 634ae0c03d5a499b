"""The pages that stand in for another: there is no such page, or it cannot be shown just now. Each offers the chat."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render(request, "checkout/not_found.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    return render(request, "checkout/unavailable.html", status=500)


def unavailable(request: HttpRequest, *, folio: str) -> HttpResponse:
    """Answer for a quote that only the database has, while it is down."""
    return render(request, "checkout/unavailable.html", {"folio": folio, "here": request.path}, status=503)
