"""Checks how large the database is, before it is as large as it may be."""

from collections.abc import Iterator

from django.conf import settings
from django.db import connection

from leads.alerts.trouble_mail import STORAGE_SHARE
from leads.ops.doctor.finding import Finding, ok, warning


def examine() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database()) / 1024 / 1024")
        size, limit = int(cursor.fetchone()[0]), settings.DATABASE_LIMIT_MB
    if not limit:
        yield ok("storage", f"the database has {size:,} MB; DATABASE_LIMIT_MB is not set")
    elif size > STORAGE_SHARE * limit:
        cure = (
            "Remove old leads (`manage.py purge_leads`), or enlarge the database and set DATABASE_LIMIT_MB to its size."
        )
        found = f"the database has {size:,} of {limit:,} MB; when it is full, it takes no leads"
        yield warning("storage", found, cure)
    else:
        yield ok("storage", f"the database has {size:,} of {limit:,} MB")
