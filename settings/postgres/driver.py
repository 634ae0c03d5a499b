"""psycopg with a deadline for every wait: the DB-API module of the engine in base.py.

No setting of libpq or Postgres ends the wait on an open connection whose server accepts a query and never answers, such
as a frozen server or a hung pooler. Four hanging staff pages would take all of a process's threads from customers.
"""

import time
import traceback
from typing import Any

import psycopg
from psycopg import *  # noqa: F403  (Django looks up the DB-API's exception classes in this module)

from settings.postgres import resolver

DEFAULT_DEADLINE_S = 5.0


class DeadlineExceeded(psycopg.OperationalError, TimeoutError):
    """Postgres did not answer in time; whether it did what was asked is unknown."""


class BoundedConnection(psycopg.Connection[Any]):
    """A connection whose waits end.

    deadline_s: the limit of one exchange with the server, None for no limit. until: on time.monotonic, when all of them
    end for whoever uses another thread's connection; that thread then calls `give_up`, which takes time.
    """

    deadline_s: float | None = DEFAULT_DEADLINE_S
    until: float | None = None

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        deadline_s, started = self.deadline_s, time.monotonic()
        if self.until is not None:
            deadline_s = max(0.0, min(deadline_s or DEFAULT_DEADLINE_S, self.until - started))
        if timeout is not None or deadline_s is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, deadline_s)
        except psycopg.OperationalError as error:
            # psycopg has no exception of its own for a wait that timed out. An error with an SQLSTATE, or one before
            # the deadline, has another cause.
            if error.sqlstate or time.monotonic() - started < deadline_s:
                raise
            if self.until is None:
                self.give_up()
            raise DeadlineExceeded(f"no answer within {deadline_s:g} s") from error

    def give_up(self) -> None:
        """Cancel what the server does, within a quarter of a second, and close the connection."""
        # Without the cancel, a query that waits for a lock keeps its backend until the lock is free, and each retry
        # would add another backend.
        try:
            self.cancel_safe(timeout=0.25)
        except psycopg.Error:
            pass  # a server that does not answer queries does not answer a cancel either
        finally:
            self.pgconn.finish()


def connect(*args: Any, **parameters: Any) -> BoundedConnection:  # type: ignore[no-redef]  # in place of psycopg's
    """Connect as psycopg does, but with names that are resolved within a limit (resolver.py)."""
    try:
        return BoundedConnection.connect(*args, **{**parameters, **resolver.addresses(parameters)})
    except psycopg.Error as error:
        # psycopg's frame refers to its error and to the connection that it began. Until the garbage collector found the
        # two, that would take a place at a server that does not answer.
        traceback.clear_frames(error.__traceback__)
        raise
