"""Leads that a customer's device kept while the site could not be reached: POST /late/."""

import json
from datetime import date, datetime, timedelta

import pytest
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

pytestmark = pytest.mark.django_db(transaction=True)

TOTAL = "17622.10"  # of a_line()


def device_folio(random_bits: int = 5) -> str:
    return folio.mint(date(2026, 11, 26), random_bits=random_bits, by_device=True)


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


def of_a_device(**changes):
    return {
        "folio": device_folio(),
        "issued_at": minutes_ago(12),
        "submitted_at": minutes_ago(10),
        "language": "es",
        "lines": [a_line()],
        "total": TOTAL,
        "name": NAME,
        "phone": PHONE,
        "privacy_accepted": "on",
        **changes,
    }


# --- A checkout that did not get through ----------------------------------------------------------------------------


def test_a_checkout_that_did_not_get_through_arrives_as_the_lead_that_it_was(client):
    sent = of_our_quote(token=token.dumps(quoted(an_hour_ago=1)), submitted_at=minutes_ago(30))
    answer = post_json(client, "/late/", sent)

    lead = the_lead()
    assert (answer.status_code, answer.json()) == (200, {"success": True, "folio": lead.folio})
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


def test_it_arrives_once_however_often_it_is_sent(client):
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


# --- A quote that the device made itself ----------------------------------------------------------------------------


def test_a_quote_made_on_the_device_is_priced_again_here(client):
    answer = post_json(client, "/late/", of_a_device())

    lead = the_lead()
    assert answer.json() == {"success": True, "folio": device_folio()}
    assert (lead.folio, lead.name, lead.phone) == (device_folio(), NAME, PHONE_E164)
    assert lead.quote_data["total"] == TOTAL
    assert lead.quote_data["flags"] == ["late", "made_offline"]
    assert lead.quote_data["late"]["shown_total"] == TOTAL
    assert timezone.now() - lead.asked_at > timedelta(minutes=11)
    assert Lead.objects.waiting().get() == lead


def test_another_total_than_the_one_that_was_shown_is_told_to_staff_and_not_refused(client, admin_client):
    assert post_json(client, "/late/", of_a_device(total="1.00")).json()["success"]
    data = the_lead().quote_data
    assert data["flags"] == ["late", "made_offline", "price_mismatch"]
    assert (data["total"], data["late"]["shown_total"]) == (TOTAL, "1.00")
    listed = admin_client.get("/admin/leads/lead/").content.decode()
    assert "vio otro total" in listed
    page = admin_client.get(f"/admin/leads/lead/{Lead.objects.get().pk}/change/").content.decode()
    assert "El cliente vio un total distinto" in page
    assert "$1.00" in page


def test_what_cannot_be_priced_any_more_is_kept_to_be_read(client, admin_client):
    lines = [a_line(product="gravel")]
    assert post_json(client, "/late/", of_a_device(lines=lines)).json()["success"]
    lead = the_lead()
    assert (lead.name, lead.phone) == (NAME, PHONE_E164)
    assert "total" not in lead.quote_data
    assert json.loads(lead.quote_data["late"]["asked"]) == lines
    page = admin_client.get(f"/admin/leads/lead/{lead.pk}/change/").content.decode()
    assert "gravel" in page
    assert findings_in(lead.folio, lead.quote_data, zone=site.zone()) == []


@pytest.mark.parametrize("lines", [[], None, "x", [{"product": 5}], [a_line()] * 21, [{"product": "\x00\ud800"}]])
def test_lines_of_any_shape_lose_no_lead(client, lines):
    assert post_json(client, "/late/", of_a_device(lines=lines)).json()["success"]
    assert "unpriced" in the_lead().quote_data["flags"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"folio": folio.mint(date(2026, 11, 26), random_bits=5)}, "folio"),
        ({"folio": device_folio()[:-1] + "!"}, "folio"),
        ({"folio": 5}, "folio"),
        ({"name": " "}, "name"),
        ({"phone": "123"}, "phone"),
        ({"token": "forged"}, "token"),
    ],
    ids=["a folio of ours", "no folio", "a number", "name", "phone", "token"],
)
def test_what_is_no_lead_is_refused_with_its_field(client, changes, field):
    answer = post_json(client, "/late/", of_a_device(**changes))
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not Lead.objects.exists()


@pytest.mark.parametrize("body", ["", "[]", "{", "null", '{"lines": "' + "x" * 300_000 + '"}'])
def test_what_cannot_be_read_is_refused(client, body):
    assert post_json(client, "/late/", body).status_code == 422
    assert not Lead.objects.exists()


def test_a_lead_that_is_safe_nowhere_stays_on_the_device(client, monkeypatch):
    monkeypatch.setattr("checkout.late.recorded", lambda lead: Outcome.CARRIED)
    assert post_json(client, "/late/", of_a_device()).status_code == 503


# --- What nobody may do ---------------------------------------------------------------------------------------------


MOMENTS = ["2026-01-01T00:00:00+00:00", "2999-01-01T00:00:00+00:00", "9999-12-31T23:59:59-23:59", "x"]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "folio": st.sampled_from(["ours", "theirs", "anonymous"]),
            "token": st.sampled_from(["", "x"]),
            "submitted_at": st.sampled_from(MOMENTS),
            "issued_at": st.sampled_from(MOMENTS),
            "name": st.just("Mallory"),
            "lines": st.sampled_from([[], [a_line(extras=[])]]),
            "total": st.sampled_from(["1.00", "x"]),
        },
    )
)
def test_whatever_a_stranger_sends_no_lead_that_is_there_changes(client, changes):
    Lead.objects.all().delete()
    ours, anonymous = an_issued_quote(), an_issued_quote()
    store(lead_record(ours, a_contact()))
    store(quote_record(anonymous, visitor_id="v"))
    post_json(client, "/late/", of_a_device(name="Zoila"))
    eventually(lambda: Lead.objects.count() == 3)
    before = list(Lead.objects.order_by("folio").values())

    numbers = {"ours": ours.quote.folio, "theirs": device_folio(), "anonymous": anonymous.quote.folio}
    sent = of_a_device(**{**changes, "folio": numbers[changes.get("folio", "theirs")]})
    post_json(client, "/late/", sent)
    post_json(client, "/late/", of_a_device(folio=device_folio(9)))  # delivered in turn: then the other one was too
    eventually(lambda: Lead.objects.filter(folio=device_folio(9)).exists())
    assert list(Lead.objects.exclude(folio=device_folio(9)).order_by("folio").values()) == before


def test_an_anonymised_person_does_not_come_back(client):
    sent = of_a_device()
    post_json(client, "/late/", sent)
    lead = the_lead()
    anonymise.anonymise([lead.pk], by=None, now=timezone.now(), detail="test")
    post_json(client, "/late/", sent)
    post_json(client, "/late/", of_a_device(folio=device_folio(9)))
    eventually(lambda: Lead.objects.count() == 2)
    assert Lead.objects.get(pk=lead.pk).phone == ""
