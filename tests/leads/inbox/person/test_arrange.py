"""What staff arrange with a person: one tap for all they wait for, the next step, the outcome, two who are one."""

from datetime import timedelta
from decimal import Decimal
from threading import Barrier

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from leads.delivery.record import lead_record, quote_record
from leads.inbox.person import arrange, follow_ups
from leads.inbox.person.arrange import Step
from leads.models import Absence, FollowUp, Lead, LeadEvent, LeadOutcome
from leads.models.follow_up import joined_to_any, of_people
from leads.privacy.anonymise import anonymise
from quoter import site
from tests.support.factories import a_contact, an_issued_quote, store
from tests.support.live import at_once

pytestmark = pytest.mark.django_db

MARIA, LUIS = "+526565550118", "+526565550164"


def asks(phone: str = MARIA, *, name: str = "María Peña", minute: int = 0) -> Lead:
    issued = an_issued_quote()
    store(
        lead_record(issued, a_contact(name=name, phone=phone, submitted_at=timezone.now() + timedelta(minutes=minute)))
    )
    return Lead.objects.get(folio=issued.quote.folio)


@pytest.fixture
def ana() -> User:
    return User.objects.create_user("ana")


@pytest.fixture
def beto() -> User:
    return User.objects.create_user("beto")


def states() -> list[tuple[str, str]]:
    return sorted(Lead.objects.values_list("status", "set_aside"))


def kinds() -> list[str]:
    return list(LeadEvent.objects.order_by("pk").values_list("kind", flat=True))


def test_one_tap_settles_all_that_a_phone_waits_for_however_it_was_written_and_undo_brings_back_just_these(ana, beto):
    first, second, third = asks("+526565550118"), asks("656 555 0118"), asks("044 656 555 0118")
    other = asks(LUIS)
    assert Lead.objects.contact(second.pk, by=ana, now=timezone.now())
    assert set(Lead.objects.contacted()) == {first, second, third}
    assert not Lead.objects.contact(first.pk, by=beto, now=timezone.now())
    later = asks()
    assert set(Lead.objects.waiting()) == {other, later}
    assert FollowUp.objects.get().seller == ana
    Lead.objects.contact(later.pk, by=beto, now=timezone.now())
    assert FollowUp.objects.get().seller == ana  # who has the person keeps them
    assert Lead.objects.revert(later.pk, by=beto, now=timezone.now())
    assert set(Lead.objects.waiting()) == {other, later}
    assert Lead.objects.revert(third.pk, by=ana, now=timezone.now())
    assert Lead.objects.waiting().count() == 5
    assert not FollowUp.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_sellers_who_tap_on_two_quotes_of_one_person_do_not_both_get_them(ana, beto):
    sellers = iter([ana, beto])
    for _round in range(10):
        pair = iter([asks().pk, asks().pk])
        together = Barrier(2)
        sellers = iter([ana, beto])

        def taps(pair=pair, together=together, sellers=sellers) -> bool:
            lead, seller = next(pair), next(sellers)
            try:
                together.wait(timeout=20)
                return Lead.objects.contact(lead, by=seller, now=timezone.now())
            finally:
                connection.close()

        assert sorted(at_once(2, taps)) == [False, True]
        assert not Lead.objects.waiting().exists()


def test_a_step_is_due_on_its_day_for_the_seller_and_for_all_when_they_are_away(ana, beto):
    lead, now, zone = asks(), timezone.now(), site.zone()

    def due(user: User) -> list[str]:
        return [each.key for each in follow_ups.today(user, now=now, zone=zone)]

    Lead.objects.contact(lead.pk, by=ana, now=now)
    FollowUp.objects.update(expires_at=now + timedelta(days=7))
    assert due(ana) == []
    before = arrange.plan(lead.pk, Step(now + timedelta(minutes=1), "Llamar", ana), by=ana, now=now)
    assert (before.at, due(ana), due(beto)) == (None, ["6565550118"], [])
    Absence.objects.create(user=ana, until=now.astimezone(zone).date() + timedelta(days=1))
    assert due(beto) == ["6565550118"]
    arrange.plan(lead.pk, Step(now + timedelta(days=3)), by=ana, now=now)
    assert due(ana) == []
    arrange.plan(lead.pk, Step(now - timedelta(days=40)), by=ana, now=now)
    assert due(ana) == ["6565550118"]  # overdue until it is done
    arrange.hand(lead.pk, beto, by=ana, now=now)
    Absence.objects.all().delete()
    assert (due(ana), due(beto)) == ([], ["6565550118"])
    assert "Llamar" not in " ".join(LeadEvent.objects.values_list("detail", flat=True))


def test_a_quote_comes_forward_before_it_expires_without_an_outcome_and_not_for_ever(ana):
    lead, now, zone = asks(), timezone.now(), site.zone()
    Lead.objects.contact(lead.pk, by=ana, now=now)
    expires = lead.snapshot.valid_until
    assert FollowUp.objects.get().expires_at == expires
    days = [day for day in range(-8, 12) if follow_ups.today(ana, now=expires + timedelta(days=day), zone=zone)]
    assert days[0] in (-2, -1)
    assert days[-1] in (2, 3)
    arrange.lost(lead.pk, "Precio", by=ana, now=now)
    assert not follow_ups.today(ana, now=expires, zone=zone)


def test_sold_and_lost_close_the_person_answer_who_waits_and_can_be_taken_back(ana):
    first, second = asks(), asks()
    now = timezone.now()
    arrange.sold(second.pk, Decimal("120000.00"), by=ana, now=now)
    assert not Lead.objects.waiting().exists()
    assert [each.is_open for each in FollowUp.objects.all()] == [False]
    arrange.lost(first.pk, "Precio", by=ana, now=now)
    lost = LeadOutcome.objects.get(lead=first)
    assert (lost.kind, lost.reason, lost.amount) == ("lost", "Precio", first.snapshot.total)
    assert LeadOutcome.objects.filter(lead=second, kind="won").exists()  # what was bought before stays bought
    arrange.sold(first.pk, Decimal("5"), by=ana, now=now)
    assert [each.kind for each in LeadOutcome.objects.order_by("at", "kind")] == ["won", "won"]  # sold after all
    arrange.lost(first.pk, "Precio", by=ana, now=now + timedelta(minutes=1))
    assert arrange.reopen(second.pk, by=ana, now=now)
    assert LeadOutcome.objects.get().lead == second
    assert [each.is_open for each in FollowUp.objects.all()] == [True]
    assert arrange.reopen(second.pk, by=ana, now=now)
    assert not arrange.reopen(second.pk, by=ana, now=now)
    assert not LeadOutcome.objects.exists()
    assert kinds() == ["contacted", "contacted", "won", "lost", "won", "lost", "reopened", "reopened"]
    asks()
    assert Lead.objects.waiting().count() == 1  # whoever asks again waits, whatever became of the last quote


def test_who_is_put_aside_is_out_of_every_list_and_comes_back_as_they_were(ana):
    waiting, done, other = asks(), asks(LUIS), asks("+526565550127")
    Lead.objects.contact(done.pk, by=ana, now=timezone.now())
    before = states()
    for lead in (waiting, done):
        assert arrange.put_aside(lead.pk, "wrong_number", by=ana, now=timezone.now()) == 1
    assert list(Lead.objects.waiting()) == [other]
    assert not Lead.objects.contacted().exists()
    assert set(Lead.objects.put_aside()) == {waiting, done}
    assert not FollowUp.objects.open().exists()
    for lead in (waiting, done):
        assert arrange.bring_back(lead.pk, by=ana, now=timezone.now()) == 1
    assert states() == before
    assert [each.key for each in FollowUp.objects.open()] == ["6565550164"]


def test_two_people_who_are_one_are_joined_with_what_was_arranged_and_separated_again(ana, beto):
    maria, luis = asks(), asks(LUIS, name="M. Peña")
    now = timezone.now()
    Lead.objects.contact(luis.pk, by=beto, now=now)
    arrange.plan(luis.pk, Step(now + timedelta(days=1), "Llamar", beto), by=beto, now=now)
    assert arrange.join(maria.pk, luis.pk, by=ana, now=now)
    assert not arrange.join(luis.pk, maria.pk, by=ana, now=now)
    assert set(Lead.objects.all().of_person(luis)) == {maria, luis}
    [person] = FollowUp.objects.open()
    assert (person.key, person.seller, person.step) == ("6565550118", beto, "Llamar")
    newer = asks(LUIS)
    Lead.objects.contact(maria.pk, by=ana, now=now)
    assert not Lead.objects.waiting().exists()
    assert FollowUp.objects.open().get().seller == beto
    assert arrange.separate(newer.pk, by=ana, now=now)
    assert set(Lead.objects.all().of_person(newer)) == {luis, newer}


def test_a_phone_that_the_customer_corrected_is_the_same_person_from_the_first_tap_on(ana):
    issued = an_issued_quote()
    for phone, minute in ((LUIS, 0), (MARIA, 1)):
        at = timezone.now() + timedelta(minutes=minute)
        store(lead_record(issued, a_contact(name="María Peña", phone=phone, visitor_id="", submitted_at=at)))
    newest = Lead.objects.get(phone=MARIA)
    Lead.objects.contact(newest.pk, by=ana, now=timezone.now())
    again = asks(LUIS)
    assert again in Lead.objects.all().of_person(newest)


def test_erasing_a_person_erases_what_was_arranged_and_a_purge_sweeps_the_rest(ana):
    first, second, other = asks(), asks(), asks(LUIS)
    for lead in (first, other):
        Lead.objects.contact(lead.pk, by=ana, now=timezone.now())
    anonymise([first.pk], by=None, now=timezone.now(), detail="age")
    assert FollowUp.objects.filter(key="6565550118").exists()  # a younger lead is still theirs
    anonymise([second.pk], by=None, now=timezone.now(), detail="request")
    assert [each.key for each in FollowUp.objects.all()] == ["6565550164"]
    with connection.cursor() as cursor:  # as another program does
        cursor.execute("DELETE FROM lead_events")
        cursor.execute("DELETE FROM leads WHERE id = %s", [other.pk])
    call_command("daily")
    assert not FollowUp.objects.exists()


def test_without_a_phone_there_is_nobody_to_arrange_anything_with(ana):
    issued = an_issued_quote()
    store(quote_record(issued, visitor_id=""))
    lead = Lead.objects.get()
    with pytest.raises(arrange.NobodyToCall):
        arrange.sold(lead.pk, Decimal(1), by=ana, now=timezone.now())
    assert kinds() == []


def test_the_words_of_a_step_stay_with_another_time_and_as_a_note_when_others_take_their_place(ana, beto):
    lead, now = asks(), timezone.now()
    arrange.plan(lead.pk, Step(now + timedelta(days=1), "Confirmar acceso", ana), by=ana, now=now)
    arrange.plan(lead.pk, Step(now + timedelta(days=2), "", beto), by=beto, now=now)
    assert FollowUp.objects.get().step == "Confirmar acceso"
    assert not lead.kept_notes.exists()
    arrange.plan(lead.pk, Step(now + timedelta(days=2), "Mandar ficha", beto), by=beto, now=now)
    arrange.plan(lead.pk, Step(None), by=beto, now=now)
    assert [note.text for note in lead.kept_notes.order_by("pk")] == ["Confirmar acceso", "Mandar ficha"]


def test_phones_without_digits_are_nobody_s_and_never_one_person(ana, beto):
    first, second = asks(), asks(LUIS)
    Lead.objects.filter(pk__in=[first.pk, second.pk]).update(phone="no tiene")
    assert Lead.objects.waiting().count_people(10) == 2
    assert Lead.objects.contact(first.pk, by=ana, now=timezone.now())
    assert not FollowUp.objects.exists()
    assert [lead.pk for lead in Lead.objects.waiting()] == [second.pk]
    assert Lead.objects.revert(first.pk, by=ana, now=timezone.now())
    with pytest.raises(arrange.NobodyToCall):
        arrange.plan(second.pk, Step(timezone.now()), by=ana, now=timezone.now())


def test_the_other_phones_of_many_people_are_found_by_an_index():
    keys = [f"656123{number:04}" for number in range(200)]  # of more than a hundred, Postgres proves nothing by itself
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for found in (FollowUp.objects.filter(joined_to_any(keys)), FollowUp.objects.filter(of_people(keys))):
            assert "lead_follow_up_joined" in found.explain()
