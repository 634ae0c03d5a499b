"""The bulkhead: how many of a process's threads may wait for Postgres at a time.

Customers need the other threads, and never wait for it.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# Of gunicorn's four threads; a page has its answer in well under SEAT_WAIT_S when Postgres is well.
SEATS = 2
SEAT_WAIT_S = 0.25
FULL_S = 1.0

_free = threading.BoundedSemaphore(SEATS)
_full_until = 0.0


@contextmanager
def a_seat() -> Iterator[bool]:
    """Yield whether this thread may ask Postgres now. Once nobody has left in time, others are not kept waiting."""
    global _full_until
    has_seat = _free.acquire(timeout=SEAT_WAIT_S if time.monotonic() >= _full_until else 0)
    if not has_seat:
        _full_until = time.monotonic() + FULL_S
    try:
        yield has_seat
    finally:
        if has_seat:
            _free.release()
