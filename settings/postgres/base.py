"""Django's PostgreSQL engine with a deadline for every wait, and without session settings.

Behind a transaction pooler the next transaction may run in another session. A setting that one client makes there is
lost, or reaches other clients. So this engine sets nothing in a session and relies on no session setting.
"""

from datetime import UTC, datetime
from typing import Any

from django.db.backends.postgresql import base
from psycopg.types.datetime import TimestamptzLoader

from settings.postgres import driver
from settings.postgres.partitioned import SchemaEditor


class MomentLoader(TimestamptzLoader):
    """Reads a timestamptz by the offset that Postgres sends with it.

    Django's loader ignores the offset and assumes that the session's time zone is UTC.
    """

    timezone = UTC  # Django replaces the loader if this is not the zone it expects

    def load(self, data: Any) -> datetime:
        return super().load(data).astimezone(UTC)


class DatabaseWrapper(base.DatabaseWrapper):
    """deadline_s: the longest wait of this thread's connection, None for no limit."""

    Database = driver
    SchemaEditorClass = SchemaEditor
    timezone_name = ""  # so that Django does not set the session's time zone
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
        """Close the connection after an error, without asking the server whether it still works, as Django does.

        Django calls this as each request begins and ends, and a frozen server would not answer.
        """
        if self.errors_occurred:
            self.close()
        super().close_if_unusable_or_obsolete()
