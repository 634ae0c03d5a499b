"""Spanish and English: chosen by the browser, switched by the address, kept through the journey without a cookie."""

import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import translation

from leads.models import Lead
from quoter import site, token
from tests.quoter.test_origin import MARKED, hidden_fields
from tests.support.eventually import eventually
from tests.support.factories import NAME, PHONE, a_line, an_issued_quote, as_form, post_json

IN_SPANISH = {"headers": {"accept-language": "es-MX,es;q=0.9"}}
IN_ENGLISH = {"headers": {"accept-language": "en-US,en;q=0.9"}}


def language_of(page: str) -> str:
    return re.search(r'<html lang="([^"]+)"', page)[1]


def switch(page: str) -> str:
    """Return the address that the page's switch leads to: of its link, or of the form that it sends."""
    element = re.search(r'<(?:a|button) class="language"[^>]*>', page)[0]
    return unescape(re.search(r'(?:href|formaction)="([^"]+)"', element)[1])


@pytest.mark.parametrize(
    ("address", "browser", "language"),
    [
        ("/", IN_SPANISH, "es-mx"),
        ("/", IN_ENGLISH, "en"),
        ("/", {"headers": {"accept-language": "es"}}, "es-mx"),
        ("/", {"headers": {"accept-language": "fr"}}, "es-mx"),
        ("/?lang=en", IN_SPANISH, "en"),
        ("/?lang=es", IN_ENGLISH, "es-mx"),
        ("/?lang=fr", IN_ENGLISH, "en"),
        ("/privacy/?lang=en", IN_SPANISH, "en"),
        ("/nowhere/?lang=en", IN_SPANISH, "en"),
    ],
)
def test_the_address_sets_the_language_and_otherwise_the_browser_does(client, address, browser, language):
    answer = client.get(address, **browser)
    assert language_of(answer.content.decode()) == language
    assert answer["Content-Language"] == {"es-mx": "es-MX", "en": "en"}[language]
    assert not answer.cookies


@pytest.mark.parametrize(("address", "varies"), [("/", True), ("/?lang=en", False), ("/?lang=fr", True)])
def test_a_cache_keeps_the_languages_apart(client, address, varies):
    assert ("Accept-Language" in client.get(address).get("Vary", "")) is varies


@pytest.mark.parametrize("path", ["/", "/privacy/"])
def test_every_page_links_to_itself_in_the_other_language(client, path):
    page = client.get(path, **IN_SPANISH).content.decode()
    page = client.get(switch(page), **IN_SPANISH).content.decode()
    assert language_of(page) == "en"
    assert switch(page).startswith(f"{path}?lang=es")


@pytest.mark.django_db(transaction=True)
def test_a_visitor_who_switches_keeps_the_language_up_to_the_chat_and_keeps_the_campaign(client):
    page = client.get("/", MARKED, **IN_SPANISH).content.decode()
    english = client.post(switch(page), hidden_fields(page, "calculator"), **IN_SPANISH).content.decode()
    form = re.search(r'<form id="calculator"[^>]*action="([^"]+)"', english)[1]
    answer = client.post(form, {**hidden_fields(english, "calculator"), **as_form(a_line())}, **IN_SPANISH)

    page = client.get(answer.url, **IN_SPANISH).content.decode()
    assert language_of(page) == "en"
    action = re.search(r'<form[^>]*id="checkout"[^>]*action="([^"]+)"', page)[1]
    chat = client.post(action, {**hidden_fields(page, "checkout"), "name": NAME, "phone": PHONE}, **IN_SPANISH).url

    assert f"Hello, this is {NAME}." in parse_qs(urlsplit(chat).query)["text"][0]
    data = Lead.objects.get().quote_data
    assert (data["language"], data["attribution"]) == ("en", {**MARKED, "landing": "/"})


def test_switching_the_calculator_keeps_what_was_typed(client):
    typed = as_form(a_line(measure={"kind": "volume", "m3": "5,6"}))
    refused = client.post("/quote/", as_form(a_line(measure={"kind": "volume", "m3": "0"}))).content.decode()
    page = client.post(switch(refused), typed).content.decode()
    assert language_of(page) == "en"
    assert 'value="5,6"' in page


@pytest.mark.django_db(transaction=True)
def test_switching_the_quote_keeps_name_and_phone_and_puts_bill_and_message_into_the_language(client):
    address = client.post("/quote/", as_form(a_line()), **IN_SPANISH).url
    page = client.get(address, **IN_SPANISH).content.decode()
    assert "Fibra" in page
    details = {**hidden_fields(page, "checkout"), "name": NAME, "phone": ""}
    refused = client.post("/checkout/", details, **IN_SPANISH)
    assert refused.status_code == 422

    page = client.post(switch(refused.content.decode()), details, **IN_SPANISH).content.decode()

    assert language_of(page) == "en"
    assert f'value="{NAME}"' in page
    assert "Fibra" not in page
    answer = post_json(client, "/checkout/", {**details, **hidden_fields(page, "checkout"), "phone": PHONE})
    assert "I am interested in quote" in parse_qs(urlsplit(answer.json()["whatsapp_url"]).query)["text"][0]
    eventually(lambda: Lead.objects.filter(name=NAME).exists())
    assert Lead.objects.get().quote_data["language"] == "en"


def test_a_translated_quote_keeps_its_amounts_and_dates():
    with translation.override("es-mx"):
        issued = an_issued_quote()
    translated = site.translated(issued, "en")
    assert translated.language == "en"
    assert translated.quote.lines[0].description != issued.quote.lines[0].description
    kept = {"folio", "issued_at", "valid_until", "currency", "subtotal", "tax", "total"}
    assert translated.quote.model_dump(include=kept) == issued.quote.model_dump(include=kept)
    assert token.loads(token.short(translated), zone=site.zone()) == translated


def test_a_quote_of_an_older_book_stays_in_its_language_and_marks_which_that_is(client, monkeypatch):
    with translation.override("es-mx"):
        issued = an_issued_quote()
    newer = site.price_book().model_copy(update={"version": "2099-01"})
    monkeypatch.setattr(site, "price_book", lambda: newer)
    page = client.get(f"/q/{token.dumps(issued)}/?lang=en").content.decode()
    assert language_of(page) == "en"
    assert '<div lang="es">' in page
    assert issued.quote.lines[0].description in unescape(page)
