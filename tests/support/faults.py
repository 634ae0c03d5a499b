"""Faults of a database, a context manager for each. When it ends, the database works again."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

import psycopg

from tests.support import replica as replicas
from tests.support.eventually import eventually
from tests.support.live import Postgres
from tests.support.proxy import Mode, Proxy

Fault = Callable[[Postgres, Proxy], AbstractContextManager[None]]

# The site's own role. It is no superuser, because some faults do not affect superusers.
ROLE = "shop"


def give_the_tables_to_the_site(postgres: Postgres) -> None:
    """Create the site's role, which owns the tables but is no superuser, as on Supabase."""
    postgres.query(f"CREATE ROLE {ROLE} LOGIN PASSWORD 'right'")
    for table in postgres.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
        postgres.query(f"ALTER TABLE {table['tablename']} OWNER TO {ROLE}")


@contextmanager
def refused(postgres: Postgres, proxy: Proxy) -> Iterator[None]:
    with proxy.mode(Mode.REFUSE):
        yield


@contextmanager
def hung(postgres: Postgres, proxy: Proxy) -> Iterator[None]:
    with proxy.mode(Mode.HANG):
        yield


@contextmanager
def hung_and_cut(postgres: Postgres, proxy: Proxy) -> Iterator[None]:
    """A pooler that hangs and is restarted: queries that it has received never reach Postgres."""
    with proxy.mode(Mode.HANG):
        yield
        proxy.cut()


@contextmanager
def reply_lost(postgres: Postgres, proxy: Proxy) -> Iterator[None]:
    with proxy.mode(Mode.SWALLOW):
        yield


@contextmanager
def tenant_not_found(postgres: Postgres, proxy: Proxy) -> Iterator[None]:
    with proxy.refusing("(ENOTFOUND) tenant/user postgres.abcdefghijklmnopqrst not found"):
        yield


@contextmanager
def pooler_s_own_breaker(postgres: Postgres, proxy: Proxy) -> Iterator[None]:
    with proxy.refusing("(ECIRCUITBREAKER) too many authentication failures, new connections are temporarily blocked"):
        yield


@contextmanager
def stopped(postgres: Postgres, proxy: Proxy) -> Iterator[None]:
    postgres.stop()
    try:
        yield
    finally:
        postgres.start()


@contextmanager
def failed_over(postgres: Postgres, proxy: Proxy) -> Iterator[None]:
    """Kill the server while its replica is behind by what it has yet to get. The replica is the server from now on."""
    replica = replicas.started(postgres, Path(mkdtemp(dir=postgres.data.parent)))
    streams = "SELECT pid FROM pg_stat_wal_receiver WHERE status = 'streaming'"
    assert eventually(lambda: replica.query(streams), or_show=lambda: replica.log)
    replicas.killed(postgres)
    replicas.promoted(replica)
    postgres.url, postgres.data = replica.url, replica.data
    proxy.lead_to(replica.data)
    yield


@contextmanager
def frozen(postgres: Postgres, proxy: Proxy) -> Iterator[None]:
    """Freeze the postmaster and all its backends; the kernel still accepts their packets."""
    postmaster = int((postgres.data / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGSTOP)  # first, so that it starts no more backends
    backends = [int(pid) for pid in Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()]
    try:
        for backend in backends:
            with suppress(ProcessLookupError):
                os.kill(backend, signal.SIGSTOP)
        yield
    finally:
        for process in [*backends, postmaster]:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)


def dropped(postgres: Postgres, proxy: Proxy) -> AbstractContextManager[None]:
    return dropping(proxy.port)


@contextmanager
def dropping(port: int) -> Iterator[None]:
    """Lose every packet to and from a port of this machine, those of open connections included."""
    rules = [["INPUT", "-i", "lo", "-p", "tcp", side, str(port), "-j", "DROP"] for side in ("--dport", "--sport")]
    added = []
    try:
        for rule in rules:
            subprocess.run(["iptables", "-w", "-I", *rule], check=True)
            added.append(rule)
        yield
    finally:
        for rule in added:
            subprocess.run(["iptables", "-w", "-D", *rule], check=True)


@contextmanager
def locked(postgres: Postgres, proxy: Proxy) -> Iterator[None]:
    with psycopg.connect(postgres.url) as holder:
        holder.execute("LOCK TABLE leads IN ACCESS EXCLUSIVE MODE")
        yield
        holder.rollback()


@contextmanager
def slow_insert(postgres: Postgres, proxy: Proxy) -> Iterator[None]:
    postgres.query(
        "CREATE OR REPLACE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql "
        "AS 'BEGIN PERFORM pg_sleep(8); RETURN NEW; END'"
    )
    postgres.query("CREATE TRIGGER dawdle BEFORE INSERT ON leads FOR EACH ROW EXECUTE FUNCTION dawdle()")
    try:
        yield
    finally:
        postgres.query("DROP TRIGGER dawdle ON leads")


@contextmanager
def connections_ended(postgres: Postgres, proxy: Proxy) -> Iterator[None]:
    postgres.end_connections()
    yield


@contextmanager
def too_many_connections(postgres: Postgres, proxy: Proxy) -> Iterator[None]:
    postgres.query(f"ALTER ROLE {ROLE} CONNECTION LIMIT 0")
    postgres.end_connections()
    try:
        yield
    finally:
        postgres.query(f"ALTER ROLE {ROLE} CONNECTION LIMIT -1")


@contextmanager
def read_only(postgres: Postgres, proxy: Proxy) -> Iterator[None]:
    """As Supabase does when the disk is full: reads go on, on the same connections."""
    postgres.query("ALTER SYSTEM SET default_transaction_read_only = on")
    postgres.query("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        postgres.query("ALTER SYSTEM RESET default_transaction_read_only")
        postgres.query("SELECT pg_reload_conf()")


@contextmanager
def without_table(postgres: Postgres, proxy: Proxy) -> Iterator[None]:
    postgres.query("ALTER TABLE leads RENAME TO leads_away")
    try:
        yield
    finally:
        postgres.query("ALTER TABLE leads_away RENAME TO leads")


@contextmanager
def without_column(postgres: Postgres, proxy: Proxy) -> Iterator[None]:
    postgres.query("ALTER TABLE leads RENAME COLUMN visitor_id TO visitor_away")
    try:
        yield
    finally:
        postgres.query("ALTER TABLE leads RENAME COLUMN visitor_away TO visitor_id")


@contextmanager
def without_policy(postgres: Postgres, proxy: Proxy) -> Iterator[None]:
    """Row level security that lets the site's role see and write nothing."""
    postgres.query("ALTER TABLE leads ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    try:
        yield
    finally:
        postgres.query("ALTER TABLE leads DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY")


@contextmanager
def wrong_password(postgres: Postgres, proxy: Proxy) -> Iterator[None]:
    """Require a password that the site does not have, and end open connections."""
    rules = postgres.data / "pg_hba.conf"
    trusting = rules.read_text()
    rules.write_text(f"local all {ROLE} scram-sha-256\n{trusting}")
    postgres.query("SELECT pg_reload_conf()")
    postgres.end_connections()
    try:
        yield
    finally:
        rules.write_text(trusting)
        postgres.query("SELECT pg_reload_conf()")
        assert eventually(lambda: _accepts(postgres))


def _accepts(postgres: Postgres) -> bool:
    with suppress(psycopg.OperationalError):
        psycopg.connect(postgres.url, user=ROLE).close()
        return True
    return False


@contextmanager
def rule(postgres: Postgres, condition: str, *, table: str = "leads") -> Iterator[None]:
    """A constraint that somebody added to a table, for instance in Supabase's editor."""
    postgres.query(f"ALTER TABLE {table} ADD CONSTRAINT added_by_hand CHECK ({condition}) NOT VALID")
    try:
        yield
    finally:
        postgres.query(f"ALTER TABLE {table} DROP CONSTRAINT added_by_hand")
