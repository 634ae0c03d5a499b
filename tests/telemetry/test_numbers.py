"""Numbers are counted over all processes, the dead ones included, in memory that never grows."""

import os
import signal
import time
from collections.abc import Callable

import pytest

from telemetry import numbers
from telemetry.numbers import Counter, Gauge, Histogram
from tests.support import live


@pytest.fixture
def asked() -> Counter:
    return Counter("asked", "", by=("ana", "luis"), how=("mail", "chat"))


@pytest.fixture
def lasted() -> Histogram:
    return Histogram("lasted", "", (0.1, 0.5), of=("post",))


@pytest.fixture
def is_open() -> Gauge:
    return Gauge("is_open", "")


@pytest.fixture(autouse=True)
def memory(asked, lasted, is_open, monkeypatch) -> None:
    monkeypatch.setattr(numbers, "_memory", None)
    numbers.start([asked, lasted, is_open])


def in_a_process(action: Callable[[], None], *, then: int = 0) -> None:
    """Run an action in a fork of this process, which then ends, or is ended by a signal."""
    child = os.fork()
    if child == 0:
        action()
        if then:
            os.kill(os.getpid(), then)
        os._exit(0)
    os.waitpid(child, 0)


def test_what_processes_count_is_added_up_however_they_end(asked):
    asked.add("ana", "mail")
    in_a_process(lambda: asked.add("ana", "mail", count=2))
    in_a_process(lambda: asked.add("ana", "mail", count=4), then=signal.SIGKILL)
    in_a_process(lambda: asked.add("luis", "chat"), then=signal.SIGKILL)
    assert asked.read() == {("ana", "mail"): [7], ("ana", "chat"): [0], ("luis", "mail"): [0], ("luis", "chat"): [1]}


def test_more_processes_than_there_are_slots_may_come_one_after_the_other(asked, monkeypatch):
    monkeypatch.setattr(numbers, "SLOTS", 3)
    monkeypatch.setattr(numbers, "_memory", None)
    numbers.start([asked])
    for _ in range(7):
        in_a_process(lambda: asked.add("ana", "chat"), then=signal.SIGKILL)
    assert asked.read()[("ana", "chat")] == [7]


def test_a_process_without_a_free_slot_counts_nothing_and_goes_on(asked, monkeypatch):
    monkeypatch.setattr(numbers, "SLOTS", 1)
    monkeypatch.setattr(numbers, "_memory", None)
    numbers.start([asked])
    asked.add("ana", "mail")
    in_a_process(lambda: asked.add("ana", "mail"))
    assert asked.read()[("ana", "mail")] == [1]


class Slow(float):
    """A number that lets other threads run while it is added."""

    def __radd__(self, other: float) -> float:
        time.sleep(0.001)
        return other + float(self)


def test_no_count_of_a_thread_is_lost(asked):
    live.at_once(4, lambda: [asked.add("ana", "mail", count=Slow(1)) for _ in range(20)])
    assert asked.read()[("ana", "mail")] == [80]


def test_a_histogram_has_buckets_and_the_sum(lasted):
    for seconds in (0.05, 0.1, 0.4, 3):
        lasted.observe(seconds, "post")
    assert lasted.read() == {("post",): [2, 1, 1, pytest.approx(3.55)]}


def test_a_label_that_is_not_known_is_not_counted_and_no_error(asked, lasted):
    asked.add("zoila", "mail")
    lasted.observe(1, "a path")
    assert {count for [count] in asked.read().values()} == {0}
    assert sum(lasted.read()[("post",)]) == 0


def test_a_gauge_is_of_the_processes_that_run(is_open):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        is_open.set(5)
        os.write(writing, b".")
        signal.pause()
    try:
        os.read(reading, 1)
        is_open.set(1)
        assert sorted(is_open.of_living()) == [1, 5]
        assert sorted(is_open.of_living()) == [1, 5]  # looking has released no slot
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert is_open.of_living() == [1]
    in_a_process(lambda: os.write(writing, bytes([len(is_open.of_living())])))
    assert os.read(reading, 1) == bytes([1])


def test_a_process_that_takes_the_slot_of_a_dead_one_has_no_state_of_it(asked, is_open):
    reading, writing = os.pipe()

    def look() -> None:
        asked.add("ana", "mail")
        os.write(writing, bytes(map(int, is_open.of_living())))

    in_a_process(lambda: is_open.set(7), then=signal.SIGKILL)
    in_a_process(look)
    assert os.read(reading, 9) == bytes([0])


def test_before_the_start_counting_does_nothing(monkeypatch):
    monkeypatch.setattr(numbers, "_memory", None)
    fresh = Counter("fresh", "")
    fresh.add()
    assert fresh.read() == {}
