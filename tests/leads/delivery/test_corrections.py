"""What staff corrected of a name and a phone stays corrected, whatever of the same lead arrives afterwards."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone

from leads.delivery.upsert import upsert
from leads.inbox.person.correct import correct, take_back
from leads.models import FollowUp, Lead, LeadCorrection, LeadEvent
from leads.privacy.anonymise import anonymise
from tests.leads.delivery.test_people import ANA, ASKED, LUIS, asks, people
from tests.support.eventually import eventually
from tests.support.factories import an_issued_quote, store

pytestmark = pytest.mark.django_db

RIGHT = "+526560000009"
NOW = ASKED + timedelta(hours=1)


@pytest.fixture
def eva() -> User:
    return User.objects.create_user("eva")


def corrected(by: User, *, name: str = "Ana Ruíz", phone: str = RIGHT, of: str = ANA, now: datetime = NOW) -> Lead:
    lead = Lead.objects.get(phone=of)
    assert correct(lead.pk, name, phone, by=by, now=now)
    lead.refresh_from_db()
    return lead


@pytest.mark.parametrize("is_quick", [True, False])
def test_a_late_delivery_changes_nothing_of_a_corrected_lead_and_adds_no_second_one(eva, is_quick):
    issued = an_issued_quote()
    store(asks(issued))
    lead = corrected(eva)
    before = Lead.objects.filter(pk=lead.pk).values().get()
    for _ in range(3):
        upsert([asks(issued).as_json()], is_quick=is_quick)
        upsert([asks(issued, minute=-5).as_json()], is_quick=is_quick)
    [after] = Lead.objects.values()
    assert after["quote_data"].pop("earlier", None) is None
    assert after == before
    assert after["quote_data"]["customer"] == {"name": "Ana Ruiz", "phone": ANA, "phone_raw": "656 123 4567"}
    assert list(LeadEvent.objects.values_list("kind", "detail")) == [("corrected", "name phone")]


def test_whoever_sends_the_same_wrong_details_again_asks_again_as_who_they_are(eva):
    issued = an_issued_quote()
    store(asks(issued))
    lead = corrected(eva)
    Lead.objects.contact(lead.pk, by=eva, now=NOW)
    store(asks(issued, minute=90))
    [lead] = Lead.objects.waiting()
    assert (lead.name, lead.phone, lead.asked_again_at) == ("Ana Ruíz", RIGHT, ASKED + timedelta(minutes=90))
    assert Lead.objects.count() == 1


def test_a_name_that_the_customer_changes_later_is_newer_than_the_correction(eva):
    issued = an_issued_quote()
    store(asks(issued))
    corrected(eva, phone=ANA)
    store(asks(issued, minute=90))
    assert people() == [("Ana Ruíz", ANA)]
    store(asks(issued, minute=91, name="Ana María Ruíz"))
    assert people() == [("Ana María Ruíz", ANA)]
    store(asks(issued, RIGHT, minute=92, name="Ana María Ruíz"))
    assert people() == [("Ana María Ruíz", ANA), ("Ana María Ruíz", RIGHT)]


@pytest.mark.parametrize("is_first", [True, False])
def test_somebody_else_with_the_phone_that_was_wrong_is_a_lead_of_their_own(eva, is_first):
    issued = an_issued_quote()
    if not is_first:
        store(asks(issued, LUIS, name="Luis"))
    store(asks(issued, minute=1))
    corrected(eva)
    store(asks(issued, minute=90, name="Rosa", visitor_id="another"))
    for _ in range(2):
        store(asks(issued, minute=1))
        store(asks(issued, minute=90, name="Rosa", visitor_id="another"))
    others = [] if is_first else [("Luis", LUIS)]
    assert people() == sorted([("Ana Ruíz", RIGHT), ("Rosa", ANA), *others])


def test_the_wrong_phone_comes_to_its_lead_by_the_device_as_well(eva):
    issued = an_issued_quote()
    store(asks(issued, visitor_id="hers"))
    corrected(eva)
    store(asks(issued, minute=90, name="Ana R.", visitor_id="hers"))
    assert people() == [("Ana R.", RIGHT)]


def test_a_second_correction_holds_for_all_that_was_wrong_before(eva):
    issued = an_issued_quote()
    store(asks(issued))
    corrected(eva)
    corrected(eva, name="Ana Ruiz Peña", phone=LUIS, of=RIGHT, now=NOW + timedelta(minutes=1))
    for phone, name in ((ANA, "Ana Ruiz"), (RIGHT, "Ana Ruíz"), (LUIS, "Ana Ruiz Peña")):
        store(asks(issued, phone, name=name, minute=90))
        store(asks(issued, phone, name=name))
    assert people() == [("Ana Ruiz Peña", LUIS)]


def test_what_was_taken_back_holds_no_more(eva):
    issued = an_issued_quote()
    store(asks(issued))
    lead = corrected(eva)
    assert take_back(lead.pk, by=eva, now=NOW + timedelta(minutes=1))
    assert not take_back(lead.pk, by=eva, now=NOW + timedelta(minutes=1))
    store(asks(issued, minute=90))
    assert people() == [("Ana Ruiz", ANA)]
    store(asks(issued, RIGHT, name="Ana Ruíz", minute=91))
    assert people() == [("Ana Ruiz", ANA), ("Ana Ruíz", RIGHT)]
    assert list(LeadEvent.objects.values_list("kind", "detail"))[:2] == [
        ("corrected", "name phone"),
        ("corrected", "back"),
    ]


def test_nobody_who_was_erased_comes_back_by_the_phone_that_was_wrong(eva):
    issued = an_issued_quote()
    store(asks(issued))
    lead = corrected(eva)
    anonymise([lead.pk], by=None, now=timezone.now(), detail="request")
    assert not LeadCorrection.objects.exists()
    for phone in (ANA, RIGHT):
        store(asks(issued, phone))
    assert people() == [("", "")]
    assert not FollowUp.objects.exists()


def test_other_programs_can_delete_a_corrected_lead(eva):
    store(asks(an_issued_quote()))
    lead = corrected(eva)
    LeadEvent.objects.all().delete()
    Lead.objects.filter(pk=lead.pk)._raw_delete("default")
    assert not LeadCorrection.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_first", [True, False])
def test_a_delivery_that_is_repeated_during_the_correction_adds_no_second_lead(eva, is_first):
    """It does not see the correction, which is not committed when its statement begins."""
    issued = an_issued_quote()
    if not is_first:
        store(asks(issued, LUIS, name="Luis"))
    store(asks(issued))
    with ThreadPoolExecutor(1) as other:
        with transaction.atomic():
            corrected(eva)
            repeated = other.submit(upsert_alone, asks(issued).as_json())
            assert eventually(lambda: repeated.done() or is_anybody_waiting())
        repeated.result()
    assert ("Ana Ruíz", RIGHT) in people()
    assert len(people()) == (1 if is_first else 2)


def upsert_alone(text: bytes) -> None:
    try:
        upsert([text])
    finally:
        connection.close()


def is_anybody_waiting() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return bool(cursor.fetchone()[0])
