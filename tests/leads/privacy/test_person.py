"""One person's data: all of it handed out, all of it erased, and nobody else's."""

import json
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from leads.delivery.journal import quarantine
from leads.delivery.journal.outbox import Outbox
from leads.delivery.journal.segment import DAMAGED, Item, encode
from leads.delivery.record import LeadRecord, lead_record, quote_record
from leads.inbox.restore import RestoreEffect, restore
from leads.models import Lead, LeadEvent
from leads.privacy.person import NotAPhone, Phone
from tests.leads.inbox.test_restore import a_message
from tests.leads.privacy.test_purge import NO_PERSON, person_in, stopped_postgres
from tests.support.factories import NAME, PHONE, PHONE_E164, a_contact, an_issued_quote, store

OTHER = {"name": "Jo Smith", "phone": "+526567654321", "phone_raw": "656 765 4321"}
TRACES = ["María", "Peña", "6561234567", "123 4567", "a-visitor"]


def a_row(**contact: Any) -> LeadRecord:
    return lead_record(an_issued_quote(), a_contact(**contact))


def a_lead(**contact: Any) -> Lead:
    row = a_row(**contact)
    store(row)
    return Lead.objects.get(folio=row.folio)


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("privacy", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def run_and_fail(*arguments: str) -> tuple[str, str]:
    """Return what it printed, and why it ended with a status that is not 0."""
    out = StringIO()
    with pytest.raises(CommandError) as ended:
        call_command("privacy", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue(), str(ended.value)


def exported(phone: str = PHONE) -> dict[str, Any]:
    return json.loads(run("export", phone))


def erased(phone: str = PHONE) -> str:
    return run("erase", phone, "--yes")


def refused(directory, row: LeadRecord) -> None:
    quarantine.put_aside(directory, Item(row.folio, 1.0, row.as_json()), reason="DataError 22021", at=2.0)


def on_disk(directories) -> str:
    """Everything that the outbox's directories hold."""
    files = (path for directory in directories for path in directory.rglob("*") if path.is_file())
    return "".join(path.read_text() for path in files)


def traces_in(text: str) -> list[str]:
    return [trace for trace in TRACES if trace in text]


# --- Whose ----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    "asked", ["6561234567", "656 123 4567", "+52 (656) 123-4567", "521 656 123 4567", "٦٥٦١٢٣٤٥٦٧", "tel. 656.123.4567"]
)
def test_a_person_is_found_by_any_spelling_of_their_phone(asked):
    lead = a_lead()
    a_lead(**OTHER)
    assert [held["folio"] for held in exported(asked)["leads"]] == [lead.folio]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "stored",
    [
        {"phone": "656-123-4567 ext. 12", "phone_raw": "656-123-4567 ext. 12"},
        {"phone": "(656) 123 45 67", "phone_raw": "(656) 123 45 67"},
        {"phone": "", "phone_raw": "656 123 4567"},
        {"phone": "+16561234567", "phone_raw": "+1 656 123 4567"},
    ],
)
def test_a_person_is_found_however_their_phone_was_stored(stored):
    lead = a_lead(**stored)
    assert [held["folio"] for held in exported()["leads"]] == [lead.folio]


@pytest.mark.django_db
@pytest.mark.parametrize("asked", ["", "4567", "656 123 456", "María Peña"])
def test_too_few_digits_could_be_anybodys(asked):
    a_lead()
    for does in (["export", asked], ["erase", asked, "--yes"]):
        assert run_and_fail(*does) == ("", "Nothing was looked for: a phone has at least 10 digits.")
    with pytest.raises(NotAPhone):
        Phone(asked)
    assert Lead.objects.get().name == NAME


@pytest.mark.django_db
@pytest.mark.parametrize("does", [["export"], ["erase", "--yes"]])
def test_nobody_is_a_failure(does):
    a_lead(**OTHER)
    assert run_and_fail(does[0], PHONE, *does[1:]) == ("", "Nothing is held under this phone.")
    assert Lead.objects.get().name == "Jo Smith"
    assert not LeadEvent.objects.exists()


# --- Handing out ----------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_everything_that_is_held_is_handed_out(outbox_directories, admin_user):
    first, second = a_lead(), a_lead()
    Lead.objects.contact(first.pk, by=admin_user, now=timezone.now())
    Lead.objects.filter(pk=first.pk).update(notes="Llamar mañana")
    waiting, others, bad = a_row(), a_row(**OTHER), a_row(name="nul \0 byte")
    journal = Outbox(outbox_directories)
    for row in (waiting, others):
        journal.append(row.folio, row.as_json())
    refused(outbox_directories[1], bad)
    refused(outbox_directories[1], a_row(**OTHER))

    found = exported()
    journal.close()

    assert [held["folio"] for held in found["leads"]] == [first.folio, second.folio]
    held = found["leads"][0]
    assert (held["name"], held["phone"], held["notes"]) == (NAME, PHONE_E164, "Llamar mañana")
    assert held["submitted_at"] == "2026-11-22T12:30:00-07:00"
    assert held["quote_data"] == first.quote_data
    assert [event["kind"] for event in held["events"]] == ["contacted"]
    assert found["waiting"] == [json.loads(waiting.as_json())]
    assert found["refused"] == [json.loads(bad.as_json())]
    assert "Jo Smith" not in json.dumps(found)


@pytest.mark.django_db
def test_handing_out_is_noted_where_a_lead_was_read():
    lead, _ = a_lead(), a_lead(**OTHER)
    run("export", PHONE)
    (event,) = LeadEvent.objects.all()
    assert (event.lead, event.kind, event.detail) == (lead, "exported", "request")


@pytest.mark.django_db(transaction=True)
def test_while_the_database_is_down_the_disk_is_handed_out_and_that_is_said(outbox_directories):
    row = a_row()
    refused(outbox_directories[0], row)
    with stopped_postgres():
        printed, why = run_and_fail("export", PHONE)
    assert json.loads(printed) == {"leads": [], "waiting": [], "refused": [json.loads(row.as_json())]}
    assert why == "The database does not answer (OperationalError): only this machine's disk was searched."


# --- Erasing --------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_person_goes_from_every_lead_and_nobody_else_does():
    leads, other = [a_lead(), a_lead()], a_lead(**OTHER)
    totals = [lead.quote_data["total"] for lead in leads]

    assert erased() == "2 leads without their person, 0 records off this disk\n"

    for lead, total in zip(leads, totals, strict=True):
        lead.refresh_from_db()
        assert person_in(lead) == NO_PERSON
        assert lead.quote_data["total"] == total
        assert [(event.kind, event.actor, event.detail) for event in lead.events.all()] == [
            ("anonymised", None, "request")
        ]
    before = other.quote_data
    other.refresh_from_db()
    assert (other.name, other.quote_data) == ("Jo Smith", before)
    assert not other.events.exists()
    assert run_and_fail("erase", PHONE, "--yes") == ("", "Nothing is held under this phone.")


@pytest.mark.django_db
def test_neither_a_late_journal_nor_the_chat_brings_them_back():
    issued, contact = an_issued_quote(), a_contact(submitted_at=timezone.now() - timedelta(hours=2))
    row = lead_record(issued, contact)
    store(row)
    erased()
    store(row)
    store(replace(row, submitted_at=(timezone.now() - timedelta(hours=1)).isoformat()))  # they had checked out twice
    store(quote_record(issued, visitor_id="a-visitor"))
    assert restore(a_message(issued, contact), by=None).effect is RestoreEffect.UNCHANGED
    assert person_in(Lead.objects.get()) == NO_PERSON


@pytest.mark.django_db
def test_who_asks_again_after_that_is_there_again():
    row = a_row(submitted_at=timezone.now())
    store(row)
    erased()
    store(replace(row, submitted_at=timezone.now().isoformat()))
    assert Lead.objects.get().name == NAME


@pytest.mark.django_db
def test_refused_and_damaged_records_lose_the_person_too(outbox_directories):
    refused(outbox_directories[0], a_row(name="María \0 Peña"))
    refused(outbox_directories[1], a_row(**OTHER))
    folder = outbox_directories[1] / DAMAGED
    folder.mkdir(parents=True)
    theirs, others = (encode(Item(row.folio, 1.0, row.as_json())) for row in (a_row(), a_row(**OTHER)))
    torn = theirs.replace(b" ", b"_", 1)  # nobody can read it, but the phone is in it
    (folder / "1-1-a.journal").write_bytes(theirs + others + torn)
    (folder / "2-1-b.journal").write_bytes(theirs)

    assert erased() == "0 leads without their person, 4 records off this disk\n"

    left = on_disk(outbox_directories)
    assert traces_in(left) == ["a-visitor"]  # the other's: every test's visitor is called that
    assert left.count("Jo Smith") == 4  # as the name and in the snapshot, in two records
    assert [path.name for path in folder.iterdir()] == ["1-1-a.journal"]


@pytest.mark.django_db(transaction=True)
def test_what_waits_is_delivered_and_then_erased(outbox_directories):
    row = a_row()
    journal = Outbox(outbox_directories)
    journal.append(row.folio, row.as_json())
    journal.close()
    assert erased() == "1 leads without their person, 0 records off this disk\n"
    assert person_in(Lead.objects.get()) == NO_PERSON
    assert traces_in(on_disk(outbox_directories)) == []


@pytest.mark.django_db(transaction=True)
def test_while_the_database_is_down_nothing_is_erased_and_a_person_is_needed(outbox_directories):
    row = a_row()
    journal = Outbox(outbox_directories)
    journal.append(row.folio, row.as_json())
    journal.close()
    refused(outbox_directories[0], a_row())
    before = on_disk(outbox_directories)
    with stopped_postgres():
        printed, why = run_and_fail("erase", PHONE, "--yes")
    assert printed == ""
    assert why == "1 of this person's records wait in the outbox (infrastructure); nothing was erased."
    assert sorted(traces_in(on_disk(outbox_directories))) == sorted(traces_in(before))


@pytest.mark.django_db(transaction=True)
def test_what_a_running_process_still_has_in_its_journal_is_told(outbox_directories):
    row = a_row()
    journal = Outbox(outbox_directories)
    journal.append(row.folio, row.as_json())
    batch = journal.take()
    store(row)
    journal.delivered(batch)

    printed, why = run_and_fail("erase", PHONE, "--yes", "--timeout", "0")
    assert printed == "1 leads without their person, 0 records off this disk\n"
    assert "1 records are still in the journal of a running process: restart the site" in why
    assert person_in(Lead.objects.get()) == NO_PERSON

    journal.close()
    assert traces_in(on_disk(outbox_directories)) == []


# --- Asking first ---------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("answer", ["no", "", "y"])
def test_who_does_not_say_yes_erases_nothing(monkeypatch, answer):
    lead = a_lead()
    monkeypatch.setattr("builtins.input", lambda prompt: answer)
    printed, why = run_and_fail("erase", PHONE)
    assert printed == f"{lead.folio}\t{timezone.localtime(lead.created_at):%Y-%m-%d}\t{NAME}\t{PHONE_E164}\n"
    assert why == "Nothing was erased."
    assert Lead.objects.get().name == NAME


@pytest.mark.django_db
def test_a_name_says_nothing_to_the_terminal(monkeypatch, outbox_directories):
    refused(outbox_directories[0], a_row(name="\x1b[2JMaría"))
    monkeypatch.setattr("builtins.input", lambda prompt: "no")
    assert "\t\ufffd[2JMaría\t" in run_and_fail("erase", PHONE)[0]


@pytest.mark.django_db
def test_who_says_yes_does(monkeypatch):
    a_lead()
    monkeypatch.setattr("builtins.input", lambda prompt: "yes")
    assert run("erase", PHONE).endswith("1 leads without their person, 0 records off this disk\n")


@pytest.mark.django_db
def test_with_nobody_to_ask_nothing_is_erased(monkeypatch):
    def nobody(prompt: str) -> str:
        raise EOFError

    a_lead()
    monkeypatch.setattr("builtins.input", nobody)
    assert run_and_fail("erase", PHONE)[1] == "Nothing was erased."
    assert Lead.objects.get().name == NAME
