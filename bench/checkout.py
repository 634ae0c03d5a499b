"""`make bench`: compares the checkout with the simplest insert views, in normal operation and in two outages.

Rounds of the sites alternate. The ratio of their medians is the result, because absolute figures depend on the machine
and on its other load. It prints the table of `docs/performance.md` in Markdown.
"""

import argparse
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext, suppress
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from threading import Thread
from typing import NamedTuple
from urllib.parse import quote

from bench.contention import one_core_burnt
from bench.load import OUTAGE_PATIENCE_S, Load
from bench.pages import cpu_of_pages
from bench.targets import CLIENTS, PEERS, PROC, Postgres, Round, Target, cpu_of, settled, targets, tree
from bench.wire import Wire
from tests.support.eventually import eventually

WARM_UP_S = 0.3
# The parts of an outage, in seconds: before, during and after the fault.
BEFORE_S, FAULT_S, AFTER_S = 1.5, 3.5, 5.0
ONSET_S = 1.0
REFUSED, FROZEN = "refused", "frozen"
OF_AN_OUTAGE = "a second / p50 / p99 / longest, ms / lost"
PHASES = ["healthy", "onset", "steady", "draining", "after"]


class Kind(NamedTuple):
    """A kind of load. is_burnt: whether another process wants one of the processors all the time."""

    clients: int
    is_burnt: bool

    @property
    def title(self) -> str:
        return f"{self.clients} at once{', one core burnt' * self.is_burnt}"


KINDS = [Kind(clients, is_burnt) for is_burnt in (False, True) for clients in (CLIENTS, 64)]


class Phase(NamedTuple):
    """One phase of an outage. failed: how many requests were not redirected to the chat."""

    rate: float
    p50_ms: float
    p99_ms: float
    longest_ms: float
    failed: int


# --- The measurements -----------------------------------------------------------------------------------------------


def healthy(targets: Sequence[Target], postgres: Postgres, *, kind: Kind, rounds: int, seconds: float) -> None:
    """Let the sites take turns. Each keeps its rows from round to round, and so has a queue that grows."""
    for number in range(rounds):
        for target in reversed(targets) if number % 2 else targets:
            with one_core_burnt() if kind.is_burnt else nullcontext():
                result = one_round(target, postgres, seconds=seconds, clients=kind.clients)
            target.rounds.setdefault(kind.title, []).append(result)
            show(f"{kind.title:28} {target.name:10}", *(f"{value:8.1f}" for value in result))


def one_round(target: Target, postgres: Postgres, *, seconds: float, clients: int) -> Round:
    target.prepare(WARM_UP_S + seconds)
    postgres.vacuum(target.table)
    target.load(seconds=WARM_UP_S, clients=clients)
    last = postgres.last_id(target.table)
    cpu, postgres_cpu = cpu_of(target.pid), cpu_of(postgres.pid)
    given = target.load(seconds=seconds, clients=clients)
    served = [answer for answer in given.answers if answer.is_served]
    statuses = Counter(answer.status for answer in given.answers)
    assert len(served) == len(given.answers), f"{target.name} answered {dict(statuses)}"
    # Folio's alerts are a part of its work, and would otherwise fall into the turn of another site.
    settled(target, postgres, after=last, count=len(served))
    cpu, postgres_cpu = cpu_of(target.pid) - cpu, cpu_of(postgres.pid) - postgres_cpu
    each, times = 1e6 / len(served), [answer.seconds * 1e3 for answer in served]
    return Round(
        cpu * each, postgres_cpu * each, given.cpu_s * each, len(served) / given.seconds, median(times), p99(times)
    )


def outage(target: Target, postgres: Postgres, *, kind: str) -> list[Phase]:
    """Let Postgres fail and recover under load; afterwards every acknowledged lead must be in the table."""
    of_now, last = f"FROM {target.table} WHERE id > %s", postgres.last_id(target.table)
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
            rows = postgres.query(f"SELECT count(*) {of_now} AND submitted_at < %s", last, moment)
            counts.append((time.monotonic(), rows[0]["count"]))
            time.sleep(0.1)

    seconds = BEFORE_S + FAULT_S + AFTER_S
    target.prepare(seconds)
    thread = Thread(target=interfere)
    thread.start()
    given = target.load(seconds=seconds, patience_s=OUTAGE_PATIENCE_S)
    thread.join()

    acknowledged = {target.folio(answer.number) for answer in given.answers if answer.is_served}
    with suppress(AssertionError):  # missing leads are shown below
        eventually(lambda: len(postgres.folios(target.table, after=last)) >= len(acknowledged))
    stored = postgres.folios(target.table, after=last)
    show(f"{kind} {target.name}: {len(acknowledged)} acknowledged, {len(acknowledged - stored)} missing")
    drained_at = max(next(at for at, count in counts if count == counts[-1][1]), recovered_at + 0.2)
    ends = [failed_at, failed_at + ONSET_S, recovered_at, drained_at, given.started + given.seconds]
    return [_phase(given, start, end) for start, end in zip([given.started, *ends], ends, strict=False)]


def _phase(given: Load, start: float, end: float) -> Phase:
    times = [answer.seconds * 1e3 for answer in given.answers if start <= answer.at < end]
    served = [answer for answer in given.answers if answer.is_served and start <= answer.at + answer.seconds < end]
    failed = [answer for answer in given.answers if not answer.is_served and start <= answer.at < end]
    return Phase(len(served) / (end - start), median(times or [0.0]), p99(times), max(times, default=0.0), len(failed))


def on_the_wire(target: Target, postgres: Postgres, *, clients: int) -> tuple[float, float]:
    """Return how many statements and round trips to Postgres a checkout takes."""
    with TemporaryDirectory() as directory:
        wire = Wire(Path(directory), postgres.socket_directory)
        url = f"postgresql://postgres@/postgres?host={quote(directory)}"
        with target.running(DATABASE_URL=url, BASELINE_DATABASE_HOST=directory):
            target.load(seconds=0.5, clients=clients)  # warm up: every thread connects
            last, statements, round_trips = postgres.last_id(target.table), wire.statements, wire.round_trips
            served = len(target.load(seconds=1.0, clients=clients).answers)
            eventually(lambda: len(postgres.folios(target.table, after=last)) >= served)
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
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each site with 16 clients; others have half")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a round; alerts are sent every 5 s")
    parser.add_argument("--outages", type=int, default=2, help="outages of each kind for Folio and the plain view")
    parser.add_argument("--only-healthy", action="store_true", help="skip the outages, start-up and memory")
    options = parser.parse_args()

    postgres = Postgres()
    with TemporaryDirectory(prefix="folio-bench-") as directory:
        sites = targets(postgres, Path(directory))
        if left_out := [name for name, *_ in PEERS if name not in {site.name for site in sites}]:
            show(f"left out: {', '.join(left_out)}; `make bench` installs requirements-bench.txt, which has them")
        half = (options.rounds + 1) // 2
        with ExitStack() as running:
            for site in sites:
                running.enter_context(site.running())
            for number, kind in enumerate(KINDS):
                rounds = half if number else options.rounds
                healthy(sites, postgres, kind=kind, rounds=rounds, seconds=options.seconds)
            memory = [memory_of(site) for site in sites]
            pages = cpu_of_pages(sites[0], rounds=half, seconds=min(2.0, options.seconds))
        print_head(sites)
        for kind in KINDS:
            print_healthy(sites, kind)
        for name, cpu_us in pages.items():
            print_cells(f"{name}: CPU of the site, µs", f"{cpu_us:,.0f}", *[""] * 2 * len(sites[1:]))
        if options.only_healthy:
            return
        print_row("PSS of a worker, MiB", *(pss for pss, _ in memory))
        print_row("RSS of a worker, MiB", *(rss for _, rss in memory))
        print_row("start to first answer, s", *map(start_up, sites), digits=2)
        for clients in (1, 64):
            counts = [on_the_wire(site, postgres, clients=clients) for site in sites]
            print_row(f"statements a checkout, {clients} at once", *(count[0] for count in counts), digits=2)
            print_row(f"round trips a checkout, {clients} at once", *(count[1] for count in counts), digits=2)
        for fault in (REFUSED, FROZEN):
            runs = []
            for site in sites[:2]:
                with site.running():
                    site.load(seconds=0.5)
                    runs.append([outage(site, postgres, kind=fault) for _ in range(options.outages)])
            print_outage(fault, *runs, more=2 * len(sites[2:]))


def start_up(target: Target) -> float:
    def once() -> float:
        with target.running() as seconds:
            return seconds

    return median(once() for _ in range(3))


def print_head(sites: Sequence[Target]) -> None:
    print_cells("", sites[0].name, *chain(*((site.name, "ratio") for site in sites[1:])))
    print_cells("---", *["--:"] * (2 * len(sites) - 1))


def print_healthy(sites: Sequence[Target], kind: Kind) -> None:
    names = {
        "both_us": "CPU of site and Postgres a checkout, µs",
        "cpu_us": "CPU of the site a checkout, µs",
        "postgres_us": "CPU of Postgres a checkout, µs",
        "rate": "checkouts a second",
        "p50_ms": "p50, ms",
        "p99_ms": "p99, ms",
        "client_us": "CPU of the load a checkout, µs",
    }
    for name, title in names.items():
        of_sites = (median(getattr(result, name) for result in site.rounds[kind.title]) for site in sites)
        print_row(f"{kind.title}: {title}", *of_sites)


def print_row(title: str, folio: float, *others: float, digits: int = 0) -> None:
    """Print Folio's figure, and after each other site's the ratio of Folio's to it."""
    cells = chain(*((f"{other:,.{digits}f}", f"{folio / other:.2f}" if other else "") for other in others))
    print_cells(title, f"{folio:,.{digits}f}", *cells)


def print_outage(kind: str, folio: list[list[Phase]], baseline: list[list[Phase]], *, more: int) -> None:
    """Print one row per phase; the ratio compares Folio's rate with its own healthy rate in the same runs.

    more: how many columns of other sites stay empty.
    """
    for number, name in enumerate(PHASES):
        cells = []
        for runs in (folio, baseline):
            parts = zip(*(run[number] for run in runs), strict=True)
            cells.append(" / ".join(f"{median(part):,.0f}" for part in parts))
        of_healthy = median(run[number].rate for run in folio) / median(run[0].rate for run in folio)
        print_cells(f"{kind}, {name}: {OF_AN_OUTAGE}", *cells, f"{of_healthy:.2f} of healthy", *[""] * more)


def print_cells(*cells: str) -> None:
    print("".join(f"| {cell} " if cell else "| " for cell in cells) + "|", flush=True)


if __name__ == "__main__":
    main()
