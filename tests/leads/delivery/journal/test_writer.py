"""The journal writer in one process, on a real disk. test_faults.py tests a disk that hangs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leads.delivery.entry import Entry
from leads.delivery.journal.census import waiting
from leads.delivery.journal.outbox import Outbox
from leads.delivery.journal.writer import JournalWriter
from tests.support.eventually import eventually

LEAD = b'{"folio": "A"}'


@pytest.fixture
def notices() -> list[str]:
    return []


@pytest.fixture
def outbox(tmp_path: Path, notices: list[str]) -> Iterator[Outbox]:
    journal = Outbox([tmp_path / "outbox"], notice=lambda what, **details: notices.append(what))
    yield journal
    journal.close()


@pytest.fixture
def writer(outbox: Outbox) -> Iterator[JournalWriter]:
    started = JournalWriter(outbox, on_written=lambda: None)
    started.start()
    yield started
    started.stop(timeout_s=5)


def write(writer: JournalWriter, folio: str) -> Entry:
    entry = writer.entry(folio, LEAD)
    writer.write(entry)
    return entry


def folios(directory: Path) -> list[str]:
    return [item.folio for path in sorted(directory.glob("*.journal")) for item in waiting(path)]


def test_a_lead_is_on_the_disk_when_the_wait_for_it_ends(writer, tmp_path):
    assert writer.wait_for(write(writer, "A"))
    assert folios(tmp_path / "outbox") == ["A"]


def test_queued_leads_are_written_in_order(outbox, tmp_path):
    writer = JournalWriter(outbox, on_written=lambda: None)
    entries = [write(writer, f"A{number}") for number in range(5)]
    writer.start()
    assert all(writer.wait_for(entry) for entry in entries)
    assert folios(tmp_path / "outbox") == ["A0", "A1", "A2", "A3", "A4"]
    writer.stop(timeout_s=5)


def test_while_no_thread_waits_for_the_disk_leads_share_a_sync(writer, outbox, tmp_path, monkeypatch):
    monkeypatch.setattr("leads.delivery.journal.writer.LINGER_S", 0.5)
    written, append_lines = [], outbox.append_lines
    monkeypatch.setattr(outbox, "append_lines", lambda lines: written.append(lines) or append_lines(lines))
    entries = [write(writer, f"A{number}") for number in range(5)]
    assert eventually(lambda: all(entry.is_on_disk for entry in entries))
    assert folios(tmp_path / "outbox") == ["A0", "A1", "A2", "A3", "A4"]
    assert written == [[entry.line for entry in entries]]


def test_a_waiting_thread_ends_the_linger(writer, monkeypatch):
    monkeypatch.setattr("leads.delivery.journal.writer.LINGER_S", 3600)
    written = write(writer, "A")
    assert writer.wait_for(write(writer, "B"))
    assert written.is_on_disk


def test_queued_leads_are_written_before_the_writer_stops(outbox, tmp_path):
    writer = JournalWriter(outbox, on_written=lambda: None)
    write(writer, "A")
    writer.start()
    writer.stop(timeout_s=5)
    assert folios(tmp_path / "outbox") == ["A"]


def test_without_any_disk_a_waiting_thread_is_released_with_a_failure(tmp_path):
    (tmp_path / "file").touch()
    writer = JournalWriter(Outbox([tmp_path / "file" / "outbox"]), on_written=lambda: None)
    writer.start()
    entry = write(writer, "A")
    assert not writer.wait_for(entry)
    assert entry.is_on_disk is False
    writer.stop(timeout_s=5)


def test_after_an_unexpected_error_the_writer_goes_on(writer, outbox, notices, monkeypatch):
    def fail(lines: Any) -> Any:
        raise RuntimeError("unexpected")

    with monkeypatch.context() as patched:
        patched.setattr(outbox, "append_lines", fail)
        assert not writer.wait_for(write(writer, "A"))
    assert writer.wait_for(write(writer, "B"))
    assert notices.count("journal writer failed") == 1


@pytest.mark.parametrize("folio", ["", "A B", "A\nB"])
def test_an_invalid_folio_is_refused_before_it_is_queued(writer, folio):
    with pytest.raises(ValueError, match="a folio is letters"):
        writer.entry(folio, LEAD)
