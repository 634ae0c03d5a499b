"""Checks whether all migrations of this release are applied."""

from collections.abc import Iterator

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from leads.ops.doctor.finding import Finding, error, ok


def examine() -> Iterator[Finding]:
    executor = MigrationExecutor(connection)
    waiting = [migration for migration, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]
    if waiting:
        found = f"{len(waiting)} are not applied, the first {waiting[0]}"
        yield error("migrations", found, "Run `python manage.py migrate` (the Procfile's release step).")
    else:
        yield ok("migrations", "all applied")
