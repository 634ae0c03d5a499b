"""`make bench`: compares the checkout with the simplest Django insert view, in normal operation and in two outages.

Rounds of the two sites alternate. The ratio of their medians is the result, because absolute figures depend on the
machine and on its other load. It prints the table of `docs/performance.md` in Markdown.
"""

import argparse
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from threading import Thread
from typing import NamedTuple
from urllib.parse import quote

from bench.load import Load
from bench.pages import cpu_of_pages
from bench.targets import CLIENTS, PROC, Postgres, Round, Target, cpu_of, settled, targets, tree
from bench.wire import Wire
from tests.support.eventually import eventually

# The parts of an outage, in seconds: before, during and after the fault.
BEFORE_S, FAULT_S, AFTER_S = 1.5, 3.5, 5.0
ONSET_S = 1.0
REFUSED, FROZEN = "refused", "frozen"
OF_AN_OUTAGE = "a second / p50 / p99 / longest, ms / lost"
PHASES = ["healthy", "onset", "steady", "draining", "after"]


class Phase(NamedTuple):
    """One phase of an outage. failed: how many requests were not redirected to the chat."""

    rate: float
    p50_ms: float
    p99_ms: float
    longest_ms: float
    failed: int


# --- The measurements -----------------------------------------------------------------------------------------------


def healthy(targets: Sequence[Target], postgres: "Postgres", *, rounds: int, seconds: float, clients: int) -> None:
    for number in range(rounds):
        for target in targets if number % 2 else reversed(targets):
            postgres.empty(target.table)
            target.load(seconds=0.3, clients=clients)  # warm up
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
    # Pairs of a time and how many leads from before the recovery have arrived. The last increase ends the backlog.
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
            target.load(seconds=0.5, clients=clients)  # warm up: every thread connects
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


def p99(values: Sequence[float]) -> float:
    return quantiles(values, n=100, method="inclusive")[98] if len(values) > 1 else sum(values)


def show(*parts: object) -> None:
    print(*parts, file=sys.stderr, flush=True)


# --- The table ------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="healthy rounds of each site")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a healthy round")
    parser.add_argument("--outages", type=int, default=2, help="outages of each kind for each site")
    parser.add_argument("--only-healthy", action="store_true", help="skip the outages, start-up and memory")
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
            pages = cpu_of_pages(folio, rounds=max(3, options.rounds // 3), seconds=options.seconds)
        print("| | Folio | plain view | ratio |")
        print("| --- | --: | --: | --: |")
        for clients in (CLIENTS, 64):
            print_healthy(folio.rounds[clients], baseline.rounds[clients], clients=clients)
        for name, cpu_us in pages.items():
            print(f"| {name}: CPU of the site, µs | {cpu_us:,.0f} | | |", flush=True)
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
