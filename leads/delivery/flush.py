"""Deliver immediately, on a person's request, the leads that wait in this machine's outbox."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from django.conf import settings
from django.db import connections

from leads.delivery.breaker import Breaker, Fault
from leads.delivery.journal.census import Census, census
from leads.delivery.journal.kept import ask_to_retire
from leads.delivery.journal.outbox import Outbox
from leads.delivery.notices import notice
from leads.delivery.postgres_writer import PostgresWriter
from leads.delivery.relay import DEADLINE_S
from leads.delivery.system import Path, time
from leads.delivery.turns import ConnectionTurns

_COUNT_EVERY_S = 0.2
# Twice the time within which a relay looks whether it should.
_FINISHED_WITHIN_S = 10.0


class Flushed(NamedTuple):
    """delivered: by this call, not by running processes; left: what still waits; fault: why it waits, or None."""

    delivered: int
    left: Census
    fault: Fault | None


def flush(
    directories: Sequence[Path],
    *,
    timeout_s: float,
    with_quarantined: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> Flushed:
    """Deliver the leads of dead processes, and wait up to `timeout_s` until running processes have delivered theirs.

    with_quarantined: also retry leads that Postgres refused before. say: called with the progress as text.
    """
    connection = connections["default"]
    usual = connection.deadline_s  # type: ignore[attr-defined]
    connection.deadline_s = DEADLINE_S  # type: ignore[attr-defined]
    journal = Outbox(directories, notice=notice, keep_days=settings.OUTBOX_KEEP_DAYS)
    # The person may have corrected the password.
    breaker, turns = Breaker(clock=time.monotonic), ConnectionTurns(directories, is_asked=True)
    postgres = PostgresWriter(journal, breaker, turns)
    delivered, deadline, has_asked_others = 0, time.monotonic() + timeout_s, False
    try:
        if with_quarantined:
            journal.retry_quarantined()
        while True:
            for count in _deliver_all(journal, postgres):
                delivered += count
                say(f"{delivered} delivered")
            left = census(directories)
            if not left.pending or breaker.is_open or time.monotonic() > deadline:
                return Flushed(delivered, left, breaker.fault)
            if not has_asked_others:
                # Once, and only after this process's attempt, so that a wrong password is not tried many times.
                turns.unblock()
                turns.ask_all_to_retry()
                has_asked_others = True
            say(f"{delivered} delivered, {left.pending} with running processes")
            time.sleep(_COUNT_EVERY_S)
    finally:
        journal.close()
        # The caller's later queries may take longer.
        connection.deadline_s = usual  # type: ignore[attr-defined]


def finish_journals(directories: Sequence[Path], *, until: Callable[[], bool], timeout_s: float) -> None:
    """Have running processes finish their journals, which they do within seconds; wait for `until`, or for the time."""
    deadline = time.monotonic() + min(timeout_s, _FINISHED_WITHIN_S)
    ask_to_retire(directories)
    while not until() and time.monotonic() < deadline:
        time.sleep(_COUNT_EVERY_S)


def _deliver_all(journal: Outbox, postgres: PostgresWriter) -> Iterator[int]:
    """Deliver the leads that no running process holds; yield how many each batch delivered. Stops at a fault."""
    journal.adopt()
    while batch := journal.take(postgres.batch_size):
        stored, fault = postgres.deliver_batch(batch)
        if fault is not None:
            return
        yield sum(stored)
