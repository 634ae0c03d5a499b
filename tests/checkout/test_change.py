"""A quote is changed: the calculator opens filled in, and the new quote says which it replaces."""

import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from leads.models import Lead
from quoter import token
from quoter.token import loads
from tests.support.factories import NAME, PHONE, a_line, an_issued_quote, as_form, post_json, quoted
from tests.support.quotes import ZONE

pytestmark = pytest.mark.django_db(transaction=True)

TEN = {"kind": "volume", "m3": "10"}


def reference_of(address: str) -> str:
    return urlsplit(address).path.split("/")[2]


def folio_at(address: str) -> str:
    return loads(reference_of(address), zone=ZONE).quote.folio


def test_a_quote_opens_the_calculator_filled_in_for_whoever_has_its_link(client):
    issued = an_issued_quote(a_line(), a_line(measure=TEN))
    page = client.get(f"/q/{token.dumps(issued)}/").content.decode()
    change = re.search(r'href="(/\?before=[^"]+)"', page)[1]
    calculator = client.get(change).content.decode()
    assert 'name="lines.0.measure.volume.m3" value="5.6"' in calculator
    assert 'name="lines.1.measure.volume.m3" value="10"' in calculator
    assert f"Estás cambiando la cotización {issued.quote.folio}" in calculator
    # An edit without a script keeps what is changed.
    edited = client.post("/", {**as_form(a_line()), "before": token.short(issued), "edit": "copy:0"}).content.decode()
    assert f'name="before" value="{token.short(issued)}"' in edited


@pytest.mark.parametrize("before", ["forged", "", "é", "2z.x", "x" * 5000])
def test_a_broken_link_to_change_a_quote_opens_an_empty_calculator(client, before):
    page = client.get("/", {"before": before})
    assert page.status_code == 200
    assert "Estás cambiando" not in page.content.decode()


def test_what_was_not_changed_leads_back_to_the_same_quote(client):
    issued = an_issued_quote()
    answer = client.post("/quote/", {**as_form(a_line()), "before": token.short(issued)})
    assert folio_at(answer.url) == issued.quote.folio
    assert not Lead.objects.exists()


def test_a_changed_quote_says_which_it_replaces_on_its_page_in_the_message_and_in_the_lead(client):
    issued = an_issued_quote()
    earlier = issued.quote.folio
    answer = client.post("/quote/", {**as_form(a_line(measure=TEN)), "before": token.short(issued)})
    new = loads(reference_of(answer.url), zone=ZONE)
    assert new.quote.replaces == earlier != new.quote.folio
    assert loads(token.short(new), zone=ZONE).quote == new.quote
    assert f'<dt>Reemplaza a</dt> <dd class="folio">{earlier}</dd>' in " ".join(
        client.get(answer.url).content.decode().split()
    )
    chat = client.post("/checkout/", {"token": token.dumps(new), "name": NAME, "phone": PHONE}).url
    assert f"Reemplaza a la cotización {earlier}." in parse_qs(urlsplit(chat).query)["text"][0].splitlines()
    assert Lead.objects.get(phone__gt="").quote_data["replaces"] == earlier


def test_an_expired_or_dearer_quote_is_priced_again_though_nothing_was_changed(client, monkeypatch):
    issued = an_issued_quote()
    later = timezone.now() + timedelta(days=30)
    monkeypatch.setattr(timezone, "now", lambda: later)
    answer = client.post("/quote/", {**as_form(a_line()), "before": token.short(issued)})
    assert folio_at(answer.url) != issued.quote.folio


def test_the_same_job_asked_for_three_times_is_one_quote(client):
    folios = {folio_at(client.post("/quote/", as_form(a_line())).url) for _ in range(3)}
    assert len(folios) == 1
    assert folio_at(client.post("/quote/", as_form(a_line(measure=TEN))).url) not in folios
    client.cookies.clear()  # somebody else, and who wants no cookie
    others = [folio_at(client.post("/quote/", as_form(a_line()), headers={"dnt": "1"}).url) for _ in range(2)]
    assert len({*folios, *others}) == 3
    assert quoted(client)["folio"] != post_json(client, "/quote/", {"lines": [a_line()]}).json()["folio"]
