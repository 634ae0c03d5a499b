"""The bulkhead: how many threads of a process may wait for Postgres at a time.

The other threads stay free for customers, whose pages do not need Postgres.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# Of gunicorn's four threads.
PLACES = 2
# A healthy Postgres answers a page in much less.
PLACE_WAIT_S = 0.25
# After one thread waited in vain, the others are refused without waiting for this long.
FULL_S = 1.0

_free = threading.BoundedSemaphore(PLACES)
_full_until = 0.0


@contextmanager
def place() -> Iterator[bool]:
    """Yield whether this thread got a place and may query Postgres. Waits at most PLACE_WAIT_S for one."""
    global _full_until
    has_place = _free.acquire(timeout=PLACE_WAIT_S if time.monotonic() >= _full_until else 0)
    if not has_place:
        _full_until = time.monotonic() + FULL_S
    try:
        yield has_place
    finally:
        if has_place:
            _free.release()
