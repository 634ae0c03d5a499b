"""Checks whether all migrations of this release are applied, in the database that the site uses."""

from collections.abc import Iterator

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from leads.ops.doctor import tables
from leads.ops.doctor.finding import Finding, error, ok, warning

_ELSEWHERE = """
SELECT quote_ident(n.nspname), quote_ident(current_user), current_setting('search_path')
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relname = 'django_migrations' AND to_regclass('django_migrations') IS NULL
"""


def examine() -> Iterator[Finding]:
    yield from _of_one_database()
    with connection.cursor() as cursor:
        cursor.execute(_ELSEWHERE)
        if elsewhere := cursor.fetchone():
            schema, role, path = elsewhere
            found = f"the tables are in the schema {schema}, and this role looks in {path}"
            cure = (
                f"ALTER ROLE {role} SET search_path = {schema}; do not migrate: that would make a second, empty shop."
            )
            yield error("migrations", found, cure)
            return
    executor = MigrationExecutor(connection)
    waiting = [migration for migration, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]
    if waiting:
        found = f"{len(waiting)} are not applied, the first {waiting[0]}"
        yield error("migrations", found, "Run `python manage.py migrate` (the Procfile's release step).")
        return
    known = executor.loader.disk_migrations
    if newer := sorted(key for key in executor.loader.applied_migrations if key[0] == "leads" and key not in known):
        found = (
            f"a newer release has migrated this database: {len(newer)} that this one lacks, such as leads.{newer[0][1]}"
        )
        yield warning("migrations", found, "Run the newest release; this one works on its tables only for a while.")
    else:
        yield ok("migrations", "all applied")
    yield from tables.examine()


def _of_one_database() -> Iterator[Finding]:
    migration, site = settings.DATABASE_MIGRATION, settings.DATABASES["default"]
    if settings.DATABASE_FAULT or not migration or migration["NAME"] == "none":  # a fault of the URL is reported
        return
    if migration["NAME"] != site["NAME"]:
        found = f"DATABASE_MIGRATION_URL is of the database {migration['NAME']}, DATABASE_URL of {site['NAME']}"
        yield error("migrations", found, "Let both lead to one database: migrate would change another one.")
