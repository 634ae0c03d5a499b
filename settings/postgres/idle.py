"""A process's open connections that no request uses: another thread may take one over, and after a while they close.

A connection that stayed with its thread would be one for each thread that ever served staff, for as long as the thread
lives, although few of them ask at a time. A session pooler has few to give.
"""

import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from settings.postgres.base import DatabaseWrapper
    from settings.postgres.driver import BoundedConnection

# After so long without use, a connection is given back to the server.
IDLE_S = 10.0

_since: dict["DatabaseWrapper", float] = {}  # the last used is the last
_lock = threading.Lock()


def offer(wrapper: "DatabaseWrapper") -> None:
    """Let other threads take this thread's connection, until it uses it again."""
    with _lock:
        _since[wrapper] = time.monotonic()


def keep(wrapper: "DatabaseWrapper") -> None:
    """Offer it no more, because its thread uses it. The connection may be gone."""
    with _lock:
        _since.pop(wrapper, None)


def take(parameters: dict[str, Any]) -> tuple["BoundedConnection", float | None] | None:
    """Return another thread's connection of these parameters and when it is too old, or None when there is none.

    It is the one that was used last, so that the others become idle.
    """
    with _lock:
        for wrapper in reversed(_since):
            if wrapper.connection and wrapper.get_connection_params() == parameters:
                return _taken_from(wrapper), wrapper.close_at
    return None


def close_unused() -> None:
    """Close the connections that nobody has used for IDLE_S."""
    with _lock:
        unused = [wrapper for wrapper, since in _since.items() if time.monotonic() - since >= IDLE_S]
        connections = [_taken_from(wrapper) for wrapper in unused if wrapper.connection]
        for wrapper in unused:
            _since.pop(wrapper, None)
    for connection in connections:
        connection.close()


def _taken_from(wrapper: "DatabaseWrapper") -> "BoundedConnection":
    assert wrapper.connection
    connection, wrapper.connection = wrapper.connection, None
    _since.pop(wrapper)
    return connection
