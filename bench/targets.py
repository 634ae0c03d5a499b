"""The sites that `make bench` measures, on one Postgres: Folio, and the simplest insert view in three frameworks."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import django
import psycopg

from bench import load
from bench.load import Load, Requests
from tests.support import live
from tests.support.eventually import PATIENCE_S, eventually

CLIENTS = 16
# The same figures as in gunicorn.conf.py.
SERVER = ["--worker-class=gthread", "--workers=2", "--threads=4", "--no-control-socket"]
GUNICORN = ["gunicorn", "--bind=fd://{fd}"]
FOLIO = [*GUNICORN, "--config=gunicorn.conf.py", "settings.wsgi"]
BASELINE = [*GUNICORN, "--config=/dev/null", *SERVER, "--preload", "django.core.wsgi:get_wsgi_application()"]
# Each worker imports this one itself, because a pool and its threads do not survive a fork.
FLASK = [*GUNICORN, "--config=/dev/null", *SERVER, "bench.peer_flask:app"]
FASTAPI = ["uvicorn", "--fd={fd}", "--workers=2", "--log-level=warning", "--no-access-log", "bench.peer_fastapi:app"]
# What a user might pick instead: name, table, command, and a package of requirements-bench.txt.
PEERS = [("Flask", "flask_leads", FLASK, "flask"), ("FastAPI", "fastapi_leads", FASTAPI, "fastapi")]
# What Folio has still to do for a lead after the answer.
UNTOLD = "alert_stage = 0"
# More than a site with two processes answers.
MOST_A_SECOND = 3000
PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")


class Round(NamedTuple):
    """The result of one load on one site.

    cpu_us, postgres_us: user and system time per request, of the site's process tree and of Postgres.
    """

    cpu_us: float
    postgres_us: float
    client_us: float
    rate: float
    p50_ms: float
    p99_ms: float

    @property
    def both_us(self) -> float:
        return self.cpu_us + self.postgres_us


@dataclass
class Target:
    """A site to measure.

    table: where its leads are stored, all that it ever got; command: a module and its arguments, with {fd} for the
    socket; folio: returns the folio of a request's number; unfinished: on which rows the site has still to work, in
    SQL; rounds: its results by the kind of load; used: how many of its requests were sent.
    """

    name: str
    table: str
    command: list[str]
    environment: dict[str, str]
    folio: Callable[[int], str]
    requests: Requests
    unfinished: str = "false"
    rounds: dict[str, list[Round]] = field(default_factory=dict)
    used: int = 0
    port: int = 0
    pid: int = 0

    @contextmanager
    def running(self, **changes: str) -> Iterator[float]:
        """Run the site; yield how many seconds it took to its first answer."""
        with socket.create_server(("127.0.0.1", 0), backlog=256) as listener, TemporaryDirectory() as directory:
            started = time.monotonic()
            with (Path(directory) / "log").open("wb") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", *(part.format(fd=listener.fileno()) for part in self.command)],
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

    def prepare(self, seconds: float) -> list[bytes]:
        """Return requests that suffice for so many seconds. To make them takes time, which a load must not."""
        return self.requests.until(self.used + round(MOST_A_SECOND * seconds))

    def load(self, *, seconds: float, clients: int = CLIENTS, patience_s: float = load.PATIENCE_S) -> Load:
        """Send requests that were not sent before."""
        requests = self.prepare(seconds)
        given = load.run(self.port, requests, clients=clients, seconds=seconds, first=self.used, patience_s=patience_s)
        self.used += len(given.answers)
        return given


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

    def vacuum(self, table: str) -> None:
        """Do what autovacuum would do at any time, to any site's figures: to analyze a table takes a second of CPU."""
        self.query(f"VACUUM ANALYZE {table}")

    def last_id(self, table: str) -> int:
        return int(self.query(f"SELECT coalesce(max(id), 0) AS last FROM {table}")[0]["last"])

    def folios(self, table: str, *, after: int) -> set[str]:
        """Return the folios of the rows whose id is above `after`."""
        return {row["folio"] for row in self.query(f"SELECT folio FROM {table} WHERE id > %s", after)}

    def signal(self, number: int) -> None:
        for pid in tree(self.pid):
            os.kill(pid, number)


def settled(target: Target, postgres: Postgres, *, after: int, count: int) -> None:
    """Wait until so many rows with an id above `after` are there, and the site has done all its work on them."""
    sql = f"SELECT count(*), count(*) FILTER (WHERE {target.unfinished}) FROM {target.table} WHERE id > %s"
    rows = unfinished = 0

    def is_settled() -> bool:
        nonlocal rows, unfinished
        time.sleep(0.25)  # asked all the time, the question would count as work of the site
        rows, unfinished = connection.execute(sql, [after]).fetchone() or (0, 0)
        return rows >= count and not unfinished

    with psycopg.connect(postgres.url, autocommit=True) as connection:
        eventually(
            is_settled,
            or_show=lambda: f"{target.name}: {count} answered, {rows} rows, {unfinished} of them unfinished",
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


def targets(postgres: Postgres, directory: Path) -> list[Target]:
    """Return Folio, the plain view, and those of the peers that are installed. Each gets the same customers."""
    environment = live.environment(
        postgres.url,
        OUTBOX_DIR=str(directory / "outbox"),
        OUTBOX_SPARE_DIR=str(directory / "spare"),
        LOG_LEVEL="WARNING",
        DJANGO_SETTINGS_MODULE="settings",
    )
    os.environ.update(environment)
    django.setup()
    # On a machine with much other work, this may take longer than a test would wait.
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity=0"], cwd=live.ROOT, env=environment, check=True
    )
    from bench.customers import Customers

    customers = Customers()
    plain = environment | {
        "DJANGO_SETTINGS_MODULE": "bench.baseline",
        "BASELINE_DATABASE_HOST": str(postgres.socket_directory),
    }
    requests = Requests(customers.of_a_plain_site)
    sites = [
        Target("Folio", "leads", FOLIO, environment, customers.folio, Requests(customers.of_folio), UNTOLD),
        Target("plain view", "baseline_leads", BASELINE, plain, customers.folio, requests),
        *(
            Target(name, table, command, plain, customers.folio, requests)
            for name, table, command, package in PEERS
            if find_spec(package)
        ),
    ]
    for site in sites[1:]:
        postgres.query(f"CREATE TABLE {site.table} (LIKE leads INCLUDING ALL)")
    for site in sites:
        postgres.query(f"ALTER TABLE {site.table} SET (autovacuum_enabled = off)")
    return sites
