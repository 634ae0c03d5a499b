"""A database that has less than this machine's journals say is noticed, and nothing else is taken for that."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from leads.delivery import trouble
from leads.delivery.journal import kept
from leads.delivery.journal.outbox import Outbox
from leads.delivery.journal.quarantine import put_aside
from leads.delivery.journal.segment import Item
from leads.delivery.record import LeadRecord
from leads.delivery.trouble import Begun, Trouble
from leads.models import Lead
from leads.privacy.forgotten import Forgotten, forgotten
from tests.leads.privacy.test_replay import (
    NOW,
    anonymised,
    contacted,
    corrected,
    deliver,
    discarded,
    forget,
    people,
    run,
    said,
    written_in_another_way,
)

pytestmark = pytest.mark.django_db(transaction=True)


def noted(directories, looked_up: Forgotten) -> None:
    """Note what was found, as the alerts worker does."""
    trouble.store(directories, {Trouble.FORGOTTEN: Begun(time.time(), detail=looked_up.detail)})


def test_the_newest_that_are_missing_are_told_until_they_are_back(outbox_directories):
    rows = people(6)
    deliver(outbox_directories, *rows)
    assert forgotten(outbox_directories, most=100) == Forgotten([], 6)

    forget(rows[2].folio, rows[4].folio)

    found = forgotten(outbox_directories, most=100)
    assert (set(found.missing), found.of) == ({rows[2].folio, rows[4].folio}, 6)
    assert forgotten(outbox_directories, most=1) == Forgotten([], 1)
    run()
    assert forgotten(outbox_directories, most=100) == Forgotten([], 6)


def test_what_was_missing_is_asked_for_however_many_came_since(outbox_directories):
    first, second = people(2), people(8)[4:]
    deliver(outbox_directories, *first)
    forget()
    noted(outbox_directories, forgotten(outbox_directories, most=100))
    deliver(outbox_directories, *second)

    assert set(forgotten(outbox_directories, most=2).missing) == {row.folio for row in first}

    for path in kept.paths(outbox_directories)[:1]:  # its time is over
        path.unlink()
    assert forgotten(outbox_directories, most=2) == Forgotten([], 2)


def test_what_is_delivered_from_a_journal_in_use_is_looked_up_and_what_waits_is_not(outbox_directories):
    rows = people(2)
    deliver(outbox_directories, rows[0])
    journal = Outbox(outbox_directories, keep_days=7)
    for row in rows[1:3]:
        journal.append(row.folio, row.as_json())
    journal.delivered(journal.take(1))
    journal.append(rows[3].folio, rows[3].as_json())
    Lead.objects.all().delete()
    assert forgotten(outbox_directories, most=100).missing == [rows[0].folio]
    journal.close()


def purged(row: LeadRecord) -> None:
    options = {"stdout": StringIO(), "stderr": StringIO()}
    call_command("purge_leads", "--older-than=30d", "--apply", **options)
    assert not Lead.objects.filter(folio=row.folio).exists()


def purged_of_the_person(row: LeadRecord) -> None:
    options = {"stdout": StringIO(), "stderr": StringIO()}
    call_command("purge_leads", "--older-than=30d", "--anonymise", "--apply", **options)


AT_ALL_MACHINES = [contacted, discarded, written_in_another_way, corrected, anonymised, purged, purged_of_the_person]


@pytest.mark.parametrize("is_other_machine", [False, True])
@pytest.mark.parametrize("did", AT_ALL_MACHINES)
def test_what_was_done_with_a_lead_is_not_forgotten(
    outbox_directories, is_other_machine: bool, did: Callable[[LeadRecord], None]
):
    """Another machine's journals are as they were before."""
    rows = [replace(row, created_at=(NOW - timedelta(days=40)).isoformat()) for row in people(3)]
    deliver(outbox_directories, *rows)
    [path] = kept.paths(outbox_directories)
    content = path.read_bytes()
    did(rows[3])
    if is_other_machine:
        path.write_bytes(content)

    assert forgotten(outbox_directories, most=100).missing == []


def test_a_purge_is_not_undone_by_a_replay_at_another_machine(outbox_directories):
    rows = [replace(row, created_at=(NOW - timedelta(days=40)).isoformat()) for row in people(3)]
    rows.append(replace(rows[0], folio="261101-AAAA-BBBB-C"))  # a quote that nobody has asked for
    deliver(outbox_directories, *rows)
    [path] = kept.paths(outbox_directories)
    content = path.read_bytes()
    purged(rows[1])
    path.write_bytes(content)

    assert run() == said(0, of=7, erased=4)
    assert Lead.objects.count() == 0


def test_what_postgres_refused_is_not_forgotten(outbox_directories):
    [_, row] = people(1)
    deliver(outbox_directories, row)
    forget()
    put_aside(outbox_directories[0], Item(row.folio, 0.0, row.as_json()), reason="CheckViolation", at=0.0)
    assert forgotten(outbox_directories, most=100) == Forgotten([], 1)


def test_what_no_key_opens_was_not_delivered(outbox_directories, settings):
    journal = Outbox(outbox_directories, keep_days=7)
    [_, row] = people(1)
    journal.append(row.folio, row.as_json())
    settings.SECRET_KEY = "another-key-" + "c7" * 20
    assert journal.take() is None
    assert forgotten(outbox_directories, most=100) == Forgotten([], 0)
    journal.close()
