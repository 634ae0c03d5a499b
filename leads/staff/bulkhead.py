"""The bulkhead: how many of a process's threads may wait for Postgres at a time.

Customers need the other threads, and never wait for it.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# Of gunicorn's four threads; a page has its answer in well under PLACE_WAIT_S when Postgres is well.
PLACES = 2
PLACE_WAIT_S = 0.25
FULL_S = 1.0

_free = threading.BoundedSemaphore(PLACES)
_full_until = 0.0


@contextmanager
def place() -> Iterator[bool]:
    """Yield whether this thread may ask Postgres now. Once nobody has left in time, others are not kept waiting."""
    global _full_until
    has_place = _free.acquire(timeout=PLACE_WAIT_S if time.monotonic() >= _full_until else 0)
    if not has_place:
        _full_until = time.monotonic() + FULL_S
    try:
        yield has_place
    finally:
        if has_place:
            _free.release()
