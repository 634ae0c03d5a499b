"""Checks the connection to Postgres and, when it fails, explains why and what to do.

libpq gives no code for a failed connection, so the cause is recognised by the words of its message. The message itself
is shown only when its cause is not known, with the password removed.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from django.conf import settings
from django.db import DatabaseError, connection

from leads.delivery.breaker import Fault, classify
from leads.delivery.turns import AUTH_BLOCK_S, ConnectionTurns
from leads.errors import error_name
from leads.ops.doctor.finding import Finding, error, ok, warning
from leads.ops.owner import other_owner

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


class Refusal(NamedTuple):
    """A kind of refusal. words: a pattern for libpq's message, in lower case; found: the cause; cure: what to do."""

    words: str
    found: str
    cure: str


REFUSALS = (
    Refusal(
        "password authentication failed",
        "the password is wrong or has expired (or the user is wrong)",
        "Copy the URL again with the right password, percent-encoded (of one that expired: ALTER ROLE ... VALID UNTIL "
        "'infinity'), then run `python manage.py outbox flush`. Do not "
        "try often: Supabase bans the address after three or four wrong passwords.",
    ),
    Refusal(
        "no password supplied",
        "DATABASE_URL has no password",
        "Add it after the user: postgresql://USER:PASSWORD@HOST...",
    ),
    Refusal(
        "tenant or user not found",
        "the pooler knows no such project: it is paused, or the user or the host's region is wrong",
        "Restore the project in Supabase's dashboard if it is paused, else copy the URL again: user postgres.PROJECT.",
    ),
    Refusal(
        "circuit breaker open",
        "the pooler refuses this address for a while, after wrong passwords",
        "Stop the site, put the right password into DATABASE_URL, wait three minutes, start.",
    ),
    Refusal(
        r"no pg_hba\.conf entry",
        "the server does not accept this address, this user or a connection without TLS",
        "Supabase: Database, Network restrictions. Elsewhere: pg_hba.conf; or add ?sslmode=require.",
    ),
    Refusal(
        "is not permitted to log in",
        "the role may not log in",
        "ALTER ROLE ... LOGIN, or connect as another role.",
    ),
    Refusal(
        'role ".*" does not exist', "there is no such role", "Correct the user in DATABASE_URL, or CREATE ROLE it."
    ),
    Refusal(
        'database ".*" does not exist',
        "there is no such database",
        "Correct the last part of DATABASE_URL; Supabase's is postgres.",
    ),
    Refusal(
        "too many connections",
        "every connection of the role or the database is taken",
        "Lower WEB_CONCURRENCY or WEB_THREADS, end what else is connected, or use the transaction pooler (port 6543).",
    ),
    Refusal(
        "too many clients",
        "every connection of the server is taken",
        "Lower WEB_CONCURRENCY or WEB_THREADS, end what else is connected, or use a pooler.",
    ),
    Refusal(
        "connection slots are reserved",
        "every connection of the server is taken",
        "Lower WEB_CONCURRENCY or WEB_THREADS, end what else is connected, or use a pooler.",
    ),
    Refusal(
        "max client connections reached",
        "every connection of the pooler is taken",
        "Lower WEB_CONCURRENCY or WEB_THREADS, or use the transaction pooler (port 6543).",
    ),
    Refusal(
        "is not currently accepting connections",
        "the database is closed to everybody",
        "As a superuser, in another database: ALTER DATABASE name ALLOW_CONNECTIONS true;",
    ),
    Refusal(
        "permission denied for database",
        "the role may not connect to that database",
        "GRANT CONNECT ON DATABASE name TO role; or correct the last part of DATABASE_URL.",
    ),
    Refusal(
        "certificate has expired",
        "the server's certificate has expired",
        "Renew it at the server. Until then leads wait; do not turn the check off.",
    ),
    Refusal(
        "server certificate for .* does not match host name",
        "the server's certificate is of another host name: DATABASE_URL names the server by another, or by its address",
        "Use the name that the certificate has. If it is the right one, somebody may be intercepting the connection.",
    ),
    Refusal(
        "certificate verify failed",
        "the server's certificate is not one of DATABASE_CA",
        "Download the project's certificate again (Supabase: Database, SSL configuration). If that fails as well, "
        "somebody may be intercepting the connection: do not turn the check off.",
    ),
    Refusal(
        "root certificate file",
        "the file of DATABASE_CA cannot be read",
        COPY_CERTIFICATE,
    ),
    Refusal(
        "does not support ssl",
        "the server has no TLS, which DATABASE_URL or DATABASE_CA asks for",
        "Turn TLS on at the server or, on a private network, remove sslmode and DATABASE_CA.",
    ),
    Refusal(
        "network is unreachable",
        "this machine has no route to that address, which may be IPv6",
        "Use the session pooler, which has IPv4: Supabase: Connect, Session pooler.",
    ),
    Refusal(
        "failed to resolve host.*no answer",
        "the name server of this machine does not answer, so the host's name is not known",
        "Repair name resolution: /etc/resolv.conf, or the host's network. Leads wait meanwhile.",
    ),
    Refusal(
        "failed to resolve host",
        "the host's name cannot be resolved",
        "Correct the host in DATABASE_URL. Supabase's direct host has only an IPv6 address: use the session pooler. A "
        "paused or deleted project has no host.",
    ),
    Refusal(
        "connection refused",
        "nothing listens there: Postgres is stopped, or the host or the port is wrong",
        "Start Postgres, or correct the host and the port (Supabase: 5432, or 6543 for the transaction pooler).",
    ),
    Refusal(
        "no such file or directory",
        "nothing listens there: Postgres is stopped, or the socket's directory is wrong",
        "Start Postgres, or correct the host in DATABASE_URL.",
    ),
    Refusal(
        "starting up|in recovery mode|not yet accepting connections",
        "Postgres is starting up",
        "Wait a minute; leads queue meanwhile.",
    ),
    Refusal(
        "invalid response to ssl negotiation|expected authentication request|server closed the connection",
        "what listens there is no Postgres, or ended while it was asked",
        "Correct the host and the port (Supabase: 5432, or 6543), else see the server's log.",
    ),
    Refusal(
        "no more connections allowed|query_wait_timeout",
        "every connection of the pooler is taken",
        "Lower WEB_CONCURRENCY or WEB_THREADS, or raise the pooler's max_client_conn and pool size.",
    ),
    Refusal(
        "server login|cannot connect to server",
        "the pooler cannot reach Postgres behind it",
        "Start Postgres, or correct the pooler's own address and password of it.",
    ),
    Refusal(
        "permission denied",
        "this user may not use the socket of Postgres",
        "Let the site's user into the socket's directory, or connect by TCP: 127.0.0.1 as the host.",
    ),
    Refusal("shutting down", "Postgres is shutting down", "Start it; leads queue meanwhile."),
)
NO_ANSWER = Refusal(
    "",
    "no answer in time: the server hangs, or a firewall drops what is sent",
    "Look at the server (Supabase: status.supabase.com, or restart the project); allow this address in its firewall.",
)


def open_connection() -> Iterator[Finding]:
    """Open this thread's connection; yield how the database was reached, or why it was not.

    A password that was refused a short time ago, in any process of this machine, is not tried again.
    """
    if settings.DATABASE_FAULT:
        is_of_the_certificate = settings.DATABASE_FAULT.startswith("DATABASE_CA")
        yield error("database", settings.DATABASE_FAULT, COPY_CERTIFICATE if is_of_the_certificate else COPY_URL)
        return
    for text in settings.DATABASE_WARNINGS:
        yield warning("database", text, "Correct that variable; .env.example shows its shape.")
    turns = ConnectionTurns(settings.OUTBOX_DIRECTORIES)
    if seconds := turns.seconds_blocked():
        found = (
            f"the password was refused by {_address()} less than {AUTH_BLOCK_S:.0f} s ago; "
            f"not tried again for {seconds:.0f} s"
        )
        cure = "Put the right password into DATABASE_URL, percent-encoded, then `python manage.py outbox flush`."
        yield error("database", found, cure)
        return
    try:
        connection.ensure_connection()
    except DatabaseError as fault:
        if classify(fault) is Fault.AUTH and not other_owner(settings.OUTBOX_DIRECTORIES):
            turns.block()  # for every process of this machine
        found, cure = explained(fault)
        yield error("database", f"{_address()}: {found}", cure)
        return
    kind = settings.DATABASE_KIND
    yield ok("database", f"{_address()}, {kind}{f' ({KINDS[kind]})' if kind in KINDS else ''}")


def explained(fault: Exception) -> tuple[str, str]:
    """Return the cause of a failed connection, and its cure."""
    words = str(fault).lower()
    if unusable := re.search(r"/(\w+ cannot be used)/", str(fault)):  # as settings.database names the host then
        return unusable[1], "`manage.py check` says why."
    is_timeout = classify(fault) is Fault.TIMEOUT or "timeout expired" in words
    if is_timeout and "failed to resolve host" not in words:
        return NO_ANSWER[1:]
    for refusal in REFUSALS:
        if re.search(refusal.words, words):
            return refusal[1:]
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
