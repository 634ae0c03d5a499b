"""How a machine paces what was refused, with the times in its file moved back as if they had passed."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import pytest
from django.db import OperationalError, connection

from leads.delivery import turns as module
from leads.delivery.breaker import Fault, classify
from leads.delivery.turns import (
    AUTH_BLOCK,
    AUTH_BLOCK_S,
    GAP_S,
    TURN_LASTS_S,
    WINDOW_S,
    ConnectionTurns,
    PasswordRefusedLately,
    TurnTaken,
)

SASL = "connection failed: FATAL:  SASL authentication failed"
NOT_FOUND = "connection failed: FATAL:  (ENOTFOUND) tenant/user postgres.shop not found"
LISTENS = "connection failed: Connection refused"


@pytest.fixture
def turns(outbox_directories: list[Path]) -> ConnectionTurns:
    return ConnectionTurns(outbox_directories)


def refuse(turns: ConnectionTurns, words: str = SASL, **parameters: str) -> None:
    with suppress(OperationalError), turns.attempt(connection.get_connection_params() | parameters):
        raise OperationalError(words)


def accept(turns: ConnectionTurns, **parameters: str) -> None:
    with turns.attempt(connection.get_connection_params() | parameters):
        pass


def later(outbox: Path, seconds: float) -> None:
    """Move every time in the file back."""
    lines = [line.split(" ") for line in (outbox / AUTH_BLOCK).read_text().splitlines()]
    moved = [f"{float(until) - seconds} {float(at) - seconds} {more} {of}" for until, at, more, of in lines]
    (outbox / AUTH_BLOCK).write_text("\n".join(moved))


def test_a_machine_leaves_the_second_try_in_ten_minutes_to_a_person(turns, outbox_directories):
    refuse(turns)
    assert WINDOW_S < turns.seconds_blocked() <= AUTH_BLOCK_S
    assert 0 < turns.seconds_until_asked() <= GAP_S  # a person is served within a minute
    later(outbox_directories[0], GAP_S)
    assert turns.seconds_until_asked() == 0
    refuse(turns)
    later(outbox_directories[0], GAP_S)
    assert turns.seconds_until_asked() > WINDOW_S - 3 * GAP_S  # a third one would be banned
    later(outbox_directories[0], WINDOW_S - 2 * GAP_S)
    assert turns.seconds_until_asked() == 0
    assert turns.seconds_blocked() > 0


def test_a_password_is_tried_again_by_itself_after_eleven_minutes(turns, outbox_directories):
    refuse(turns)
    later(outbox_directories[0], AUTH_BLOCK_S)
    assert turns.seconds_blocked() == 0


def test_a_process_whose_disk_takes_nothing_keeps_itself_from_trying(tmp_path):
    (tmp_path / "outbox").write_text("a file where the directory should be")
    turns = ConnectionTurns([tmp_path / "outbox" / "inside"])
    refuse(turns)
    assert WINDOW_S < turns.seconds_blocked() <= AUTH_BLOCK_S
    with pytest.raises(PasswordRefusedLately), turns.connecting():
        pass
    refuse(turns, password="old")
    accept(turns)  # a person has, by `outbox flush`
    assert turns.seconds_blocked() == 0


def test_a_refusal_that_no_longer_blocks_keeps_nobody_from_trying(turns, outbox_directories):
    refuse(turns)
    later(outbox_directories[0], AUTH_BLOCK_S)
    assert turns.seconds_blocked() == 0  # this thread has looked, and may try
    later(outbox_directories[0], 1)  # what it saw is written anew meanwhile
    accept(turns)


def test_who_asks_brings_the_try_forward(turns, outbox_directories):
    refuse(turns)
    turns.ask_all_to_retry()
    assert 0 < turns.seconds_blocked() <= GAP_S
    later(outbox_directories[0], GAP_S)
    assert turns.seconds_blocked() == 0


def test_whoever_gets_in_ends_the_wait_of_those_with_the_same_password(turns):
    refuse(turns)
    accept(turns, user="another")
    assert turns.seconds_blocked() > 0
    accept(turns)
    assert turns.seconds_blocked() == 0


def test_a_new_password_is_not_blocked_for_the_old_one(turns):
    refuse(turns, password="old")
    assert turns.seconds_blocked() == 0
    refuse(turns)
    refuse(turns, password="old")  # a release that is about to end does not free the new one
    assert turns.seconds_blocked() > 0


def test_what_gets_nobody_banned_is_tried_again_sooner_and_whenever_a_person_asks(turns):
    refuse(turns, NOT_FOUND)
    assert 0 < turns.seconds_blocked() < 150
    assert turns.seconds_until_asked() == 0


def test_who_waited_for_a_turn_while_another_was_refused_does_not_try(turns, outbox_directories):
    outbox_directories[0].mkdir()
    has_turn, tried = Event(), []

    def refuse_slowly() -> None:
        with suppress(OperationalError), turns.attempt(connection.get_connection_params()):
            has_turn.set()
            time.sleep(0.3)
            raise OperationalError(SASL)

    first = Thread(target=refuse_slowly)
    first.start()
    assert has_turn.wait(10)
    with pytest.raises(PasswordRefusedLately), turns.attempt(connection.get_connection_params()):
        tried.append(True)
    first.join()
    assert not tried


@contextmanager
def another_connecting(outbox: Path, *, since_s: float = 0.0) -> Iterator[None]:
    """Hold the turn as another process that is slow, or frozen."""
    outbox.mkdir()
    with (outbox / "connecting").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(f"{time.monotonic() - since_s:020.3f}")
        file.flush()
        yield


def test_a_password_that_this_process_has_not_used_is_not_tried_while_another_process_is_slow(
    turns, outbox_directories, monkeypatch
):
    monkeypatch.setattr(module, "TURN_WAIT_S", 0.05)
    monkeypatch.setattr(module, "_known", set())
    with another_connecting(outbox_directories[0]):
        with pytest.raises(TurnTaken) as taken:
            accept(turns, password="new")
        assert classify(taken.value) is Fault.TIMEOUT
        assert "another process of this machine is connecting" in turns.because(taken.value)
    accept(turns, password="new")
    (outbox_directories[0] / "connecting").unlink()
    outbox_directories[0].rmdir()
    with another_connecting(outbox_directories[0]):
        accept(turns, password="new")  # it was accepted, so a slow server keeps no page from staff


def test_a_frozen_process_keeps_no_other_from_connecting(turns, outbox_directories, monkeypatch):
    monkeypatch.setattr(module, "TURN_WAIT_S", 0.05)
    with another_connecting(outbox_directories[0], since_s=TURN_LASTS_S + 1):
        accept(turns, password="newer")


def test_whoever_gets_in_wakes_a_relay_that_saw_no_block(turns):
    accept(turns)
    assert turns.retry_asked_at() == 0  # nobody was refused
    refuse(turns)
    accept(turns)
    assert turns.retry_asked_at() > 0


def test_who_looked_before_another_was_refused_does_not_try(turns):
    with turns.connecting():
        other = Thread(target=refuse, args=[turns])
        other.start()
        other.join()
        with pytest.raises(PasswordRefusedLately):
            accept(turns)
    accept(turns)  # a command, which has not looked, may


def test_a_ban_is_named_after_a_refused_password_only(turns):
    assert "banned" not in turns.because(OperationalError(LISTENS))
    refuse(turns)
    turns.unblock()
    assert "has banned this address" in turns.because(OperationalError(LISTENS))
    accept(turns)
    assert "banned" not in turns.because(OperationalError(LISTENS))


def test_the_file_holds_no_password_and_no_name(turns, outbox_directories):
    refuse(turns, password="Wr0ng-P4ssword", user="shop_user")
    text = (outbox_directories[0] / AUTH_BLOCK).read_text()
    assert "Wr0ng" not in text
    assert "shop_user" not in text
