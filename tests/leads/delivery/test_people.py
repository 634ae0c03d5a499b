"""A lead is one person who asked for one quote: whatever arrives, in any order and number, nobody replaces another."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from leads.delivery.record import LeadRecord, lead_record, quote_record
from leads.delivery.upsert import INSERT, UPSERT, upsert
from leads.models import Erasure, Lead, LeadEvent
from leads.privacy.anonymise import anonymise
from leads.snapshot import Flag
from leads.snapshot.merge import MOST_EARLIER
from tests.support.factories import a_contact, an_issued_quote, store

pytestmark = pytest.mark.django_db

ASKED = datetime(2026, 11, 22, 19, 30, tzinfo=UTC)
ANA, LUIS = "+526560000001", "+526560000002"


def asks(issued, phone=ANA, *, name="Ana Ruiz", minute=0, **contact) -> LeadRecord:
    at = ASKED + timedelta(minutes=minute)
    given = {"name": name, "phone": phone, "submitted_at": at, "visitor_id": "", **contact}
    return lead_record(issued, a_contact(**given))


def people(*fields: str) -> list:
    return sorted(Lead.objects.values_list("name", "phone", *fields))


# --- Two people, one quote --------------------------------------------------------------------------------------------


@pytest.mark.pooler
@pytest.mark.parametrize("is_quote_stored", [True, False])
def test_two_people_who_ask_for_a_quote_are_two_leads(is_quote_stored):
    issued = an_issued_quote()
    if is_quote_stored:
        store(quote_record(issued, visitor_id=""))
    store(asks(issued, ANA))
    store(asks(issued, LUIS, name="Luis", minute=1))

    assert people("status") == [("Ana Ruiz", ANA, "new"), ("Luis", LUIS, "new")]
    assert Lead.objects.waiting().count() == 2
    assert set(Lead.objects.values_list("folio", flat=True)) == {issued.quote.folio}


def test_a_second_person_changes_nothing_of_a_lead_that_was_contacted():
    issued = an_issued_quote()
    store(asks(issued, ANA, marketing_accepted_at=ASKED))
    [ana] = Lead.objects.all()
    Lead.objects.contact(ana.pk, by=User.objects.create_user("beto"), now=timezone.now())
    before = Lead.objects.filter(pk=ana.pk).values().get()

    store(asks(issued, LUIS, name="Luis", minute=60 * 24 * 30))

    assert Lead.objects.filter(pk=ana.pk).values().get() == before
    assert [lead.name for lead in Lead.objects.waiting()] == ["Luis"]


def test_a_quote_that_arrives_after_its_people_adds_nothing():
    issued = an_issued_quote()
    store(asks(issued, ANA))
    store(asks(issued, LUIS, name="Luis"))
    store(quote_record(issued, visitor_id=""))
    assert people() == [("Ana Ruiz", ANA), ("Luis", LUIS)]


def test_only_what_the_quick_statement_leaves_out_takes_the_other_one():
    issued, before = an_issued_quote(), (executions(INSERT), executions(UPSERT))
    store(quote_record(issued, visitor_id=""))
    store(asks(issued, ANA))
    assert (executions(INSERT), executions(UPSERT)) == (before[0] + 2, before[1])
    store(asks(issued, LUIS, name="Luis", minute=1))
    assert (executions(INSERT), executions(UPSERT)) == (before[0] + 3, before[1] + 1)
    assert ("Luis", LUIS) in people()


def executions(statement: str) -> int:
    """Return how often this connection has executed a prepared statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(generic_plans + custom_plans), 0) FROM pg_prepared_statements WHERE statement = %s",
            [statement],
        )
        return int(cursor.fetchone()[0])


# --- One person, again ------------------------------------------------------------------------------------------------


def test_whoever_asks_again_after_having_been_contacted_waits_again():
    issued = an_issued_quote()
    store(asks(issued, minute=0))
    [lead] = Lead.objects.all()
    Lead.objects.contact(lead.pk, by=User.objects.create_user("beto"), now=ASKED + timedelta(minutes=5))

    for _ in range(3):
        store(asks(issued, minute=10))
        store(asks(issued, minute=0))

    [lead] = Lead.objects.waiting()
    assert (lead.contacted_at, lead.contacted_by, lead.alert_stage) == (None, None, 0)
    assert lead.asked_again_at == lead.submitted_at == ASKED + timedelta(minutes=10)
    assert list(LeadEvent.objects.order_by("id").values_list("kind", "at")) == [
        ("contacted", ASKED + timedelta(minutes=5)),
        ("asked_again", ASKED + timedelta(minutes=10)),
    ]


def test_what_was_sent_before_the_contact_and_arrives_after_it_is_answered():
    issued = an_issued_quote()
    store(asks(issued, minute=0))
    [lead] = Lead.objects.all()
    Lead.objects.contact(lead.pk, by=User.objects.create_user("beto"), now=ASKED + timedelta(minutes=5))

    store(asks(issued, name="Ana María Ruiz", minute=4))

    lead.refresh_from_db()
    assert (lead.name, lead.status) == ("Ana María Ruiz", "contacted")


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (1, 0, 2)])
def test_earlier_details_of_the_same_person_are_kept(order):
    issued = an_issued_quote()
    sent = [asks(issued, name="Ana"), asks(issued, name="Anna Ruiz", minute=1), asks(issued, name="Ana Ruiz", minute=2)]
    for _ in range(2):
        for number in order:
            store(sent[number])
    [lead] = Lead.objects.all()
    assert lead.name == "Ana Ruiz"
    earlier = lead.snapshot.earlier
    assert [(each.customer.name, each.submitted_at) for each in earlier] == [
        ("Ana", ASKED),
        ("Anna Ruiz", ASKED + timedelta(minutes=1)),
    ]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_consent_is_never_lost(order):
    issued = an_issued_quote()
    sent = [
        asks(issued, privacy_accepted_at=ASKED, marketing_accepted_at=ASKED, privacy_notice_version="2026-11"),
        asks(issued, minute=1, privacy_accepted_at=None, marketing_accepted_at=None, privacy_notice_version=""),
    ]
    for number in order:
        store(sent[number])
    privacy = Lead.objects.get().snapshot.privacy
    assert (privacy.accepted_at, privacy.marketing_accepted_at, privacy.notice_version) == (ASKED, ASKED, "2026-11")


def test_the_number_of_earlier_details_is_bounded():
    issued = an_issued_quote()
    for minute in range(MOST_EARLIER + 5):
        store(asks(issued, name=f"Ana {minute}", minute=minute))
    [lead] = Lead.objects.all()
    assert lead.name == f"Ana {MOST_EARLIER + 4}"
    assert len(lead.snapshot.earlier) == MOST_EARLIER


@pytest.mark.parametrize(("name", "visitor"), [("ana ruiz", "another"), ("Ana R.", "ana's phone")])
def test_a_corrected_number_is_one_person_who_waits_with_the_newer(name, visitor):
    issued = an_issued_quote()
    store(asks(issued, ANA, visitor_id="ana's phone"))
    store(asks(issued, LUIS, name=name, visitor_id=visitor, minute=1))
    assert [lead.phone for lead in Lead.objects.waiting()] == [LUIS]
    assert Lead.objects.count() == 2


# --- What is set aside ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_person_who_looked_like_a_bot_once_is_not_set_aside_when_they_ask_again(order):
    issued = an_issued_quote()
    sent = [asks(issued, flags=(Flag.TOO_FAST,)), asks(issued, minute=1)]
    for number in order:
        store(sent[number])
    assert Lead.objects.waiting().count() == 1


def test_nobody_sets_another_s_lead_aside_by_sending_it_again():
    issued = an_issued_quote()
    store(asks(issued))
    store(asks(issued, flags=(Flag.HONEYPOT,), minute=1))
    assert Lead.objects.waiting().count() == 1


def test_arrival_is_by_the_site_s_clock_and_never_in_the_future():
    issued = an_issued_quote()
    before = timezone.now()
    store(asks(issued, submitted_at=before - timedelta(days=29)))
    store(replace(asks(an_issued_quote(), LUIS), arrived_at=(before + timedelta(days=1)).isoformat()))
    assert all(before <= arrived <= timezone.now() for arrived in Lead.objects.values_list("arrived_at", flat=True))


def test_a_record_of_the_last_release_is_delivered():
    record = json.loads(asks(an_issued_quote()).as_json())
    del record["arrived_at"], record["set_aside"]
    upsert([json.dumps(record).encode()])
    assert Lead.objects.waiting().count() == 1


# --- Erased -----------------------------------------------------------------------------------------------------------


def erase(phone: str, *, now: datetime) -> None:
    anonymise([*Lead.objects.filter(phone=phone).values_list("pk", flat=True)], by=None, now=now, detail="request")


def test_an_erased_person_does_not_come_back_late_and_nobody_else_is_held_up():
    issued, now = an_issued_quote(), ASKED + timedelta(days=1)
    store(asks(issued, ANA))
    erase(ANA, now=now)

    store(asks(issued, ANA, minute=1))
    store(asks(issued, "656 000 0001", minute=1))
    store(asks(issued, ANA, minute=60 * 48, flags=(Flag.LATE,)))
    assert people() == [("", "")]

    store(asks(issued, LUIS, name="Luis", minute=1))
    assert people() == [("", ""), ("Luis", LUIS)]

    store(asks(issued, ANA, minute=60 * 48))  # a new checkout
    assert people() == [("", ""), ("Ana Ruiz", ANA), ("Luis", LUIS)]


def test_two_people_of_a_quote_can_both_be_erased():
    issued, now = an_issued_quote(), ASKED + timedelta(days=1)
    for phone in (ANA, LUIS):
        store(asks(issued, phone))
    erase(ANA, now=now)
    erase(LUIS, now=now)
    for phone in (LUIS, ANA):
        store(asks(issued, phone, minute=1))
    assert people() == [("", ""), ("", "")]


def test_an_erasure_of_an_earlier_release_holds_up_only_who_had_asked_by_then():
    issued = an_issued_quote()
    store(asks(issued, ANA))
    Lead.objects.update(name="", phone="", submitted_at=ASKED + timedelta(days=1))
    Erasure.objects.create(folio=issued.quote.folio, person="", at=ASKED + timedelta(days=1))

    store(asks(issued, ANA, minute=1))
    assert people() == [("", "")]
    store(asks(issued, LUIS, name="Luis", minute=60 * 48, flags=(Flag.LATE,)))
    assert people() == [("", ""), ("Luis", LUIS)]


def test_an_erasure_says_nothing_about_the_phone_and_outlives_the_secret_s_rotation(settings):
    issued = an_issued_quote()
    store(asks(issued, ANA))
    erase(ANA, now=ASKED + timedelta(days=1))
    [erasure] = Erasure.objects.all()
    assert ANA[-10:] not in erasure.person

    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another secret"
    store(asks(issued, ANA, minute=1))
    assert people() == [("", "")]


# --- Everything together ----------------------------------------------------------------------------------------------

NAMES = ["Ana", "Ana Ruiz", "Luis"]
PHONES = [ANA, LUIS, "+526560000003"]


class Deliveries(RuleBasedStateMachine):
    """Records arrive in any order, number and grouping, while staff contact people and erase some."""

    @initialize()
    def begin(self):
        for model in (LeadEvent, Lead, Erasure):
            model.objects.all().delete()
        self.seller = User.objects.get_or_create(username="beto")[0]
        self.quotes = [an_issued_quote(), an_issued_quote()]
        self.minute = 0
        self.sent: list[LeadRecord] = []
        self.delivered: list[LeadRecord] = []
        self.erased: dict[tuple[str, str], datetime] = {}

    def now(self) -> datetime:
        self.minute += 1
        return ASKED + timedelta(minutes=self.minute)

    @rule(quote=st.integers(0, 1))
    def quoted(self, quote):
        self.sent.append(quote_record(self.quotes[quote], visitor_id="a-visitor"))

    @rule(quote=st.integers(0, 1), name=st.sampled_from(NAMES), phone=st.sampled_from(PHONES), agrees=st.booleans())
    def asked(self, quote, name, phone, agrees):
        at = self.now()
        contact = a_contact(name=name, phone=phone, submitted_at=at, privacy_accepted_at=at if agrees else None)
        self.sent.append(lead_record(self.quotes[quote], contact))

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def delivers(self, data):
        chosen = data.draw(st.lists(st.sampled_from(self.sent), min_size=1, max_size=3, unique_by=lambda r: r.folio))
        upsert([record.as_json() for record in chosen], is_quick=data.draw(st.booleans()))
        self.delivered += chosen

    @rule(phone=st.sampled_from(PHONES))
    def contacts(self, phone):
        for lead in Lead.objects.filter(phone=phone):
            Lead.objects.contact(lead.pk, by=self.seller, now=self.now())

    @rule(phone=st.sampled_from(PHONES))
    def erases(self, phone):
        at = self.now()
        self.erased |= {
            (folio, phone): at for folio in Lead.objects.filter(phone=phone).values_list("folio", flat=True)
        }
        erase(phone, now=at)

    def expected(self) -> dict[tuple[str, str], list[LeadRecord]]:
        """Return what was delivered of each person who was not erased since, the newest last."""
        kept: dict[tuple[str, str], list[LeadRecord]] = {}
        for record in self.delivered:
            key = (record.folio, record.phone)
            erased_at = self.erased.get(key)
            if record.phone and not (erased_at and record.submitted_at <= erased_at.isoformat()):
                kept.setdefault(key, []).append(record)
        return {key: sorted(records, key=lambda record: record.submitted_at) for key, records in kept.items()}

    @invariant()
    def nobody_is_gone_or_replaced(self):
        stored = {(lead.folio, lead.phone): lead for lead in Lead.objects.exclude(phone="")}
        expected = self.expected()
        assert stored.keys() == expected.keys()
        for key, records in expected.items():
            lead, newest = stored[key], records[-1]
            assert (lead.name, lead.submitted_at.isoformat()) == (newest.name, newest.submitted_at)
            names = {lead.name, *(earlier.customer.name for earlier in lead.snapshot.earlier)}
            assert names == {record.name for record in records} | {lead.name}
            has_agreed = any(record.about["privacy"]["accepted_at"] for record in records)
            assert bool(lead.snapshot.privacy.accepted_at) == has_agreed
            last_contact = LeadEvent.objects.filter(lead=lead, kind="contacted").order_by("at").last()
            waits = last_contact is None or lead.submitted_at > last_contact.at
            assert (lead.status == "new") == waits

    @invariant()
    def a_quote_without_people_is_one_row(self):
        for quote in self.quotes:
            rows = Lead.objects.filter(folio=quote.quote.folio)
            assert rows.filter(is_first=True).count() == bool(rows)
            unclaimed = rows.filter(phone="", submitted_at=None)
            assert unclaimed.count() <= (0 if rows.exclude(phone="").exists() else 1)


@pytest.mark.hypothesis
def test_any_deliveries_keep_everybody():
    examples = hypothesis_settings.default.max_examples // 3  # each is long
    run_state_machine_as_test(Deliveries, settings=hypothesis_settings(max_examples=examples, stateful_step_count=25))
