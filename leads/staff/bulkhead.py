"""The bulkheads: how many threads of a process may wait for Postgres at a time.

Staff who are logged in have places of their own, so that nobody else can take them. Together they leave one of
gunicorn's four threads to customers, whose pages do not need Postgres.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from typing import Self

from django.db import connections

# How long a thread waits to come back to a place that it left.
RETURN_WAIT_S = 2.0


class Full(Exception):
    """No place is free."""


class Bulkhead:
    """places: how many threads may be inside. Thread-safe.

    wait_s: how long one waits for a place, in seconds; full_s: after one waited in vain, for how long the others are
    refused without a wait.
    """

    def __init__(self, places: int, *, wait_s: float, full_s: float) -> None:
        self._free = threading.BoundedSemaphore(places)
        self._may_leave = threading.BoundedSemaphore(places)
        self._wait_s, self._full_s = wait_s, full_s
        self._full_until = 0.0

    def shared(self, *, wait_s: float) -> Self:
        """Return a bulkhead of the same places for those who wait longer or shorter."""
        other = copy(self)
        other._wait_s = wait_s
        return other

    @contextmanager
    def place(self) -> Iterator[bool]:
        """Yield whether this thread got a place and may query Postgres."""
        has_place = self._free.acquire(timeout=self._wait_s if time.monotonic() >= self._full_until else 0)
        if not has_place:
            self._full_until = time.monotonic() + self._full_s
        before, _inside.bulkhead = _inside.bulkhead, self if has_place else None
        try:
            yield has_place
        finally:
            if _inside.bulkhead:
                self._release()
            _inside.bulkhead = before

    @property
    def may_leave(self) -> bool:
        """Return whether a thread could leave its place now, to compute a password's hash."""
        if has_room := self._may_leave.acquire(blocking=False):
            self._may_leave.release()
        return has_room

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Leave this thread's place to others meanwhile. Full when too many have left, or coming back takes long."""
        if not self._may_leave.acquire(blocking=False):
            raise Full
        try:
            _inside.bulkhead = None
            self._release()
            yield
        finally:
            self._may_leave.release()
            if self._free.acquire(timeout=RETURN_WAIT_S):
                _inside.bulkhead = self
        if not _inside.bulkhead:
            raise Full

    def _release(self) -> None:
        """Offer this thread's connection before its place: who takes the place would open another one."""
        database = connections["default"]
        try:
            if not database.in_atomic_block:
                database.close_if_unusable_or_obsolete()
        finally:
            self._free.release()


class _Inside(threading.local):
    bulkhead: Bulkhead | None = None


_inside = _Inside()

# A healthy Postgres answers a page in much less. With a frozen one, a waiting thread is free again after this time.
STAFF = Bulkhead(2, wait_s=0.5, full_s=0.25)
# Strangers share a place. Quotes by folio wait longer for it, so that a flood of logins leaves it to customers.
LOGINS = Bulkhead(1, wait_s=0.1, full_s=1.0)
QUOTES = LOGINS.shared(wait_s=0.25)


@contextmanager
def left() -> Iterator[None]:
    """Leave this thread's place, if it has one, for slow work without the database. Full as of `outside`."""
    if _inside.bulkhead is None:
        yield
    else:
        with _inside.bulkhead.outside():
            yield
