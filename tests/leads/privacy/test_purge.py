"""The command `purge_leads` deletes or anonymises old leads, and nothing brings them or their persons back."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.utils import timezone

from leads import paging
from leads.delivery.journal import census, quarantine
from leads.delivery.journal.outbox import Outbox
from leads.delivery.journal.segment import DAMAGED, Item, encode
from leads.delivery.record import LeadRecord, lead_record, quote_record
from leads.inbox.restore import PersonErased, restore
from leads.models import Lead, LeadEvent
from leads.snapshot import EMPTY_PERSON
from tests.leads.inbox.test_restore import a_message
from tests.support.factories import NAME, PHONE_E164, a_contact, an_issued_quote, store

LONG_AGO = timezone.now() - timedelta(days=400)


def a_row(*, quoted_at: datetime = LONG_AGO, **contact: Any) -> LeadRecord:
    """Return a lead's record for the journal. The customer asked ten minutes after `quoted_at`."""
    given = {"submitted_at": quoted_at + timedelta(minutes=10), "attribution": {"utm_source": "fb"}, **contact}
    row = lead_record(an_issued_quote(), a_contact(**given))
    return replace(row, created_at=quoted_at.isoformat())


def a_lead(notes: str = "", **changes: Any) -> Lead:
    row = a_row(**changes)
    store(row)
    Lead.objects.filter(folio=row.folio).update(notes=notes)
    return Lead.objects.get(folio=row.folio)


def recently() -> datetime:
    return timezone.now() - timedelta(days=30)


@contextmanager
def stopped_postgres() -> Iterator[None]:
    """Redirect the connection to a port on which nothing listens."""
    before = dict(connection.settings_dict)
    connection.close()
    connection.settings_dict.update(HOST="127.0.0.1", PORT="1", USER="nobody")
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(before)


def run(*arguments: str, older_than: str = "365d") -> str:
    out = StringIO()
    call_command("purge_leads", "--older-than", older_than, *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def run_and_fail(*arguments: str) -> str:
    """Return the message with which the command failed."""
    with pytest.raises(CommandError) as ended:
        run(*arguments)
    return str(ended.value)


def person_in(lead: Lead) -> list[Any]:
    data = lead.quote_data
    return [lead.name, lead.phone, lead.visitor_id, lead.notes, *[data[key] for key in EMPTY_PERSON]]


NO_PERSON = ["", "", "", "", *EMPTY_PERSON.values()]


# --- Deleting -------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_without_apply_nothing_is_changed(outbox_directories):
    a_lead()
    quarantine.put_aside(outbox_directories[0], as_item(a_row()), reason="DataError", at=2.0)
    printed = run()
    assert printed.startswith("1 leads quoted before ")
    assert "would be deleted, and 1 refused records; 0 waiting records" in printed
    assert "--apply does it" in printed
    assert "1 leads" in run("--anonymise")
    assert Lead.objects.get().name == NAME
    assert len(list(quarantine.quarantined(outbox_directories))) == 1


@pytest.mark.django_db
def test_old_leads_are_deleted_with_their_events_and_newer_ones_stay(admin_user):
    old, new = a_lead(), a_lead(quoted_at=recently())
    for lead in (old, new):
        Lead.objects.contact(lead.pk, by=admin_user, now=timezone.now())

    assert run("--apply").startswith("1 leads quoted before ")

    assert Lead.objects.get() == new
    assert LeadEvent.objects.get().lead == new
    assert run("--apply").startswith("0 leads quoted before ")


@pytest.mark.django_db
@pytest.mark.parametrize("age", ["365", "0d", "1y", "3.5d", ""])
def test_an_invalid_age_is_refused(age):
    with pytest.raises(CommandError, match="an age in days, such as 365d"):
        run("--apply", older_than=age)


@pytest.mark.django_db
def test_many_leads_are_purged_a_page_at_a_time(monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(paging, "PAGE", 2)
    for _ in range(5):
        a_lead()
    # The table's columns, the first and last lead; for each page its end, its keys, columns, leads, and one statement.
    with django_assert_num_queries(3 + 3 * 5):
        run("--apply", "--anonymise")
    assert LeadEvent.objects.filter(kind="anonymised").count() == 5
    run("--apply")
    assert not Lead.objects.exists()


# --- Anonymising ----------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_anonymising_removes_the_person_and_keeps_the_quote(admin_user):
    lead = a_lead(notes="La prima de Zoila")
    Lead.objects.contact(lead.pk, by=admin_user, now=timezone.now())

    assert "1 leads" in run("--apply", "--anonymise")

    after = Lead.objects.get()
    assert person_in(after) == NO_PERSON
    kept = {key: value for key, value in lead.quote_data.items() if key not in EMPTY_PERSON}
    assert {key: value for key, value in after.quote_data.items() if key not in EMPTY_PERSON} == kept
    assert (after.folio, after.created_at, after.status) == (lead.folio, lead.created_at, "contacted")
    assert list(after.events.values_list("kind", "actor", "detail").order_by("id")) == [
        ("contacted", admin_user.pk, ""),
        ("anonymised", None, "age"),
    ]
    with connection.cursor() as cursor:
        cursor.execute("SELECT leads::text || lead_events::text FROM leads JOIN lead_events ON lead_id = leads.id")
        assert not any(
            trace in row[0] for row in cursor.fetchall() for trace in ("María", "4567", "a-visitor", "Zoila")
        )


@pytest.mark.django_db
def test_an_anonymised_lead_is_not_changed_again():
    a_lead()
    run("--apply", "--anonymise")
    before = Lead.objects.values().get()
    assert run("--apply", "--anonymise").startswith("0 leads")
    assert Lead.objects.values().get() == before
    assert LeadEvent.objects.count() == 1


@pytest.mark.django_db
def test_an_anonymous_quote_loses_its_visitor_and_stays_anonymous():
    store(quote_record(an_issued_quote(), visitor_id="a-visitor"))
    Lead.objects.update(created_at=LONG_AGO)
    assert run("--apply", "--anonymise").startswith("1 leads")
    lead = Lead.objects.get()
    assert person_in(lead) == NO_PERSON
    assert lead.submitted_at is None


@pytest.mark.django_db
def test_anonymising_removes_the_person_from_leads_of_an_adopted_table():
    old = {"folio": "OLD-1", "total": "100.00", "customer_name": "Zoila", "phone": "656", "customer": {"email": "z@x"}}
    Lead.objects.create(folio="OLD-1", quote_data=old, created_at=LONG_AGO)
    Lead.objects.create(folio="OLD-2", name="Zoila", quote_data=["Zoila"], created_at=LONG_AGO)
    run("--apply", "--anonymise")
    assert list(Lead.objects.order_by("folio").values_list("quote_data", flat=True)) == [
        {"folio": "OLD-1", "total": "100.00"},
        [""],
    ]


@pytest.mark.django_db
def test_a_late_journal_does_not_bring_an_anonymised_person_back():
    row = a_row()
    store(row)
    run("--apply", "--anonymise")
    store(row)
    store(replace(row, submitted_at=(LONG_AGO + timedelta(days=1)).isoformat()))  # a second, later checkout
    assert person_in(Lead.objects.get()) == NO_PERSON


@pytest.mark.django_db
def test_the_link_from_the_chat_does_not_bring_an_anonymised_person_back():
    issued, contact = an_issued_quote(), a_contact(submitted_at=LONG_AGO)
    store(lead_record(issued, contact))
    Lead.objects.update(created_at=LONG_AGO)
    run("--apply", "--anonymise")
    with pytest.raises(PersonErased):
        restore(a_message(issued, contact), by=None)
    assert person_in(Lead.objects.get()) == NO_PERSON


@pytest.mark.django_db
def test_an_anonymised_person_who_checks_out_again_is_stored_again():
    issued = an_issued_quote()
    store(lead_record(issued, a_contact(submitted_at=LONG_AGO)))
    Lead.objects.update(created_at=LONG_AGO)
    run("--apply", "--anonymise")
    store(lead_record(issued, a_contact(submitted_at=timezone.now() + timedelta(minutes=1))))
    assert sorted(Lead.objects.values_list("name", flat=True)) == ["", NAME]


# --- Records on this machine's disk ---------------------------------------------------------------------------------


def as_item(row: LeadRecord, at: float = 1.0) -> Item:
    return Item(row.folio, at, row.as_json())


@pytest.mark.django_db
def test_old_refused_records_are_removed_and_newer_ones_stay(outbox_directories):
    new = a_row(quoted_at=recently())
    for directory, row in zip(outbox_directories, (a_row(), new), strict=True):
        quarantine.put_aside(directory, as_item(row), reason="DataError 22021", at=2.0)
    assert run("--apply").endswith("and 1 refused, kept or damaged records\n")
    ((_, refused),) = quarantine.quarantined(outbox_directories)
    assert refused["record"]["folio"] == new.folio


@pytest.mark.django_db
def test_anonymising_keeps_the_amounts_of_a_refused_record(outbox_directories):
    row = a_row()
    quarantine.put_aside(outbox_directories[0], as_item(row), reason="DataError 22021", at=2.0)
    assert run("--apply", "--anonymise").endswith("and 1 refused, kept or damaged records\n")
    ((path, refused),) = quarantine.quarantined(outbox_directories)
    record = refused["record"]
    assert (refused["reason"], refused["at"], refused["journaled_at"]) == ("DataError 22021", 2.0, 1.0)
    assert (record["folio"], record["quote_data"]["total"]) == (row.folio, "17622.10")
    assert not any(trace in path.read_text() for trace in (NAME, PHONE_E164, "visitor-", "utm"))
    assert run("--apply", "--anonymise").endswith("and 0 refused, kept or damaged records\n")


@pytest.mark.django_db
def test_damaged_journals_lose_their_old_records_and_keep_the_others(outbox_directories):
    folder = outbox_directories[0] / DAMAGED
    folder.mkdir(parents=True)
    old, new = a_row(), a_row(quoted_at=recently())
    journal = folder / "1-1-a.journal"
    others = encode(as_item(new)) + b"00000000 nobody can read this\n"
    journal.write_bytes(encode(as_item(old)) + others)
    assert run("--apply").endswith("and 1 refused, kept or damaged records\n")
    assert journal.read_bytes() == others
    assert journal.stat().st_mode & 0o777 == 0o600


@pytest.mark.django_db(transaction=True)
def test_waiting_records_are_delivered_and_then_deleted(outbox_directories):
    row, deadline_s = a_row(), connections["default"].deadline_s
    left_by_a_dead_process(outbox_directories, row)
    assert run("--apply").startswith("1 leads")
    assert not Lead.objects.exists()
    assert census.segment_paths(outbox_directories) == []
    assert connections["default"].deadline_s == deadline_s  # the command has restored it


@pytest.mark.django_db(transaction=True)
def test_a_waiting_record_that_cannot_be_delivered_stops_the_purge(outbox_directories):
    stored, waiting = a_lead(), a_row()
    journal = Outbox(outbox_directories)  # of a running process without a relay
    journal.append(waiting.folio, waiting.as_json())
    why = run_and_fail("--apply", "--timeout", "0")
    assert "1 records of that age wait in the outbox" in why
    assert "nothing was changed" in why
    assert Lead.objects.get() == stored
    journal.close()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", [[], ["--anonymise"]])
def test_a_lead_in_the_journal_of_a_running_process_is_kept_and_reported(outbox_directories, how):
    """If that process is killed, the relay of another one delivers the record again."""
    row = a_row()
    journal = Outbox(outbox_directories)
    journal.append(row.folio, row.as_json())
    batch = journal.take()
    store(row)
    journal.delivered(batch)

    assert "restart the site, then run this again" in run_and_fail("--apply", *how)

    assert Lead.objects.filter(folio=row.folio).exists()
    assert next(census.journaled(outbox_directories)).folio == row.folio
    journal.close()
    assert run("--apply").startswith("1 leads")


def left_by_a_dead_process(directories, *rows: LeadRecord) -> None:
    journal = Outbox(directories)
    for row in rows:
        journal.append(row.folio, row.as_json())
    journal.close()


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_down_is_reported():
    with stopped_postgres():
        assert "The database stopped answering (OperationalError)" in run_and_fail("--apply")
