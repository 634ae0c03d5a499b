"""The command `privacy` exports or erases all of one person's data, and nobody else's."""

import json
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from leads.delivery.journal import quarantine, sealing
from leads.delivery.journal.outbox import Outbox
from leads.delivery.journal.segment import DAMAGED, Item, encode
from leads.delivery.record import LeadRecord, lead_record, quote_record
from leads.inbox.restore import PersonErased, restore
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
    """Return what the command printed, and the message with which it failed."""
    out = StringIO()
    with pytest.raises(CommandError) as ended:
        call_command("privacy", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue(), str(ended.value)


def export_person(phone: str = PHONE) -> dict[str, Any]:
    return json.loads(run("export", phone))


def erase_person(phone: str = PHONE) -> str:
    return run("erase", phone, "--yes")


def put_in_quarantine(directory, row: LeadRecord) -> None:
    quarantine.put_aside(directory, Item(row.folio, 1.0, row.as_json()), reason="DataError 22021", at=2.0)


def on_disk(directories) -> str:
    """Return the content of every file in the outbox's directories, opened with the shop's key."""
    files = (path for directory in directories for path in directory.rglob("*") if path.is_file())
    return "".join(sealing.salvaged(path.read_bytes()).decode(errors="replace") for path in files)


def traces_in(text: str) -> list[str]:
    return [trace for trace in TRACES if trace in text]


# --- Finding a person -----------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    "asked", ["6561234567", "656 123 4567", "+52 (656) 123-4567", "521 656 123 4567", "٦٥٦١٢٣٤٥٦٧", "tel. 656.123.4567"]
)
def test_a_person_is_found_by_any_spelling_of_their_phone(asked):
    lead = a_lead()
    a_lead(**OTHER)
    assert [held["folio"] for held in export_person(asked)["leads"]] == [lead.folio]


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
    assert [held["folio"] for held in export_person()["leads"]] == [lead.folio]


@pytest.mark.django_db
@pytest.mark.parametrize("asked", ["", "4567", "656 123 456", "María Peña"])
def test_fewer_than_ten_digits_are_refused(asked):
    a_lead()
    for does in (["export", asked], ["erase", asked, "--yes"]):
        assert run_and_fail(*does) == ("", "Nothing was searched: a phone has at least 10 digits.")
    with pytest.raises(NotAPhone):
        Phone(asked)
    assert Lead.objects.get().name == NAME


@pytest.mark.django_db
@pytest.mark.parametrize("does", [["export"], ["erase", "--yes"]])
def test_an_unknown_phone_makes_the_command_fail(does):
    a_lead(**OTHER)
    assert run_and_fail(does[0], PHONE, *does[1:]) == ("", "Nothing is held under this phone.")
    assert Lead.objects.get().name == "Jo Smith"
    assert not LeadEvent.objects.exists()


# --- Exporting ------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_export_has_everything_that_is_stored_about_the_person(outbox_directories, admin_user):
    first, second = a_lead(), a_lead()
    Lead.objects.contact(first.pk, by=admin_user, now=timezone.now())
    Lead.objects.filter(pk=first.pk).update(notes="Llamar mañana")
    waiting, others, bad = a_row(), a_row(**OTHER), a_row(name="nul \0 byte")
    journal = Outbox(outbox_directories)
    for row in (waiting, others):
        journal.append(row.folio, row.as_json())
    put_in_quarantine(outbox_directories[1], bad)
    put_in_quarantine(outbox_directories[1], a_row(**OTHER))

    exported = export_person()
    journal.close()

    assert [lead["folio"] for lead in exported["leads"]] == [first.folio, second.folio]
    lead = exported["leads"][0]
    assert (lead["name"], lead["phone"], lead["notes"]) == (NAME, PHONE_E164, "Llamar mañana")
    assert lead["submitted_at"] == "2026-11-22T12:30:00-07:00"
    assert lead["quote_data"] == first.quote_data
    assert [event["kind"] for event in lead["events"]] == ["contacted"]
    assert exported["waiting"] == [json.loads(waiting.as_json())]
    assert exported["refused"] == [json.loads(bad.as_json())]
    assert "Jo Smith" not in json.dumps(exported)


@pytest.mark.django_db
def test_the_export_adds_an_event_to_each_exported_lead():
    lead, _ = a_lead(), a_lead(**OTHER)
    run("export", PHONE)
    (event,) = LeadEvent.objects.all()
    assert (event.lead, event.kind, event.detail) == (lead, "exported", "request")


@pytest.mark.django_db(transaction=True)
def test_while_the_database_is_down_the_export_has_only_the_disk_and_fails(outbox_directories):
    row = a_row()
    put_in_quarantine(outbox_directories[0], row)
    with stopped_postgres():
        printed, why = run_and_fail("export", PHONE)
    assert json.loads(printed) == {"leads": [], "follow_ups": [], "waiting": [], "refused": [json.loads(row.as_json())]}
    assert why == "The database does not answer (OperationalError): only this machine's disk was searched."


# --- Erasing --------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_erasing_removes_the_person_from_every_lead_and_nobody_else():
    leads, other = [a_lead(), a_lead()], a_lead(**OTHER)
    totals = [lead.quote_data["total"] for lead in leads]

    assert erase_person() == "2 leads anonymised, 0 records removed from this disk\n"

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
def test_neither_a_late_journal_nor_the_chat_brings_an_erased_person_back():
    issued, contact = an_issued_quote(), a_contact(submitted_at=timezone.now() - timedelta(hours=2))
    row = lead_record(issued, contact)
    store(row)
    erase_person()
    store(row)
    store(replace(row, submitted_at=(timezone.now() - timedelta(hours=1)).isoformat()))  # a second, later checkout
    store(quote_record(issued, visitor_id="a-visitor"))
    with pytest.raises(PersonErased):
        restore(a_message(issued, contact), by=None)
    assert person_in(Lead.objects.get()) == NO_PERSON


@pytest.mark.django_db
def test_an_erased_person_who_checks_out_again_is_stored_again():
    row = a_row(submitted_at=timezone.now())
    store(row)
    erase_person()
    store(replace(row, submitted_at=timezone.now().isoformat()))
    assert sorted(Lead.objects.values_list("name", flat=True)) == ["", NAME]


@pytest.mark.django_db
def test_refused_and_damaged_records_lose_the_person_too(outbox_directories):
    put_in_quarantine(outbox_directories[0], a_row(name="María \0 Peña"))
    put_in_quarantine(outbox_directories[1], a_row(**OTHER))
    folder = outbox_directories[1] / DAMAGED
    folder.mkdir(parents=True)
    theirs, others = (encode(Item(row.folio, 1.0, row.as_json())) for row in (a_row(), a_row(**OTHER)))
    torn = theirs.replace(b" ", b"_", 1)  # unreadable, but its bytes contain the phone
    (folder / "1-1-a.journal").write_bytes(theirs + others + torn)
    (folder / "2-1-b.journal").write_bytes(theirs)

    assert erase_person() == "0 leads anonymised, 4 records removed from this disk\n"

    left = on_disk(outbox_directories)
    assert traces_in(left) == ["a-visitor"]  # of the other person: all test records have the same visitor id
    assert left.count("Jo Smith") == 4  # twice in each of two records
    assert [path.name for path in folder.iterdir()] == ["1-1-a.journal"]


@pytest.mark.django_db(transaction=True)
def test_waiting_records_are_delivered_and_then_erased(outbox_directories):
    row = a_row()
    journal = Outbox(outbox_directories)
    journal.append(row.folio, row.as_json())
    journal.close()
    assert (
        erase_person() == "1 leads anonymised, 1 records removed from this disk\n"
    )  # the delivered one, which is kept
    assert person_in(Lead.objects.get()) == NO_PERSON
    assert traces_in(on_disk(outbox_directories)) == []


@pytest.mark.django_db(transaction=True)
def test_while_the_database_is_down_nothing_is_erased_and_the_command_fails(outbox_directories):
    row = a_row()
    journal = Outbox(outbox_directories)
    journal.append(row.folio, row.as_json())
    journal.close()
    put_in_quarantine(outbox_directories[0], a_row())
    before = on_disk(outbox_directories)
    with stopped_postgres():
        printed, why = run_and_fail("erase", PHONE, "--yes")
    assert printed == ""
    assert why == "The database does not answer (OperationalError): run this again."
    assert sorted(traces_in(on_disk(outbox_directories))) == sorted(traces_in(before))


@pytest.mark.django_db(transaction=True)
def test_records_in_the_journal_of_a_running_process_are_reported(outbox_directories):
    row = a_row()
    journal = Outbox(outbox_directories)
    journal.append(row.folio, row.as_json())
    batch = journal.take()
    store(row)
    journal.delivered(batch)

    printed, why = run_and_fail("erase", PHONE, "--yes", "--timeout", "0")
    assert printed == "1 leads anonymised, 0 records removed from this disk\n"
    assert "1 records are still in the journal of a running process: restart the site" in why
    assert person_in(Lead.objects.get()) == NO_PERSON

    journal.close()
    assert traces_in(on_disk(outbox_directories)) == []


# --- The confirmation -----------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("answer", ["no", "", "y"])
def test_without_a_yes_nothing_is_erased(monkeypatch, answer):
    lead = a_lead()
    monkeypatch.setattr("builtins.input", lambda prompt: answer)
    printed, why = run_and_fail("erase", PHONE)
    assert printed == f"{lead.folio}\t{timezone.localtime(lead.created_at):%Y-%m-%d}\t{NAME}\t{PHONE_E164}\n"
    assert why == "Nothing was erased."
    assert Lead.objects.get().name == NAME


@pytest.mark.django_db
def test_control_characters_of_a_name_do_not_reach_the_terminal(monkeypatch, outbox_directories):
    put_in_quarantine(outbox_directories[0], a_row(name="\x1b[2JMaría"))
    monkeypatch.setattr("builtins.input", lambda prompt: "no")
    assert "\t\ufffd[2JMaría\t" in run_and_fail("erase", PHONE)[0]


@pytest.mark.django_db
def test_after_a_yes_the_person_is_erased(monkeypatch):
    a_lead()
    monkeypatch.setattr("builtins.input", lambda prompt: "yes")
    assert run("erase", PHONE).endswith("1 leads anonymised, 0 records removed from this disk\n")


@pytest.mark.django_db
def test_without_a_terminal_nothing_is_erased(monkeypatch):
    def no_terminal(prompt: str) -> str:
        raise EOFError

    a_lead()
    monkeypatch.setattr("builtins.input", no_terminal)
    assert run_and_fail("erase", PHONE)[1] == "Nothing was erased."
    assert Lead.objects.get().name == NAME
