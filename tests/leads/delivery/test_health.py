"""/healthz: any host, one truth with `outbox status` and between processes, and an answer whatever the disk does."""

import os
import time
from io import StringIO
from threading import Event

import pytest
from django.core.management import CommandError, call_command

from leads.delivery import health, relay, trouble
from leads.delivery.journal import census, quarantine
from leads.delivery.journal.segment import DAMAGED
from tests.support.eventually import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def up() -> None:
    assert eventually(lambda: relay.of_this_process().database_state == "up")
    health.forget()


def states(client) -> tuple[int, int, str, str]:
    """Return the HTTP status, that of ?alarm, and what both say, unless it has changed between the two."""

    def asked():
        plain, alarm = client.get("/healthz"), client.get("/healthz?alarm")
        return (plain, alarm) if plain.json() == alarm.json() else None

    plain, alarm = eventually(asked)
    return plain.status_code, alarm.status_code, plain.json()["status"], plain.json()["database"]


def status_command() -> bool:
    """Return whether `outbox status` says that all is well."""
    try:
        call_command("outbox", "status", stdout=StringIO())
    except CommandError:
        return False
    return True


@pytest.mark.parametrize("host", ["healthcheck.railway.app", "10.1.2.3:8201", "[::1]:8000", "a b", "../..", "", "ñ"])
def test_any_host_is_answered_and_none_is_a_fault_in_the_log(client, caplog, settings, host):
    settings.ALLOWED_HOSTS = ["quotes.example.com"]
    assert client.get("/healthz", headers={"host": host}).status_code == 200
    assert caplog.records == []
    assert client.get("/", headers={"host": host}).status_code == 400
    assert client.post("/healthz").status_code == 405


def a_refused_lead(outbox) -> None:
    folder = outbox / quarantine.QUARANTINE
    folder.mkdir(parents=True)
    (folder / "F-1.json").write_text('{"reason": "DataError", "record": {}}')


def a_damaged_journal(outbox) -> None:
    (outbox / DAMAGED).mkdir(parents=True)
    (outbox / DAMAGED / "0.journal").write_text("?")


def a_lead_that_waits(monkeypatch) -> None:
    monkeypatch.setattr(census.Census, "age_s", lambda counts, now: 901.0)


PROBLEMS = {
    "a refused lead": lambda outbox, monkeypatch: a_refused_lead(outbox),
    "a damaged journal": lambda outbox, monkeypatch: a_damaged_journal(outbox),
    "a lead that has waited for a quarter of an hour": lambda outbox, monkeypatch: a_lead_that_waits(monkeypatch),
    "a disk that is full": lambda outbox, monkeypatch: monkeypatch.setattr(trouble, "LOW_DISK_BYTES", 2**62),
    "a directory that is none": lambda outbox, monkeypatch: outbox.write_text(""),
}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_it_agrees_with_outbox_status_and_only_the_alarm_is_no_200(client, outbox_directories, monkeypatch, problem):
    assert (states(client), status_command()) == ((200, 200, "ok", "up"), True)
    relay.stop()  # it would create the directory
    for directory in outbox_directories:
        for name in os.listdir(directory) if directory.is_dir() else ():
            (directory / name).unlink()
        directory.rmdir() if directory.is_dir() else None
    PROBLEMS[problem](outbox_directories[0], monkeypatch)
    health.forget()
    assert states(client)[:3] == (200, 503, "degraded")
    assert not status_command()


def test_what_one_process_finds_every_process_says(client, outbox_directories, monkeypatch):
    note = outbox_directories[0] / f"{trouble.OUTAGE_FILE}.1"
    note.write_text(f"{time.monotonic():020.3f}")
    assert states(client) == (200, 503, "degraded", "down")
    assert relay.of_this_process().database_state == "up"
    note.unlink()
    assert states(client) == (200, 200, "ok", "up")


def test_what_a_process_said_before_it_died_holds_for_seconds_and_is_removed(client, outbox_directories, monkeypatch):
    note = outbox_directories[0] / f"{trouble.OUTAGE_FILE}.1"
    note.write_text(f"{time.monotonic():020.3f}")
    assert states(client) == (200, 503, "degraded", "down")
    trouble.end_outage(outbox_directories)
    assert note.exists()
    monkeypatch.setattr(trouble, "OUTAGE_LASTS_S", 0.1)
    assert eventually(lambda: states(client) == (200, 200, "ok", "up"))
    trouble.end_outage(outbox_directories)
    assert not note.exists()


def test_a_disk_that_hangs_takes_no_thread_of_those_that_serve(client, monkeypatch):
    answers = Event()
    monkeypatch.setattr(health, "PATIENCE_S", 0.1)
    monkeypatch.setattr(health, "census", lambda directories: answers.wait(60) and census.census(directories))
    started = time.monotonic()
    assert [states(client) for _ in range(5)] == [(200, 503, "degraded", "unknown")] * 5
    assert time.monotonic() - started < 30
    answers.set()
    assert eventually(lambda: states(client) == (200, 200, "ok", "up"))


def test_nothing_that_goes_wrong_while_it_looks_is_a_500(client, monkeypatch):
    def raises(directories):
        raise MemoryError

    monkeypatch.setattr(health, "census", raises)
    assert states(client) == (200, 503, "degraded", "unknown")


def test_a_process_without_visitors_finds_an_outage(outbox_directories, monkeypatch):
    # The worker of alerts and the requests of customers, which would find it as well, are not here.
    process_relay = relay.of_this_process()
    monkeypatch.setattr(process_relay._postgres, "_read_whether_it_writes", lambda: (_ for _ in ()).throw(TimeoutError))
    monkeypatch.setattr(process_relay, "_ask_at", 0.0)
    assert eventually(lambda: process_relay.breaker.is_open)
    assert eventually(lambda: trouble.is_outage_noted(outbox_directories))
