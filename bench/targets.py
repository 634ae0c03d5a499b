"""The two sites that `make bench` measures: Folio and the simplest insert view, under gunicorn, on one Postgres."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

import django

from bench import load
from bench.load import Load
from tests.support import live
from tests.support.eventually import PATIENCE_S, eventually

CLIENTS = 16
# The same figures as in gunicorn.conf.py.
SERVER = ["--worker-class=gthread", "--workers=2", "--threads=4", "--preload", "--no-control-socket"]
BASELINE = ["--config=/dev/null", *SERVER, "django.core.wsgi:get_wsgi_application()"]
FOLIO = ["--config=gunicorn.conf.py", "settings.wsgi"]
CSRF = "b" * 32
NAME = "María Peña"
PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")


class Round(NamedTuple):
    """The result of one load on one site.

    cpu_us, postgres_us: user and system time per request, of gunicorn's process tree and of Postgres.
    """

    rate: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    postgres_us: float
    client_us: float


@dataclass
class Target:
    """A site to measure. requests: one for each folio; table: where its leads are stored."""

    name: str
    table: str
    arguments: list[str]
    environment: dict[str, str]
    folios: list[str]
    requests: list[bytes]
    rounds: dict[int, list[Round]] = field(default_factory=dict)
    port: int = 0
    pid: int = 0

    @contextmanager
    def running(self, **changes: str) -> Iterator[float]:
        """Run the site; yield how many seconds it took to its first answer."""
        with socket.create_server(("127.0.0.1", 0), backlog=256) as listener, TemporaryDirectory() as directory:
            started = time.monotonic()
            with (Path(directory) / "log").open("wb") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", "gunicorn", f"--bind=fd://{listener.fileno()}", *self.arguments],
                    cwd=live.ROOT,
                    env=self.environment | changes,
                    pass_fds=[listener.fileno()],
                    stdout=log,
                    stderr=log,
                )
            self.port, self.pid = listener.getsockname()[1], process.pid
            listener.close()
            try:
                # Any answer counts: the baseline refuses this GET.
                with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as client:
                    client.sendall(b"GET /checkout/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                    assert client.recv(100), (Path(directory) / "log").read_text()
                yield time.monotonic() - started
            finally:
                process.terminate()
                process.wait(PATIENCE_S)

    def load(self, *, seconds: float, clients: int = CLIENTS, first: int = 0) -> Load:
        return load.run(self.port, self.requests, clients=clients, seconds=seconds, first=first)


class Postgres(live.Postgres):
    """The Postgres of `bin/with-postgres`."""

    def __init__(self) -> None:
        super().__init__(os.environ["DATABASE_URL"], Path(os.environ["PGDATA"]), Path(os.environ["PGBIN"]))

    @property
    def socket_directory(self) -> Path:
        return Path(parse_qs(urlsplit(self.url).query)["host"][0])

    @property
    def pid(self) -> int:
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def empty(self, table: str) -> None:
        self.query(f"TRUNCATE {table} CASCADE")
        self.query("CHECKPOINT")

    def count(self, table: str) -> int:
        return int(self.query(f"SELECT count(*) AS n FROM {table}")[0]["n"])

    def signal(self, number: int) -> None:
        for pid in tree(self.pid):
            os.kill(pid, number)


def settled(target: Target, postgres: Postgres, count: int) -> None:
    eventually(
        lambda: postgres.count(target.table) >= count,
        or_show=lambda: f"{target.name}: {count} answered, {postgres.count(target.table)} rows",
    )


def tree(pid: int) -> list[int]:
    """Return a process and its descendants."""
    parents: dict[int, list[int]] = {}
    for path in PROC.glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(path.parent.name))
    members = [pid]
    for member in members:
        members += parents.get(member, [])
    return members


def cpu_of(pid: int) -> float:
    """Return the user and system seconds of a process tree, its ended children included."""
    total = 0
    for member in tree(pid):
        with suppress(OSError):  # it has ended, and its time is counted with its parent's children
            fields = (PROC / str(member) / "stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11:13])) + (sum(map(int, fields[13:15])) if member == pid else 0)
    return total / TICKS


def targets(postgres: Postgres, directory: Path, *, requests: int) -> tuple[Target, Target]:
    """Return the site and the baseline, with requests that carry the same quotes."""
    environment = live.environment(
        postgres.url,
        OUTBOX_DIR=str(directory / "outbox"),
        OUTBOX_SPARE_DIR=str(directory / "spare"),
        LOG_LEVEL="WARNING",
        DJANGO_SETTINGS_MODULE="settings",
    )
    os.environ.update(environment)
    django.setup()
    live.manage("migrate", "--verbosity=0", environment=environment)
    postgres.query("CREATE TABLE baseline_leads (LIKE leads INCLUDING ALL)")

    from django.core import signing
    from pydantic_core import from_json

    from leads import snapshot
    from leads.delivery.record import Contact, lead_record
    from quoter import site, token
    from quoter.engine import folio
    from quoter.engine.quote import LineRequest
    from tests.support.lines import a_line

    lines = [a_line(), a_line(options={"strength": "250", "service": "pumped"})]
    issued = site.issue([LineRequest.model_validate(line) for line in lines])
    made_at = issued.quote.issued_at - timedelta(minutes=5)
    contact = Contact(name=NAME, phone="+526561234567", phone_raw="656 123 4567", submitted_at=datetime.now(UTC))
    as_stored = from_json(issued.text)
    folios, folio_requests, baseline_requests = [], [], []
    for number in range(requests):
        folios.append(folio.mint(made_at.date(), random_bits=number))
        this = snapshot.read({**as_stored, "folio": folios[-1], "issued_at": made_at.isoformat()}).issued
        assert this
        signed = token.dumps(this)
        # Many from one address, or of one phone, would be set aside as a flood.
        person = {"name": NAME, "phone": f"656 {200 + number // 10_000} {number % 10_000:04}"}
        proxy = f"X-Forwarded-Proto: https\r\nX-Forwarded-For: 198.18.{number // 256 % 256}.{number % 256}"
        folio_requests.append(_post(proxy, {"token": signed, "privacy_accepted": "on", **person}))
        signed = signing.dumps(lead_record(this, contact).quote_data, compress=True)
        cookie = f"Cookie: csrftoken={CSRF}"
        baseline_requests.append(_post(cookie, {"token": signed, "csrfmiddlewaretoken": CSRF, **person}))
    baseline = {"DJANGO_SETTINGS_MODULE": "bench.baseline", "BASELINE_DATABASE_HOST": str(postgres.socket_directory)}
    return (
        Target("folio", "leads", FOLIO, environment, folios, folio_requests),
        Target("baseline", "baseline_leads", BASELINE, environment | baseline, folios, baseline_requests),
    )


def _post(headers: str, form: dict[str, str]) -> bytes:
    body = urlencode(form).encode()
    head = (
        f"POST /checkout/ HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
