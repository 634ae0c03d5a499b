"""How threads wait for each other."""

from collections import deque
from threading import Thread

from leads.delivery.latches import Bell, Latches
from tests.support.live import at_once


def test_a_bell_that_rang_before_is_heard_once():
    bell = Bell()
    for _ in range(3):
        bell.ring()
    assert bell.wait(0)
    assert not bell.wait(0)


def test_whoever_rings_is_never_missed():
    bell, work, done = Bell(), deque(), []

    def answer() -> None:
        while len(done) < 8000:
            assert bell.wait(5)
            while work:
                done.append(work.popleft())

    def ring() -> None:
        for number in range(1000):
            work.append(number)
            bell.ring()

    answering = Thread(target=answer)
    answering.start()
    at_once(8, ring)
    answering.join(10)
    assert len(done) == 8000


def test_who_has_nothing_to_wait_for_goes_on_alone():
    over: set[str] = set()
    latches = Latches[str](lambda what: what in over)
    went_on: list[str] = []

    def wait(what: str) -> None:
        latches.wait_for(what, 5)
        went_on.append(what)

    waiting = {what: Thread(target=wait, args=[what]) for what in ("a", "b")}
    for thread in waiting.values():
        thread.start()
    over.add("a")
    while waiting["a"].is_alive():
        latches.wake()
    assert went_on == ["a"]
    over.add("b")
    while waiting["b"].is_alive():
        latches.wake()
    assert went_on == ["a", "b"]


def test_nobody_waits_for_what_is_over_or_longer_than_told():
    latches = Latches[str](lambda what: what == "over")
    latches.wait_for("over", 3600)
    latches.wait_for("never", 0.01)
