"""Django's `migrate`, over the connection of DATABASE_MIGRATION_URL and without a statement timeout."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.base import OutputWrapper
from django.core.management.commands import migrate
from django.db import DEFAULT_DB_ALIAS, connections

from leads.ops.stoppable import Stoppable

# Any number that no other program on the database uses for the same.
LOCK = 0x466F6C696F
STEP_S = 0.5


class Command(Stoppable, migrate.Command):
    def handle(self, *args, **options):
        with migration_connection(options["database"]), alone(options["database"], self.stderr):
            super().handle(*args, **options)


@contextmanager
def alone(alias: str, stderr: OutputWrapper) -> Iterator[None]:
    """Wait until no other migrate runs on this database: of two at once, one would find the other's tables half made.

    The lock is held by a transaction on a connection of its own, because through a transaction pooler a session's lock
    could stay for ever. That transaction idles and has no snapshot, so no CREATE INDEX CONCURRENTLY waits for it.
    """
    holder: Any = connections[alias].copy(alias)
    try:
        holder.set_autocommit(False)
        with holder.cursor() as cursor:
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            is_told = False
            while True:
                # Without parameters: the portal of a statement that has some keeps a snapshot.
                cursor.execute(f"SELECT pg_try_advisory_xact_lock({LOCK})")
                if cursor.fetchone() == (True,):
                    break
                if not is_told:
                    stderr.write("Another migrate runs on this database; waiting until it ends.", style_func=str)
                    is_told = True
                time.sleep(STEP_S)
        yield
    finally:
        holder.close()


@contextmanager
def migration_connection(alias: str) -> Iterator[None]:
    """Replace this thread's connection by one for migrations, which may wait minutes for an index or a lock.

    Code that uses the alias inside the context, such as receivers of post_migrate, gets the same connection.
    """
    usual: Any = connections[alias]
    if settings.DATABASE_MIGRATION and alias == DEFAULT_DB_ALIAS:
        # The name of the current database, so that tests migrate their test database.
        address = {**usual.settings_dict, **settings.DATABASE_MIGRATION, "NAME": usual.settings_dict["NAME"]}
        connections[alias] = type(usual)(address, alias)
    migrating: Any = connections[alias]
    deadline_s = usual.deadline_s
    migrating.deadline_s = None
    try:
        if settings.DATABASE_KIND != "transaction pooler" or migrating is not usual:
            # The role's statement_timeout, meant for the site's queries, would cancel the creation of an index. Through
            # a transaction pooler it stays, because SET would also apply to other clients of that server connection.
            with migrating.cursor() as cursor:
                cursor.execute("SET statement_timeout = 0")
        yield
    finally:
        usual.deadline_s = deadline_s
        if migrating is not usual:
            migrating.close()
            connections[alias] = usual
