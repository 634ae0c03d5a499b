"""Django's PostgreSQL engine with every wait bounded on the client's side, and nothing left in the session.

Behind a transaction pooler the next transaction may run in another session. What one client sets there reaches others
or is lost, so nothing is set, and nothing relies on what is.
"""

from datetime import UTC, datetime
from typing import Any

from django.db.backends.postgresql import base
from psycopg.types.datetime import TimestamptzLoader

from settings.postgres import driver


class MomentLoader(TimestamptzLoader):
    """Reads a moment by the offset that is written with it.

    Django's own takes the clock of the session's zone for UTC, which is right only after setting that zone.
    """

    timezone = UTC  # Django looks whether this is the one it wants

    def load(self, data: Any) -> datetime:
        return super().load(data).astimezone(UTC)


class DatabaseWrapper(base.DatabaseWrapper):
    """deadline_s: of this thread's connection, None for none."""

    Database = driver
    timezone_name = ""  # of the session: Django sets none
    connection: driver.BoundedConnection | None
    _deadline_s: float | None = driver.DEFAULT_DEADLINE_S

    @property
    def deadline_s(self) -> float | None:
        return self._deadline_s

    @deadline_s.setter
    def deadline_s(self, seconds: float | None) -> None:
        self._deadline_s = seconds
        if self.connection is not None:
            self.connection.deadline_s = seconds

    def get_new_connection(self, conn_params: dict[str, Any]) -> driver.BoundedConnection:
        connection: driver.BoundedConnection = super().get_new_connection(conn_params)
        connection.deadline_s = self.deadline_s
        connection.adapters.register_loader("timestamptz", MomentLoader)
        return connection

    def close_if_unusable_or_obsolete(self) -> None:
        """Django calls this as each request begins and ends, a customer's too, and nobody may wait for Postgres there.

        After an error Django would ask the server whether the connection still works, and a frozen one does not say.
        """
        if self.errors_occurred:
            self.close()
        super().close_if_unusable_or_obsolete()
