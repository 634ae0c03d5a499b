"""The outage page of staff, with leads of every shape in the journal."""

import zlib
from dataclasses import replace

import pytest
from django.db import connection

from leads.delivery.journal.census import census
from leads.delivery.journal.outbox import Outbox
from leads.delivery.machines import NEIGHBOURS
from leads.delivery.record import quote_record, record
from leads.snapshot import Flag
from leads.staff import bulkhead
from tests.support import stored
from tests.support.factories import an_issued_quote

pytestmark = [pytest.mark.quiet, pytest.mark.django_db(transaction=True)]

LIST = "/admin/leads/lead/"


@pytest.fixture
def outage(admin_client):
    admin_client.get(f"{LIST}restore/")  # from now on this machine knows the session
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


def test_the_page_says_whose_leads_it_shows_where_there_are_several_machines(admin_client, outage, outbox_directories):
    text = " ".join(admin_client.get(LIST, headers={"Accept-Language": "en"}).content.decode().split())
    assert "Leads may wait on" not in text
    outbox_directories[0].mkdir(exist_ok=True)
    (outbox_directories[0] / NEIGHBOURS).write_text('["web-2", "web-3"]')
    text = " ".join(admin_client.get(LIST, headers={"Accept-Language": "en"}).content.decode().split())
    assert "Leads may wait on web-2, web-3 as well" in text


# The JSON of a record, and what else a sound line may hold.
GARBAGE = [
    b"",
    b"no JSON",
    b"\xff\xfe",
    b"5",
    b"null",
    b"[]",
    b'"text"',
    b"{}",
    b"[" * 20_000,
    b'{"phone": 5, "name": ["Ana"], "folio": {}, "created_at": 1e999}',
    b'{"phone": "+5265", "name": "\\ud800", "folio": "\\u0000"}',
    b'{"phone": "\xed\xa0\x80", "name": "{0.__class__} %s", "quote_data": "[[[["}',
    b'{"phone": "1", "name": "' + b"x" * 100_000 + b'"}',
]


def test_whatever_a_journal_holds_nobody_else_is_left_out(admin_client, outage, outbox_directories):
    sound, journal = [stored.a_lead(name=name) for name in ("Ana Uno", "Ana Dos")], Outbox(outbox_directories)
    journal.append(sound[0].folio, sound[0].as_json())
    for number, text in enumerate(GARBAGE):
        journal.append(f"G-{number}", text)
    for number, make in enumerate((stored.KINDS | stored.ONLY_IN_POSTGRES).values()):
        row = b'{"folio": "K-%d", "name": "Kind %d", "phone": "+526561234567", "quote_data": %s}'
        journal.append(f"K-{number}", row % (number, number, make().encode()))
    for at in ("nan", "inf", "-1e300", "1e300", "1e11", "-1e10"):
        body = f"{at} T-1 ".encode() + sound[0].as_json()
        [segment] = outbox_directories[0].glob("*.journal")
        with segment.open("ab") as file:
            file.write(b"%08x %s\n" % (zlib.crc32(body), body))
    journal.append(sound[1].folio, sound[1].as_json())

    page = admin_client.get(LIST)
    found = admin_client.post(f"{LIST}find/", {"text": "ana"})

    assert (page.status_code, found.status_code) == (503, 503)
    for lead in sound:
        assert lead.folio in page.content.decode()
        assert lead.folio in found.content.decode()
    for number in range(len(stored.KINDS)):
        assert f">Kind {number}<" in page.content.decode()
    kinds = len(stored.KINDS) + len(stored.ONLY_IN_POSTGRES)
    assert census(outbox_directories).pending == 2 + len(GARBAGE) + kinds + 2  # the last two times are times of records


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
    admin_client.get(f"{LIST}restore/")
    with bulkhead.STAFF.place(), bulkhead.STAFF.place():
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
