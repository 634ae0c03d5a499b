"""A deployment as on a host: the Procfile in a clean clone, the steps of docs/deploy.md, the host's proxy."""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support import live
from tests.support.customers import a_quote, check_out_with
from tests.support.eventually import eventually
from tests.support.live import ROOT, Postgres, Site
from tests.support.processes import run
from tests.support.release import blocks, clone, follow, in_a_terminal, processes, serving, shell

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
    """The site of the Procfile's `web`, set up by docs/deploy.md. output: of the release; report: of the doctor."""

    site: Site
    project: Path
    output: str
    report: str


@pytest.fixture(scope="module")
def release(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    directory = tmp_path_factory.mktemp("host")
    project = clone(directory / "folio")
    environment = write_env(project, production("", directory), postgres)
    [*_, output] = follow("deploy.md", "3. The release", environment=environment, cwd=project)
    [login] = [block.text for block in blocks("deploy.md") if block.heading == "4. The first login"]
    # As in the shell of Debian's images and of many hosts; N: do not take the weak password.
    typed = ["short1", "short1", "N", PASSWORD, PASSWORD]
    shown = in_a_terminal(["dash", "-c", login], environment=environment, answers=typed, cwd=project)
    assert "Superuser created successfully." in shown
    assert PASSWORD not in shown
    [report] = follow("deploy.md", "5. Check the set-up", environment=environment, cwd=project)
    # Gunicorn does not trust this machine as a proxy, as on a host.
    with serving(project, {**environment, "FORWARDED_ALLOW_IPS": "192.0.2.1"}, directory / "log") as site:
        yield Release(site, project, output, report)


def write_env(project: Path, environment: dict[str, str], postgres: Postgres) -> dict[str, str]:
    """Write the document's .env with real values for its examples; return the environment without its variables."""
    [variables] = [block.text for block in blocks("deploy.md") if block.language == "dotenv"]
    [example] = re.findall(r"^DATABASE_URL=(.*)$", variables, re.MULTILINE)
    key = a_key(project, environment=environment)
    hosts = f"{HOST},127.0.0.1"
    for placeholder, value in (example, postgres.url), ("paste-what-the-command-printed", key), (HOST, hosts):
        assert placeholder in variables
        variables = variables.replace(placeholder, value)
    (project / ".env").write_text(variables)
    # A variable in .env counts only if the environment does not have it, not even empty.
    names = re.findall(r"^(\w+)=", variables, re.MULTILINE)
    return {name: value for name, value in environment.items() if name not in names}


def a_key(project: Path, *, environment: dict[str, str]) -> str:
    [command] = [b.text for b in blocks("deploy.md") if b.heading == "2. The variables" and b.language == "bash"]
    key = shell(command, cwd=project, environment=environment).stdout.strip()
    assert len(key) > 50
    return key


def test_the_procfile_has_the_document_s_release_commands():
    [commands] = [block.text for block in blocks("deploy.md") if block.heading == "3. The release"]
    install, build, release = commands.splitlines()
    assert install == "pip install --require-hashes -r requirements.txt"  # a host with a Procfile does this by itself
    assert build == "bin/post_compile"  # and the buildpack this
    assert processes()["release"] == release


def test_a_build_needs_no_variable_and_leaves_no_secret(tmp_path):
    project = clone(tmp_path / "folio")
    done = shell("bin/post_compile", cwd=project, environment={"PATH": os.environ["PATH"]})
    assert done.returncode == 0, done.stderr
    assert not (project / "var" / "secret-key").exists()


@pytest.mark.by_hand
def test_a_release_does_everything_that_a_site_needs(release, postgres):
    assert "catalogues compiled" in release.output
    assert "System check identified no issues" in release.output
    assert "Applying leads.0001_lead... OK" in release.output
    groups = {row["name"] for row in postgres.query("SELECT name FROM auth_group")}
    assert {"Sales", "Sales manager", "Owner"} <= groups


@pytest.mark.by_hand
def test_the_doctor_finds_no_error_after_the_document_s_steps(release, postgres):
    [staff] = postgres.query("SELECT username, is_superuser FROM auth_user WHERE username = 'ana'")
    assert staff["is_superuser"]
    assert not [line for line in release.report.splitlines() if line.startswith("error")]


@pytest.mark.by_hand
def test_a_released_site_serves_customers_in_their_language_with_its_styles(release, postgres):
    site = release.site
    page = site.get("/")
    [style] = re.findall(r'href="(/static/[^"]+\.css)"', page.text)
    assert site.get(style).status == 200
    assert '<html lang="es-mx">' in page.text
    assert "Servicio" in page.text or "Cotiza" in page.text
    folio = check_out_with(site, a_quote(site)).json["folio"]
    assert eventually(lambda: postgres.query("SELECT true FROM leads WHERE folio = %s", folio))


@pytest.mark.by_hand
def test_the_document_s_command_says_which_release_runs(release):
    [said] = follow("deploy.md", "Later releases", environment=release.site.environment, cwd=release.project)
    assert re.search(r"Folio (\S+) starts", release.site.log)[1] == said.split()[1]


def test_every_command_of_the_document_is_run_here():
    tests = Path(__file__).read_text()
    headings = {block.heading for block in blocks("deploy.md") if block.language == "bash"} - {"A lost phone"}
    assert [heading for heading in headings if f'"{heading}"' not in tests] == []


@pytest.mark.by_hand
def test_a_repeated_release_changes_nothing(release):
    repeated = shell(processes()["release"], cwd=release.project, environment=release.site.environment)
    assert repeated.returncode == 0, repeated.stderr
    assert "No migrations to apply" in repeated.stdout
    assert "0 created, 0 permissions granted, 0 revoked" in repeated.stdout


@pytest.mark.by_hand
def test_a_release_without_a_database_stops_with_the_cause(release):
    environment = {**release.site.environment, "DATABASE_URL": live.NOBODY_LISTENS}
    stopped = shell(processes()["release"], cwd=release.project, environment=environment)
    assert stopped.returncode != 0
    assert "The database cannot be used: nothing listens there" in "".join(stopped.stderr.splitlines()[-2:])
    assert "created" not in stopped.stdout


@pytest.mark.by_hand
def test_the_site_starts_without_a_release_or_a_database(release, tmp_path):
    with serving(release.project, production(live.NOBODY_LISTENS, tmp_path), tmp_path / "log") as site:
        assert "warning" in check_out_with(site, a_quote(site)).json
        [style] = re.findall(r'href="(/static/[^"]+\.css)"', site.get("/").text)
        assert site.get(style).status == 200


@pytest.mark.by_hand
def test_make_run_serves_with_the_example_s_env_and_another_database_is_left_as_it_is(tmp_path, postgres):
    project = clone(tmp_path / "folio")
    (project / ".venv").symlink_to(sys.prefix)
    example = (ROOT / ".env.example").read_text()
    (project / ".env").write_text(example.replace("# ALLOWED_HOSTS=", "ALLOWED_HOSTS="))
    postgres.query("CREATE DATABASE another")
    another = Postgres(postgres.url.replace("/released?", "/another?"), postgres.data, postgres.data)
    # Nothing is installed, and the environment has no variable of the site.
    command = f"exec make --old-file=.venv/installed-run run PORT=$PORT DATABASE_URL='{another.url}'"
    names = [*live.environment(""), "PORT"]
    environment = {name: value for name, value in os.environ.items() if name not in names or name == "PATH"}
    with serving(project, environment, tmp_path / "log", command=command) as site:
        assert site.get("/", **{"X-Forwarded-Proto": "http"}).status == 200
    assert another.query("SELECT to_regclass('leads') IS NULL AS is_left") == [{"is_left": True}]


# --- Behind the host's proxy ------------------------------------------------------------------------------------------

HTTPS = {"Host": HOST, "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9", "X-Forwarded-Port": "443"}


@pytest.mark.by_hand
def test_plain_http_is_redirected_once(release):
    site = release.site
    answer = site.get("/", **{**HTTPS, "X-Forwarded-Proto": "http"})
    assert (answer.status, answer.location) == (301, f"https://{HOST}/")
    assert site.get("/", **HTTPS).status == 200


@pytest.mark.by_hand
def test_links_are_https_and_have_the_public_name(release):
    site = release.site
    body = {"lines": [{"product": "concrete", "options": {"strength": "200", "service": "direct"}}]}
    body["lines"][0] |= {"measure": {"kind": "volume", "m3": "5"}, "extras": []}
    assert site.post_json("/quote/", body, **HTTPS).json["url"].startswith(f"https://{HOST}/q/")


@pytest.mark.by_hand
def test_staff_log_in_without_csrf_trusted_origins(release):
    site = release.site
    form = site.get("/admin/login/", **HTTPS)
    [cookie] = (header.split(";")[0] for header in form.headers.get_all("Set-Cookie"))
    csrf = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form.text)[1]
    fields = {"csrfmiddlewaretoken": csrf, "login": "ana", "password": PASSWORD}
    answer = site.post("/admin/login/", fields, Cookie=cookie, Origin=f"https://{HOST}", **HTTPS)
    assert (answer.status, answer.location) == (302, "/admin/leads/lead/")


# --- Gunicorn's settings from the environment -------------------------------------------------------------------------


def gunicorn_settings(**changes: str) -> dict[str, str]:
    variables = live.environment(live.NOBODY_LISTENS)
    environment = {name: value for name, value in variables.items() if name not in ("WEB_CONCURRENCY", "WEB_THREADS")}
    done = run("-m", "gunicorn", "--print-config", "settings.wsgi", environment=environment | changes)
    return dict(re.findall(r"^(\w+)\s+= (.*)$", done.stdout, re.MULTILINE))


def test_the_defaults_are_the_measured_ones():
    defaults = gunicorn_settings()
    assert defaults["worker_class"] == "serving.worker.WholeRequestWorker"
    assert (defaults["workers"], defaults["threads"]) == ("2", "4")
    # Heroku's router keeps an idle connection for 90 s, and must be the first to close it.
    assert int(defaults["keepalive"]) > 90
    assert defaults["accesslog"] == "None"


def test_a_host_sets_the_port_and_how_many_processes_and_threads():
    changed = gunicorn_settings(WEB_CONCURRENCY="3", WEB_THREADS="6", PORT="5000")
    assert (changed["workers"], changed["threads"], changed["bind"]) == ("3", "6", "['0.0.0.0:5000']")


# --- The document -----------------------------------------------------------------------------------------------------


def test_every_variable_is_in_the_document():
    text = (ROOT / "docs" / "deploy.md").read_text()
    table = "\n".join(line.split("|")[1] for line in text.splitlines() if line.startswith("| `"))
    known = set(re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert set(re.findall(r"`([A-Z_]+)`", table)) == known | {"PORT", "WEB_CONCURRENCY", "WEB_THREADS"}
