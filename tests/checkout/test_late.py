"""Leads that a customer's device kept while the site could not be reached: POST /late/."""

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leads.delivery.record import Outcome, lead_record, quote_record
from leads.models import Lead
from leads.ops.audit import findings_in
from leads.privacy import anonymise
from quoter import site, token
from quoter.engine import folio, pricing
from quoter.engine.quote import LineRequest
from tests.support.eventually import eventually
from tests.support.factories import (
    NAME,
    PHONE,
    PHONE_E164,
    a_contact,
    a_line,
    an_issued_quote,
    post_json,
    store,
    the_lead,
)
from tests.support.live import message

pytestmark = pytest.mark.django_db(transaction=True)

# A segment as an earlier release left it, in which devices priced quotes: one with the total that the customer saw, one
# with another, and one of a product that the price book did not have any more.
DEVICE_LEADS = Path(__file__).parent / "data" / "device_leads.journal"


def minutes_ago(minutes: int) -> str:
    return (timezone.now() - timedelta(minutes=minutes)).isoformat()


def of_our_quote(**changes):
    return {
        "token": token.dumps(an_issued_quote()),
        "name": NAME,
        "phone": PHONE,
        "privacy_accepted": "on",
        "submitted_at": minutes_ago(0),
        **changes,
    }


def test_a_checkout_that_did_not_get_through_arrives_as_the_lead_that_it_was(client):
    sent = of_our_quote(token=token.dumps(quoted(an_hour_ago=1)), submitted_at=minutes_ago(30))
    answer = post_json(client, "/late/", sent)

    lead = the_lead()
    assert (answer.status_code, answer.json()["success"], answer.json()["folio"]) == (200, True, lead.folio)
    assert f"/q/{lead.folio}/" in message(answer.json()["whatsapp_url"])
    assert (lead.name, lead.phone) == (NAME, PHONE_E164)
    assert lead.submitted_at.isoformat() == datetime.fromisoformat(sent["submitted_at"]).isoformat()
    assert lead.quote_data["flags"] == ["late"]
    assert lead.quote_data["privacy"]["accepted_at"] == sent["submitted_at"]
    assert set(lead.quote_data["late"]) == {"received_at"}


def quoted(*, an_hour_ago: int) -> token.IssuedQuote:
    return issued_at(timezone.now() - timedelta(hours=an_hour_ago))


def issued_at(moment: datetime) -> token.IssuedQuote:
    """The quote of a_line(), as given out at a moment."""
    line = LineRequest.model_validate(a_line())
    number = folio.mint(moment.date(), random_bits=7)
    quote = pricing.price(site.price_book(), [line], folio=number, issued_at=moment, zone=site.zone(), language="es")
    return token.issue(site.price_book(), quote)


def test_a_late_lead_arrives_once_however_often_it_is_sent(client):
    sent = of_our_quote(token=token.dumps(quoted(an_hour_ago=1)))
    for _ in range(3):
        assert post_json(client, "/late/", sent).json()["success"]
    assert the_lead().name == NAME


def test_a_quote_that_has_expired_since_is_not_refused(client):
    issued = issued_at(timezone.now() - timedelta(days=9))
    in_time = (issued.quote.valid_until - timedelta(hours=1)).isoformat()
    assert post_json(client, "/late/", of_our_quote(token=token.dumps(issued), submitted_at=in_time)).json()["success"]
    assert the_lead().quote_data["flags"] == ["late"]


def test_one_that_had_expired_before_is_kept_and_says_so(client):
    issued = issued_at(timezone.now() - timedelta(days=9))
    assert post_json(client, "/late/", of_our_quote(token=token.dumps(issued))).json()["success"]
    assert the_lead().quote_data["flags"] == ["late", "expired"]


@pytest.mark.parametrize(
    "claimed",
    ["2999-01-01T00:00:00+00:00", "1999-01-01T00:00:00+00:00", "2026-11-26T10:00:00", "yesterday", None, 5, {}],
    ids=["future", "long ago", "no offset", "no time", "none", "number", "object"],
)
def test_a_time_that_cannot_be_is_not_believed(client, claimed):
    before = timezone.now()
    sent = of_our_quote(token=token.dumps(quoted(an_hour_ago=1)), submitted_at=claimed)
    assert post_json(client, "/late/", sent).json()["success"]
    assert before <= the_lead().submitted_at <= timezone.now()


def test_newer_details_win_over_what_a_device_kept(client):
    signed = token.dumps(quoted(an_hour_ago=1))
    assert post_json(client, "/checkout/", {"token": signed, "name": "María Luisa", "phone": PHONE}).json()["success"]
    assert post_json(client, "/late/", of_our_quote(token=signed, submitted_at=minutes_ago(20))).json()["success"]
    assert the_lead().name == "María Luisa"


def test_without_our_signature_nothing_is_taken(client):
    made_by_a_device = {
        "folio": "261166-7F3K-Q2M9-Y",
        "issued_at": minutes_ago(12),
        "lines": [a_line()],
        "total": "17622.10",
        "name": NAME,
        "phone": PHONE,
        "submitted_at": minutes_ago(10),
    }
    answer = post_json(client, "/late/", made_by_a_device)
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error == {"field": "token", "message": "Falta la cotización. Vuelve a calcularla."}
    assert answer.json()["success"] is False
    assert answer.json()["error"] == error["message"]
    assert not Lead.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": " "}, "name"),
        ({"phone": "123"}, "phone"),
        ({"token": "forged"}, "token"),
        ({"token": 5}, "token"),
        ({"token": ""}, "token"),
    ],
)
def test_what_is_no_lead_is_refused_with_its_field(client, changes, field):
    answer = post_json(client, "/late/", of_our_quote(**changes))
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not Lead.objects.exists()


@pytest.mark.parametrize("body", ["", "[]", "{", "null", '{"lines": "' + "x" * 300_000 + '"}'])
def test_what_cannot_be_read_is_refused(client, body):
    assert post_json(client, "/late/", body).status_code == 422
    assert not Lead.objects.exists()


def test_a_form_is_refused(client):
    assert client.post("/late/", of_our_quote()).status_code == 422
    assert not Lead.objects.exists()


def test_a_lead_that_is_safe_nowhere_stays_on_the_device(client, monkeypatch):
    monkeypatch.setattr("checkout.late.recorded", lambda lead: Outcome.CARRIED)
    assert post_json(client, "/late/", of_our_quote()).status_code == 503


def test_an_anonymised_person_does_not_come_back(client):
    sent = of_our_quote(token=token.dumps(quoted(an_hour_ago=1)), submitted_at=minutes_ago(30))
    post_json(client, "/late/", sent)
    lead = the_lead()
    anonymise.anonymise([lead.pk], by=None, now=timezone.now(), detail="test")
    post_json(client, "/late/", sent)
    post_json(client, "/late/", of_our_quote())  # delivered in turn: then the other one was, too
    eventually(lambda: Lead.objects.count() == 2)
    assert Lead.objects.get(pk=lead.pk).phone == ""


# --- What nobody may do ---------------------------------------------------------------------------------------------


MOMENTS = ["2026-01-01T00:00:00+00:00", "2999-01-01T00:00:00+00:00", "9999-12-31T23:59:59-23:59", "x"]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "token": st.sampled_from(["", "x", None, 5]),
            "submitted_at": st.sampled_from(MOMENTS),
            "issued_at": st.sampled_from(MOMENTS),
            "lines": st.sampled_from([[], [a_line(extras=[])]]),
            "total": st.sampled_from(["1.00", "x"]),
        },
    )
)
def test_whatever_a_stranger_sends_no_lead_comes_or_changes(client, changes):
    Lead.objects.all().delete()
    ours, anonymous = an_issued_quote(), an_issued_quote()
    store(lead_record(ours, a_contact()))
    store(quote_record(anonymous, visitor_id="v"))
    before = list(Lead.objects.order_by("folio").values())

    for number in (ours.quote.folio, anonymous.quote.folio):
        sent = {"token": "", "folio": number, "name": "Mallory", "phone": PHONE, **changes}
        assert post_json(client, "/late/", sent).status_code == 422
    delivered_after = an_issued_quote()  # in turn: what was sent before it would be there, too
    post_json(client, "/late/", of_our_quote(token=token.dumps(delivered_after)))
    eventually(lambda: Lead.objects.filter(folio=delivered_after.quote.folio).exists())
    assert list(Lead.objects.exclude(folio=delivered_after.quote.folio).order_by("folio").values()) == before


# --- What an earlier release left -----------------------------------------------------------------------------------


@pytest.fixture
def device_leads(outbox_directories) -> dict[str, Lead]:
    """The leads of that segment, by the last of their flags."""
    outbox_directories[0].mkdir()
    shutil.copy(DEVICE_LEADS, outbox_directories[0])
    call_command("outbox", "flush", verbosity=0)
    return {lead.quote_data["flags"][-1]: lead for lead in Lead.objects.all()}


def test_leads_that_devices_priced_still_arrive_and_wait(device_leads):
    assert set(device_leads) == {"made_offline", "price_mismatch", "unpriced"}
    assert Lead.objects.waiting().count() == 3
    for lead in device_leads.values():
        assert (lead.name, lead.phone) == (NAME, PHONE_E164)
        assert findings_in(lead.folio, lead.quote_data, zone=site.zone()) == []


def test_staff_still_read_what_devices_priced(device_leads, admin_client):
    listed = admin_client.get("/admin/leads/lead/").content.decode()
    for words in ("cotizada sin conexión", "vio otro total", "sin precio"):
        assert words in listed
    other_total, unpriced = (page_of(admin_client, device_leads[flag]) for flag in ("price_mismatch", "unpriced"))
    assert "El cliente vio un total distinto" in other_total
    assert "$1.00" in other_total
    assert "$17,622.10" in other_total
    assert "gravel" in unpriced


def page_of(admin_client, lead: Lead) -> str:
    return admin_client.get(f"/admin/leads/lead/{lead.pk}/change/").content.decode()
