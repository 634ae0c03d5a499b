"""Checks the open connection: TLS, role, time zone, timeouts, number of connections, and the server's clock."""

import time
from collections.abc import Iterator
from typing import NamedTuple

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from leads.delivery import machines
from leads.ops.doctor import certificate, clock
from leads.ops.doctor.finding import Finding, error, ok, warning
from leads.ops.doctor.web import processes_and_threads

# These settings free a connection whose client is gone. The site's queries end after 5 s; a migration may take longer.
TIMEOUTS = {"statement_timeout": "30s", "lock_timeout": "10s", "idle_in_transaction_session_timeout": "30s"}
# The site's slowest queries. A shorter statement_timeout cancels pages and commands.
LEAST_TIMEOUT_S = 5
# The size of a session pooler on Supabase's smallest plans. The real size cannot be queried.
SESSION_POOL = 15
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")

FACTS = """
WITH others AS (
    SELECT usename, datid FROM pg_stat_activity WHERE datid IS NOT NULL AND application_name <> %s
)
SELECT
    current_user,
    me.rolsuper,
    (SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('leads')),
    current_setting('TimeZone'),
    array(SELECT current_setting(name) FROM unnest(%s::text[]) AS name),
    least(
        current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
            - (SELECT count(*) FROM others),
        nullif(me.rolconnlimit, -1) - (SELECT count(*) FROM others WHERE usename = current_user),
        nullif(here.datconnlimit, -1) - (SELECT count(*) FROM others WHERE datid = here.oid)
    ),
    extract(epoch FROM clock_timestamp())::float8,
    extract(epoch FROM current_setting('statement_timeout')::interval)::float8,
    current_setting('server_encoding'),
    current_setting('synchronous_commit')
FROM pg_roles AS me, pg_database AS here
WHERE me.rolname = current_user AND here.datname = current_database()
"""


class Facts(NamedTuple):
    """The row that FACTS returns.

    timeouts: in the order of TIMEOUTS; room: how many connections the site can have; now: the server's unix time.
    """

    role: str
    is_superuser: bool
    owns_leads: bool | None  # None when there is no such table
    time_zone: str
    timeouts: list[str]
    room: int
    now: float
    statement_timeout_s: float
    encoding: str
    synchronous_commit: str


def examine() -> Iterator[Finding]:
    asked_at = time.time()
    with connection.cursor() as cursor:
        cursor.execute(FACTS, [settings.DATABASES["default"]["OPTIONS"]["application_name"], list(TIMEOUTS)])
        facts = Facts(*cursor.fetchone())
    answered_at = time.time()
    psycopg = connection.connection
    is_local = psycopg.info.host in LOCAL_HOSTS or psycopg.info.host.startswith("/")
    sslmode = settings.DATABASES["default"]["OPTIONS"].get("sslmode")
    is_encrypted = psycopg.pgconn.ssl_in_use
    yield from certificate.examine(settings.DATABASE_CA, now=timezone.now())
    yield transport(is_encrypted=is_encrypted, is_verified=sslmode == "verify-full", is_local=is_local)
    yield _role(facts, is_local=is_local)
    yield ok("time zone", f"{facts.time_zone}; any zone works, because times have an offset")
    yield _timeouts(facts)
    yield _head_room(facts.room)
    yield from _promises(facts)
    yield clock.compare_with_postgres((asked_at + answered_at) / 2 - facts.now)


def transport(*, is_encrypted: bool, is_verified: bool, is_local: bool) -> Finding:
    """Return how well the connection is protected. is_verified: whether the server's certificate is checked."""
    if is_encrypted and is_verified:
        return ok("tls", "encrypted, and the server's certificate is checked (verify-full)")
    if is_local:
        return ok("tls", "not needed: Postgres is on this machine")
    cure = "Download the certificate (Supabase: Database, SSL configuration) and set DATABASE_CA to its path."
    if is_encrypted:
        return warning("tls", "encrypted, but anybody could impersonate the server", cure)
    return error("tls", "names, phones and the password cross the network unencrypted", cure)


def _role(facts: Facts, *, is_local: bool) -> Finding:
    if facts.is_superuser and not is_local:
        cure = "Connect as a role that owns the tables and no more: CREATE ROLE ... LOGIN; ALTER TABLE ... OWNER TO ..."
        return warning("role", f"{facts.role} is a superuser: a break-in at the site opens the whole server", cure)
    kind = "a superuser of this machine's own Postgres" if facts.is_superuser else "no superuser"
    return ok("role", f"{facts.role}, {kind}{', and not the owner of the tables' if facts.owns_leads is False else ''}")


def _timeouts(facts: Facts) -> Finding:
    in_force = dict(zip(TIMEOUTS, facts.timeouts, strict=True))
    missing = [name for name, value in in_force.items() if value == "0"]
    if 0 < facts.statement_timeout_s < LEAST_TIMEOUT_S:
        found = f"statement_timeout is {in_force['statement_timeout']}: Postgres cancels pages, commands and leads"
        return warning(
            "timeouts", found, f"ALTER ROLE {connection.ops.quote_name(facts.role)} SET statement_timeout = '30s';"
        )
    if not missing:
        return ok("timeouts", ", ".join(f"{name} {value}" for name, value in in_force.items()))
    role = connection.ops.quote_name(facts.role)
    cure = " ".join(f"ALTER ROLE {role} SET {name} = '{TIMEOUTS[name]}';" for name in missing)
    cure += " It holds for whatever logs in as that role, also for the dashboard's SQL editor on Supabase."
    return warning("timeouts", f"no {', no '.join(missing)}: a hung client keeps its connection indefinitely", cure)


def _promises(facts: Facts) -> Iterator[Finding]:
    """Yield settings with which a lead that counts as stored may be lost, or cannot be stored."""
    role = connection.ops.quote_name(facts.role)
    if facts.encoding != "UTF8":
        found = f"the database is in {facts.encoding}: names with other letters are refused"
        yield error("database", found, "Restore it into one that is made with CREATE DATABASE ... ENCODING 'UTF8'.")
    if facts.synchronous_commit == "off":
        found = "synchronous_commit is off: a crash of Postgres loses the leads of its last second"
        yield warning("database", found, f"ALTER ROLE {role} SET synchronous_commit = 'on';")


def _head_room(room: int) -> Finding:
    if not (counts := processes_and_threads()):
        return ok("connections", f"Postgres has room for {room}")
    workers, threads = counts
    most = workers * (threads + 1) + 2
    found = f"the site opens up to {most}: {workers} processes x ({threads} threads + 1 relay) + alerts + prices"
    if most > room:
        cure = "Lower WEB_CONCURRENCY or WEB_THREADS, raise the limit, or use the transaction pooler (port 6543)."
        return warning("connections", f"{found}; Postgres has room for {max(0, room)}", cure)
    if settings.DATABASE_KIND == "session pooler":
        count = _machines()
        sessions = 2 * count * most  # at a release on all machines
        if sessions > SESSION_POOL:
            found += (
                f"; {sessions} on {count} machine{'s' * (count != 1)} while a release takes over from another; the "
                f"session pooler of a small plan has {SESSION_POOL}, and refuses more"
            )
            cure = (
                f"Raise the pool size to {sessions} (Supabase: Database settings), use the transaction pooler (port "
                "6543), or lower WEB_CONCURRENCY or WEB_THREADS."
            )
            return warning("connections", found, cure)
    return ok("connections", f"{found}; Postgres has room for {room}")


def _machines() -> int:
    """Return how many machines run the site, as far as is known."""
    try:
        return max(1, sum(not state.is_silent for state in machines.states()))
    except DatabaseError:  # the table is missing, and the check of migrations reports that
        return 1
