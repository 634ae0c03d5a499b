"""`make bench`: compares the checkout with the plainest Django insert view, in normal operation and in two outages.

Rounds of the two alternate. The ratio of their medians is the result, because absolute figures depend on the machine
and on its other load. It prints one table in Markdown, which `docs/performance.md` has.
"""

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from threading import Thread
from typing import NamedTuple
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import django

from bench import load
from bench.load import Load
from bench.wire import Wire
from tests.support import live
from tests.support.eventually import PATIENCE_S, eventually

CLIENTS = 16
# gunicorn.conf.py's own figures; the baseline gets the same.
SERVER = ["--worker-class=gthread", "--workers=2", "--threads=4", "--preload", "--no-control-socket"]
BASELINE = ["--config=/dev/null", *SERVER, "django.core.wsgi:get_wsgi_application()"]
FOLIO = ["--config=gunicorn.conf.py", "settings.wsgi"]
CSRF = "b" * 32
NAME, PHONE = "María Peña", "656 123 4567"
PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")

# An outage, in seconds: before the fault, of the fault, and after it.
BEFORE_S, FAULT_S, AFTER_S = 1.5, 3.5, 5.0
ONSET_S = 1.0
REFUSED, FROZEN = "refused", "frozen"
OF_AN_OUTAGE = "a second / p50 / p99 / longest, ms / lost"
PHASES = ["healthy", "onset", "steady", "draining", "after"]


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


class Phase(NamedTuple):
    """One phase of an outage. failed: requests that did not lead to the chat."""

    rate: float
    p50_ms: float
    p99_ms: float
    longest_ms: float
    failed: int


@dataclass
class Target:
    """A site to measure. requests: one for each of the folios; table: the one that gets its rows."""

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
        """Run the site; yield the seconds until its first answer."""
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
                # Any answer will do; the baseline accepts only a POST.
                with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as client:
                    client.sendall(b"GET /checkout/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                    assert client.recv(100), (Path(directory) / "log").read_text()
                yield time.monotonic() - started
            finally:
                process.terminate()
                process.wait(PATIENCE_S)

    def load(self, *, seconds: float, clients: int = CLIENTS, first: int = 0) -> Load:
        return load.run(self.port, self.requests, clients=clients, seconds=seconds, first=first)


# --- The measurements -----------------------------------------------------------------------------------------------


def healthy(targets: Sequence[Target], postgres: "Postgres", *, rounds: int, seconds: float, clients: int) -> None:
    for number in range(rounds):
        for target in targets if number % 2 else reversed(targets):
            postgres.empty(target.table)
            target.load(seconds=0.3, clients=clients)  # warm
            postgres.empty(target.table)
            cpu, postgres_cpu = cpu_of(target.pid), cpu_of(postgres.pid)
            given = target.load(seconds=seconds, clients=clients)
            cpu, postgres_cpu = cpu_of(target.pid) - cpu, cpu_of(postgres.pid) - postgres_cpu
            served = [answer for answer in given.answers if answer.is_served]
            statuses = Counter(answer.status for answer in given.answers)
            assert len(served) == len(given.answers), f"{target.name} answered {dict(statuses)}"
            settled(target, postgres, len(served))
            each = 1e6 / len(served)
            times = [answer.seconds * 1e3 for answer in served]
            result = Round(
                len(served) / given.seconds,
                median(times),
                p99(times),
                cpu * each,
                postgres_cpu * each,
                given.cpu_s * each,
            )
            target.rounds.setdefault(clients, []).append(result)
            show(f"{clients:3} clients  {target.name:9}", *(f"{value:8.1f}" for value in result))


def outage(target: Target, postgres: "Postgres", *, kind: str) -> list[Phase]:
    """Let Postgres fail and recover under load; afterwards every acknowledged lead must be in the table."""
    postgres.empty(target.table)
    # How many leads from before the recovery have arrived, by time: the backlog is drained at the last increase.
    counts: list[tuple[float, int]] = []
    failed_at = recovered_at = 0.0

    def interfere() -> None:
        nonlocal failed_at, recovered_at
        time.sleep(BEFORE_S)
        failed_at = time.monotonic()
        postgres.stop() if kind == REFUSED else postgres.signal(signal.SIGSTOP)
        time.sleep(max(0.0, failed_at + FAULT_S - time.monotonic()))
        postgres.start() if kind == REFUSED else postgres.signal(signal.SIGCONT)
        recovered_at, moment = time.monotonic(), datetime.now(UTC)
        while time.monotonic() < failed_at + FAULT_S + AFTER_S:
            rows = postgres.query(f"SELECT count(*) FROM {target.table} WHERE submitted_at < %s", moment)
            counts.append((time.monotonic(), rows[0]["count"]))
            time.sleep(0.1)

    thread = Thread(target=interfere)
    thread.start()
    given = target.load(seconds=BEFORE_S + FAULT_S + AFTER_S)
    thread.join()

    acknowledged = {target.folios[answer.number] for answer in given.answers if answer.is_served}
    with suppress(AssertionError):  # missing leads are shown below
        eventually(lambda: postgres.count(target.table) >= len(acknowledged))
    stored = {row["folio"] for row in postgres.query(f"SELECT folio FROM {target.table}")}
    show(f"{kind} {target.name}: {len(acknowledged)} acknowledged, {len(acknowledged - stored)} missing")
    drained_at = max(next(at for at, count in counts if count == counts[-1][1]), recovered_at + 0.2)
    ends = [failed_at, failed_at + ONSET_S, recovered_at, drained_at, given.started + given.seconds]
    return [_phase(given, start, end) for start, end in zip([given.started, *ends], ends, strict=False)]


def _phase(given: Load, start: float, end: float) -> Phase:
    times = [answer.seconds * 1e3 for answer in given.answers if start <= answer.at < end]
    served = [answer for answer in given.answers if answer.is_served and start <= answer.at + answer.seconds < end]
    failed = [answer for answer in given.answers if not answer.is_served and start <= answer.at < end]
    return Phase(len(served) / (end - start), median(times or [0.0]), p99(times), max(times, default=0.0), len(failed))


def on_the_wire(target: Target, postgres: "Postgres", *, clients: int) -> tuple[float, float]:
    """Return how many statements and round trips to Postgres a checkout takes."""
    with TemporaryDirectory() as directory:
        wire = Wire(Path(directory), postgres.socket_directory)
        url = f"postgresql://postgres@/postgres?host={quote(directory)}"
        with target.running(DATABASE_URL=url, BASELINE_DATABASE_HOST=directory):
            target.load(seconds=0.5, clients=clients)  # warm: every thread connects
            postgres.empty(target.table)
            statements, round_trips = wire.statements, wire.round_trips
            served = len(target.load(seconds=1.0, clients=clients).answers)
            settled(target, postgres, served)
            return (wire.statements - statements) / served, (wire.round_trips - round_trips) / served


def memory_of(target: Target) -> tuple[float, float]:
    """Return the PSS and RSS of a worker, in MiB."""
    workers = [pid for pid in tree(target.pid) if pid != target.pid]
    sizes = [
        dict(re.findall(r"^(Pss|Rss): +(\d+)", (PROC / str(pid) / "smaps_rollup").read_text(), re.M)) for pid in workers
    ]
    return median(int(size["Pss"]) / 1024 for size in sizes), median(int(size["Rss"]) / 1024 for size in sizes)


# --- The machinery --------------------------------------------------------------------------------------------------


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


def p99(values: Sequence[float]) -> float:
    return quantiles(values, n=100, method="inclusive")[98] if len(values) > 1 else sum(values)


def show(*parts: object) -> None:
    print(*parts, file=sys.stderr, flush=True)


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
    from tests.support.factories import a_line

    lines = [a_line(), a_line(options={"strength": "250", "service": "pumped"})]
    issued = site.issue([LineRequest.model_validate(line) for line in lines])
    made_at = issued.quote.issued_at - timedelta(minutes=5)
    contact = Contact(name=NAME, phone="+526561234567", phone_raw=PHONE, submitted_at=datetime.now(UTC))
    person = {"name": NAME, "phone": PHONE}
    as_stored = from_json(issued.text)
    folios, folio_requests, baseline_requests = [], [], []
    for number in range(requests):
        folios.append(folio.mint(made_at.date(), random_bits=number))
        this = snapshot.read({**as_stored, "folio": folios[-1], "issued_at": made_at.isoformat()}).issued
        assert this
        signed = token.dumps(this)
        form = {"token": signed, "privacy_accepted": "on", **person}
        folio_requests.append(_post("X-Forwarded-Proto: https", form))
        signed = signing.dumps(lead_record(this, contact).quote_data, compress=True)
        cookie = f"Cookie: csrftoken={CSRF}"
        baseline_requests.append(_post(cookie, {"token": signed, "csrfmiddlewaretoken": CSRF, **person}))
    baseline = {"DJANGO_SETTINGS_MODULE": "bench.baseline", "BASELINE_DATABASE_HOST": str(postgres.socket_directory)}
    return (
        Target("folio", "leads", FOLIO, environment, folios, folio_requests),
        Target("baseline", "baseline_leads", BASELINE, environment | baseline, folios, baseline_requests),
    )


def _post(header: str, form: dict[str, str]) -> bytes:
    body = urlencode(form).encode()
    head = (
        f"POST /checkout/ HTTP/1.1\r\nHost: 127.0.0.1\r\n{header}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


# --- The table ------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="healthy rounds of each site")
    parser.add_argument("--seconds", type=float, default=2.0, help="of one healthy round")
    parser.add_argument("--outages", type=int, default=2, help="of each kind, for each site")
    parser.add_argument("--only-healthy", action="store_true", help="leave the outages, start-up and memory out")
    options = parser.parse_args()

    postgres = Postgres()
    with TemporaryDirectory(prefix="folio-bench-") as directory:
        show("making requests")
        folio, baseline = both = targets(postgres, Path(directory), requests=20_000)
        with ExitStack() as running:
            for target in both:
                running.enter_context(target.running())
            healthy(both, postgres, rounds=options.rounds, seconds=options.seconds, clients=CLIENTS)
            healthy(both, postgres, rounds=max(3, options.rounds // 3), seconds=options.seconds, clients=64)
            memory = [memory_of(target) for target in both]
        print("| | Folio | plain view | ratio |")
        print("| --- | --: | --: | --: |")
        for clients in (CLIENTS, 64):
            print_healthy(folio.rounds[clients], baseline.rounds[clients], clients=clients)
        if options.only_healthy:
            return
        print_row("PSS of a worker, MiB", *(pss for pss, _ in memory))
        print_row("RSS of a worker, MiB", *(rss for _, rss in memory))
        print_row("start to first answer, s", *(start_up(target) for target in both), digits=2)
        for clients in (1, 64):
            counts = [on_the_wire(target, postgres, clients=clients) for target in both]
            print_row(f"statements a checkout, {clients} at once", *(count[0] for count in counts), digits=2)
            print_row(f"round trips a checkout, {clients} at once", *(count[1] for count in counts), digits=2)
        for kind in (REFUSED, FROZEN):
            runs = []
            for target in both:
                with target.running():
                    target.load(seconds=0.5)
                    runs.append([outage(target, postgres, kind=kind) for _ in range(options.outages)])
            print_outage(kind, *runs)


def start_up(target: Target) -> float:
    def once() -> float:
        with target.running() as seconds:
            return seconds

    return median(once() for _ in range(3))


def print_healthy(folio: list[Round], baseline: list[Round], *, clients: int) -> None:
    names = {
        "rate": "checkouts a second",
        "p50_ms": "p50, ms",
        "p99_ms": "p99, ms",
        "cpu_us": "CPU of the site a checkout, µs",
        "postgres_us": "CPU of Postgres a checkout, µs",
        "client_us": "CPU of the load a checkout, µs",
    }
    for name, title in names.items():
        print_row(
            f"{clients} at once: {title}", *(median(getattr(r, name) for r in rounds) for rounds in (folio, baseline))
        )


def print_row(title: str, folio: float, baseline: float, *, digits: int = 0) -> None:
    print(f"| {title} | {folio:,.{digits}f} | {baseline:,.{digits}f} | {folio / baseline:.2f} |", flush=True)


def print_outage(kind: str, folio: list[list[Phase]], baseline: list[list[Phase]]) -> None:
    """Print one row per phase; the ratio compares Folio's rate with its own healthy rate in the same runs."""
    for number, name in enumerate(PHASES):
        cells = []
        for runs in (folio, baseline):
            parts = zip(*(run[number] for run in runs), strict=True)
            cells.append(" / ".join(f"{median(part):,.0f}" for part in parts))
        of_healthy = median(run[number].rate for run in folio) / median(run[0].rate for run in folio)
        print(
            "|",
            " | ".join([f"{kind}, {name}: {OF_AN_OUTAGE}", *cells, f"{of_healthy:.2f} of healthy"]),
            "|",
            flush=True,
        )


if __name__ == "__main__":
    main()
