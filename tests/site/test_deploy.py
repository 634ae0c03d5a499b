"""A release as a host makes it: the Procfile in a clean clone, docs/deploy.md to the letter, the host's proxy."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader

from tests.support import live
from tests.support.customers import a_quote, check_out_with
from tests.support.eventually import eventually
from tests.support.live import ROOT, Postgres, Site
from tests.support.processes import run
from tests.support.release import blocks, clone, follow, processes, serving, shell

pytestmark = pytest.mark.long

HOST = "quotes.example.com"
KEY = "as long as what the document's command prints, and known to these tests alone"
PASSWORD = "a password of ana's own"


def production(database_url: str, directory: Path, **changes: str) -> dict[str, str]:
    outbox = {"OUTBOX_DIR": f"{directory}/outbox", "OUTBOX_SPARE_DIR": f"{directory}/outbox-spare"}
    hosts = f"{HOST},127.0.0.1"
    return live.environment(database_url, **{"SECRET_KEY": KEY, "ALLOWED_HOSTS": hosts, **outbox, **changes})


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """An empty database."""
    with live.postgres() as server:
        server.query("CREATE DATABASE released")
        yield Postgres(server.url.replace("/postgres?", "/released?"), server.data, server.data)


# --- From a clean clone to customers ----------------------------------------------------------------------------------


class Release(NamedTuple):
    """The site of the Procfile's `web`, after docs/deploy.md. said: by its release; examined: by the doctor."""

    site: Site
    project: Path
    said: str
    examined: str


@pytest.fixture(scope="module")
def release(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    directory = tmp_path_factory.mktemp("host")
    project = clone(directory / "folio")
    environment = given_to_env(project, production("", directory), postgres)
    [*_, said] = follow("deploy.md", "3. The release", environment=environment, cwd=project)
    [login] = [block.text for block in blocks("deploy.md") if block.heading == "4. The first login"]
    made = shell(login, cwd=project, environment=environment, typed=f"{PASSWORD}\n")
    assert made.returncode == 0, made.stderr
    [examined] = follow("deploy.md", "5. Is all well?", environment=environment, cwd=project)
    # No proxy of this machine is known.
    with serving(project, {**environment, "FORWARDED_ALLOW_IPS": "192.0.2.1"}, directory / "log") as site:
        yield Release(site, project, said, examined)


def given_to_env(project: Path, environment: dict[str, str], postgres: Postgres) -> dict[str, str]:
    """Write the document's .env, with ours for its examples; return the environment without what stands there."""
    [variables] = [block.text for block in blocks("deploy.md") if block.language == "dotenv"]
    [example] = re.findall(r"^DATABASE_URL=(.*)$", variables, re.MULTILINE)
    key = a_key(project, environment=environment)
    for theirs, ours in (example, postgres.url), ("paste-what-the-command-printed", key), (HOST, f"{HOST},127.0.0.1"):
        assert theirs in variables
        variables = variables.replace(theirs, ours)
    (project / ".env").write_text(variables)
    # What .env says counts only where the environment says nothing at all.
    named = re.findall(r"^(\w+)=", variables, re.MULTILINE)
    return {name: value for name, value in environment.items() if name not in named}


def a_key(project: Path, *, environment: dict[str, str]) -> str:
    [command] = [b.text for b in blocks("deploy.md") if b.heading == "2. The variables" and b.language == "bash"]
    key = shell(command, cwd=project, environment=environment).stdout.strip()
    assert len(key) > 50
    return key


def test_the_procfile_releases_as_the_document_does():
    [commands] = [block.text for block in blocks("deploy.md") if block.heading == "3. The release"]
    install, *steps = commands.splitlines()
    assert install == "pip install -r requirements.txt"  # which a host with a Procfile has done by then
    assert processes()["release"] == " && ".join(steps)


def test_a_release_does_all_that_a_site_needs(release, postgres):
    assert "catalogues compiled" in release.said
    assert "static files copied" in release.said
    assert "System check identified no issues" in release.said
    assert "Applying leads.0001_lead... OK" in release.said
    groups = {row["name"] for row in postgres.query("SELECT name FROM auth_group")}
    assert {"Sales", "Sales manager", "Owner"} <= groups


def test_the_document_s_own_steps_lead_to_a_healthy_site(release, postgres):
    [staff] = postgres.query("SELECT username, is_superuser FROM auth_user WHERE username = 'ana'")
    assert staff["is_superuser"]
    assert not [line for line in release.examined.splitlines() if line.startswith("error")]


def test_a_released_site_serves_customers_in_their_language_with_its_styles(release, postgres):
    site = release.site
    page = site.get("/")
    [style] = re.findall(r'href="(/static/[^"]+\.css)"', page.text)
    assert site.get(style).status == 200
    assert '<html lang="es-mx">' in page.text
    assert "Servicio" in page.text or "Cotiza" in page.text
    folio = check_out_with(site, a_quote(site)).json["folio"]
    assert eventually(lambda: postgres.query("SELECT true FROM leads WHERE folio = %s", folio))


def test_a_second_release_of_the_same_changes_nothing(release):
    again = shell(processes()["release"], cwd=release.project, environment=release.site.environment)
    assert again.returncode == 0, again.stderr
    assert "0 catalogues compiled" in again.stdout
    assert "No migrations to apply" in again.stdout
    assert "0 created, 0 permissions granted, 0 revoked" in again.stdout


def test_a_release_without_a_database_stops_and_says_why(release):
    environment = {**release.site.environment, "DATABASE_URL": live.NOBODY_LISTENS}
    stopped = shell(processes()["release"], cwd=release.project, environment=environment)
    assert stopped.returncode != 0
    assert "port 1 failed: Connection refused" in "".join(stopped.stderr.splitlines()[-2:])
    assert "created" not in stopped.stdout


def test_the_site_starts_without_a_build_a_release_or_a_database(tmp_path):
    project = clone(tmp_path / "folio")
    with serving(project, production(live.NOBODY_LISTENS, tmp_path), tmp_path / "log") as site:
        assert "warning" in check_out_with(site, a_quote(site)).json
        [style] = re.findall(r'href="(/static/[^"]+\.css)"', site.get("/").text)
        assert site.get(style).status == 200


# --- Behind the host's proxy ------------------------------------------------------------------------------------------

HTTPS = {"Host": HOST, "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9", "X-Forwarded-Port": "443"}


def test_plain_http_is_redirected_once(release):
    site = release.site
    answer = site.get("/", **{**HTTPS, "X-Forwarded-Proto": "http"})
    assert (answer.status, answer.location) == (301, f"https://{HOST}/")
    assert site.get("/", **HTTPS).status == 200


def test_links_are_https_and_have_the_public_name(release):
    site = release.site
    body = {"lines": [{"product": "concrete", "options": {"strength": "200", "service": "direct"}}]}
    body["lines"][0] |= {"measure": {"kind": "volume", "m3": "5"}, "extras": []}
    assert site.post_json("/quote/", body, **HTTPS).json["url"].startswith(f"https://{HOST}/q/")


def test_staff_log_in_without_naming_the_origin(release):
    site = release.site
    form = site.get("/admin/login/", **HTTPS)
    [cookie] = (header.split(";")[0] for header in form.headers.get_all("Set-Cookie"))
    csrf = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form.text)[1]
    fields = {"csrfmiddlewaretoken": csrf, "login": "ana", "password": PASSWORD}
    answer = site.post("/admin/login/", fields, Cookie=cookie, Origin=f"https://{HOST}", **HTTPS)
    assert (answer.status, answer.location) == (302, "/admin/")


# --- Gunicorn's settings from the environment -------------------------------------------------------------------------


def gunicorn_settings(**changes: str) -> dict[str, str]:
    ours = live.environment(live.NOBODY_LISTENS)
    environment = {name: value for name, value in ours.items() if name not in ("WEB_CONCURRENCY", "WEB_THREADS")}
    done = run("-m", "gunicorn", "--print-config", "settings.wsgi", environment=environment | changes)
    return dict(re.findall(r"^(\w+)\s+= (.*)$", done.stdout, re.MULTILINE))


def test_the_defaults_are_the_measured_ones():
    found = gunicorn_settings()
    assert (found["worker_class"], found["workers"], found["threads"]) == ("gthread", "2", "4")
    # Heroku's router keeps an idle connection for 90 s: whoever lets go first must be the router.
    assert int(found["keepalive"]) > 90
    assert found["accesslog"] == "None"


def test_a_host_sets_the_port_and_how_many_processes_and_threads():
    found = gunicorn_settings(WEB_CONCURRENCY="3", WEB_THREADS="6", PORT="5000")
    assert (found["workers"], found["threads"], found["bind"]) == ("3", "6", "['0.0.0.0:5000']")


# --- The document -----------------------------------------------------------------------------------------------------


def test_every_variable_is_in_the_document():
    text = (ROOT / "docs" / "deploy.md").read_text()
    table = "\n".join(line.split("|")[1] for line in text.splitlines() if line.startswith("| `"))
    known = set(re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert set(re.findall(r"`([A-Z_]+)`", table)) == known | {"PORT", "WEB_CONCURRENCY", "WEB_THREADS"}


# --- The old release on the new tables --------------------------------------------------------------------------------

# As the first release writes and reads: what runs while its successor migrates, and once more when that is taken back.
FIRST_UPSERT = """
INSERT INTO leads (folio, name, phone, quote_data, visitor_id, created_at, submitted_at)
SELECT folio, name, phone, quote_data, visitor_id, created_at, submitted_at
FROM jsonb_to_recordset(%s::jsonb) AS arrived (
    folio text, name text, phone text, quote_data jsonb, visitor_id text,
    created_at timestamptz, submitted_at timestamptz
)
ON CONFLICT (folio) DO UPDATE SET
    name = excluded.name,
    phone = excluded.phone,
    quote_data = excluded.quote_data,
    visitor_id = excluded.visitor_id,
    submitted_at = excluded.submitted_at
WHERE excluded.submitted_at > coalesce(leads.submitted_at, '-infinity')
"""
FIRST_LEAD = '[{"folio": "261122-7F3K-Q2M9-X", "name": "", "phone": "", "quote_data": {}, "visitor_id": "",'
FIRST_LEAD += ' "created_at": "2026-11-22T12:00:00Z", "submitted_at": null}]'
FIRST_READS = [
    "SELECT id, folio, name, phone, quote_data, status, visitor_id, created_at, submitted_at, contacted_at,"
    " contacted_by, notes FROM leads",
    "SELECT id, lead_id, at, actor_id, kind, detail FROM lead_events",
]


@pytest.mark.django_db
def test_the_first_release_still_writes_and_reads():
    with connection.cursor() as cursor:
        for _ in range(2):
            cursor.execute(FIRST_UPSERT, [FIRST_LEAD])
        cursor.execute(
            "INSERT INTO lead_events (lead_id, at, actor_id, kind, detail)"
            " SELECT id, now(), null, 'contacted', '' FROM leads"
        )
        for statement in FIRST_READS:
            cursor.execute(statement)
            assert len(cursor.fetchall()) == 1


TAKES_AWAY = (
    migrations.RemoveField,
    migrations.RenameField,
    migrations.DeleteModel,
    migrations.RenameModel,
    migrations.AlterModelTable,
)


def breaks_the_old_release(migration: migrations.Migration) -> list[str]:
    """Return what the release before could not live with: what is taken away, and a column that it does not fill in."""
    if "_contract" in migration.name:
        return []
    new = {operation.name_lower for operation in migration.operations if isinstance(operation, migrations.CreateModel)}
    found = []
    for operation in migration.operations:
        must_be_given = isinstance(operation, migrations.AddField) and not (
            operation.field.null
            or operation.field.has_db_default()
            or isinstance(operation.field, models.ManyToManyField)
        )
        is_new = getattr(operation, "model_name_lower", None) in new
        if isinstance(operation, TAKES_AWAY) or (must_be_given and not is_new):
            found.append(f"{migration.app_label}.{migration.name}: {operation.describe()}")
    return found


def test_no_migration_breaks_the_release_that_is_still_running():
    ours = [
        m for (app, _), m in MigrationLoader(None).disk_migrations.items() if app in ("quoter", "leads", "checkout")
    ]
    assert len(ours) >= 2
    assert [fault for migration in ours for fault in breaks_the_old_release(migration)] == []


@pytest.mark.parametrize(
    ("name", "operation", "is_fault"),
    [
        ("0009_source", migrations.AddField("lead", "source", models.TextField(default="")), True),
        ("0009_source", migrations.AddField("lead", "source", models.TextField(db_default="")), False),
        ("0009_source", migrations.AddField("lead", "source", models.TextField(null=True)), False),
        ("0009_source", migrations.RemoveField("lead", "source"), True),
        ("0009_source", migrations.RenameField("lead", "source", "origin"), True),
        ("0010_contract_source", migrations.RemoveField("lead", "source"), False),
    ],
)
def test_a_migration_that_would_break_it_is_found(name, operation, is_fault):
    migration = migrations.Migration(name, "leads")
    migration.operations = [operation]
    assert bool(breaks_the_old_release(migration)) == is_fault
