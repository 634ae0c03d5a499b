"""Deliver at once, on a person's request, what waits in the outbox of this machine."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from django.db import connections

from leads.delivery.breaker import Breaker, Fault
from leads.delivery.journal.census import Census, census
from leads.delivery.journal.outbox import Outbox
from leads.delivery.notices import notice
from leads.delivery.postgres_writer import PostgresWriter
from leads.delivery.relay import DEADLINE_S
from leads.delivery.turns import ConnectionTurns

_LOOK_EVERY_S = 0.2


class Flushed(NamedTuple):
    """delivered: by us, not by the living processes; left: what waits still; fault: why it does, or None."""

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
    """Deliver what dead processes left, and wait until the living ones have delivered theirs, or for `timeout_s`.

    with_quarantined: also what Postgres refused before. say: called with the progress, in words.
    """
    connection = connections["default"]
    usual = connection.deadline_s  # type: ignore[attr-defined]
    connection.deadline_s = DEADLINE_S  # type: ignore[attr-defined]
    journal = Outbox(directories, notice=notice)
    breaker, turns = Breaker(clock=time.monotonic), ConnectionTurns(directories)
    postgres = PostgresWriter(journal, breaker, turns)
    delivered, deadline, has_asked = 0, time.monotonic() + timeout_s, False
    turns.unblock()  # a person asks: the password may be mended
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
            if not has_asked:
                # Once, and after our own attempt: a password that is still wrong is not to be tried again and again.
                turns.ask_all_to_retry()
                has_asked = True
            say(f"{delivered} delivered, {left.pending} with living processes")
            time.sleep(_LOOK_EVERY_S)
    finally:
        journal.close()
        # What the caller asks next may take longer.
        connection.deadline_s = usual  # type: ignore[attr-defined]


def _deliver_all(journal: Outbox, postgres: PostgresWriter) -> Iterator[int]:
    """Deliver what no living process holds; yield how many leads went each time. Stops at a fault."""
    journal.adopt()
    while batch := journal.take(postgres.most):
        stored, fault = postgres.deliver_batch(batch)
        if fault is not None:
            return
        yield sum(stored)
