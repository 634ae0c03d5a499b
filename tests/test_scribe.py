"""The scribe within one process, on a real disk; a disk that hangs is in test_faults.py."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leads.outbox import Outbox, waiting
from leads.scribe import Scribe

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
def scribe(outbox: Outbox) -> Iterator[Scribe]:
    started = Scribe(outbox, on_written=lambda: None, on_failed=lambda: None)
    started.start()
    yield started
    started.stop(timeout_s=5)


def folios(directory: Path) -> list[str]:
    return [item.folio for path in sorted(directory.glob("*.journal")) for item in waiting(path)]


def test_a_lead_is_on_the_disk_when_its_thread_goes_on(scribe, tmp_path):
    assert scribe.wait_for(scribe.write("A", LEAD))
    assert folios(tmp_path / "outbox") == ["A"]


def test_leads_that_wait_together_are_written_together_in_their_order(outbox, tmp_path):
    scribe = Scribe(outbox, on_written=lambda: None, on_failed=lambda: None)
    entries = [scribe.write(f"A{number}", LEAD) for number in range(5)]
    scribe.start()
    assert all(scribe.wait_for(entry) for entry in entries)
    assert folios(tmp_path / "outbox") == ["A0", "A1", "A2", "A3", "A4"]
    assert len({entry.position.end for entry in entries}) == 5
    scribe.stop(timeout_s=5)


def test_what_waits_is_written_before_it_stops(outbox, tmp_path):
    scribe = Scribe(outbox, on_written=lambda: None, on_failed=lambda: None)
    scribe.write("A", LEAD)
    scribe.start()
    scribe.stop(timeout_s=5)
    assert folios(tmp_path / "outbox") == ["A"]


def test_without_any_disk_whoever_waits_is_told_at_once(tmp_path):
    (tmp_path / "file").touch()
    told = threading.Event()
    scribe = Scribe(Outbox([tmp_path / "file" / "outbox"]), on_written=lambda: None, on_failed=told.set)
    scribe.start()
    entry = scribe.write("A", LEAD)
    assert not scribe.wait_for(entry, timeout_s=5)
    assert told.wait(5)
    assert (entry.is_settled, entry.is_delivered) == (True, False)
    scribe.stop(timeout_s=5)


def test_a_surprise_costs_one_write_and_not_the_scribe(scribe, outbox, notices, monkeypatch):
    def surprise(lines: Any) -> Any:
        raise RuntimeError("nobody thought of this")

    with monkeypatch.context() as patched:
        patched.setattr(outbox, "append_all", surprise)
        assert not scribe.wait_for(scribe.write("A", LEAD))
    assert scribe.wait_for(scribe.write("B", LEAD))
    assert notices.count("scribe failed") == 1


@pytest.mark.parametrize("folio", ["", "A B", "A\nB"])
def test_what_is_no_record_is_refused_before_it_is_queued(scribe, folio):
    with pytest.raises(ValueError, match="a folio is letters"):
        scribe.write(folio, LEAD)
