"""Django's PostgreSQL engine with every wait bounded on the client's side, and nothing left in the session.

No setting of libpq or Postgres ends the wait on a warm connection whose peer takes the query and never answers: a
frozen server, a hung pooler. Four staff pages that hang so would leave customers no thread.

Behind a transaction pooler the next transaction may run in another session. What one client sets there reaches others
or is lost, so nothing is set, and nothing relies on what is.
"""

import types
from datetime import UTC, datetime
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg import errors
from psycopg.types.datetime import TimestamptzLoader

DEFAULT_DEADLINE_S = 5.0


class DeadlineExceeded(psycopg.OperationalError):
    """Postgres did not answer in time; whether it did what was asked is unknown."""


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that gives up. deadline_s: the longest that any one exchange with the server may take, if any."""

    deadline_s: float | None = DEFAULT_DEADLINE_S

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        patience_s = self.deadline_s if timeout is None else timeout
        try:
            return super().wait(gen, interval, patience_s)
        except errors._WaitTimeout as expired:
            self._give_up()
            raise DeadlineExceeded(f"no answer within {patience_s:g} s") from expired

    def _give_up(self) -> None:
        # A query that waits for a lock would hold its backend for as long as the lock is held, one more at each retry.
        try:
            self.cancel_safe(timeout=0.25)
        except psycopg.Error:
            pass  # a server that does not answer does not hear this either
        finally:
            self.pgconn.finish()


class MomentLoader(TimestamptzLoader):
    """Reads a moment by the offset that is written with it.

    Django's own takes the clock of the session's zone for UTC, which is right only after setting that zone.
    """

    timezone = UTC  # Django looks whether this is the one it wants

    def load(self, data: Any) -> datetime:
        return super().load(data).astimezone(UTC)


_bounded_psycopg = types.ModuleType("psycopg")
_bounded_psycopg.__dict__.update(vars(psycopg), connect=BoundedConnection.connect)


class DatabaseWrapper(base.DatabaseWrapper):
    """deadline_s: of this thread's connection, None for none."""

    Database = _bounded_psycopg
    connection: BoundedConnection | None
    _deadline_s: float | None = DEFAULT_DEADLINE_S

    @property
    def deadline_s(self) -> float | None:
        return self._deadline_s

    @deadline_s.setter
    def deadline_s(self, seconds: float | None) -> None:
        self._deadline_s = seconds
        if self.connection is not None:
            self.connection.deadline_s = seconds

    def get_new_connection(self, conn_params: dict[str, Any]) -> BoundedConnection:
        connection: BoundedConnection = super().get_new_connection(conn_params)
        connection.deadline_s = self.deadline_s
        connection.adapters.register_loader("timestamptz", MomentLoader)
        return connection

    def _configure_timezone(self, connection: BoundedConnection) -> bool:
        return False
