"""docs/hosts/own-machine.md, as written, on a machine of its own: systemd, the units, releases, nginx and Caddy."""

import json
import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple
from urllib.parse import urlencode

import pytest

from tests.support import live
from tests.support.bare_root import BareRoot, bare_root
from tests.support.customers import A_LINE
from tests.support.eventually import PATIENCE_S, eventually
from tests.support.live import ROOT
from tests.support.proxy import Mode, Proxy, proxy
from tests.support.release import Block, blocks, clone

# The site ends requests that a busy machine has not answered two seconds after a restart began.
pytestmark = [pytest.mark.by_hand, pytest.mark.quiet, pytest.mark.needs("systemd", "mounting")]

DOCUMENT = "hosts/own-machine.md"
HOST = "quotes.example.com"
CERTIFICATES = f"/etc/letsencrypt/live/{HOST}"
VISITOR = "127.0.0.7"
UNITS = ROOT / "hosts" / "own-machine"
LINES = [A_LINE | {"measure": {"kind": "volume", "m3": f"{7 * n}.5"}} for n in range(5, 25)]
SECRET = "/q/Zoila/?name=Zoila"
# Through a proxy; the site's own port takes anybody's word.
HTTPS = {"X-Forwarded-Proto": "https"}
# What the document's commands need a network for.
NOT_HERE = ("apt-get ", "certbot ")
# The tests' Python has the libraries already, and may be below /root, which the unit hides.
PYTHON = f"#!/bin/sh\nexec ln -s {Path(sys.prefix).resolve()} .venv\n"
DROP_IN = f"""[Service]
ProtectHome=no
BindReadOnlyPaths={Path(sys.prefix).resolve()}
StandardOutput=append:/var/log/folio
StandardError=append:/var/log/folio
"""
BEFORE = r"""
printf 'caddy:x:998:998::/var/lib/caddy:/bin/false\nwww-data:x:33:33::/var/www:/bin/false\n' >>etc/passwd
printf 'caddy:x:998:\nwww-data:x:33:\n' >>etc/group
mkdir -p var/log/nginx var/lib/nginx var/lib/caddy etc/systemd/system/folio.service.d \
  etc/systemd/system/folio-daily.service.d etc/systemd/system/caddy.service.d
printf '[Service]\nStandardError=append:/var/log/caddy.log\n' >etc/systemd/system/caddy.service.d/tests.conf
chmod 777 var/lib/caddy
"""


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str


class Machine:
    """postgres: the way to the database, which can be closed."""

    def __init__(self, root: BareRoot, database: Proxy, authority: Path) -> None:
        self.root, self.database, self._authority = root, database, authority

    def follow(self, heading: str, **instead: str) -> str:
        """Run the document's commands under a heading as root; return what they printed."""
        return "".join(self.do(block, **instead) for block in commands() if block.heading == heading)

    def do(self, block: Block, **instead: str) -> str:
        text = "".join(line for line in block.text.splitlines(True) if not line.startswith(NOT_HERE))
        examples = {
            "https://github.com/YOU/folio.git": "/opt/folio.git",
            "paste-what-the-command-printed": live.SECRET_KEY,
        }
        examples[database_url()] = self.database.url
        for example, value in {**examples, **instead}.items():
            text = text.replace(example, value)
        return self.root.run("bash", "-ec", text, environment={"PYTHON": "/opt/python"})

    def log(self) -> str:
        return (self.root.path / "var/log/folio").read_text()

    def connect(self, port: int) -> socket.socket:
        with self.root.network():
            plain = socket.create_connection(("127.0.0.1", port), PATIENCE_S, source_address=(VISITOR, 0))
        if port != 443:
            return plain
        return ssl.create_default_context(cafile=str(self._authority)).wrap_socket(plain, server_hostname=HOST)

    def ask(self, path: str, body: object = None, *, port: int = 443, **headers: str) -> Answer:
        """Send a request, a POST of JSON or of a form if it has a body."""
        connection = HTTPConnection("127.0.0.1", port)
        connection.sock = self.connect(port)
        if isinstance(body, dict):
            is_form = "csrfmiddlewaretoken" in body
            text = urlencode(body) if is_form else json.dumps(body)
            kind = "x-www-form-urlencoded" if is_form else "json"
            headers["Content-Type"] = f"application/{kind}"
        else:
            text = None
        try:
            connection.request("POST" if text else "GET", path, text, {"Host": HOST, **headers})
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read().decode())
        finally:
            connection.close()

    def give_caddy_the_certificate(self) -> None:
        caddyfile = self.root.path / "etc/caddy/Caddyfile"
        site = f"{HOST}}} {{\n"
        tls = f"\ttls {CERTIFICATES}/fullchain.pem {CERTIFICATES}/privkey.pem\n"
        caddyfile.write_text(caddyfile.read_text().replace(site, site + tls))
        self.root.run("systemctl", "restart", "caddy")

    def pid(self) -> str:
        return self.root.run("systemctl", "show", "--property=MainPID", "--value", "folio.service").strip()

    def version(self) -> str:
        return re.findall(r"Folio (\S+) starts", self.log())[-1]


def commands() -> list[Block]:
    return [block for block in blocks(DOCUMENT) if block.language == "bash"]


def database_url() -> str:
    [url] = re.findall(r"DATABASE_URL=(.*)", "".join(block.text for block in commands()))
    return str(url)


def git(directory: Path, *arguments: str) -> None:
    author = ["-c", "user.name=Ana", "-c", "user.email=ana@example.com", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *author, *arguments], cwd=directory, check=True, capture_output=True)


def released(directory: Path) -> Path:
    """Return a repository with the two releases of the document."""
    project = clone(directory / "project")
    git(project, "init")
    for version in ("0.2.0", "0.3.0"):
        described = project / "pyproject.toml"
        described.write_text(re.sub(r'(?m)^version = ".*"', f'version = "{version}"', described.read_text()))
        git(project, "add", "--all")
        git(project, "commit", "--allow-empty", "--message", version)
        git(project, "tag", f"v{version}")
    git(directory, "clone", "--bare", "project", "folio.git")
    return directory / "folio.git"


def certificate(directory: Path) -> tuple[Path, Path]:
    key, certificate = directory / "privkey.pem", directory / "fullchain.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
    named = ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"]
    subprocess.run([*made, *named, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    key.chmod(0o644)
    return key, certificate


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    directory = tmp_path_factory.mktemp("own-machine")
    key, authority = certificate(directory)
    (directory / "python").write_text(PYTHON)
    (directory / "python").chmod(0o755)
    binds = [(released(directory), "/opt/folio.git"), (directory / "python", "/opt/python")]
    binds += [(key, f"{CERTIFICATES}/privkey.pem"), (authority, f"{CERTIFICATES}/fullchain.pem")]
    with live.postgres() as server, bare_root(binds=binds, before=BEFORE, systemd=True) as root:
        for folder in filter(Path.exists, map(Path, ["/etc/nginx", "/etc/caddy"])):
            shutil.copytree(folder, root.path / str(folder)[1:], symlinks=True)
        for unit in ("folio", "folio-daily"):
            (root.path / f"etc/systemd/system/{unit}.service.d/tests.conf").write_text(DROP_IN)
        host = re.search(r"host=([^&]+)", server.url)[1].replace("%2F", "/")
        with root.network():
            entered = proxy(Path(host))
            database = entered.__enter__()
        try:
            machine = Machine(root, database, authority)
            eventually(lambda: "running" in root.run("systemctl", "is-system-running", check=False))
            machine.follow("1. Once")
            yield machine
        finally:
            database.close()


def test_the_first_release_serves_as_the_site_s_user_who_may_write_only_its_own_data(machine):
    assert machine.ask("/", port=8000, **HTTPS).status == 200
    assert machine.version() == "0.2.0"
    inside = ["nsenter", "--target", machine.pid(), "--mount", "--wdns=/", "runuser", "-u", "folio", "--"]
    for path, is_writable in ("/var/lib/folio/x", True), ("/srv/folio/current/x", False), ("/etc/folio/x", False):
        refused = machine.root.run(*inside, "touch", path, check=False)
        assert ("Read-only file system" not in refused) == is_writable, path
    assert machine.ask("/quote/", {"lines": [A_LINE]}, port=8000, **HTTPS).status == 201


def test_the_unit_is_sound_and_exposes_little(machine):
    units = sorted(file.name for file in UNITS.glob("folio*.*"))
    assert len(units) == 4
    assert machine.root.run("systemd-analyze", "verify", "--man=no", *units) == ""
    subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(UNITS / "folio.service")], check=True
    )


def test_the_daily_job_runs_by_its_timer(machine):
    assert machine.root.run("systemctl", "is-active", "folio-daily.timer") == "active\n"
    machine.root.run("systemctl", "start", "folio-daily.service")
    assert machine.root.run("systemctl", "show", "--property=Result", "--value", "folio-daily") == "success\n"


@contextmanager
def visitors(machine: Machine) -> Iterator[list[int]]:
    """Yield the statuses of requests that two visitors send, one after the other, until this ends."""
    statuses: list[int] = []
    is_over = Event()

    def visit() -> None:
        while not is_over.is_set():
            try:
                statuses.append(machine.ask("/", port=8000, **HTTPS).status)
            except OSError as error:
                statuses.append(error.errno or -1)

    threads = [Thread(target=visit) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def test_an_upgrade_answers_every_request_and_so_does_the_way_back(machine):
    with visitors(machine) as statuses:
        machine.follow("3. Upgrade")
        assert machine.version() == "0.3.0"
        assert machine.follow("5. Commands and the log") == "Folio 0.3.0\n"
        machine.follow("4. Back to the earlier release")
        assert machine.version() == "0.2.0"
    assert set(statuses) == {200}
    assert len(statuses) > 20


def is_served(machine: Machine) -> bool:
    """Return whether a request is answered; one that a killed process had taken is not. A refusal raises an error."""
    with suppress(ConnectionResetError):
        return machine.ask("/", port=8000, **HTTPS).status == 200
    return False


def test_systemd_starts_the_site_again_and_its_address_never_refuses(machine):
    machine.root.run("kill", "-KILL", machine.pid())
    assert eventually(lambda: is_served(machine))
    assert machine.log().count("starts.") == 4


def test_an_upgrade_that_fails_leaves_the_release_that_serves(machine):
    # In its network, because the way to the database is opened again there.
    with (
        machine.root.network(),
        machine.database.mode(Mode.REFUSE),
        pytest.raises(AssertionError, match="nothing listens there"),
    ):
        machine.follow("3. Upgrade")
    assert machine.root.run("readlink", "/srv/folio/current").endswith("v0.2.0\n")
    assert machine.ask("/", port=8000, **HTTPS).status == 200


@pytest.mark.parametrize("program", [pytest.param(name, marks=pytest.mark.needs(name)) for name in ("nginx", "caddy")])
def test_a_proxy_passes_on_who_asked_for_what_and_holds_slow_clients(machine, program):
    machine.follow({"nginx": "2. nginx", "caddy": "2. Caddy"}[program])
    if program == "caddy":  # it cannot ask for a certificate here
        machine.give_caddy_the_certificate()
    try:
        assert machine.ask("/", port=80).headers["Location"] == f"https://{HOST}/"
        assert json.loads(machine.ask("/healthz").text)["status"]
        quote = machine.ask("/quote/", {"lines": [A_LINE]}, **{"X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil"})
        assert json.loads(quote.text)["url"].startswith(f"https://{HOST}/q/")
        assert_that_the_longest_addresses_pass(machine)
        assert_that_the_visitor_s_address_counts(machine)
        assert_that_slow_clients_hold_nobody(machine)
        machine.root.run("systemctl", "stop", "folio.service", "folio.socket")
        assert machine.ask(SECRET).status == 502
        assert "Zoila" not in machine.root.run("sh", "-c", "cat /var/log/nginx/* /var/log/caddy.log", check=False)
    finally:
        machine.root.run("systemctl", "start", "folio.socket", "folio.service")
        machine.root.run("systemctl", "stop", program)


def assert_that_the_longest_addresses_pass(machine: Machine) -> None:
    """An address that is as long as the site takes, in a request and in the redirect that adds its last slash."""
    token = json.loads(machine.ask("/quote/", {"lines": LINES}).text)["token"]
    page, query = f"/q/{token}", f"?before={token}&utm_campaign={'a' * 4500}"
    assert machine.ask(page + query).headers["Location"].endswith(f"{page}/{query}")
    assert machine.ask(f"{page}/{query}", Referer=f"https://{HOST}{page}/{query}").status == 200


def assert_that_the_visitor_s_address_counts(machine: Machine) -> None:
    """A failed login is logged with the address that the proxy saw, not with one that the visitor sends."""
    assert eventually(lambda: json.loads(machine.ask("/healthz").text)["database"] == "up")
    form = machine.ask("/admin/login/")
    csrf = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form.text)[1]
    sent = {"Cookie": form.headers["Set-Cookie"].split(";")[0], "Referer": f"https://{HOST}/admin/login/"}
    fields = {"csrfmiddlewaretoken": csrf, "login": "ana", "password": "wrong"}
    machine.ask("/admin/login/", fields, **sent, **{"X-Forwarded-For": "203.0.113.66"})
    assert f"A login failed from {VISITOR}:" in machine.log()
    assert "203.0.113.66" not in machine.log()


def assert_that_slow_clients_hold_nobody(machine: Machine) -> None:
    head = f"POST /quote/ HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 1000\r\n\r\n{{".encode()
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(machine.connect(443)).sendall(head)
        assert machine.ask("/").status == 200


def test_every_command_of_the_document_is_tested_here():
    followed = set(re.findall(r'follow\(f?"([^"]+)"', Path(__file__).read_text())) | {"2. nginx", "2. Caddy"}
    assert {block.heading for block in commands()} <= followed
