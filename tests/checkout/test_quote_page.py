"""The page of a quote: its document, pricing an expired quote again, and the visitor cookie."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.apps import apps
from django.utils import timezone, translation

from leads.delivery.record import quote_record
from leads.models import Lead
from quoter import token
from quoter.engine.pricebook import Product
from quoter.templatetags.figures import difference, moment
from quoter.token import IssuedQuote
from tests.support.factories import NAME, PHONE, a_line, an_issued_quote, as_form, post_json, quoted, store, the_lead

ZONE = ZoneInfo("America/Ciudad_Juarez")
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def change_book(monkeypatch):
    """Return a function that changes the price book. changes_of: returns the changed fields of a product."""

    def change(changes_of: Callable[[Product], dict[str, Any]]) -> None:
        config = apps.get_app_config("quoter")
        products = tuple(product.model_copy(update=changes_of(product)) for product in config.book.products)
        monkeypatch.setattr(config, "book", config.book.model_copy(update={"products": products}))

    return change


def dearer_by_100(product: Product) -> dict[str, Any]:
    """Raise every unit price by 100."""
    return {
        "prices": tuple(
            listed.model_copy(
                update={"tiers": tuple(t.model_copy(update={"price": t.price + 100}) for t in listed.tiers)}
            )
            for listed in product.prices
        )
    }


@pytest.fixture
def expire(monkeypatch):
    """Return a function that sets the clock to one second after the end of a quote's validity."""

    def set_clock(issued: IssuedQuote) -> None:
        now = issued.quote.valid_until + timedelta(seconds=1)
        monkeypatch.setattr(timezone, "now", lambda: now)

    return set_clock


def page_of(client, path: str, language: str = "es-MX") -> str:
    answer = client.get(path, headers={"accept-language": language})
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def hidden_fields(page: str) -> dict[str, str]:
    """Return the fields of the form that prices an expired quote again."""
    form = re.search(r'<form class="card notice".*?</form>', page, re.DOTALL)[0]
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form))


# --- The document ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "at", "words"),
    [
        ("es-mx", (2026, 12, 3, 23, 59), "jueves 3 de diciembre de 2026, a las 11:59 p.\N{NO-BREAK SPACE}m."),
        ("es-mx", (2026, 12, 1, 13, 5), "martes 1 de diciembre de 2026, a la 1:05 p.\N{NO-BREAK SPACE}m."),
        ("es-mx", (2026, 12, 1, 10, 0), "martes 1 de diciembre de 2026, a las 10:00 a.\N{NO-BREAK SPACE}m."),
        ("en", (2026, 12, 3, 23, 59), "Thursday, December 3, 2026, at 11:59 p.m."),
    ],
)
def test_a_date_and_time_is_written_in_full_in_each_language(language, at, words):
    with translation.override(language):
        assert moment(datetime(*at, tzinfo=ZONE)) == words


def test_a_difference_has_a_sign():
    issued = an_issued_quote().quote
    assert (difference(issued.total), difference(-issued.total)) == ("+$17,622.10", "−$17,622.10")
    assert difference(issued.total - issued.total) == "$0.00"


@pytest.mark.parametrize(
    ("language", "words"),
    [("es-MX", ["Vigente hasta el", "a las 11:59", "Qué puede cambiar"]), ("en", ["Valid until", "at 11:59 p.m."])],
)
def test_the_quote_page_shows_the_shop_the_end_of_validity_and_the_address(client, settings, language, words):
    settings.BUSINESS_NAME, settings.WHATSAPP_NUMBER = "Concretos & Hijos", "526561234567"
    issued = an_issued_quote()
    page = page_of(client, f"/q/{token.dumps(issued)}/", language)
    for text in [*words, "Concretos & Hijos · WhatsApp +52 656 123 4567", f"http://testserver/q/{issued.quote.folio}/"]:
        assert text in page
    assert 'href="tel:+526561234567"' in page


def test_the_link_to_share_has_the_quote_and_neither_campaign_nor_person(client):
    issued = an_issued_quote()
    page = page_of(client, f"/q/{token.dumps(issued)}/?utm_source=instagram&landing=/")
    link = re.search(r'data-copy="([^"]+)"', page)[1]
    assert re.fullmatch(r"http://testserver/q/[\w.-]+/", link)
    assert issued.quote.folio in page_of(client, link)


# --- An expired quote, priced again ---------------------------------------------------------------------------------


def test_a_page_can_ask_whether_its_quote_has_arrived(client):
    issued = an_issued_quote()
    address = f"/q/{issued.quote.folio}/arrived"
    assert client.get(address).json() == {"stored": False}
    store(quote_record(issued, visitor_id=""))
    assert client.get(address).json() == {"stored": True}
    assert client.get(f"/q/{token.dumps(issued)}/arrived").json() == {"stored": False}


def test_an_expired_quote_is_priced_again_in_one_tap_with_the_difference_shown(client, expire, change_book):
    issued = an_issued_quote()
    change_book(dearer_by_100)
    expire(issued)
    fields = hidden_fields(page_of(client, f"/q/{token.dumps(issued)}/?utm_source=instagram&landing=/"))

    answer = client.post("/quote/", fields)

    assert answer.status_code == 303
    page = page_of(client, answer.url)
    # 6 m³ at 2,669.46 and 900.00 of fibre are 16,916.76, and 8 % on it 1,353.34: 18,270.10.
    for text in ("$17,622.10", "$18,270.10", "+$648.00", "$2,569.46", "$2,669.46", issued.quote.folio, 'id="checkout"'):
        assert text in page
    lead = the_lead()
    assert lead.quote_data["attribution"]["utm_source"] == "instagram"
    assert lead.folio != issued.quote.folio


def test_a_repriced_quote_with_the_same_prices_says_that_nothing_changed(client, expire):
    issued = an_issued_quote()
    expire(issued)
    answer = client.post("/quote/", hidden_fields(page_of(client, f"/q/{token.dumps(issued)}/")))
    page = page_of(client, answer.url)
    assert "No cambió nada" in page
    assert "$0.00" in page


REMOVED_FROM_THE_BOOK = {
    "an extra": (lambda concrete: {"extras": concrete.extras[1:]}, "Este adicional no existe."),
    "every extra": (lambda concrete: {"extras": ()}, "Este adicional no existe."),
    "the product": (lambda concrete: {"code": "mortar"}, "Elige un producto de la lista."),
}


@pytest.mark.parametrize(("change", "reason"), REMOVED_FROM_THE_BOOK.values(), ids=REMOVED_FROM_THE_BOOK.keys())
def test_repricing_what_is_no_longer_offered_shows_the_calculator_with_an_error(
    client, expire, change_book, change, reason
):
    issued = an_issued_quote(a_line(), a_line(options={"strength": "250", "service": "pumped"}, extras=[]))
    change_book(change)
    expire(issued)

    refused = client.post("/quote/", hidden_fields(page_of(client, f"/q/{token.dumps(issued)}/")))

    page = refused.content.decode()
    assert refused.status_code == 422
    assert reason in page
    assert 'name="lines.0.measure.volume.m3" value="5.6"' in page
    assert 'name="lines.1.options.service" value="pumped" checked' in page


def test_a_changed_quote_shows_what_changed_beside_the_one_that_it_replaces(client):
    before = an_issued_quote(a_line(measure={"kind": "volume", "m3": "9"}), a_line(extras=[]))
    answer = client.post("/quote/", {**as_form(a_line(), a_line(extras=[])), "before": token.short(before)})
    page = page_of(client, answer.url)
    assert "Tu cotización con los cambios" in page
    assert before.quote.folio in page
    table = page.partition("Qué cambió")[2].partition("</table>")[0]
    [change] = re.findall(r"<tr>.*?</tr>", table, re.DOTALL)[1:]
    assert "9\xa0m³" in change
    assert "6\xa0m³" in change


def test_only_a_valid_token_of_a_quote_for_the_same_job_or_of_the_replaced_one_is_compared(client):
    another_job = token.short(an_issued_quote(a_line(measure={"kind": "volume", "m3": "9"})))
    page = client.get(f"/q/{token.dumps(an_issued_quote())}/", {"before": another_job}).content.decode()
    assert 'class="card earlier"' not in page
    for before in ("forged", ""):
        answer = client.post("/quote/", {**as_form(a_line()), "before": before})
        assert answer.status_code == 303
        assert "forged" not in answer.url
        assert 'class="card earlier"' not in page_of(client, answer.url)


# --- The visitor cookie ---------------------------------------------------------------------------------------------


def test_the_visitor_cookie_can_be_turned_off_and_on_again(client):
    client.post("/quote/", as_form(a_line()))
    assert len(client.cookies["visitor"].value) == 22

    off = client.post("/privacy/", {"mark": "off"})
    assert (off.status_code, off.url) == (303, "/privacy/#visitor")
    assert client.cookies["visitor"].value == "off"
    page = page_of(client, "/privacy/")
    assert "Desactivaste esta cookie" in page
    assert 'name="mark" value="on"' in page

    page = client.post("/quote/", as_form(a_line())).url
    assert client.cookies["visitor"].value == "off"
    client.post("/checkout/", {"token": page.split("/")[2], "name": NAME, "phone": PHONE})
    assert Lead.objects.get(name=NAME).visitor_id == ""

    client.post("/privacy/", {"mark": "on"}, headers={"sec-fetch-site": "cross-site"})
    assert client.cookies["visitor"].value == "off"
    client.post("/privacy/", {"mark": "on"})
    assert 'name="mark" value="off"' in page_of(client, "/privacy/")
    client.post("/quote/", as_form(a_line()))
    assert len(client.cookies["visitor"].value) == 22


@pytest.mark.parametrize("wish", [{"sec-gpc": "1"}, {"dnt": "1"}])
def test_a_browser_that_asks_for_privacy_gets_no_visitor_cookie_and_its_old_one_is_not_read(client, wish):
    client.cookies["visitor"] = "an-id-of-22-characters"
    answer = client.post("/quote/", as_form(a_line()), headers=wish)
    assert "visitor" not in answer.cookies
    body = quoted(client)
    post_json(client, "/checkout/", {"token": body["token"], "name": NAME, "phone": PHONE})
    client.post("/checkout/", {"token": answer.url.split("/")[2], "name": NAME, "phone": PHONE}, headers=wish)
    leads = dict(Lead.objects.values_list("folio", "visitor_id"))
    assert leads.pop(body["folio"]) == "an-id-of-22-characters"
    assert set(leads.values()) == {""}
    page = unescape(client.get("/privacy/", headers={**wish, "accept-language": "en"}).content.decode())
    assert "Your browser asks sites not to track you" in page
    assert 'name="mark"' not in page
