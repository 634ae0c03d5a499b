"""Django's `migrate`, over the connection of DATABASE_MIGRATION_URL and without a statement timeout."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.commands import migrate
from django.db import DEFAULT_DB_ALIAS, connections

from leads.ops.stoppable import Stoppable


class Command(Stoppable, migrate.Command):
    def handle(self, *args, **options):
        with migration_connection(options["database"]):
            super().handle(*args, **options)


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
