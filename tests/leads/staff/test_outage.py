"""The outage page of staff, with leads of every shape in the journal."""

from dataclasses import replace

import pytest
from django.db import connection

from leads.delivery.record import quote_record, record
from leads.snapshot import Flag
from leads.staff import bulkhead
from tests.support import stored
from tests.support.factories import an_issued_quote

pytestmark = [pytest.mark.quiet, pytest.mark.django_db(transaction=True)]

LIST = "/admin/leads/lead/"


@pytest.fixture
def outage(admin_client):
    admin_client.get(f"{LIST}restore/")  # sets the cookie that admits to the outage page
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE leads RENAME TO leads_away")
    yield
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE leads_away RENAME TO leads")


def test_leads_of_every_shape_are_listed(admin_client, outage):
    sound = stored.a_lead(name="Ana")
    number = replace(stored.a_lead(name="Luis"), quote=b'{"total": 1}')
    odd = replace(stored.a_lead(name="Rosa"), quote=b'{"total": ["1E+999999"]}', about={"flags": True, "late": 5})
    leads = [sound, stored.unpriced(), stored.late(stored.a_lead(name="Eva"), Flag.EXPIRED), number, odd]
    for lead in [*leads, quote_record(an_issued_quote(), visitor_id="")]:
        record(lead)

    page = admin_client.get(LIST)

    text = page.content.decode()
    assert page.status_code == 503
    for lead in leads:
        assert lead.folio in text
        assert lead.name in text
    assert f"{sound.folio} · $17,622.10 MXN" in text
    assert f"{number.folio} · $1.00" in text


@pytest.mark.parametrize("is_guessable", [False, True])
def test_the_cookie_of_an_earlier_key_admits_unless_the_key_could_be_guessed(
    admin_client, outage, settings, is_guessable
):
    waiting = stored.a_lead(name="Ana")
    record(waiting)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another key", [settings.SECRET_KEY]
    settings.GUESSABLE_KEYS = settings.SECRET_KEY_FALLBACKS if is_guessable else []
    assert (waiting.folio in admin_client.get(LIST).content.decode()) is not is_guessable


def test_a_search_finds_a_lead_after_one_of_an_odd_shape(admin_client, outage):
    sound = stored.a_lead(name="Ana")
    for lead in (stored.unpriced(), sound):
        record(lead)
    for typed in ("4567", "ana", sound.folio):
        page = admin_client.post(f"{LIST}find/", {"text": typed})
        assert page.status_code == 503
        assert sound.folio in page.content.decode()


def test_a_person_who_checked_out_twice_is_listed_once_and_another_one_of_the_same_quote_too(admin_client, outage):
    ana = stored.a_lead(name="Ana")
    for lead in (ana, ana, replace(ana, name="Luis")):
        record(lead)
    for page in (admin_client.get(LIST), admin_client.post(f"{LIST}find/", {"text": ana.folio})):
        text = page.content.decode()
        assert (text.count(">Ana<"), text.count(">Luis<")) == (1, 1)


def test_a_form_is_offered_again_only_when_one_of_our_pages_sent_it(admin_client, outage):
    note = {"notes": "Pide factura", "next": LIST}
    ours = {"Origin": "http://testserver", "Accept": "text/html"}
    page = admin_client.post(f"{LIST}1/change/", note, headers=ours).content.decode()
    assert 'action="/admin/leads/lead/1/change/"' in page
    assert "Pide factura</textarea>" in page
    for headers in ({**ours, "Origin": "https://evil.example"}, {"Accept": "text/html"}):
        assert "Pide factura" not in admin_client.post(f"{LIST}1/change/", note, headers=headers).content.decode()
    secret = {"username": "eva", "password1": "a very secret password"}
    assert "secret" not in admin_client.post("/admin/auth/user/add/", secret, headers=ours).content.decode()


def test_a_text_that_is_restored_in_an_outage_is_no_search(admin_client, outage):
    text = {"text": "https://shop.example/q/cut"}
    ours = {"Origin": "http://testserver", "Accept": "text/html"}
    page = admin_client.post(f"{LIST}restore/", text, headers=ours).content.decode()
    assert "https://shop.example/q/cut</textarea>" in page
    assert "Ningún registro" not in page.partition("<form")[2]


def test_a_full_house_is_called_busy_and_the_page_tries_again_by_itself(admin_client):
    with bulkhead.place(), bulkhead.place():
        page = admin_client.get(LIST)
    text = page.content.decode()
    assert page.status_code == 503
    assert "<h1>Ocupado</h1>" in text
    assert "La base de datos no responde" not in text
    assert '<meta http-equiv="refresh" content="3">' in text
    assert 'data-kind="busy"' in text


def test_trying_again_leads_back_to_the_page_with_the_database_or_without(admin_client, outage):
    for path in (f"{LIST}?status=all", f"{LIST}?status=all"):
        assert admin_client.post(path, {"retry-now": "1"}).url == path
        assert admin_client.get(path).status_code == 503
