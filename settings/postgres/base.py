"""Django's PostgreSQL engine with every wait bounded on the client's side.

No setting of libpq or Postgres ends the wait on a warm connection whose peer takes the query and never answers: a
frozen server, a hung pooler. Four staff pages that hang so would leave customers no thread.
"""

import types
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg import errors

DEFAULT_DEADLINE_S = 5.0


class DeadlineExceeded(psycopg.OperationalError):
    """Postgres did not answer in time; whether it did what was asked is unknown."""


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that gives up. deadline_s: the longest that any one exchange with the server may take."""

    deadline_s = DEFAULT_DEADLINE_S

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        try:
            return super().wait(gen, interval, self.deadline_s if timeout is None else timeout)
        except errors._WaitTimeout as expired:
            self._give_up()
            raise DeadlineExceeded(f"no answer within {self.deadline_s:g} s") from expired

    def _give_up(self) -> None:
        # A query that waits for a lock would hold its backend for as long as the lock is held, one more at each retry.
        try:
            self.cancel_safe(timeout=0.25)
        except psycopg.Error:
            pass  # a server that does not answer does not hear this either
        finally:
            self.pgconn.finish()


_bounded_psycopg = types.ModuleType("psycopg")
_bounded_psycopg.__dict__.update(vars(psycopg), connect=BoundedConnection.connect)


class DatabaseWrapper(base.DatabaseWrapper):
    """deadline_s: of the connections that this thread opens from now on."""

    Database = _bounded_psycopg
    deadline_s = DEFAULT_DEADLINE_S

    def get_new_connection(self, conn_params: dict[str, Any]) -> BoundedConnection:
        connection: BoundedConnection = super().get_new_connection(conn_params)
        connection.deadline_s = self.deadline_s
        return connection
