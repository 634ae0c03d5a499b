"""Names and phones that staff corrected: exported, restored and erased with the person, old and new ones."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from leads.delivery.record import LeadRecord, lead_record
from leads.inbox.person.correct import correct, take_back
from leads.inbox.restore import PersonErased, RestoreEffect
from leads.inbox.restore import restore as restore_link
from leads.models import Lead, LeadCorrection
from leads.privacy import purge
from quoter.token import IssuedQuote
from tests.leads.inbox.test_restore import a_message
from tests.leads.privacy.test_person import erase_person, export_person, put_in_quarantine
from tests.leads.privacy.test_restore_leads import export_to, file, restore, rows
from tests.support.factories import NAME, PHONE, PHONE_E164, a_contact, an_issued_quote, store

__all__ = ["file"]  # a fixture
pytestmark = pytest.mark.django_db

RIGHT, RIGHT_TYPED = "+526565550119", "656 555 0119"
VALUES = ("name", "phone", "new_name", "new_phone", "at", "by", "taken_back_at", "taken_back_by")


@pytest.fixture
def eva() -> User:
    return User.objects.create_user("eva")


@pytest.fixture
def issued() -> IssuedQuote:
    return an_issued_quote()


@pytest.fixture
def record(issued: IssuedQuote) -> LeadRecord:
    return lead_record(issued, a_contact())


@pytest.fixture
def lead(record: LeadRecord, eva: User) -> Lead:
    store(record)
    correct(Lead.objects.get().pk, "María Peña Ríos", RIGHT, by=eva, now=timezone.now())
    return Lead.objects.get()


def corrections() -> list[tuple[Any, ...]]:
    return list(LeadCorrection.objects.order_by("at", "pk").values_list("lead__folio", *VALUES))


@pytest.mark.parametrize("phone", [PHONE, RIGHT_TYPED])
def test_an_export_of_the_person_has_both_values_whichever_phone_is_asked_for(lead, phone):
    [held] = export_person(phone)["leads"]
    assert (held["name"], held["phone"]) == ("María Peña Ríos", RIGHT)
    [correction] = held["corrections"]
    assert (correction["name"], correction["phone"], correction["by"]) == (NAME, PHONE_E164, "eva")
    assert held["quote_data"]["customer"]["name"] == NAME


@pytest.mark.parametrize("phone", [PHONE, RIGHT_TYPED])
def test_nothing_of_the_person_is_left_whichever_phone_is_asked_for(lead, issued, record, phone, outbox_directories):
    put_in_quarantine(outbox_directories[0], record)
    erase_person(phone)
    with connection.cursor() as cursor:
        cursor.execute("SELECT json_agg(leads)::text FROM leads")
        [text] = cursor.fetchone()
    files = [path.read_text() for path in outbox_directories[0].rglob("*") if path.is_file()]
    for trace in ("Peña", "Ríos", "5550119", "1234567"):
        assert not any(trace in each for each in (text, *files))
    assert not corrections()
    store(record)
    assert Lead.objects.get().phone == ""
    with pytest.raises(PersonErased):
        restore_link(a_message(issued, a_contact()), by=None)


def test_whose_own_phone_the_wrong_one_is_stays_when_the_corrected_person_is_erased(lead):
    store(lead_record(an_issued_quote(), a_contact(name="Rosa", phone_raw="")))
    erase_person(RIGHT_TYPED)
    assert sorted(Lead.objects.values_list("name", "phone")) == [("", ""), ("Rosa", PHONE_E164)]


def test_another_program_s_quote_loses_the_old_name_as_well(eva):
    quote = {"total": "10.00", "remark": f"para {NAME}", "seen": f"llamar a {PHONE_E164}"}
    lead = Lead.objects.create(folio="WEB-1", name=NAME, phone=PHONE_E164, quote_data=quote)
    correct(lead.pk, "Ana Ruiz", RIGHT, by=eva, now=timezone.now())
    erase_person(RIGHT_TYPED)
    assert "Peña" not in json.dumps(Lead.objects.get().quote_data, ensure_ascii=False)
    assert "1234567" not in json.dumps(Lead.objects.get().quote_data)


def test_corrections_come_back_with_the_lead_and_hold(lead, record, eva, file):
    take_back(lead.pk, by=eva, now=timezone.now())
    correct(lead.pk, "María Peña Ríos", RIGHT, by=eva, now=timezone.now())
    before = rows(), corrections()
    assert len(before[1]) == 2
    export_to(file)
    Lead.objects.all().delete()
    assert restore(file).startswith("1 leads restored")
    assert (rows(), corrections()) == before
    store(record)
    assert restore(file).startswith("0 leads restored, 1 were there")
    assert (rows(), corrections()) == before


def a_file_from_before(lead: Lead, eva: User, export: Callable[[], None]) -> None:
    take_back(lead.pk, by=eva, now=timezone.now())
    export()
    correct(lead.pk, "María Peña Ríos", RIGHT, by=eva, now=timezone.now())


def a_file_from_after(lead: Lead, eva: User, export: Callable[[], None]) -> None:
    export()
    take_back(lead.pk, by=eva, now=timezone.now())
    LeadCorrection.objects.all().delete()  # as a backup brings it back


@pytest.mark.parametrize("made", [a_file_from_before, a_file_from_after])
def test_a_file_from_before_the_correction_or_after_it_does_not_double_the_person(lead, eva, file, made):
    made(lead, eva, lambda: export_to(file))
    before = rows()
    assert restore(file).startswith("0 leads restored, 1 were there")
    assert rows() == before


def test_whoever_asked_later_with_the_phone_that_was_wrong_is_restored(lead, eva, file):
    issued = an_issued_quote()
    asked = {"name": "Ana", "phone": "+526565550001", "submitted_at": timezone.now(), "visitor_id": ""}
    store(lead_record(issued, a_contact(**asked)))
    ana = Lead.objects.get(name="Ana")
    correct(ana.pk, "Ana", "+526565550002", by=eva, now=timezone.now())
    later = {**asked, "name": "Rosa", "submitted_at": timezone.now() + timedelta(seconds=1)}
    store(lead_record(issued, a_contact(**later)))
    export_to(file)
    Lead.objects.filter(name="Rosa").delete()
    assert restore(file).startswith("1 leads restored")
    Lead.objects.filter(name="Ana").delete()
    assert restore(file).startswith("1 leads restored")
    assert Lead.objects.filter(folio=issued.quote.folio).count() == 2


def test_a_message_with_the_old_phone_finds_the_corrected_lead(lead, issued):
    restored = restore_link(a_message(issued, a_contact()), by=None)
    assert (restored.lead, restored.effect) == (lead, RestoreEffect.UNCHANGED)
    assert restored.lead.name == "María Peña Ríos"


def test_a_lead_that_is_erased_by_its_age_loses_its_corrections(lead):
    list(purge.forget_people(timezone.now() + timedelta(days=1), now=timezone.now()))
    assert (Lead.objects.get().name, corrections()) == ("", [])
