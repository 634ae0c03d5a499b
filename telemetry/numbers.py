"""Counts over all processes of a site, in memory that they share, for Prometheus to read.

The master makes the memory before it forks, so the numbers survive the death of a worker and a reload. It is no file:
a full disk cannot fail a count, and nothing is left behind. Its size is fixed: each label has a known set of values.

Each process writes into a part of its own, the slot, and the numbers of all slots are added up. A slot is held by a
lock that the kernel releases when its process dies, however that happens. The next process goes on counting there.

Until `start` is called, and in a process that finds no slot, counting does nothing. It never raises.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import threading
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import product

# More than twice as many processes as a machine of this kind of shop has: during a reload old and new ones run.
SLOTS = 64
_DOUBLE = 8  # bytes

Labels = tuple[str, ...]


class Series:
    """Numbers of one name, one for each combination of the labels' values.

    labels: the name of each label and all its values. What has another value is not counted.
    """

    def __init__(self, name: str, about: str, **labels: Sequence[str]) -> None:
        self.name, self.about, self.labels = name, about, labels
        self._places: dict[Labels, int] = {}  # where each combination's first number is in a slot

    @property
    def width(self) -> int:
        """How many numbers each combination of labels has."""
        return 1

    def lay_out(self, start: int) -> int:
        """Take places in each slot from this one on; return the next free one."""
        self._places = {each: start + self.width * number for number, each in enumerate(product(*self.labels.values()))}
        return start + self.width * len(self._places)

    def read(self) -> dict[Labels, list[float]]:
        """Return the numbers of each combination of labels, added up over all processes, dead ones included."""
        slots = _memory.slots() if _memory else []
        return {
            labels: [sum(column) for column in zip(*(slot[place : place + self.width] for slot in slots), strict=True)]
            for labels, place in self._places.items()
        }


class Counter(Series):
    def add(self, *labels: str, count: float = 1) -> None:
        place = self._places.get(labels)
        if _memory and place is not None:
            _memory.add([(place, count)])


class Histogram(Series):
    """How long something took. bounds: of the buckets, in seconds; a last bucket takes what is longer."""

    def __init__(self, name: str, about: str, bounds: Sequence[float], **labels: Sequence[str]) -> None:
        super().__init__(name, about, **labels)
        self.bounds = bounds

    @property
    def width(self) -> int:
        return len(self.bounds) + 2  # the buckets, the longer ones, and the sum of all seconds

    def observe(self, seconds: float, *labels: str) -> None:
        place = self._places.get(labels)
        if _memory and place is not None:
            _memory.add([(place + bisect_left(self.bounds, seconds), 1), (place + self.width - 1, seconds)])


class Gauge(Series):
    """A state of each process, gone with it."""

    def set(self, value: float) -> None:
        if _memory and self._places:
            _memory.put(self._places[()], value)

    def of_living(self) -> list[float]:
        """Return the value of each process that runs, always in the same order; 0 where none was set."""
        return [slot[self._places[()]] for slot in _memory.living()] if _memory else []


class Memory:
    """The memory that this process and its forks share. gauges: places that a new process sets to 0."""

    def __init__(self, width: int, gauges: Sequence[int]) -> None:
        self._width, self._gauges = width, gauges
        self._fd = os.memfd_create("folio-numbers")
        os.truncate(self._fd, SLOTS * width * _DOUBLE)
        shared = mmap.mmap(self._fd, SLOTS * width * _DOUBLE)
        self._values: memoryview[float] = memoryview(shared).cast("d")
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def add(self, changes: Iterable[tuple[int, float]]) -> None:
        with self._lock:
            base = self._base if self._base is not None else self._claim()
            if base >= 0:
                for place, count in changes:
                    self._values[base + place] += count

    def put(self, place: int, value: float) -> None:
        with self._lock:
            base = self._base if self._base is not None else self._claim()
            if base >= 0:
                self._values[base + place] = value

    def slots(self) -> list[memoryview[float]]:
        return [self._values[slot * self._width : (slot + 1) * self._width] for slot in range(SLOTS)]

    def living(self) -> list[memoryview[float]]:
        with self._lock:
            slots = self.slots()
            return [
                slot
                for number, slot in enumerate(slots)
                if number * self._width == self._base or _is_held(number, self._fd)
            ]

    def _forget(self) -> None:
        self._lock = threading.Lock()  # another thread may have held it during the fork
        self._base: int | None = None  # of this process's slot; -1: none was free

    def _claim(self) -> int:
        self._base = -1
        for slot in range(SLOTS):
            with suppress(OSError):
                fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot)
                self._base = slot * self._width
                for place in self._gauges:
                    self._values[self._base + place] = 0
                break
        return self._base


def _is_held(slot: int, fd: int) -> bool:
    """Return whether another process holds a slot. It must not be this process's own, which this would release."""
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot)
        fcntl.lockf(fd, fcntl.LOCK_UN, 1, slot)
    except OSError:
        return True
    return False


_memory: Memory | None = None


def are_counted() -> bool:
    return _memory is not None


def start(every: Iterable[Series]) -> None:
    """Begin to count, in this process and its forks. Later calls change nothing."""
    global _memory
    if _memory:
        return
    width, gauges = 0, []
    for series in every:
        begin, width = width, series.lay_out(width)
        gauges += [begin] if isinstance(series, Gauge) else []
    _memory = Memory(width, gauges)
