"""`manage.py doctor` on real set-ups: one in order, and each broken one in the table of docs/doctor.md."""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from http.server import BaseHTTPRequestHandler, HTTPServer
from operator import or_
from pathlib import Path
from socketserver import BaseRequestHandler, TCPServer
from threading import Thread

import pytest
from django.test import override_settings
from django.utils import timezone

from leads.delivery.journal import quarantine
from leads.delivery.journal.kept import CUT
from leads.delivery.journal.outbox import Outbox
from leads.delivery.journal.segment import DAMAGED, KEPT, LOCKED, Item, encode
from leads.delivery.record import lead_record
from leads.delivery.turns import AUTH_BLOCK
from leads.ops.doctor import reporting, session
from leads.ops.doctor.environment import VARIABLES
from tests.support import faults, live, mark
from tests.support.factories import a_contact, an_issued_quote
from tests.support.faults import ROLE, Fault
from tests.support.ingest import ingest
from tests.support.live import ROOT, Postgres
from tests.support.processes import run
from tests.support.proxy import Proxy

pytestmark = pytest.mark.long

SECRET_KEY = "nobody-else-signs-with-this-" + "Zq7" * 10
PASSWORD = "Wr0ng-P4ssword"
SERVICE_KEY = "sb_secret_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz"
# {"alg":"HS256"}, {"role":"service_role"}
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2lnbmVk"
BOOK = (ROOT / "quoter" / "books" / "concrete.toml").read_text(encoding="utf-8")
FIRST_TAX = 'name = "IVA"\nrate = 0.08 # the border zone\'s\nfrom = 2026-01-01\n'
PATIENCE_S = 30

CUSTOMER = "Zoila Vaca"
# The business's number is on every page; the customer's is another.
CONTACT = {"name": CUSTOMER, "phone": "+526567654321", "phone_raw": "656 765 4321"}

Findings = list[dict[str, str]]


@dataclass(frozen=True)
class Shop:
    """A set-up in order. environment: its variables; directory: for the files that a test adds."""

    postgres: Postgres
    proxy: Proxy
    directory: Path
    environment: Mapping[str, str]

    @property
    def outbox(self) -> list[Path]:
        return [Path(self.environment["OUTBOX_DIR"]), Path(self.environment["OUTBOX_SPARE_DIR"])]

    def url(self, *, user: str = ROLE, database: str = "postgres") -> str:
        return self.postgres.url.replace("postgres@/postgres?", f"{user}@/{database}?")


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A Postgres in order: closed to Supabase's roles; the site's own role owns the tables and has timeouts."""
    with live.postgres() as server:
        server.query("CREATE ROLE anon")
        live.manage("migrate", environment=live.environment(server.url))
        live.manage("ensure_roles", environment=live.environment(server.url))
        live.manage("seed_demo", environment=live.environment(server.url))
        faults.give_the_tables_to_the_site(server)
        for name, value in session.TIMEOUTS.items():
            server.query(f"ALTER ROLE {ROLE} SET {name} = '{value}'")
        yield server


@pytest.fixture(scope="module")
def proxy(postgres: Postgres) -> Iterator[Proxy]:
    between = Proxy(postgres.data, user=ROLE)
    yield between
    between.close()


@pytest.fixture
def shop(postgres: Postgres, proxy: Proxy, tmp_path: Path) -> Shop:
    return a_shop(postgres, proxy, tmp_path)


def a_shop(postgres: Postgres, proxy: Proxy, directory: Path) -> Shop:
    book = directory / "prices.toml"
    book.write_text(BOOK, encoding="utf-8")
    notice = directory / "privacy.toml"
    shutil.copy(ROOT / "checkout" / "privacy.toml", notice)
    environment = live.environment(
        postgres.url.replace("postgres@", f"{ROLE}@"),
        SECRET_KEY=SECRET_KEY,
        ALLOWED_HOSTS="quotes.example.com",
        WHATSAPP_NUMBER="526142345678",
        BUSINESS_NAME="Concretos del Norte",
        PRIVACY_NOTICE=str(notice),
        PRICE_BOOK=str(book),
        OUTBOX_DIR=str(directory / "outbox"),
        OUTBOX_SPARE_DIR=str(directory / "outbox-spare"),
        SENTRY_DSN="http://key@127.0.0.1:1/1",
        SUPABASE_SERVICE_ROLE_KEY=SERVICE_KEY,
    )
    return Shop(postgres, proxy, directory, environment)


def doctor(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return run("manage.py", "doctor", *arguments, environment=environment, timeout_s=PATIENCE_S)


def examined(environment: Mapping[str, str], *arguments: str) -> tuple[int, Findings]:
    """Return the doctor's exit status and its findings."""
    done = doctor(environment, "--json", *arguments)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)["findings"]


# --- Broken set-ups: each yields the variables that it changes ------------------------------------------------------

TODAY = timezone.localdate()
Breaking = Callable[[Shop], AbstractContextManager[dict[str, str]]]


def variables(**changes: str) -> Breaking:
    @contextmanager
    def changed(shop: Shop) -> Iterator[dict[str, str]]:
        yield changes

    return changed


def fault(name: Fault, *, through_the_proxy: bool = False) -> Breaking:
    @contextmanager
    def broken(shop: Shop) -> Iterator[dict[str, str]]:
        with name(shop.postgres, shop.proxy):
            yield {"DATABASE_URL": shop.proxy.url} if through_the_proxy else {}

    return broken


def sql(*statements: str, undo: str) -> Breaking:
    @contextmanager
    def run(shop: Shop) -> Iterator[dict[str, str]]:
        for statement in statements:
            shop.postgres.query(statement)
        try:
            yield {}
        finally:
            for statement in undo.split(";"):
                shop.postgres.query(statement)

    return run


def with_url(breaking: Breaking, **parts: str) -> Breaking:
    @contextmanager
    def with_another_url(shop: Shop) -> Iterator[dict[str, str]]:
        with breaking(shop) as changes:
            yield {**changes, "DATABASE_URL": shop.url(**parts)}

    return with_another_url


def book(old: str, new: str) -> Breaking:
    @contextmanager
    def changed(shop: Shop) -> Iterator[dict[str, str]]:
        assert old in BOOK
        path = shop.directory / "broken.toml"
        path.write_text(BOOK.replace(old, new, 1), encoding="utf-8")
        yield {"PRICE_BOOK": str(path)}

    return changed


def overlaid(text: str) -> Breaking:
    """Change settings that have no variable. text: Python that follows the settings; {here}: an empty directory."""

    @contextmanager
    def changed(shop: Shop) -> Iterator[dict[str, str]]:
        here = shop.directory / "changed"
        here.mkdir()
        module = shop.directory / "changed_settings.py"
        module.write_text("from settings import *\n" + text.format(here=str(here)))
        yield {"DJANGO_SETTINGS_MODULE": module.stem, "PYTHONPATH": str(shop.directory)}

    return changed


@contextmanager
def broken_static_file(shop: Shop) -> Iterator[dict[str, str]]:
    with overlaid("STATICFILES_DIRS = [*STATICFILES_DIRS, {here!r}]\n")(shop) as changes:
        (shop.directory / "changed" / "new.css").write_text("a { background: url(nowhere.png) }")
        yield changes


@contextmanager
def new_catalogue(shop: Shop) -> Iterator[dict[str, str]]:
    with overlaid("LOCALE_PATHS = [BASE_DIR.__class__({here!r})]\n")(shop) as changes:
        folder = shop.directory / "changed" / "es_MX" / "LC_MESSAGES"
        folder.mkdir(parents=True)
        (folder / "django.po").write_text("")
        yield changes


@contextmanager
def file_in_the_way(shop: Shop) -> Iterator[dict[str, str]]:
    (shop.directory / "file").write_text("")
    yield {"OUTBOX_DIR": str(shop.directory / "file" / "outbox")}


@contextmanager
def quarantined_lead(shop: Shop) -> Iterator[dict[str, str]]:
    row = lead_record(an_issued_quote(), a_contact(**CONTACT))
    with override_settings(SECRET_KEY=SECRET_KEY):
        quarantine.put_aside(shop.outbox[0], Item(row.folio, 1.0, row.as_json()), reason="DataError 22021", at=2.0)
    yield {}


@contextmanager
def old_lead(shop: Shop) -> Iterator[dict[str, str]]:
    row = lead_record(an_issued_quote(), a_contact(**CONTACT))
    journal = Outbox(shop.outbox, clock=lambda: time.time() - 3600)
    with override_settings(SECRET_KEY=SECRET_KEY):
        journal.append(row.folio, row.as_json())
    journal.close()
    yield {}


@contextmanager
def forgotten_leads(shop: Shop) -> Iterator[dict[str, str]]:
    rows = [lead_record(an_issued_quote(), a_contact(**CONTACT)) for _ in range(2)]
    (shop.outbox[0] / KEPT).mkdir(parents=True, exist_ok=True)
    with override_settings(SECRET_KEY=SECRET_KEY):
        lines = [encode(Item(row.folio, time.time(), row.as_json())) for row in rows]
    (shop.outbox[0] / KEPT / "1-1-00000002.journal").write_bytes(b"".join(lines))
    yield {}


@contextmanager
def cut_for_want_of_room(shop: Shop) -> Iterator[dict[str, str]]:
    (shop.outbox[0] / KEPT).mkdir(parents=True, exist_ok=True)
    (shop.outbox[0] / KEPT / CUT).write_text(f"{time.time() - 3600:.3f}")
    yield {}


@contextmanager
def lead_of_a_lost_key(shop: Shop) -> Iterator[dict[str, str]]:
    row = lead_record(an_issued_quote(), a_contact(**CONTACT))
    with override_settings(SECRET_KEY="of-another-time-" + "Xw4" * 10):
        line = encode(Item(row.folio, 1.0, row.as_json()))
    (shop.outbox[0] / LOCKED).mkdir(parents=True, exist_ok=True)
    (shop.outbox[0] / LOCKED / "1-1-00000001.journal").write_bytes(line)
    yield {}


@contextmanager
def damaged_segment(shop: Shop) -> Iterator[dict[str, str]]:
    folder = shop.outbox[0] / DAMAGED
    folder.mkdir(parents=True)
    (folder / "1-1-00000000.journal").write_text("torn")
    yield {}


@contextmanager
def unreadable_file(shop: Shop) -> Iterator[dict[str, str]]:
    (shop.outbox[0] / "1-1-00000000.journal").mkdir(parents=True)
    yield {}


@contextmanager
def auth_block(shop: Shop) -> Iterator[dict[str, str]]:
    shop.outbox[0].mkdir()
    (shop.outbox[0] / AUTH_BLOCK).write_text(f"{time.monotonic() + 100:.0f}")
    yield {}


@contextmanager
def banned(shop: Shop) -> Iterator[dict[str, str]]:
    """An address that was banned two minutes after its password was refused."""
    shop.outbox[0].mkdir()
    refused_at = time.monotonic() - 120
    (shop.outbox[0] / AUTH_BLOCK).write_text(f"{refused_at + 60} {refused_at} 1 \n")
    yield {"DATABASE_URL": "postgresql://shop@127.0.0.1:1/shop"}


def refusing(message: str) -> Breaking:
    @contextmanager
    def refused(shop: Shop) -> Iterator[dict[str, str]]:
        with shop.proxy.refusing(message):
            yield {"DATABASE_URL": shop.proxy.url}

    return refused


A_MACHINE = {
    "place": "'here'",
    "version": "'0'",
    "pending": "0",
    "quarantined": "0",
    "damaged": "0",
    "inaccessible": "0",
    "refused": "'[]'",
    "is_durable": "true",
    "seen_at": "now()",
    "heard_since": "now() - interval '1 day'",
}


def machines(name: str, **changes: str) -> Breaking:
    """Add two machines: web-1 in order, and one with changes, as SQL."""
    rows = {"web-1": A_MACHINE, name: A_MACHINE | changes}
    added = [
        f"INSERT INTO lead_machines (key, name, {', '.join(row)}) "
        f"VALUES (gen_random_uuid()::text, '{each}', {', '.join(row.values())})"
        for each, row in rows.items()
    ]
    return sql(*added, undo="TRUNCATE lead_machines")


@contextmanager
def something_else_listens(shop: Shop) -> Iterator[dict[str, str]]:
    with TCPServer(("127.0.0.1", 0), BaseRequestHandler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield {"DATABASE_URL": f"postgresql://shop:{PASSWORD}@127.0.0.1:{server.server_address[1]}/shop"}
        server.shutdown()
        thread.join()


CLERK = [
    "CREATE ROLE clerk LOGIN",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO clerk",
    "REVOKE INSERT, UPDATE, DELETE ON leads FROM clerk",
]


@contextmanager
def other_package(shop: Shop) -> Iterator[dict[str, str]]:
    folder = shop.directory / "packages" / "psycopg-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: psycopg\nVersion: 1.0\n")
    yield {"PYTHONPATH": str(folder.parent)}


@contextmanager
def open_to_everybody(shop: Shop) -> Iterator[dict[str, str]]:
    directory = shop.directory / "open"
    directory.mkdir()
    directory.chmod(0o777)
    yield {"OUTBOX_DIR": str(directory), "OUTBOX_SPARE_DIR": str(directory / "spare")}


# Each of these sets is broken at once, because its faults do not hide each other.
ROWS_AND_NAMES: dict[str, Breaking] = {
    "a host name with a scheme": variables(ALLOWED_HOSTS="https://quotes.example.com, www.example.com"),
    "a value in quotes": variables(BUSINESS_NAME='"Concretos"'),
    "the WhatsApp number of the example": variables(WHATSAPP_NUMBER="526561234567"),
    "the bundled privacy notice": variables(PRIVACY_NOTICE=""),
    "WEB_THREADS is zero": variables(WEB_THREADS="0"),
    "a tax that ended": book(FIRST_TAX, f"{FIRST_TAX}until = {TODAY - timedelta(days=1)}\n"),
    "PORT is no number": variables(PORT="abc"),
    "a host that sets gunicorn's arguments": variables(GUNICORN_CMD_ARGS="--preload --access-logfile - -b 0.0.0.0:1"),
    "packages of another release": other_package,
    "an address for alerts that is none": variables(ALERT_EMAILS="sales.example.com"),
    "alerts without a mail server": variables(EMAIL_HOST=""),
    "an outbox that everybody may write": open_to_everybody,
    "one outbox inside the other": open_to_everybody,
    "migrations of another database": variables(DATABASE_MIGRATION_URL="postgresql://shop@127.0.0.1:1/other"),
    "groups without their permissions": sql(
        "CREATE TABLE held AS TABLE auth_group_permissions",
        "DELETE FROM auth_group_permissions",
        undo="INSERT INTO auth_group_permissions OVERRIDING SYSTEM VALUE SELECT * FROM held; DROP TABLE held",
    ),
    "a login without a group": sql(
        "UPDATE auth_user SET is_superuser = false", undo="UPDATE auth_user SET is_superuser = true"
    ),
    "a table is gone": sql(
        "ALTER TABLE django_session RENAME TO away", undo="ALTER TABLE away RENAME TO django_session"
    ),
    "a column of another table is gone": sql(
        "ALTER TABLE lead_notes RENAME COLUMN text TO away", undo="ALTER TABLE lead_notes RENAME COLUMN away TO text"
    ),
    "a column of another type": sql(
        "DROP STATISTICS leads_product, leads_source; ALTER TABLE leads ALTER quote_data TYPE text",
        undo="ALTER TABLE leads ALTER quote_data TYPE jsonb USING quote_data::jsonb;"
        "CREATE STATISTICS leads_product ON (quote_data #> '{lines,0,product}') FROM leads;"
        "CREATE STATISTICS leads_source ON (quote_data #> '{attribution,utm_source}') FROM leads",
    ),
    "a column with a limit": sql(
        "ALTER TABLE leads ALTER visitor_id TYPE varchar(20)", undo="ALTER TABLE leads ALTER visitor_id TYPE text"
    ),
    "an unlogged table": sql("ALTER TABLE lead_events SET UNLOGGED", undo="ALTER TABLE lead_events SET LOGGED"),
    "an index is gone": sql("ALTER INDEX lead_queue RENAME TO gone", undo="ALTER INDEX gone RENAME TO lead_queue"),
    "ids of events that are already used": sql(
        "INSERT INTO leads (folio, quote_data) VALUES ('one', '{}')",
        "INSERT INTO lead_events (id, lead_id, at, kind, detail) OVERRIDING SYSTEM VALUE "
        "SELECT 1000, id, now(), 'restored', '' FROM leads",
        undo="DELETE FROM lead_events; DELETE FROM leads",
    ),
    "a trigger that swallows rows": sql(
        "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
        "CREATE TRIGGER swallows BEFORE INSERT ON leads FOR EACH ROW EXECUTE FUNCTION swallow()",
        undo="DROP TRIGGER swallows ON leads; DROP FUNCTION swallow",
    ),
    "commits that are not synced": sql(
        f"ALTER ROLE {ROLE} SET synchronous_commit = off", undo=f"ALTER ROLE {ROLE} RESET synchronous_commit"
    ),
    "a short statement_timeout": sql(
        f"ALTER ROLE {ROLE} SET statement_timeout = '2500ms'", undo=f"ALTER ROLE {ROLE} SET statement_timeout = '30s'"
    ),
    # A function that is found before Postgres's own puts the server's clock ahead by an hour.
    "a clock that is off": sql(
        "CREATE SCHEMA ahead",
        "CREATE FUNCTION ahead.clock_timestamp() RETURNS timestamptz LANGUAGE sql "
        "AS $$ SELECT pg_catalog.clock_timestamp() + interval '1 hour' $$",
        f"GRANT USAGE ON SCHEMA ahead TO {ROLE}",
        f"ALTER ROLE {ROLE} SET search_path = ahead, pg_catalog, public",
        undo=f"ALTER ROLE {ROLE} RESET search_path; DROP SCHEMA ahead CASCADE",
    ),
    "a database of a newer release": sql(
        "INSERT INTO django_migrations (app, name, applied) VALUES ('leads', '9999_newer', now())",
        undo="DELETE FROM django_migrations WHERE name = '9999_newer'",
    ),
}
TOGETHER: dict[str, Breaking] = {
    "the site does not run": variables(),
    "the daily job does not run": sql(
        "INSERT INTO django_session VALUES ('old', '', now() - interval '4 days')", undo="DELETE FROM django_session"
    ),
    "no public host name": variables(ALLOWED_HOSTS=""),
    "a guessable earlier key": variables(SECRET_KEY_FALLBACKS="guess-me!"),
    "a service key of the old kind": variables(SUPABASE_SERVICE_ROLE_KEY=JWT),
    "no business name": variables(BUSINESS_NAME=""),
    "a preload without subdomains": variables(HSTS_PRELOAD="true"),
    "a long wait for Postgres": variables(LEAD_WAIT_MS="5000"),
    "the demo WhatsApp number in production": variables(WHATSAPP_NUMBER="520000000000"),
    "the bundled prices in production": variables(PRICE_BOOK=""),
    "a broken static file": broken_static_file,
    "faults are reported to nobody": variables(SENTRY_DSN=""),
    "an outbox that a restart loses": variables(OUTBOX_SPARE_DIR="/dev/shm/folio/outbox"),
    "a REST copy without an API": variables(SUPABASE_REST_COPY="true", SUPABASE_URL="http://127.0.0.1:1"),
    "a lead that Postgres refused": quarantined_lead,
    "a lead that has waited for an hour": old_lead,
    "a damaged journal": damaged_segment,
    "a database that has forgotten leads": forgotten_leads,
    "no room for delivered leads": cut_for_want_of_room,
    "a lead that no key opens": lead_of_a_lost_key,
    "an outbox with a file that cannot be read": unreadable_file,
    "a machine that is not heard of": machines("web-2", seen_at="now() - interval '1 hour'", pending="3"),
    "another machine with refused leads": machines("web-3", quarantined="2"),
    "few connections": sql(f"ALTER ROLE {ROLE} CONNECTION LIMIT 2", undo=f"ALTER ROLE {ROLE} CONNECTION LIMIT -1"),
    "a role without timeouts": sql(
        f"ALTER ROLE {ROLE} RESET statement_timeout", undo=f"ALTER ROLE {ROLE} SET statement_timeout = '30s'"
    ),
    "nobody can log in": sql("UPDATE auth_user SET is_active = false", undo="UPDATE auth_user SET is_active = true"),
    "no staff groups": sql(
        "UPDATE auth_group SET name = '-' || name", undo="UPDATE auth_group SET name = ltrim(name, '-')"
    ),
    "anybody can read a table": sql("GRANT SELECT ON leads TO anon", undo="REVOKE SELECT ON leads FROM anon"),
    "an open table that Django did not create": sql(
        "CREATE TABLE notes AS SELECT phone FROM leads", "GRANT SELECT ON notes TO anon", undo="DROP TABLE notes"
    ),
    "an open view that Django did not create": sql(
        "CREATE VIEW everyone AS SELECT * FROM leads", "GRANT SELECT ON everyone TO anon", undo="DROP VIEW everyone"
    ),
    "a function that anybody may call with its owner's rights": sql(
        "CREATE FUNCTION people() RETURNS SETOF leads SECURITY DEFINER LANGUAGE sql AS 'SELECT * FROM leads'",
        undo="DROP FUNCTION people",
    ),
    "a constraint that is not Folio's": sql(
        "ALTER TABLE leads ADD CONSTRAINT named CHECK (name <> '')", undo="ALTER TABLE leads DROP CONSTRAINT named"
    ),
}

ALONE: dict[str, Breaking] = {
    "SECRET_KEY is missing": variables(SECRET_KEY=""),
    "a SECRET_KEY that could be guessed": variables(SECRET_KEY="guess me!"),
    "WHATSAPP_NUMBER is no number": variables(WHATSAPP_NUMBER="call us"),
    "the publishable key in place of the service key": variables(
        SUPABASE_SERVICE_ROLE_KEY="sb_publishable_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz"
    ),
    "a secret under a public name": variables(VITE_BACKEND=SERVICE_KEY),
    "a price book with a gap": book("{ from = 3, price", "{ from = 4, price"),
    "a misspelt variable": variables(DATABASE_URL="", DATABSE_URL="postgresql://shop@127.0.0.1:1/shop"),
    "any host name": variables(ALLOWED_HOSTS="*"),
    "DEBUG in public": variables(DEBUG="true"),
    "keys of two projects": variables(
        SUPABASE_URL="https://abcdefgh.supabase.co",
        DATABASE_URL="postgresql://postgres.ijklmnop@127.0.0.1:1/postgres",
    ),
    "a tax about to end": book(FIRST_TAX, f"{FIRST_TAX}until = {TODAY + timedelta(days=20)}\n"),
    "translations not compiled": new_catalogue,
    "an outbox that cannot be written": file_in_the_way,
    "no DATABASE_URL": variables(DATABASE_URL=""),
    "a DATABASE_URL that is not a URL": variables(DATABASE_URL="garbage"),
    "the placeholder for the password": variables(
        DATABASE_URL="postgresql://postgres:[YOUR-PASSWORD]@127.0.0.1:1/postgres"
    ),
    "a bare # in the password": variables(DATABASE_URL="postgresql://postgres:Wr0ng#P4ssword@127.0.0.1:1/postgres"),
    "a certificate that is not there": variables(DATABASE_CA="/nowhere/ca.crt"),
    "Postgres stopped": fault(faults.stopped),
    "a wrong port": variables(DATABASE_URL="postgresql://shop@127.0.0.1:1/shop"),
    "a wrong host": variables(DATABASE_URL="postgresql://shop@nowhere.invalid/shop"),
    "a server that hangs": fault(faults.hung, through_the_proxy=True),
    "a wrong password": with_url(fault(faults.wrong_password), user=f"{ROLE}:{PASSWORD}"),
    "a password refused a moment ago": auth_block,
    "a paused project": fault(faults.tenant_not_found, through_the_proxy=True),
    "a banned address": banned,
    "a session pooler that is full": refusing("(EMAXCONNSESSION) max clients reached in session mode"),
    "network restrictions": refusing("(EADDRNOTALLOWED) address not in tenant allow_list: {203, 0, 113, 7}"),
    "a code of the pooler that is not known": refusing("(EWHATEVER) said in other words"),
    "an address that the pooler blocks": fault(faults.pooler_s_own_breaker, through_the_proxy=True),
    "a missing database": with_url(variables(), database="nothing"),
    "a missing role": with_url(variables(), user="nobody"),
    "every connection taken": fault(faults.too_many_connections),
    "a database that is closed to the role": with_url(
        sql("CREATE DATABASE closed", "REVOKE CONNECT ON DATABASE closed FROM PUBLIC", undo="DROP DATABASE closed"),
        database="closed",
    ),
    "no Postgres at the port": something_else_listens,
    "a search_path that leads elsewhere": sql(
        "CREATE SCHEMA mine",
        f"GRANT ALL ON SCHEMA mine TO {ROLE}",
        f"ALTER ROLE {ROLE} SET search_path = mine",
        undo=f"ALTER ROLE {ROLE} RESET search_path; DROP SCHEMA mine",
    ),
    "two tables of leads": sql(
        f"CREATE SCHEMA {ROLE} AUTHORIZATION {ROLE}",
        f"CREATE TABLE {ROLE}.leads (LIKE public.leads INCLUDING ALL)",
        f"ALTER TABLE {ROLE}.leads OWNER TO {ROLE}",
        undo=f"DROP SCHEMA {ROLE} CASCADE",
    ),
    "WEB_CONCURRENCY is no number": variables(WEB_CONCURRENCY="two"),
    "not migrated": with_url(sql("CREATE DATABASE empty", undo="DROP DATABASE empty"), database="empty"),
    "the table is gone": fault(faults.without_table),
    "a column is gone": fault(faults.without_column),
    "a read-only role": sql(
        f"ALTER ROLE {ROLE} SET default_transaction_read_only = on",
        undo=f"ALTER ROLE {ROLE} RESET default_transaction_read_only",
    ),
    "a read-only database": sql(
        "ALTER DATABASE postgres SET default_transaction_read_only = on",
        undo="ALTER DATABASE postgres RESET default_transaction_read_only",
    ),
    "a read-only server": fault(faults.read_only),
    "a role that may not insert": with_url(sql(*CLERK, undo="DROP OWNED BY clerk; DROP ROLE clerk"), user="clerk"),
    "row level security forced on the owner": sql(
        "ALTER TABLE leads FORCE ROW LEVEL SECURITY", undo="ALTER TABLE leads NO FORCE ROW LEVEL SECURITY"
    ),
    "a locked table": fault(faults.locked),
    "a trigger that raises": sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$",
        "CREATE TRIGGER refuses BEFORE INSERT ON leads FOR EACH ROW EXECUTE FUNCTION refuse()",
        undo="DROP TRIGGER refuses ON leads; DROP FUNCTION refuse",
    ),
    "ids that are already used, after a restore": sql(
        "INSERT INTO leads (id, folio, quote_data) OVERRIDING SYSTEM VALUE VALUES (1, 'one', '{}')",
        "SELECT setval(pg_get_serial_sequence('leads', 'id'), 1, false)",
        undo="DELETE FROM leads",
    ),
}


# One for each way in which the doctor finds something out.
EVERY_RUN = {
    "SECRET_KEY is missing",
    "a secret under a public name",
    "a price book with a gap",
    "a misspelt variable",
    "an outbox that cannot be written",
    "a DATABASE_URL that is not a URL",
    "Postgres stopped",
    "a wrong password",
    "a password refused a moment ago",
    "a paused project",
    "every connection taken",
    "not migrated",
    "a read-only database",
    "a role that may not insert",
    "a locked table",
    "ids that are already used, after a restore",
}


def documented() -> dict[str, tuple[str, str, str, str]]:
    """Return the table of docs/doctor.md: set-up -> level, subject, part of what is found, part of what to do."""
    table = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8").partition("## Broken set-ups")[2]
    rows = re.findall(r"^\| (.+?) \| (error|warning) (.+?) \| `(.+)` \| `(.+)` \|$", table, re.MULTILINE)
    return {setup: (level, subject, found, cure) for setup, level, subject, found, cure in rows}


def test_every_broken_set_up_is_in_the_document():
    assert sorted(documented()) == sorted([*TOGETHER, *ROWS_AND_NAMES, *ALONE])


@pytest.mark.parametrize("setups", [TOGETHER, ROWS_AND_NAMES], ids=["together", "rows and names"])
def test_each_of_many_faults_gets_its_cause_and_its_cure(shop, setups):
    with ExitStack() as broken:
        changes = [broken.enter_context(breaking(shop)) for breaking in dict.fromkeys(setups.values())]
        found = examined(reduce(or_, changes, dict(shop.environment)))
    for setup in setups:
        assert_is_named(setup, *found)


@pytest.mark.parametrize(
    "setup", mark.by_hand_but(len(EVERY_RUN), sorted(ALONE, key=lambda name: name not in EVERY_RUN))
)
def test_a_broken_set_up_gets_its_cause_and_its_cure(shop, setup):
    with ALONE[setup](shop) as changes:
        status, findings = examined({**shop.environment, **changes})
    assert_is_named(setup, status, findings)


def assert_is_named(setup: str, status: int, findings: Findings) -> None:
    level, subject, found, cure = documented()[setup]
    about = [finding for finding in findings if (finding["level"], finding["subject"]) == (level, subject)]
    assert [each for each in about if found in each["found"] and cure in each["cure"]], about or findings
    assert status == any(finding["level"] == "error" for finding in findings)


# --- Set-ups in order -----------------------------------------------------------------------------------------------


def test_a_set_up_in_order_has_no_warning_and_no_error(shop):
    done = doctor(shop.environment)
    assert done.returncode == 0, done.stdout
    # CI's own disk may be one that a restart deletes, and no site runs.
    not_ok = [line for line in done.stdout.splitlines() if not re.match(r"ok|warning  (outbox|site) | +-> ", line)]
    assert not_ok == [done.stdout.splitlines()[-1]]
    assert re.fullmatch(r"0 errors, [13] warnings?, \d+ ok", not_ok[0])


def test_development_with_the_embedded_postgres_has_no_error(postgres, tmp_path):
    environment = live.environment(postgres.url, SECRET_KEY="", ALLOWED_HOSTS="", WHATSAPP_NUMBER="", DEBUG="true")
    status, findings = examined(environment)
    assert [finding for finding in findings if finding["level"] == "error"] == []
    assert status == 0


def test_the_report_fits_on_one_screen(shop):
    lines = doctor(shop.environment).stdout.splitlines()
    assert len(lines) <= 42


def test_the_doctor_leaves_no_row_and_no_directory_behind(shop, postgres):
    assert doctor(shop.environment).returncode == 0
    assert postgres.query("SELECT count(*) FROM leads") == [{"count": 0}]
    assert [path for path in shop.outbox if path.exists()] == []


def test_the_doctor_knows_the_variables_of_the_example():
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert tuple(re.findall(r"^(?:# )?([A-Z0-9_]+)=", example, re.MULTILINE)) == VARIABLES


# --- Secrets and people ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", mark.by_hand_but(1, [["--json"], []]), ids=["json", "text"])
def test_no_secret_and_no_person_is_printed(shop, arguments):
    url = f"postgresql://shop:{PASSWORD}@127.0.0.1:1/shop"
    environments = [
        {**shop.environment, "DATABASE_URL": f"{url}?sslmode=never", "DATABSE_URL": url},
        {**shop.environment, "DATABASE_URL": f"{url}#"},
        {**shop.environment, "PUBLIC_KEY": SERVICE_KEY},
        {**shop.environment, "SUPABASE_SERVICE_ROLE_KEY": f"x{SERVICE_KEY}"},
    ]
    with quarantined_lead(shop), old_lead(shop):
        answers = [doctor(environment, *arguments) for environment in environments]
    printed = "".join(answer.stdout + answer.stderr for answer in answers)
    forbidden = (SECRET_KEY, PASSWORD, SERVICE_KEY, CUSTOMER, "656 765 4321", "6567654321")
    assert [secret for secret in forbidden if secret in printed] == []
    assert "in quarantine: 1" in printed  # it did read the record


def test_a_wrong_password_is_tried_once_for_all_runs(shop, postgres):
    environment = {**shop.environment, "DATABASE_URL": shop.url(user=f"{ROLE}:{PASSWORD}")}
    before = postgres.log.count("password authentication failed")
    with faults.wrong_password(postgres, shop.proxy):
        causes = [
            [finding["found"] for finding in examined(environment)[1] if finding["subject"] == "database"]
            for _ in range(2)
        ]
    assert "the password is wrong" in causes[0][0]
    assert "not tried again" in causes[1][0]
    assert postgres.log.count("password authentication failed") - before == 1


# --- Settings that do not load --------------------------------------------------------------------------------------


def test_a_setting_that_stops_the_start_is_one_clear_line(shop):
    done = doctor({**shop.environment, "SECRET_KEY": ""})
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == ("error    start        SECRET_KEY is not set; .env.example describes it.")
    assert done.stderr == ""


def test_any_command_names_the_setting_that_stops_the_start(shop):
    command = [sys.executable, "manage.py", "migrate"]
    environment = {**shop.environment, "SECRET_KEY": ""}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error    start        SECRET_KEY is not set")
    assert "Traceback" not in done.stderr
    shown = subprocess.run([*command, "--traceback"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert shown.returncode == 1
    assert "Traceback" in shown.stderr


# --- A test event ---------------------------------------------------------------------------------------------------


def test_a_test_event_reaches_sentry(shop):
    with ingest() as sentry:
        environment = {**shop.environment, "SENTRY_DSN": sentry.dsn}
        assert examined(environment)[0] == 0
        assert sentry.envelopes == []
        _, findings = examined(environment, "--send-test-event")
        assert [reporting.TEST in json.dumps(event) for event in sentry.events] == [True]
    (sentry_finding,) = [finding for finding in findings if finding["subject"] == "sentry"]
    assert sentry_finding["level"] == "ok"
    assert "took the test event" in sentry_finding["found"]


@pytest.mark.parametrize(("status", "why"), [(403, "status_403"), (None, "network")])
def test_a_test_event_that_does_not_arrive_is_an_error(shop, status, why):
    class Refuse(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Refuse) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        port = server.server_port if status else 1
        exit_status, findings = examined(
            {**shop.environment, "SENTRY_DSN": f"http://key@127.0.0.1:{port}/1"}, "--send-test-event"
        )
        server.shutdown()
        thread.join()
    (sentry_finding,) = [finding for finding in findings if finding["subject"] == "sentry"]
    assert (exit_status, sentry_finding["level"]) == (1, "error")
    assert why in sentry_finding["found"]
    assert "Copy SENTRY_DSN" in sentry_finding["cure"]
