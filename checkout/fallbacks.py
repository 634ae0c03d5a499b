"""The error pages: bad request, not found, server error, database unavailable. Each of the last three offers the chat.

Staff get their own pages.
"""

from base64 import b64encode
from functools import lru_cache
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseForbidden
from django.shortcuts import render
from django.template.loader import render_to_string

from leads.staff.errors import error_page
from leads.staff.pages import is_staff_page
from quoter.content_policy import HEADER
from quoter.language import PAGE_LANGUAGES
from quoter.shop import served
from quoter.shop.values import shop
from telemetry.current import request_id

# The page for a fault of the site has its style in itself, because the site's static files may be what is at fault.
_STYLE = (
    "body{font:1.125rem/1.5 system-ui,sans-serif;max-width:34rem;margin:0 auto;padding:1.5rem}"
    "h1{font-size:1.5rem;line-height:1.25}section{padding:.5rem 0 1rem;border-top:1px solid #8886}"
    "a{color:inherit;display:inline-block;padding:.75rem 0}"
    ".primary{background:#0b5d4a;color:#fff;padding:.75rem 1.25rem;border-radius:.5rem;margin-right:1rem;"
    "text-decoration:none;font-weight:600}"
)
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}';"
    f" base-uri 'none'; frame-ancestors {' '.join(settings.SECURE_CSP['frame-ancestors'])}"
)
# In the place of the request's id, none of which has an A.
_CODE = b"AAAA-AAAA"


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
    page = _server_error_page(served.current().key).replace(_CODE, (request_id() or "-").encode())
    return HttpResponse(page, status=500, headers={HEADER: _POLICY, "Cache-Control": "no-store"})


@lru_cache(maxsize=4)
def _server_error_page(_shop: str) -> bytes:
    """Return the page for customers, which is made at the start and when the shop changes, and needs nothing then."""
    context = {
        "business_name": shop.BUSINESS_NAME,
        "whatsapp_number": shop.WHATSAPP_NUMBER,
        "languages": PAGE_LANGUAGES,
        "style": _STYLE,
        "request": {"current": {"id": _CODE.decode()}},
    }
    return render_to_string("500.html", context).strip().encode()


def prepare(**kwargs: Any) -> None:
    """Make the page for a fault of the site, for the shop that is served now."""
    with served.one_version():
        _server_error_page(served.current().key)


def unavailable(request: HttpRequest, *, folio: str) -> HttpResponse:
    """Return the 503 page for a quote that only the database has, while the database is down."""
    return render(request, "checkout/unavailable.html", {"folio": folio, "here": request.path}, status=503)
