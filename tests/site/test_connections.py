"""Real connections of each kind: verified TLS, a transaction pooler, a separate URL for migrations."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from tests.support import live
from tests.support.customers import PERSON, a_token
from tests.support.eventually import PATIENCE_S, eventually
from tests.support.live import NOBODY_LISTENS
from tests.support.processes import ROOT, run
from tests.support.tls import TlsServer, tls_server

DATABASE_URL = os.environ.get("DATABASE_URL", "")


def manage(*arguments: str, database_url: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return run("manage.py", *arguments, environment=live.environment(database_url, **changes))


def queried(sql: str, database_url: str, **changes: str) -> str:
    """Connect as the site does and query one value; return it, or the last line of the error."""
    program = f"from django.db import connection as c; cursor = c.cursor(); cursor.execute({sql!r}); "
    program += "print(cursor.fetchone()[0])"
    done = manage("shell", "-v0", "-c", program, database_url=database_url, **changes)
    return (done.stdout or done.stderr.splitlines()[-1]).strip()


# --- TLS ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tls() -> Iterator[TlsServer]:
    with tls_server() as server:
        yield server


IS_ENCRYPTED = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


@pytest.mark.needs("postgres with TLS")
def test_a_server_with_a_certificate_of_the_configured_authority_is_accepted(tls):
    assert queried(IS_ENCRYPTED, tls.url(), DATABASE_CA=tls.ca) == "True"


@pytest.mark.needs("postgres with TLS")
def test_an_sslmode_in_the_url_does_not_weaken_the_verification(tls):
    refusal = queried(IS_ENCRYPTED, tls.url(query="sslmode=prefer"), DATABASE_CA=tls.another_ca)
    assert "the server's certificate is not one of DATABASE_CA" in refusal


@pytest.mark.needs("postgres with TLS")
def test_checkouts_succeed_while_the_server_s_certificate_is_refused(tls):
    with live.site(tls.url(), DATABASE_CA=tls.another_ca) as site:
        answer = site.post("/checkout/", {"token": a_token(site), **PERSON})
        assert (answer.status, answer.location.partition("?")[0]) == (303, f"https://wa.me/{live.WHATSAPP_NUMBER}")
        assert eventually(lambda: site.get("/healthz").json["database"] == "down")


@pytest.mark.needs("postgres with TLS")
@pytest.mark.by_hand
def test_checkouts_succeed_without_the_certificate_file_and_the_log_reports_it(tls):
    with live.site(tls.url(), DATABASE_CA=f"{tls.ca}.gone") as site:
        assert site.post("/checkout/", {"token": a_token(site), **PERSON}).status == 303
        assert f"ERROR leads.apps DATABASE_CA is not a readable certificate file: {tls.ca}.gone" in site.log


# --- A transaction pooler, which the other tests run through, too -----------------------------------------------------


@contextmanager
def pooler(database_url: str = DATABASE_URL) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a PgBouncer in front of the server; yield the process of bin/with-pgbouncer and the pooler's URL."""
    command = [sys.executable, ROOT / "bin" / "with-pgbouncer", "sh", "-c", 'echo "$DATABASE_URL"; exec cat']
    environment = os.environ | {"DATABASE_URL": database_url}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process, process.stdout.readline().strip()


@pytest.fixture
def empty_database() -> Iterator[str]:
    """Yield the name of a database without tables."""
    with psycopg.connect(DATABASE_URL, autocommit=True) as connection:
        connection.execute("CREATE DATABASE empty")
        yield "empty"
        connection.execute("DROP DATABASE empty WITH (FORCE)")


def with_database(database: str, url: str) -> str:
    return urlsplit(url)._replace(path=f"/{database}").geturl()


@pytest.mark.needs("pgbouncer")
def test_with_pgbouncer_runs_its_command_behind_a_transaction_pooler():
    with pooler() as (_, url):
        kind = "from django.conf import settings; print(settings.DATABASE_KIND)"
        assert manage("shell", "-v0", "-c", kind, database_url=url).stdout == "transaction pooler\n"
        with psycopg.connect(url.removesuffix("&pgbouncer=true"), autocommit=True, prepare_threshold=None) as client:
            sessions = set()
            assert eventually(
                lambda: sessions.add(client.execute("SELECT pg_backend_pid()").fetchone()) or len(sessions) > 1
            )


EXISTING_LEADS = """
CREATE TABLE leads (
    id bigserial PRIMARY KEY, name text, phone text, quote_data jsonb, status text DEFAULT 'new', visitor_id text,
    created_at timestamptz DEFAULT now()
);
INSERT INTO leads (name, quote_data) VALUES ('Ana', '{}'), ('Beto', '{}');
"""


@pytest.mark.needs("pgbouncer")
@pytest.mark.by_hand
def test_an_existing_leads_table_is_adopted_through_the_pooler(empty_database):
    with psycopg.connect(with_database(empty_database, DATABASE_URL), autocommit=True) as connection:
        connection.execute(EXISTING_LEADS)
    with pooler() as (_, url):
        through_the_pooler = with_database(empty_database, url)
        migrated = manage("migrate", database_url=through_the_pooler)
        assert migrated.returncode == 0, migrated.stderr
        assert queried("SELECT count(folio) FROM leads", through_the_pooler) == "2"
        assert manage("migrate", "--check", database_url=through_the_pooler).returncode == 0


def processes_with(trace: str) -> list[str]:
    process_ids = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            process_ids += [process.parent.name] if trace in process.read_text(errors="replace") else []
    return process_ids


@pytest.mark.needs("pgbouncer")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_pooler_stops_when_its_command_is_killed(number):
    with pooler() as (process, url):
        (directory,) = parse_qs(urlsplit(url).query)["host"]
        assert processes_with(directory)
        process.send_signal(number)
        assert eventually(lambda: not processes_with(directory))
        assert process.wait(PATIENCE_S) in (128 + number, -number)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.mark.needs("pgbouncer")
def test_with_pgbouncer_returns_its_command_s_exit_status():
    command = [sys.executable, ROOT / "bin" / "with-pgbouncer", "sh", "-c", "exit 3"]
    assert subprocess.run(command).returncode == 3


# --- DATABASE_MIGRATION_URL -----------------------------------------------------------------------------------------


@pytest.mark.by_hand
def test_migrate_uses_the_migration_url_for_everything(empty_database):
    # A connection to DATABASE_URL would fail, because nothing listens there.
    unusable, usable = with_database(empty_database, NOBODY_LISTENS), with_database(empty_database, DATABASE_URL)
    migrated = manage("migrate", database_url=unusable, DATABASE_MIGRATION_URL=usable)
    assert migrated.returncode == 0, migrated.stderr
    assert queried("SELECT count(*) FROM leads", usable) == "0"
    assert int(queried("SELECT count(*) FROM auth_permission", usable)) > 0


@pytest.mark.needs("postgres with TLS")
def test_the_site_does_not_use_the_migration_url(tls):
    refused = tls.url("127.0.0.1")
    assert queried(IS_ENCRYPTED, tls.url(), DATABASE_CA=tls.ca, DATABASE_MIGRATION_URL=refused) == "True"


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"DATABASE_MIGRATION_URL": "garbage"}, "DATABASE_MIGRATION_URL cannot be used"),
        ({"DATABASE_MIGRATION_URL": DATABASE_URL, "DATABASE_CA": "/nowhere"}, "DATABASE_CA cannot be used"),
    ],
)
def test_migrate_refuses_an_unusable_migration_url(changes, cause):
    migrated = manage("migrate", database_url=DATABASE_URL, **changes)
    assert migrated.returncode == 1
    assert cause in migrated.stderr


def test_an_unusable_migration_url_is_a_warning():
    checked = manage("check", database_url=DATABASE_URL, DATABASE_MIGRATION_URL="garbage")
    assert checked.returncode == 0
    assert "?: (leads.W002) DATABASE_MIGRATION_URL does not begin with postgresql://." in checked.stderr
