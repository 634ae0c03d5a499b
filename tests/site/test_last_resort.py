"""A fault of the site: the customer gets a page that leads to WhatsApp, whatever is at fault."""

from base64 import b64encode
from hashlib import sha256
from re import DOTALL, search

import pytest
from django.conf import settings as site_settings
from django.http import HttpResponse
from django.urls import path

from settings.urls import urlpatterns as site_urls
from settings.wsgi import WithLastResort


def breaks(request):
    raise RuntimeError("for the test")


urlpatterns = [path("breaks/", breaks), *site_urls]
handler500 = "checkout.fallbacks.server_error"


@pytest.fixture
def page(client, settings) -> HttpResponse:
    settings.ROOT_URLCONF = __name__
    client.raise_request_exception = False
    return client.get("/breaks/")


def test_the_page_offers_the_chat_in_both_languages_and_loads_nothing(page):
    text = page.content.decode()
    assert page.status_code == 500
    assert text.count(f'href="https://wa.me/{site_settings.WHATSAPP_NUMBER}?text=') == 2
    assert "Escríbenos por WhatsApp" in text
    assert "Write to us on WhatsApp" in text
    assert not [part for part in (" src=", "<link", "<script", "/static/", "url(") if part in text]


def test_the_page_s_policy_allows_its_style_and_nothing_else(page):
    style = search(r"<style>(.*)</style>", page.content.decode(), DOTALL)[1]
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in page["Content-Security-Policy"]
    assert page["Content-Security-Policy"].startswith("default-src 'none'")


def test_what_fails_outside_of_django_s_handlers_gets_the_same_page(caplog):
    started = []
    application = WithLastResort(breaks, HttpResponse(b"the page", status=500))
    body = application({}, lambda status, headers, error=None: started.append((status, dict(headers))))
    assert b"".join(body) == b"the page"
    assert started == [
        ("500 Internal Server Error", {"Content-Type": "text/html; charset=utf-8", "Content-Length": "8"})
    ]
    assert "outside of Django" in caplog.text
