"""Django's `migrate`, by the way that DATABASE_MIGRATION_URL names, and for as long as it takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.commands import migrate
from django.db import DEFAULT_DB_ALIAS, connections


class Command(migrate.Command):
    def handle(self, *args, **options):
        with way_for_migrations(options["database"]):
            super().handle(*args, **options)


@contextmanager
def way_for_migrations(alias: str) -> Iterator[None]:
    """Lend this thread's connection to what may take minutes: an index over a million rows, or a lock to wait for.

    Whoever asks for the alias meanwhile, as those do who follow a migration, gets the same connection.
    """
    usual: Any = connections[alias]
    if settings.DATABASE_MIGRATION and alias == DEFAULT_DB_ALIAS:
        # The way is another, the database the same: a test's stays a test's.
        way = {**usual.settings_dict, **settings.DATABASE_MIGRATION, "NAME": usual.settings_dict["NAME"]}
        connections[alias] = type(usual)(way, alias)
    lent: Any = connections[alias]
    deadline_s = usual.deadline_s
    lent.deadline_s = None
    try:
        if settings.DATABASE_KIND != "transaction pooler" or lent is not usual:
            # A role's own bound, there for the site's questions, would cut off an index. Through a pooler of
            # transactions it stays: there a setting would be somebody else's.
            with lent.cursor() as cursor:
                cursor.execute("SET statement_timeout = 0")
        yield
    finally:
        usual.deadline_s = deadline_s
        if lent is not usual:
            lent.close()
            connections[alias] = usual
