"""How a machine paces what was refused, with the times in its file moved back as if they had passed."""

import time
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

import pytest
from django.db import OperationalError, connection

from leads.delivery.turns import AUTH_BLOCK, AUTH_BLOCK_S, GAP_S, WINDOW_S, ConnectionTurns, PasswordRefusedLately

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
