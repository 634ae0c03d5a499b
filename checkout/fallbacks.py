"""The error pages: not found, server error, database unavailable. Each offers the chat."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render(request, "checkout/not_found.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    return render(request, "checkout/unavailable.html", status=500)


def unavailable(request: HttpRequest, *, folio: str) -> HttpResponse:
    """Return the 503 page for a quote that only the database has, while the database is down."""
    return render(request, "checkout/unavailable.html", {"folio": folio, "here": request.path}, status=503)
