"""The progress of a long command, as a terminal and a log show it."""

from io import StringIO

import pytest
from django.core.management.base import OutputWrapper

from leads.ops.progress import Progress


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_terminal_shows_one_line_that_is_kept_current(clock):
    terminal = Terminal()
    with Progress("leads", OutputWrapper(terminal), clock=clock) as progress:
        clock.now += 30
        progress.show(1000, 0.25)
        clock.now += 90
        progress.show(4000, 1)

    first, second = terminal.getvalue().removeprefix("\r").split("\r")
    assert first == f"[{'#' * 8}{'-' * 22}] 1,000 leads, 25%, 1:30 left"
    assert second.rstrip() == f"[{'#' * 30}] 4,000 leads, 100%, took 2:00"
    assert second.endswith("\n")


def test_a_shorter_line_leaves_nothing_of_a_longer_one(clock):
    terminal = Terminal()
    progress = Progress("leads", OutputWrapper(terminal), clock=clock)
    clock.now += 6000
    progress.show(1000, 0.01)
    clock.now += 1
    progress.show(1001, 1)
    _, longer, shorter = terminal.getvalue().split("\r")
    assert len(shorter) >= len(longer)


def test_a_log_gets_a_line_every_ten_seconds(clock):
    log = StringIO()
    with Progress("leads", OutputWrapper(log), clock=clock) as progress:
        for done in range(1, 26):
            clock.now += 1
            progress.show(done, done / 50)
    assert log.getvalue() == "10 leads, 20%, 0:40 left\n20 leads, 40%, 0:30 left\n"


def test_a_command_that_is_done_at_once_writes_nothing_to_a_log(clock):
    log = StringIO()
    with Progress("leads", OutputWrapper(log), clock=clock) as progress:
        progress.show(3, 1)
    assert log.getvalue() == ""
