"""How many of a process's threads may wait for Postgres at a time: customers need the others, who never wait for it.

Whoever has a seat looks after its connection, as Django does it for every request where all may have one.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.cache import close_caches
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, reset_queries

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
    try:
        if not has_seat:
            _full_until = time.monotonic() + FULL_S
        else:
            close_old_connections()
        yield has_seat
    finally:
        if has_seat:
            close_old_connections()
            _free.release()


def spare_the_others() -> None:
    """Have Django look after no connection of threads without a seat: that took 40 µs of each checkout, for nothing."""
    request_started.disconnect(reset_queries)  # kept in debugging, and no more of them than there is room for
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    request_finished.disconnect(close_caches)  # ours, in Postgres, has nothing to close
