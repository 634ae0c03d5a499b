"""Checks the connection to Postgres and, when it fails, explains why and what to do.

The message itself is shown only when its cause is not known, with the password removed.
"""

import re
from collections.abc import Iterator

from django.conf import settings
from django.db import DatabaseError, connection

from leads.delivery.turns import ConnectionTurns
from leads.errors import error_name
from leads.ops.doctor.finding import Finding, error, ok, warning

COPY_URL = (
    "Set DATABASE_URL to postgresql://USER:PASSWORD@HOST:PORT/DATABASE (Supabase: Connect, Session pooler), the "
    "password percent-encoded."
)
COPY_CERTIFICATE = (
    "Download the certificate (Supabase: Database, SSL configuration) to that path, and let the site's user read it."
)
# What is shown after the name of each way to connect.
KINDS = {
    "direct": "IPv6 only, unless the project has the IPv4 add-on",
    "session pooler": "IPv4; each connection of the site keeps one of Postgres's",
    "transaction pooler": "connections are shared, one transaction at a time",
}


def open_connection() -> Iterator[Finding]:
    """Open this thread's connection; yield how the database was reached, or why it was not.

    A password that was refused within the last minute, or twice within ten, in any process of this machine, is not
    tried again here. The site tries it as soon as that gets nobody banned. When the password is accepted, all processes
    of this machine use it at once.
    """
    if settings.DATABASE_FAULT:
        is_of_the_certificate = settings.DATABASE_FAULT.startswith("DATABASE_CA")
        yield error("database", settings.DATABASE_FAULT, COPY_CERTIFICATE if is_of_the_certificate else COPY_URL)
        return
    for text in settings.DATABASE_WARNINGS:
        yield warning("database", text, "Correct that variable; .env.example shows its shape.")
    turns = ConnectionTurns(settings.OUTBOX_DIRECTORIES)
    if seconds := turns.seconds_until_asked():
        turns.shorten()
        found = f"{_address()} refused the password a short time ago; not tried again for {seconds:.0f} s"
        cure = (
            "Put the right password into DATABASE_URL, percent-encoded. The site tries it then; `python manage.py "
            "outbox flush` tries it now. Three wrong ones in ten minutes get this address banned on Supabase."
        )
        yield error("database", found, cure)
        return
    try:
        connection.ensure_connection()
    except DatabaseError as fault:
        found, cure = explained(fault)
        yield error("database", f"{_address()}: {found}", cure)
        return
    kind = settings.DATABASE_KIND
    yield ok("database", f"{_address()}, {kind}{f' ({KINDS[kind]})' if kind in KINDS else ''}")


def explained(fault: Exception) -> tuple[str, str]:
    """Return the cause of a failed connection, and its cure."""
    if unusable := re.search(r"/(\w+ cannot be used)/", str(fault)):  # as settings.database names the host then
        return unusable[1], "`manage.py check` says why."
    if refusal := ConnectionTurns(settings.OUTBOX_DIRECTORIES).refusal_of(fault):
        return refusal.found, refusal.cure
    message = next(iter(str(fault).splitlines()), "")
    if password := settings.DATABASES["default"].get("PASSWORD"):
        message = message.replace(password, "****")
    return f"{error_name(fault)}: {message}", "See the server's own log."


def _address() -> str:
    """Return the user, the server and the database, without the password."""
    given = settings.DATABASES["default"]
    host = given.get("HOST") or given["OPTIONS"].get("host", "")
    port = f":{given['PORT']}" if given.get("PORT") else ""
    return f"{given.get('USER') or 'the default user'}@{host}{port}/{given['NAME']}"
