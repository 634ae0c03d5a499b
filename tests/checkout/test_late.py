"""POST /late/: leads that a customer's device kept while the site could not be reached."""

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
from leads.ops.audit import audit
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

# A journal segment with three leads that devices priced: one with the total that the customer saw, one with another
# total, and one of a product that the price book no longer had.
DEVICE_LEADS = Path(__file__).parent / "data" / "device_leads.journal"


def minutes_ago(minutes: int) -> str:
    return (timezone.now() - timedelta(minutes=minutes)).isoformat()


def a_late_lead(**changes):
    return {
        "token": token.dumps(an_issued_quote()),
        "name": NAME,
        "phone": PHONE,
        "privacy_accepted": "on",
        "submitted_at": minutes_ago(0),
        **changes,
    }


def test_a_kept_checkout_becomes_a_lead_with_its_own_time_and_the_late_flag(client):
    sent = a_late_lead(token=token.dumps(a_quote_from_an_hour_ago()), submitted_at=minutes_ago(30))
    answer = post_json(client, "/late/", sent)

    lead = the_lead()
    assert (answer.status_code, answer.json()["success"], answer.json()["folio"]) == (200, True, lead.folio)
    assert f"/q/{lead.folio}/" in message(answer.json()["whatsapp_url"])
    assert (lead.name, lead.phone) == (NAME, PHONE_E164)
    assert lead.submitted_at.isoformat() == datetime.fromisoformat(sent["submitted_at"]).isoformat()
    assert lead.quote_data["flags"] == ["late"]
    assert lead.quote_data["privacy"]["accepted_at"] == sent["submitted_at"]
    assert set(lead.quote_data["late"]) == {"received_at"}


def a_quote_from_an_hour_ago() -> token.IssuedQuote:
    return a_quote_issued_at(timezone.now() - timedelta(hours=1))


def a_quote_issued_at(at: datetime) -> token.IssuedQuote:
    line = LineRequest.model_validate(a_line())
    number = folio.mint(at.date(), random_bits=7)
    quote = pricing.price(site.price_book(), [line], folio=number, issued_at=at, zone=site.zone(), language="es")
    return token.issue(site.price_book(), quote)


def test_a_late_lead_arrives_once_however_often_it_is_sent(client):
    sent = a_late_lead(token=token.dumps(a_quote_from_an_hour_ago()))
    for _ in range(3):
        assert post_json(client, "/late/", sent).json()["success"]
    assert the_lead().name == NAME


def test_a_quote_that_expired_after_the_checkout_is_accepted_without_the_expired_flag(client):
    issued = a_quote_issued_at(timezone.now() - timedelta(days=9))
    in_time = (issued.quote.valid_until - timedelta(hours=1)).isoformat()
    assert post_json(client, "/late/", a_late_lead(token=token.dumps(issued), submitted_at=in_time)).json()["success"]
    assert the_lead().quote_data["flags"] == ["late"]


def test_a_quote_that_expired_before_the_checkout_is_accepted_with_the_expired_flag(client):
    issued = a_quote_issued_at(timezone.now() - timedelta(days=9))
    assert post_json(client, "/late/", a_late_lead(token=token.dumps(issued))).json()["success"]
    assert the_lead().quote_data["flags"] == ["late", "expired"]


@pytest.mark.parametrize(
    "claimed",
    ["2999-01-01T00:00:00+00:00", "1999-01-01T00:00:00+00:00", "2026-11-26T10:00:00", "yesterday", None, 5, {}],
    ids=["future", "long ago", "no offset", "not a time", "none", "number", "object"],
)
def test_an_implausible_time_of_a_device_is_replaced_by_now(client, claimed):
    before = timezone.now()
    sent = a_late_lead(token=token.dumps(a_quote_from_an_hour_ago()), submitted_at=claimed)
    assert post_json(client, "/late/", sent).json()["success"]
    assert before <= the_lead().submitted_at <= timezone.now()


def test_newer_details_win_over_those_that_a_device_kept(client):
    signed = token.dumps(a_quote_from_an_hour_ago())
    assert post_json(client, "/checkout/", {"token": signed, "name": "María Luisa", "phone": PHONE}).json()["success"]
    assert post_json(client, "/late/", a_late_lead(token=signed, submitted_at=minutes_ago(20))).json()["success"]
    assert the_lead().name == "María Luisa"


def test_a_quote_without_a_token_is_refused(client):
    priced_by_a_device = {
        "folio": "261166-7F3K-Q2M9-Y",
        "issued_at": minutes_ago(12),
        "lines": [a_line()],
        "total": "17622.10",
        "name": NAME,
        "phone": PHONE,
        "submitted_at": minutes_ago(10),
    }
    answer = post_json(client, "/late/", priced_by_a_device)
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
def test_a_wrong_field_of_a_late_lead_is_refused_by_name(client, changes, field):
    answer = post_json(client, "/late/", a_late_lead(**changes))
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not Lead.objects.exists()


@pytest.mark.parametrize("body", ["", "[]", "{", "null", '{"lines": "' + "x" * 300_000 + '"}'])
def test_an_unreadable_body_is_refused(client, body):
    assert post_json(client, "/late/", body).status_code == 422
    assert not Lead.objects.exists()


def test_a_form_is_refused(client):
    assert client.post("/late/", a_late_lead()).status_code == 422
    assert not Lead.objects.exists()


def test_a_late_lead_that_could_not_be_stored_gets_a_503_so_that_the_device_keeps_it(client, monkeypatch):
    monkeypatch.setattr("checkout.late.recorded", lambda lead: Outcome.CARRIED)
    assert post_json(client, "/late/", a_late_lead()).status_code == 503


def test_a_late_lead_sent_again_does_not_undo_an_anonymisation(client):
    sent = a_late_lead(token=token.dumps(a_quote_from_an_hour_ago()), submitted_at=minutes_ago(30))
    post_json(client, "/late/", sent)
    lead = the_lead()
    anonymise.anonymise([lead.pk], by=None, now=timezone.now(), detail="test")
    post_json(client, "/late/", sent)
    post_json(client, "/late/", a_late_lead())  # leads are delivered in order, so after this one the other was, too
    eventually(lambda: Lead.objects.count() == 2)
    assert Lead.objects.get(pk=lead.pk).phone == ""


# --- Requests of strangers ------------------------------------------------------------------------------------------


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
def test_requests_without_a_token_create_and_change_no_lead(client, changes):
    Lead.objects.all().delete()
    checked_out, anonymous = an_issued_quote(), an_issued_quote()
    store(lead_record(checked_out, a_contact()))
    store(quote_record(anonymous, visitor_id="v"))
    rows_before = list(Lead.objects.order_by("folio").values())

    for number in (checked_out.quote.folio, anonymous.quote.folio):
        sent = {"token": "", "folio": number, "name": "Mallory", "phone": PHONE, **changes}
        assert post_json(client, "/late/", sent).status_code == 422
    delivered_after = an_issued_quote()  # leads are delivered in order, so an earlier one would be stored by then
    post_json(client, "/late/", a_late_lead(token=token.dumps(delivered_after)))
    eventually(lambda: Lead.objects.filter(folio=delivered_after.quote.folio).exists())
    assert list(Lead.objects.exclude(folio=delivered_after.quote.folio).order_by("folio").values()) == rows_before


# --- Leads that devices priced --------------------------------------------------------------------------------------


@pytest.fixture
def device_leads(outbox_directories) -> dict[str, Lead]:
    """The leads of DEVICE_LEADS, by the last of their flags."""
    outbox_directories[0].mkdir()
    shutil.copy(DEVICE_LEADS, outbox_directories[0])
    call_command("outbox", "flush", verbosity=0)
    return {lead.quote_data["flags"][-1]: lead for lead in Lead.objects.all()}


def test_stored_leads_that_devices_priced_are_still_delivered(device_leads):
    assert set(device_leads) == {"made_offline", "price_mismatch", "unpriced"}
    assert Lead.objects.waiting().count() == 3
    for lead in device_leads.values():
        assert (lead.name, lead.phone) == (NAME, PHONE_E164)
    [audited] = audit(Lead.objects.filter(folio__in=[lead.folio for lead in device_leads.values()]), zone=site.zone())
    assert (audited.quotes, audited.without_prices, audited.findings) == (3, 1, [])


def test_staff_can_still_read_leads_that_devices_priced(device_leads, admin_client):
    listed = admin_client.get("/admin/leads/lead/?status=all").content.decode()
    for words in ("cotizada sin conexión", "vio otro total", "sin precio"):
        assert words in listed
    other_total, unpriced = (page_of(admin_client, device_leads[flag]) for flag in ("price_mismatch", "unpriced"))
    assert "El cliente vio un total distinto" in other_total
    assert "$1.00" in other_total
    assert "$17,622.10" in other_total
    assert "gravel" in unpriced


def page_of(admin_client, lead: Lead) -> str:
    return admin_client.get(f"/admin/leads/lead/{lead.pk}/change/").content.decode()
