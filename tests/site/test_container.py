"""Dockerfile, compose.yaml and the files of the hosts that build the image, as far as they can be run without them."""

import json
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection

import pytest
from ruamel.yaml import YAML

from tests.support import live, mark
from tests.support.bare_root import PYTHON
from tests.support.eventually import PATIENCE_S, eventually
from tests.support.image import DOCKERFILE, Image, context, image, instructions
from tests.support.live import NOBODY_LISTENS, ROOT
from tests.support.release import processes

pytestmark = pytest.mark.long

HOST = "quotes.example.com"
# What a host gives the site; no other variable of this machine.
GIVEN = {
    "SECRET_KEY": live.SECRET_KEY,
    "ALLOWED_HOSTS": HOST,
    "WHATSAPP_NUMBER": live.WHATSAPP_NUMBER,
    "DATABASE_URL": NOBODY_LISTENS,
}
SITE = 10001


def compose() -> dict:
    return YAML(typ="safe").load(ROOT / "compose.yaml")["services"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    with image(tmp_path_factory.mktemp("image")) as ready:
        yield ready


@contextmanager
def container(built: Image, *command: str, mounts: str = "", user: int = 0) -> Iterator[subprocess.Popen]:
    """Run a command, by default the image's, as a container's first process.

    mounts: shell commands that change what it sees; user: as whom it begins.
    """
    entered = f'{mounts}\ncd /app\nexec setpriv --reuid={user} --regid={user} --clear-groups "$@"'
    started = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-ec", entered, "sh"]
    running = subprocess.Popen(
        built.root.command(*started, *built.entrypoint, *(command or built.command)),
        env=built.environment | GIVEN,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield running
    finally:
        built.root.run("pkill", "-KILL", "unshare", check=False)  # and with it all that runs in there
        running.communicate()


def stopped(built: Image, running: subprocess.Popen[str]) -> str:
    """End the site, and return its log."""
    built.root.run("pkill", "-KILL", "gunicorn", check=False)
    return running.stdout.read()


def answer(built: Image, path: str, **headers: str) -> int:
    with built.root.network():
        connection = HTTPConnection("127.0.0.1", int(built.environment["PORT"]), timeout=PATIENCE_S)
        connection.connect()
    try:
        connection.request("GET", path, headers={"Host": HOST, "X-Forwarded-Proto": "https", **headers})
        return connection.getresponse().status
    finally:
        connection.close()


def is_healthy(built: Image) -> bool:
    done = subprocess.run(built.root.command(*built.healthcheck), env=built.environment | GIVEN, capture_output=True)
    return done.returncode == 0


# A volume as many hosts mount it: empty, and root's.
OF_ROOT = "mount -t tmpfs -o mode=755 none /data"
# As compose.yaml: nothing can be written but /tmp and var/share, which are empty, and the volume, which is the site's.
# The tests' Python may be below /tmp, and stays.
LIBRARIES = PYTHON[1]
EMPTY_TMP = f"""
if test -e {LIBRARIES}; then mkdir -p /run/libraries; mount --rbind {LIBRARIES} /run/libraries; fi
mount -t tmpfs none /tmp
if test -e /run/libraries; then mkdir -p {LIBRARIES}; mount --rbind /run/libraries {LIBRARIES}; fi
"""
READ_ONLY = f"""
mount -t tmpfs -o mode=700,uid=10001,gid=10001 none /data
{EMPTY_TMP}
mount -t tmpfs -o mode=700,uid=10001,gid=10001 none /app/var/share
mount -o remount,bind,ro /
"""
MEANS = {"a volume of root": (OF_ROOT, 0), "as in compose.yaml": (READ_ONLY, SITE)}


@pytest.mark.needs("mounting")
@pytest.mark.parametrize("means", mark.by_hand_but(1, MEANS))
def test_the_image_serves_as_its_own_user_without_a_database_and_stops_in_time(built, means):
    mounts, user = MEANS[means]
    with container(built, mounts=mounts, user=user) as running:
        assert eventually(lambda: is_healthy(built), within_s=3 * PATIENCE_S, or_show=lambda: stopped(built, running))
        assert answer(built, "/") == 200
        assert answer(built, "/healthz", Host=HOST) == 200
        assert set(built.root.run("ps", "-o", "uid=", "-C", "gunicorn").split()) == {str(SITE)}
        written = built.root.run("sh", "-c", "stat -c %u /proc/$(pgrep -o gunicorn)/root/data/outbox/*")
        assert set(written.split()) == {str(SITE)}
        built.root.run("sh", "-c", "kill -TERM $(pgrep -o gunicorn)")
        assert running.wait(PATIENCE_S) == 0
        log = running.stdout.read()
    assert "unwritable" not in log
    assert "Traceback" not in log
    assert not is_healthy(built)


@pytest.mark.needs("mounting")
@pytest.mark.by_hand
def test_a_release_without_a_database_fails_so_that_the_host_keeps_the_old_one(built):
    with container(built, *compose()["release"]["command"], mounts=OF_ROOT) as running:
        output, _ = running.communicate(timeout=3 * PATIENCE_S)
    assert running.returncode != 0
    assert "The database cannot be used: nothing listens there" in output


@pytest.mark.needs("mounting")
def test_root_s_commands_run_as_the_site_s_user(built):
    with container(built, "id", "-u", mounts=OF_ROOT) as running:
        assert running.communicate(timeout=PATIENCE_S)[0] == f"{SITE}\n"


def test_no_secret_and_nothing_of_this_machine_gets_into_the_image(tmp_path):
    sent = {str(path.relative_to(tmp_path / "sent")) for path in context(tmp_path / "sent").rglob("*")}
    assert "manage.py" in sent
    assert not [path for path in sent if path.startswith((".", "var", "tests")) or path.endswith((".pyc", ".mo"))]
    text = DOCKERFILE.read_text()
    assert not [name for name in GIVEN if name in text]


def test_the_hosts_run_the_oldest_python_that_the_project_takes_which_all_tests_run_on():
    wanted = (ROOT / ".python-version").read_text().strip()
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert oldest == f">={wanted}"
    bases = {arguments.split()[0] for name, arguments in instructions(DOCKERFILE.read_text()) if name == "FROM"}
    assert bases == {f"python:{wanted}-slim-bookworm"}


def test_the_files_of_the_hosts_are_sound():
    for command in (
        ["hadolint", "Dockerfile"],
        ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"],
    ):
        subprocess.run(command, cwd=ROOT, check=True)


def test_every_host_runs_the_release_before_the_site_and_asks_healthz():
    [render] = YAML(typ="safe").load(ROOT / "render.yaml")["services"]
    railway = json.loads((ROOT / "railway.json").read_text())["deploy"]
    fly = tomllib.loads((ROOT / "fly.toml").read_text())
    release = "bin/release"
    assert processes()["release"] == release
    assert compose()["release"]["command"] == [release]
    assert render["preDeployCommand"] == fly["deploy"]["release_command"] == release
    assert railway["preDeployCommand"] == [release]
    [check] = fly["http_service"]["checks"]
    assert render["healthCheckPath"] == railway["healthcheckPath"] == check["path"] == "/healthz"


def test_the_outbox_is_on_each_host_s_volume_and_each_waits_until_the_site_has_stopped():
    [render] = YAML(typ="safe").load(ROOT / "render.yaml")["services"]
    fly = tomllib.loads((ROOT / "fly.toml").read_text())
    volumes = [render["disk"]["mountPath"], fly["mounts"]["destination"], compose()["web"]["volumes"][0].split(":")[1]]
    assert set(volumes) == {"/data"}
    assert "OUTBOX_DIR=/data/outbox OUTBOX_SPARE_DIR=/data/outbox-spare" in DOCKERFILE.read_text()
    railway = json.loads((ROOT / "railway.json").read_text())["deploy"]
    assert "maxShutdownDelaySeconds" not in render  # its default is 30, and with a disk it may be refused
    stops = [fly["kill_timeout"], railway["drainingSeconds"]]
    assert min([*stops, int(compose()["web"]["stop_grace_period"].rstrip("s"))]) > 3
    assert fly["kill_signal"] == "SIGTERM"
    assert fly["http_service"]["internal_port"] == int(fly["env"]["PORT"])


def test_compose_starts_the_site_after_the_release_and_never_stops_it_for_the_database():
    services = compose()
    assert services["web"]["depends_on"] == {"release": {"condition": "service_completed_successfully"}}
    assert services["release"]["restart"] == "no"
    assert services["web"]["read_only"]
    assert services["web"]["user"] == f"{SITE}:{SITE}"
