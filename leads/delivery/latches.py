"""How threads wait for each other, at no more cost than it takes: a checkout is a dozen such moments."""

from collections.abc import Callable, Hashable
from contextlib import suppress
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Bell:
    """Wakes one thread, which has then to look for what there is. Rung again before it looks, it looks once.

    An Event does as much, for several times the price where somebody waits.
    """

    def __init__(self) -> None:
        self._silence = Lock()
        self._silence.acquire()

    def ring(self) -> None:
        if self._silence.locked():
            with suppress(RuntimeError):  # somebody was quicker
                self._silence.release()

    def wait(self, timeout_s: float = -1) -> bool:
        """Return as soon as it has rung since the last time; False after `timeout_s`, if any, without."""
        return self._silence.acquire(timeout=timeout_s)


class Latches(Generic[T]):
    """Who waits, and for what, each woken by itself: to wake all for the few that are settled costs. Thread-safe."""

    def __init__(self, is_over: Callable[[T], bool]) -> None:
        """is_over: whether there is nothing to wait for any more."""
        self._is_over = is_over
        self._lock = Lock()
        self._latches: dict[T, Lock] = {}

    def wait_for(self, what: T, timeout_s: float) -> None:
        """Return as soon as it is over and somebody said so, and after `timeout_s` at the latest."""
        latch = Lock()
        with self._lock:
            if self._is_over(what):
                return
            latch.acquire()
            self._latches[what] = latch
        latch.acquire(timeout=timeout_s)
        with self._lock:
            self._latches.pop(what, None)

    def wake(self) -> None:
        """Let go on whoever has nothing to wait for any more."""
        with self._lock:
            for what in [each for each in self._latches if self._is_over(each)]:
                self._latches.pop(what).release()
