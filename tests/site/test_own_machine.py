"""docs/hosts/own-machine.md, as written, on a machine of its own: systemd, the units, releases, nginx and Caddy."""

import json
import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
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
from tests.support.proxy import Mode, Proxy, proxy
from tests.support.release import Block, blocks, clone

pytestmark = [pytest.mark.long, pytest.mark.needs("systemd", "mounting")]

DOCUMENT = "hosts/own-machine.md"
HOST = "quotes.example.com"
VISITOR = "127.0.0.7"
# Through a proxy; the site's own port takes anybody's word.
HTTPS = {"X-Forwarded-Proto": "https"}
# What the document's commands need a network for.
NOT_HERE = ("apt-get ", "certbot ")
# The tests' Python has the libraries already, and may be below /root, which the unit hides.
PYTHON = f"#!/bin/sh\nexec ln -s {Path(sys.prefix).resolve()} .venv\n"
DROP_IN = "[Service]\nProtectHome=no\nStandardOutput=append:/var/log/folio\nStandardError=append:/var/log/folio\n"
BEFORE = r"""
printf 'caddy:x:998:998::/var/lib/caddy:/bin/false\nwww-data:x:33:33::/var/www:/bin/false\n' >>etc/passwd
printf 'caddy:x:998:\nwww-data:x:33:\n' >>etc/group
mkdir -p var/log/nginx var/lib/nginx var/lib/caddy etc/systemd/system/folio.service.d
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
        examples = {"https://github.com/YOU/folio.git": "/opt/folio.git", "paste-what-the-command-printed": live.SECRET_KEY}
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
            text = urlencode(body) if "csrfmiddlewaretoken" in body else json.dumps(body)
            kind = "x-www-form-urlencoded" if "csrfmiddlewaretoken" in body else "json"
            headers["Content-Type"] = f"application/{kind}"
        else:
            text = None
        try:
            connection.request("POST" if text else "GET", path, text, {"Host": HOST, **headers})
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read().decode())
        finally:
            connection.close()

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
    return key, certificate


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    directory = tmp_path_factory.mktemp("own-machine")
    key, authority = certificate(directory)
    (directory / "python").write_text(PYTHON)
    (directory / "python").chmod(0o755)
    letsencrypt = f"/etc/letsencrypt/live/{HOST}"
    binds = [(released(directory), "/opt/folio.git"), (directory / "python", "/opt/python")]
    binds += [(key, f"{letsencrypt}/privkey.pem"), (authority, f"{letsencrypt}/fullchain.pem")]
    with live.postgres() as server, bare_root(binds=binds, before=BEFORE, systemd=True) as root:
        for folder in filter(Path.exists, map(Path, ["/etc/nginx", "/etc/caddy"])):
            shutil.copytree(folder, root.path / str(folder)[1:], symlinks=True)
        (root.path / "etc/systemd/system/folio.service.d/tests.conf").write_text(DROP_IN)
        host = re.search(r"host=([^&]+)", server.url)[1].replace("%2F", "/")
        with root.network():
            entered = proxy(Path(host))
            database = entered.__enter__()
        try:
            machine = Machine(root, database, authority)
            eventually(lambda: "running" in root.run("systemctl", "is-system-running", check=False))
            try:
                machine.follow("1. Once")
            except AssertionError:
                print(root.run("systemctl", "status", "folio.service", check=False))
                print(root.run("sh", "-c", "cat /var/log/folio; ls -la /var/lib/folio /srv/folio", check=False))
                raise
            yield machine
        finally:
            database.close()


def test_the_first_release_serves_as_its_own_user(machine):
    assert machine.ask("/", port=8000, **HTTPS).status == 200
    assert machine.version() == "0.2.0"
    assert "folio" in machine.root.run("ps", "-o", "user=", "-C", "gunicorn")
    print(machine.log())
