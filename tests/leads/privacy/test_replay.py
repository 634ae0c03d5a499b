"""`outbox replay` gives a database back what it has forgotten, changes no row for the worse, and brings nobody back."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from leads.delivery.flush import flush
from leads.delivery.journal import kept, sealing
from leads.delivery.journal.outbox import Outbox
from leads.delivery.record import LeadRecord, lead_record, quote_record
from leads.inbox.person.correct import correct
from leads.models import Lead, LeadEvent, LeadNote
from leads.privacy import erased
from tests.support.factories import a_contact, an_issued_quote

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = 12
NOW = timezone.now()


def people(count: int = PEOPLE) -> list[LeadRecord]:
    """Return quotes, and for each the person who asked for it a minute later."""
    rows = []
    for number in range(count):
        issued, phone = an_issued_quote(), f"+52656700{1000 + number}"
        asked_at = NOW - timedelta(minutes=count - number)
        about = {"submitted_at": asked_at, "privacy_accepted_at": asked_at}
        contact = a_contact(name=f"Zoila {number}", phone=phone, phone_raw=phone[3:], **about)
        rows += [quote_record(issued, visitor_id="a-visitor"), lead_record(issued, contact)]
    return rows


def deliver(directories: Sequence[Path], *rows: LeadRecord, at: float | None = None) -> None:
    """Journal rows and deliver them, as a process does; its journal is kept."""
    journal = Outbox(directories) if at is None else Outbox(directories, clock=lambda: at)
    for row in rows:
        journal.append(row.folio, row.as_json())
    journal.close()
    assert flush(directories, timeout_s=30).delivered == len(rows)


def forget(*folios: str) -> None:
    """Forget rows with all that belongs to them, as a restored backup does."""
    Lead.objects.filter(**({"folio__in": folios} if folios else {})).delete()


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("outbox", "replay", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def everything() -> list[dict[str, Any]]:
    """Return all columns of all rows, except those that say that a row was restored."""
    rows = Lead.objects.order_by("folio", "phone").values()
    return [{name: value for name, value in row.items() if name not in ("id", "alert_stage")} for row in rows]


def said(restored: int, *, of: int, updated: int = 0, erased: int = 0) -> str:
    return (
        f"{of} records compared: {restored} leads and quotes were missing and are back, {updated} had older details, "
        f"{erased} stay erased\n"
    )


def test_what_the_database_has_forgotten_comes_back_once(outbox_directories):
    rows = people()
    deliver(outbox_directories, *rows)
    before = everything()
    forget(*{row.folio for row in rows[6:]})

    assert run() == said(PEOPLE - 3, of=2 * PEOPLE)
    assert everything() == before
    assert run() == said(0, of=2 * PEOPLE)
    assert everything() == before


def test_an_empty_database_gets_all_and_staff_see_why(outbox_directories):
    rows = people()
    deliver(outbox_directories, *rows, replace(rows[0], folio="261128-AAAA-BBBB-C"))
    before = everything()
    forget()

    assert run() == said(PEOPLE + 1, of=2 * PEOPLE + 1)
    assert everything() == before
    assert LeadEvent.objects.filter(kind="restored", detail="journal").count() == PEOPLE


def test_a_phone_that_staff_corrected_stays_corrected_and_its_lead_is_not_doubled(outbox_directories):
    rows = people(2)
    deliver(outbox_directories, *rows)
    [first, second] = Lead.objects.exclude(phone="").order_by("phone")
    assert correct(first.pk, "Zoila Ruiz", "+526560000009", by=User.objects.create_user("eva"), now=timezone.now())
    before = [row for row in everything() if row["folio"] == first.folio]
    forget(second.folio)
    assert run() == said(1, of=4)
    assert [row for row in everything() if row["folio"] == first.folio] == before
    assert Lead.objects.exclude(phone="").count() == 2


def test_staff_are_told_again_only_of_who_came_a_moment_ago(outbox_directories):
    old, new = people()[1::2][:2]
    old, new = (replace(row, arrived_at=(NOW - ago).isoformat()) for row, ago in _of(old, new))
    deliver(outbox_directories, old, new)
    forget()
    run()
    assert dict(Lead.objects.values_list("folio", "alert_stage")) == {old.folio: 2, new.folio: 0}


def _of(old: LeadRecord, new: LeadRecord) -> list[tuple[LeadRecord, timedelta]]:
    return [(old, timedelta(hours=2)), (new, timedelta(minutes=2))]


def contacted(row: LeadRecord) -> None:
    lead = Lead.objects.get(folio=row.folio)
    assert Lead.objects.contact(lead.pk, by=User.objects.create(username="ana"), now=NOW)
    LeadNote.objects.create(lead=lead, author=None, text="llamar el jueves")


def discarded(row: LeadRecord) -> None:
    Lead.objects.filter(folio=row.folio).update(set_aside="spam")


def written_in_another_way(row: LeadRecord) -> None:
    Lead.objects.filter(folio=row.folio).update(phone=f"656 {row.phone[6:9]} {row.phone[9:]}", submitted_at=None)


def corrected(row: LeadRecord) -> None:
    Lead.objects.filter(folio=row.folio).update(name="Zoila Vaca", submitted_at=NOW + timedelta(minutes=1))


def anonymised(row: LeadRecord) -> None:
    call_command("privacy", "erase", row.phone, "--yes", "--timeout=0", stdout=StringIO(), stderr=StringIO())


@pytest.mark.parametrize("did", [contacted, discarded, written_in_another_way, corrected, anonymised])
def test_what_was_done_with_a_row_since_stays(outbox_directories, did: Callable[[LeadRecord], None]):
    rows = people()
    deliver(outbox_directories, *rows)
    did(rows[3])
    before, notes, events = everything(), LeadNote.objects.count(), LeadEvent.objects.count()

    assert run().startswith(f"{2 * PEOPLE} records compared: 0 leads and quotes were missing")

    assert everything() == before
    assert (LeadNote.objects.count(), LeadEvent.objects.count()) == (notes, events)


def test_who_asked_while_the_clock_was_ahead_does_not_ask_again(outbox_directories):
    [_, row] = people(1)
    ahead = (NOW + timedelta(days=1)).isoformat()
    row = replace(row, submitted_at=ahead)
    row.about["privacy"]["accepted_at"] = ahead
    deliver(outbox_directories, row)
    lead = Lead.objects.get()
    assert lead.submitted_at < NOW + timedelta(hours=1)
    contacted(row)
    before = everything()
    assert run() == said(0, of=1)
    assert everything() == before


def again_by(row: LeadRecord, *, name: str, asked_at: datetime) -> LeadRecord:
    about = {"submitted_at": asked_at, "privacy_accepted_at": asked_at}
    contact = a_contact(name=name, phone=row.phone, phone_raw=row.phone[3:], **about)
    return replace(
        row, name=name, submitted_at=asked_at.isoformat(), about=lead_record(an_issued_quote(), contact).about
    )


def test_newer_details_win_and_who_asked_again_waits_again(outbox_directories):
    [_, row] = people(1)
    deliver(outbox_directories, row)
    again = again_by(row, name="Zoila Vaca de Luna", asked_at=NOW + timedelta(seconds=3))
    contacted(row)
    backup = everything()
    deliver(outbox_directories, again)
    forget()
    Lead.objects.bulk_create(Lead(**columns) for columns in backup)

    assert run() == said(0, of=2, updated=1)

    lead = Lead.objects.get()
    assert (lead.name, lead.status, lead.asked_again_at is not None) == ("Zoila Vaca de Luna", "new", True)
    assert run() == said(0, of=2)


def test_who_was_erased_since_does_not_come_back_into_an_older_database(outbox_directories):
    rows = people()
    deliver(outbox_directories, *rows)
    anonymised(rows[3])
    listed = list(erased.listed())
    forget()
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE lead_erasures")
    erased.add(listed)

    assert run() == said(PEOPLE, of=2 * PEOPLE)

    lead = Lead.objects.get(folio=rows[3].folio)
    assert (lead.name, lead.phone, lead.visitor_id) == ("", "", "")
    assert lead.quote_data["customer"] == {"name": "", "phone": "", "phone_raw": ""}
    assert lead.quote_data["total"] == Lead.objects.exclude(pk=lead.pk)[0].quote_data["total"]


def test_a_machine_that_still_has_an_erased_person_does_not_bring_them_back(outbox_directories, tmp_path):
    """Each machine keeps its own; `privacy erase` clears those of the machine where it runs."""
    rows = people()
    deliver(outbox_directories, *rows)
    [path] = kept.paths(outbox_directories)
    copy = path.read_bytes()
    anonymised(rows[3])
    path.write_bytes(copy)
    before = everything()

    assert run() == said(0, of=2 * PEOPLE, erased=1)
    assert everything() == before


def test_an_erasure_after_the_database_forgot_the_person_is_noted_all_the_same(outbox_directories):
    rows = people()
    deliver(outbox_directories, *rows)
    [path] = kept.paths(outbox_directories)
    copy = path.read_bytes()
    forget()
    anonymised(rows[3])
    assert f'"{rows[3].name}"'.encode() not in sealing.salvaged(path.read_bytes())
    path.write_bytes(copy)  # as on another machine

    run()

    assert not Lead.objects.filter(name=rows[3].name).exists()
    assert Lead.objects.filter(phone__gt="").count() == PEOPLE - 1


@pytest.mark.parametrize("arguments", [["--anonymise"], []])
def test_who_was_purged_does_not_come_back(outbox_directories, arguments):
    old, new = (lead_record(an_issued_quote(), a_contact(phone=f"+52656700100{number}")) for number in (1, 2))
    rows = [replace(old, created_at=(NOW - timedelta(days=40)).isoformat()), new]
    deliver(outbox_directories, *rows)
    call_command("purge_leads", "--older-than=30d", "--apply", *arguments, stdout=StringIO(), stderr=StringIO())
    before = everything()
    assert run().startswith(f"{1 + len(arguments)} records compared: 0 leads")
    assert everything() == before
    forget()
    run()
    assert [phone for phone in Lead.objects.values_list("phone", flat=True) if phone] == ["+526567001002"]


def test_only_what_came_after_a_time_is_compared(outbox_directories):
    first, second = people(1), people(2)[2:]
    deliver(outbox_directories, *first, at=NOW.timestamp() - 7200)
    deliver(outbox_directories, *second, at=NOW.timestamp() - 60)
    forget()
    since = timezone.localtime(NOW - timedelta(hours=1))
    assert run(f"--since={since:%Y-%m-%dT%H:%M}") == said(1, of=2)
    assert Lead.objects.get().folio == second[0].folio
    assert run("--since=2020-01-01") == said(1, of=4)


def test_what_waits_in_a_journal_in_use_is_compared_as_well(outbox_directories):
    rows = people()
    journal = Outbox(outbox_directories, keep_days=7)
    for row in rows:
        journal.append(row.folio, row.as_json())
    assert run() == said(PEOPLE, of=2 * PEOPLE)
    journal.close()


def test_a_lead_that_postgres_refuses_is_named_and_the_others_come_back(outbox_directories):
    rows = people()
    deliver(outbox_directories, *rows)
    forget()
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE leads ADD CONSTRAINT nobody CHECK (name <> '{rows[3].name}')")
    out = StringIO()
    try:
        with pytest.raises(CommandError, match="1 leads were refused"):
            call_command("outbox", "replay", stdout=out, stderr=StringIO())
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE leads DROP CONSTRAINT nobody")
    assert f"{rows[3].folio}: Postgres refuses it (IntegrityError 23514)" in out.getvalue()
    assert Lead.objects.count() == PEOPLE - 1
    assert run() == said(1, of=2 * PEOPLE)


def test_what_no_key_opens_is_said(outbox_directories, settings):
    deliver(outbox_directories, *people(1))
    settings.SECRET_KEY = "another-key-" + "c7" * 20
    with pytest.raises(CommandError, match="2 records need a key that is not in use"):
        run()


def test_nothing_kept_is_said(outbox_directories, settings):
    settings.OUTBOX_KEEP_DAYS = 0
    with pytest.raises(CommandError, match="OUTBOX_KEEP_DAYS is 0"):
        run()


def test_a_time_that_is_none_is_a_usage_error():
    with pytest.raises(CommandError, match="a time such as"):
        run("--since=yesterday")
    assert datetime.now(UTC) > NOW
