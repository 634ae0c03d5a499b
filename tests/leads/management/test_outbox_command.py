"""`manage.py outbox`: its output and exit status, with a real Postgres."""

import json
import os
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections

from leads.delivery import trouble
from leads.delivery.journal import census, outbox, quarantine, sealing
from leads.delivery.journal.outbox import Outbox
from leads.delivery.journal.segment import Item
from leads.delivery.record import LeadRecord, Outcome, lead_record, record
from leads.delivery.turns import RETRY_NOW
from leads.models import Lead
from tests.support.eventually import eventually
from tests.support.factories import NAME, PHONE_E164, a_contact, an_issued_quote

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def reset_deadline(request, django_db_setup):
    """The command sets the relay's short deadline on this thread's connection, so give the next test a new one."""
    yield
    connections["default"].close()
    del connections["default"]


@pytest.fixture
def stopped_postgres(settings):
    """Redirect the connection to a port on which nothing listens."""
    before = dict(connection.settings_dict)
    connection.close()
    connection.settings_dict.update(HOST="127.0.0.1", PORT="1", USER="nobody")
    yield
    connection.close()
    connection.settings_dict.update(before)


def a_row(**changes: Any) -> LeadRecord:
    return lead_record(an_issued_quote(), a_contact(**changes))


def left_by_a_dead_process(directories: list[Path], *rows: LeadRecord, at: float | None = None) -> None:
    journal = Outbox(directories) if at is None else Outbox(directories, clock=lambda: at)
    for row in rows:
        journal.append(row.folio, row.as_json())
    journal.close()


def put_in_quarantine(directories: list[Path], row: LeadRecord) -> None:
    quarantine.put_aside(directories[0], Item(row.folio, 1.0, row.as_json()), reason="DataError 22021", at=2.0)


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("outbox", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def run_and_fail(*arguments: str) -> tuple[str, str]:
    """Return what the command printed, and the message with which it failed."""
    out = StringIO()
    with pytest.raises(CommandError) as ended:
        call_command("outbox", *arguments, stdout=out, stderr=StringIO())
    assert ended.value.returncode == 1
    return out.getvalue(), str(ended.value)


# --- status ---------------------------------------------------------------------------------------------------------


def test_status_of_an_empty_outbox(outbox_directories):
    printed = run("status")
    assert printed.startswith("0 pending, oldest 0 s, 0 quarantined, 0 damaged segments; ")
    kind = outbox.file_system(outbox_directories[0])
    assert f"{outbox_directories[0]}: " in printed
    assert f" ({kind}), " in printed


def test_status_counts_what_waits(outbox_directories):
    left_by_a_dead_process(outbox_directories, a_row(), a_row())
    assert run("status").startswith("2 pending, oldest 0 s, ")


def test_status_fails_when_a_lead_waits_too_long(outbox_directories):
    left_by_a_dead_process(outbox_directories, a_row(), at=1000.0)
    assert "A person is needed" in run_and_fail("status")[1]


def test_status_fails_when_a_lead_is_quarantined(outbox_directories):
    put_in_quarantine(outbox_directories, a_row())
    printed, why = run_and_fail("status")
    assert "1 quarantined" in printed
    assert "docs/operations.md" in why


def test_status_fails_when_the_disk_is_nearly_full(monkeypatch):
    monkeypatch.setattr(trouble, "LOW_DISK_BYTES", 2**60)
    assert "A person is needed" in run_and_fail("status")[1]


def test_status_and_flush_name_the_key_that_is_missing_and_a_flush_with_it_delivers(outbox_directories, settings):
    row, key = a_row(), settings.SECRET_KEY
    left_by_a_dead_process(outbox_directories, row)
    needed, settings.SECRET_KEY = sealing.marks()[0], "another-key-" + "c7" * 20

    assert f"The key {needed} is missing." in run_and_fail("flush")[1]
    printed, why = run_and_fail("status")
    assert printed.startswith("0 pending")
    assert f"The key {needed} is missing." in why

    settings.SECRET_KEY_FALLBACKS = [key]
    assert run("flush") == "1 delivered, 0 pending, 0 quarantined\n"
    assert Lead.objects.get().folio == row.folio


# --- flush ----------------------------------------------------------------------------------------------------------


def test_flush_delivers_what_dead_processes_left(outbox_directories):
    rows = [a_row() for _ in range(120)]
    left_by_a_dead_process(outbox_directories, *rows[:70])
    left_by_a_dead_process(outbox_directories, *rows[70:])

    assert run("flush") == "120 delivered, 0 pending, 0 quarantined\n"

    assert set(Lead.objects.values_list("folio", flat=True)) == {row.folio for row in rows}
    assert census.segment_paths(outbox_directories) == []


def test_flush_twice_is_harmless(outbox_directories):
    row = a_row()
    for _ in range(2):
        left_by_a_dead_process(outbox_directories, row)
        assert run("flush") == "1 delivered, 0 pending, 0 quarantined\n"
    assert run("flush") == "0 delivered, 0 pending, 0 quarantined\n"
    assert Lead.objects.get().phone == PHONE_E164


def test_flush_works_while_a_relay_is_running(outbox_directories):
    dead, running = a_row(), [a_row() for _ in range(5)]
    for row in running:
        assert record(row) in (Outcome.STORED, Outcome.QUEUED)
    left_by_a_dead_process(outbox_directories, dead)

    assert "0 pending, 0 quarantined" in run("flush")

    assert set(Lead.objects.values_list("folio", flat=True)) == {row.folio for row in [dead, *running]}
    # A record that Postgres stored first may be journaled only now; its own relay then skips it.
    eventually(lambda: census.census(outbox_directories).pending == 0)


def test_flush_waits_for_running_processes_until_its_timeout(outbox_directories):
    running = Outbox(outbox_directories)  # of a running process without a relay
    row = a_row()
    running.append(row.folio, row.as_json())
    printed, why = run_and_fail("flush", "--timeout=0.3")
    assert printed == "0 delivered, 1 pending, 0 quarantined\n"
    assert "Not everything was delivered" in why
    assert (outbox_directories[0] / RETRY_NOW).exists()
    running.close()
    assert run("flush") == "1 delivered, 0 pending, 0 quarantined\n"


def test_flush_reports_that_postgres_is_down(outbox_directories, stopped_postgres):
    left_by_a_dead_process(outbox_directories, a_row())
    printed, why = run_and_fail("flush")
    assert printed == "0 delivered, 1 pending, 0 quarantined\n"
    assert why == "Postgres does not accept the leads (infrastructure); they stay on this disk."
    assert census.census(outbox_directories).pending == 1


def test_flush_quarantines_what_postgres_refuses_and_fails(outbox_directories):
    good, bad = a_row(), a_row(name="nul \0 byte")
    left_by_a_dead_process(outbox_directories, good, bad)
    printed, why = run_and_fail("flush")
    assert printed == "1 delivered, 0 pending, 1 quarantined\n"
    assert "outbox list" in why
    assert Lead.objects.get().folio == good.folio


def test_flush_retries_the_quarantine_on_request(outbox_directories):
    valid, bad = a_row(), a_row(name="nul \0 byte")
    put_in_quarantine(outbox_directories, valid)
    put_in_quarantine(outbox_directories, bad)

    assert run_and_fail("flush")[0] == "0 delivered, 0 pending, 2 quarantined\n"
    assert run_and_fail("flush", "--quarantined")[0].endswith(" 0 pending, 1 quarantined\n")

    assert Lead.objects.get().folio == valid.folio
    ((_, kept),) = quarantine.quarantined(outbox_directories)
    assert kept["record"]["name"] == "nul \0 byte"


def test_the_flush_that_empties_the_database_does_not_run_by_mistake():
    Lead.objects.create(folio="A", quote_data={})
    with pytest.raises(CommandError, match=r"To deliver the leads that wait: manage.py outbox flush"):
        call_command("flush")
    assert Lead.objects.exists()
    call_command("flush", "--no-input", verbosity=0)
    assert not Lead.objects.exists()


# --- list, export, verify: without Postgres -------------------------------------------------------------------------


def test_list_shows_waiting_leads_oldest_first(outbox_directories, stopped_postgres):
    older, newer, refused = a_row(), a_row(name="Ana"), a_row(name="\x1b[2Jtab\tnewline\n")
    left_by_a_dead_process(outbox_directories, older)
    left_by_a_dead_process(outbox_directories, newer)
    put_in_quarantine(outbox_directories, refused)

    lines = [line.split("\t") for line in run("list").splitlines()]

    assert lines[0][:1] + lines[0][2:] == [older.folio, NAME, PHONE_E164]
    assert lines[1][:1] + lines[1][2:] == [newer.folio, "Ana", PHONE_E164]
    assert lines[2][:4] == [refused.folio, "refused: DataError 22021", "\ufffd[2Jtab\ufffdnewline\ufffd", PHONE_E164]
    assert lines[3] == ["3 leads wait"]


def test_export_writes_every_lead_unchanged(outbox_directories, stopped_postgres, tmp_path):
    waiting, refused = a_row(), a_row(name="nul \0 byte")
    left_by_a_dead_process(outbox_directories, waiting)
    put_in_quarantine(outbox_directories, refused)
    expected = [json.loads(row.as_json()) for row in (waiting, refused)]

    run("export", str(tmp_path / "leads.jsonl"))

    assert [json.loads(line) for line in (tmp_path / "leads.jsonl").read_text().splitlines()] == expected
    assert os.stat(tmp_path / "leads.jsonl").st_mode & 0o777 == 0o600
    assert [json.loads(line) for line in run("export").splitlines()] == expected


def test_an_export_to_no_file_is_refused(outbox_directories, stopped_postgres, tmp_path):
    left_by_a_dead_process(outbox_directories, a_row())
    nowhere = tmp_path / "none" / "f"
    assert run_and_fail("export", str(nowhere)) == (
        "",
        f"{nowhere} does not take the leads: No such file or directory.",
    )
    assert "it is a directory" in run_and_fail("export", str(tmp_path))[1]


def test_verify_counts_sound_damaged_and_torn_records(outbox_directories, stopped_postgres):
    left_by_a_dead_process(outbox_directories, a_row(), a_row(), a_row())
    assert run("verify") == "3 sound, 0 damaged, 0 torn tails (never acknowledged)\n"

    (path,) = census.segment_paths(outbox_directories)
    content = bytearray(path.read_bytes())
    content[content.index(b"\n") + 40] ^= 1
    path.write_bytes(content[:-10])
    printed, why = run_and_fail("verify")
    assert printed == "1 sound, 1 damaged, 1 torn tails (never acknowledged)\n"
    assert "set aside" in why


def test_flush_delivers_the_sound_records_of_a_damaged_segment(outbox_directories):
    rows = [a_row() for _ in range(3)]
    left_by_a_dead_process(outbox_directories, *rows)
    (path,) = census.segment_paths(outbox_directories)
    content = bytearray(path.read_bytes())
    content[content.index(b"\n") + 40] ^= 1
    path.write_bytes(content)

    assert run("flush") == "2 delivered, 0 pending, 0 quarantined\n"

    assert set(Lead.objects.values_list("folio", flat=True)) == {rows[0].folio, rows[2].folio}
    assert "1 damaged segments" in run_and_fail("status")[0]


def test_every_command_works_while_a_relay_is_running(outbox_directories):
    row = a_row()
    record(row)
    for does in ("status", "list", "export", "verify"):
        run(does)
    assert eventually(lambda: Lead.objects.filter(folio=row.folio).exists())
