"""Django's PostgreSQL engine with a deadline for every wait, and without session settings.

Behind a transaction pooler the next transaction may run in another session. A setting that one client makes there is
lost, or reaches other clients. So this engine sets nothing in a session and relies on no session setting.
"""

from datetime import UTC
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from django.utils.module_loading import import_string
from psycopg import abc
from psycopg.adapt import Loader

from settings.postgres import driver, idle
from settings.postgres.partitioned import SchemaEditor


class MomentLoader(Loader):
    """Reads a timestamptz by the offset that Postgres sends with it, as a moment in UTC.

    Django's loader ignores the offset and assumes that the session's time zone is UTC. psycopg's own, in C where there
    is one, reads a moment in the zone of its connection; without a connection, in UTC.
    """

    timezone = UTC  # Django replaces the loader if this is not the zone it expects

    def __new__(cls, oid: int, context: abc.AdaptContext | None = None) -> abc.Loader:  # type: ignore[misc]
        loader = psycopg.adapters.get_loader(oid, cls.format)
        assert loader is not None  # psycopg has one of every type of date
        return loader(oid)


class DatabaseWrapper(base.DatabaseWrapper):
    """deadline_s: the longest wait of this thread's connection, None for no limit.

    has_its_own: whether this thread's connection is always a new one, never another thread's.
    """

    Database = driver
    SchemaEditorClass = SchemaEditor
    timezone_name = ""  # so that Django does not set the session's time zone
    connection: driver.BoundedConnection | None
    has_its_own = False
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
        if not self.has_its_own and (idle_one := self._of_another_thread(conn_params)):
            return idle_one
        with import_string(self.settings_dict["ATTEMPT"])(conn_params):
            connection: driver.BoundedConnection = super().get_new_connection(conn_params)
        connection.deadline_s = self.deadline_s
        connection.adapters.register_loader("timestamptz", MomentLoader)  # type: ignore[type-abstract]
        return connection

    def _of_another_thread(self, conn_params: dict[str, Any]) -> driver.BoundedConnection | None:
        while taken := idle.take(conn_params):
            connection, self.close_at = taken
            connection.deadline_s = self.deadline_s
            try:
                connection.execute("SELECT 1")  # Postgres may have restarted meanwhile
            except driver.DeadlineExceeded:
                raise  # the others would take as long
            except driver.Error:
                connection.close()
            else:
                return connection
        return None

    def ensure_connection(self) -> None:
        idle.keep(self)
        super().ensure_connection()

    def close_if_health_check_failed(self) -> None:
        idle.keep(self)
        super().close_if_health_check_failed()

    def close_if_unusable_or_obsolete(self) -> None:
        """Close the connection after an error, or when it is old; else let another thread use it meanwhile.

        Django calls this as each request begins and ends. After an error it would ask the server whether the connection
        still works, and a frozen server would not answer.
        """
        idle.keep(self)
        if self.errors_occurred:
            self.close()
        super().close_if_unusable_or_obsolete()
        if self.connection and not self.in_atomic_block and not self.has_its_own:
            idle.offer(self)

    @staticmethod
    def close_unused() -> None:
        """Close the connections of this process that no request has used for some seconds."""
        idle.close_unused()
