"""The outage page of staff, with leads of every shape in the journal."""

from dataclasses import replace

import pytest
from django.db import connection

from leads.delivery.record import quote_record, record
from leads.snapshot import Flag
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
