"""psycopg, with connections that give up: the DB-API module that the engine in base.py takes for Django's.

No setting of libpq or Postgres ends the wait on a warm connection whose peer takes the query and never answers: a
frozen server, a hung pooler. Four staff pages that hang so would leave customers no thread.
"""

import time
from typing import Any

import psycopg
from psycopg import *  # noqa: F403  (Django takes its classes of errors from the module that connects)

DEFAULT_DEADLINE_S = 5.0


class DeadlineExceeded(psycopg.OperationalError, TimeoutError):
    """Postgres did not answer in time; whether it did what was asked is unknown."""


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that gives up. deadline_s: the longest that any one exchange with the server may take, if any."""

    deadline_s: float | None = DEFAULT_DEADLINE_S

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        deadline_s, started = self.deadline_s, time.monotonic()
        if timeout is not None or deadline_s is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, deadline_s)
        except psycopg.OperationalError as error:
            # psycopg has no public name for a wait that expired. What comes sooner, or from the server, is none.
            if error.sqlstate or time.monotonic() - started < deadline_s:
                raise
            self._give_up()
            raise DeadlineExceeded(f"no answer within {deadline_s:g} s") from error

    def _give_up(self) -> None:
        # A query that waits for a lock would hold its backend for as long as the lock is held, one more at each retry.
        try:
            self.cancel_safe(timeout=0.25)
        except psycopg.Error:
            pass  # a server that does not answer does not hear this either
        finally:
            self.pgconn.finish()


connect = BoundedConnection.connect
