"""Delivered journals stay for some days, in bounded room, and can be cleared of a person."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from leads.delivery.journal import census, kept, outbox, segment
from leads.delivery.journal.outbox import Outbox
from leads.delivery.journal.segment import DAMAGED, Item, encode
from tests.leads.delivery.journal.test_outbox import adopt_and_drain, drain, folios, kill

DAY = 86_400.0


@pytest.fixture
def directories(tmp_path: Path) -> list[Path]:
    return [tmp_path / "first", tmp_path / "spare"]


def text(name: str) -> bytes:
    return b'{"name":"%s"}' % name.encode()


def delivered(directories: list[Path], *folios: str, days: int | None = 7) -> list[Path]:
    """Journal records, deliver them, and end the process; return what is kept."""
    journal = Outbox(directories, keep_days=days)
    for folio in folios:
        journal.append(folio, text(f"Person {folio}"))
    drain(journal)
    journal.close()
    return kept.paths(directories)


def content(directories: list[Path]) -> list[tuple[str, bytes]]:
    return [
        (each.record.folio, each.record.text) for each in kept.delivered(directories) if isinstance(each.record, Item)
    ]


def aged(path: Path, days: float) -> None:
    at = time.time() - days * DAY
    os.utime(path, (at, at))


def has_name(name: str) -> Callable[[Item], bool]:
    return lambda item: name.encode() in item.text


def test_what_was_delivered_stays_sealed_and_is_read_again(directories):
    [path] = delivered(directories, "A", "B")

    assert path.parent == directories[0] / "kept"
    assert b"Person" not in path.read_bytes()
    assert content(directories) == [("A", text("Person A")), ("B", text("Person B"))]
    assert census.census(directories)[:4] == (0, None, 0, 0)
    assert sorted(os.listdir(directories[0])) == ["kept"]


@pytest.mark.parametrize("is_listed", [False, True])
def test_a_journal_that_is_finished_while_all_are_read_is_read_once(directories, monkeypatch, is_listed):
    delivered(directories, "A")
    journal = Outbox(directories, keep_days=7)
    journal.append("B", text("Person B"))
    drain(journal)
    lists = kept.paths

    def finished_now(listed: list[Path]) -> list[Path]:
        before = lists(listed)
        journal.close()
        return lists(listed) if is_listed else before

    monkeypatch.setattr(kept, "paths", finished_now)
    assert content(directories) == [("A", text("Person A")), ("B", text("Person B"))]


def test_what_waits_is_not_moved(directories):
    journal = Outbox(directories, keep_days=7)
    journal.append("A", text("Ana"))
    journal.close()
    assert kept.paths(directories) == []
    assert len(census.segment_paths(directories)) == 1


def test_a_journal_that_is_adopted_before_its_owner_locks_it_is_not_kept_while_in_use(directories, monkeypatch):
    locks = segment.lock

    def too_late(fd: int) -> bool:
        monkeypatch.setattr(segment, "lock", locks)
        other = Outbox(directories, keep_days=7)
        other.adopt()
        drain(other)
        other.close()
        return locks(fd)

    monkeypatch.setattr(segment, "lock", too_late)
    journal = Outbox(directories, keep_days=7)
    journal.append("A", text("Ana"))
    kill(journal)
    assert folios(adopt_and_drain(directories)) == ["A"]


@pytest.mark.parametrize("days", [0, None])
def test_without_days_nothing_stays(directories, days):
    assert delivered(directories, "A", days=days) == []
    assert not (directories[0] / "kept").exists()


def test_a_damaged_journal_is_set_aside_and_not_kept(directories):
    directories[0].mkdir()
    (directories[0] / "1-1-00000000.journal").write_bytes(b"nobody can read this\n" + encode(Item("A", 1.0, b"{}")))
    journal = Outbox(directories, keep_days=7)
    journal.adopt()
    drain(journal)
    journal.close()
    assert (len(list((directories[0] / DAMAGED).iterdir())), kept.paths(directories)) == (1, [])


def test_the_time_begins_with_the_delivery_and_not_with_the_outage(directories):
    journal = Outbox(directories, keep_days=7, clock=lambda: time.time() - 30 * DAY)
    journal.append("A", text("Ana"))
    journal.close()
    aged(census.segment_paths(directories)[0], days=30)

    journal = Outbox(directories, keep_days=7)
    journal.adopt()
    drain(journal)
    journal.close()
    Outbox(directories, keep_days=7).adopt()

    assert [folio for folio, _ in content(directories)] == ["A"]


def test_only_what_is_older_than_the_days_is_removed(directories):
    old, new = delivered(directories, "A"), None
    aged(old[0], days=7.01)
    [*_, new] = delivered(directories, "B")
    aged(new, days=6.99)

    Outbox(directories, keep_days=None).adopt()
    assert kept.paths(directories) == [*old, new]
    Outbox(directories, keep_days=7).adopt()
    assert kept.paths(directories) == [new]
    assert kept.kept(directories).cut_until is None
    Outbox(directories, keep_days=0).adopt()
    assert kept.paths(directories) == []


@pytest.mark.parametrize("limit", ["bytes", "room on the disk"])
def test_the_oldest_go_first_when_there_is_no_room_and_it_is_noted(directories, monkeypatch, limit):
    for number, folio in enumerate("ABC"):
        *_, path = delivered(directories, folio)
        aged(path, days=5 - number)
    first, second, third = kept.paths(directories)
    second_at, room = second.stat().st_mtime, third.stat().st_size + 1
    if limit == "bytes":
        monkeypatch.setattr(kept, "MOST_BYTES", room)
    else:
        monkeypatch.setattr(kept, "free_bytes", lambda directory: room)

    assert kept.expire(directories[0], keep_s=7 * DAY, now=time.time()) == 2

    assert kept.paths(directories) == [third]
    assert kept.kept(directories).cut_until == pytest.approx(second_at, abs=0.002)


def test_what_a_killed_command_left_unfinished_is_removed_after_an_hour(directories):
    [path] = delivered(directories, "A")
    unfinished = path.with_suffix(".tmp")
    unfinished.write_bytes(b"")
    kept.expire(directories[0], keep_s=DAY, now=time.time())
    assert unfinished.exists()
    kept.expire(directories[0], keep_s=DAY, now=time.time() + 3700)
    assert (unfinished.exists(), path.exists()) == (False, True)


def test_a_journal_in_use_is_finished_when_it_is_old_and_delivered(directories, monkeypatch):
    journal = Outbox(directories, keep_days=7)
    journal.append("A", text("Ana"))
    drain(journal)
    assert kept.paths(directories) == []

    monkeypatch.setattr(outbox, "SEGMENT_S", 0.0)
    drain(journal)
    drain(journal)
    assert [folio for folio, _ in content(directories)] == ["A"]
    journal.append("B", text("Berta"))
    assert folios_waiting(directories) == ["B"]
    journal.close()


def test_a_process_finishes_its_journal_when_somebody_asks(directories):
    journal = Outbox(directories, keep_days=7)
    journal.append("A", text("Ana"))
    drain(journal)
    kept.ask_to_retire(directories)
    assert kept.paths(directories) == []

    journal.adopt()
    drain(journal)
    assert [folio for folio, _ in content(directories)] == ["A"]
    journal.append("B", text("Berta"))
    journal.adopt()
    drain(journal)
    assert len(kept.paths(directories)) == 1
    journal.close()


def folios_waiting(directories: list[Path]) -> list[str]:
    return [item.folio for path in census.segment_paths(directories) for item in census.waiting(path)]


def test_a_person_is_cleared_and_everything_else_stays_as_it_is(directories):
    [path] = delivered(directories, "A", "B", "C")
    aged(path, days=3)
    before, lines = path.stat(), path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines, b"nobody can read this\n"]))
    aged(path, days=3)

    assert kept.clear(directories, has_name("Person B")) == 1

    assert path.read_bytes() == lines[0] + lines[2] + b"nobody can read this\n"
    assert path.stat().st_mtime == pytest.approx(before.st_mtime, abs=5)
    assert (path.stat().st_mode & 0o777, list(path.parent.iterdir())) == (0o600, [path])


def test_a_person_is_replaced_once(directories):
    delivered(directories, "A", "B")
    for changed in (1, 0):
        assert kept.clear(directories, lambda item: item.folio == "A", replace=lambda item: text("")) == changed
    assert content(directories) == [("A", text("")), ("B", text("Person B"))]


def test_a_journal_without_records_is_removed_and_one_without_matches_is_not_touched(directories):
    delivered(directories, "A")
    [_, other] = delivered(directories, "B")
    number = other.stat().st_ino
    assert kept.clear(directories, has_name("Person A")) == 1
    assert ([path.stat().st_ino for path in kept.paths(directories)], content(directories)[0][0]) == ([number], "B")


def test_two_who_clear_at_once_bring_nobody_back(directories):
    delivered(directories, *(f"F{number}" for number in range(60)))
    threads = [
        threading.Thread(target=kept.clear, args=[directories, has_name(f'Person F{number}"')]) for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [folio for folio, _ in content(directories)] == [f"F{number}" for number in range(8, 60)]


def test_a_record_of_which_no_key_is_in_use_is_yielded_and_can_be_removed_by_its_age(directories, settings):
    settings.SECRET_KEY = "another-key-" + "c7" * 20
    delivered(directories, "A")
    settings.SECRET_KEY = "a-newer-key-" + "d9" * 20
    delivered(directories, "B")
    assert [folio for folio, _ in content(directories)] == ["B"]
    assert sorted(each.record.folio for each in kept.delivered(directories) if each.record) == ["A", "B"]
    assert kept.clear(directories, lambda item: item.at < time.time() and not item.text) == 1
    assert [each.record.folio for each in kept.delivered(directories) if each.record] == ["B"]


def test_the_newest_are_those_that_were_delivered_last(directories):
    for number, pair in enumerate(("AB", "CD", "EF")):
        *_, path = delivered(directories, *pair)
        aged(path, days=3 - number)
    journal = Outbox(directories, keep_days=7)
    journal.append("G", text("Gabi"))
    drain(journal)
    journal.append("H", text("waits"))

    assert kept.newest(directories, 4)[0] == "G"
    assert set(kept.newest(directories, 3)) == {"G", "F", "E"}
    assert set(kept.newest(directories, 99)) == set("ABCDEFG")
    journal.close()
