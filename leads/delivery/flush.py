"""Deliver at once, on a person's request, what waits in the outbox of this machine."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from django.db import connections

from leads.delivery.breaker import Breaker, Fault
from leads.delivery.courier import Courier
from leads.delivery.journal.census import Census, census
from leads.delivery.journal.outbox import Outbox
from leads.delivery.notices import notice

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

    with_quarantined: also what Postgres refused before. say: told how it goes.
    """
    ours = connections["default"]
    usual = ours.deadline_s  # type: ignore[attr-defined]
    journal = Outbox(directories=directories, notice=notice)
    courier = Courier(outbox=journal, breaker=Breaker(clock=time.monotonic))
    delivered, deadline, has_called = 0, time.monotonic() + timeout_s, False
    courier.door.unbar()  # a person asks: the password may be mended
    try:
        if with_quarantined:
            journal.retry_quarantined()
        while True:
            for count in courier.drain():
                delivered += count
                say(f"{delivered} delivered")
            left = census(directories)
            if not left.pending or courier.breaker.is_open or time.monotonic() > deadline:
                return Flushed(delivered, left, courier.breaker.fault)
            if not has_called:
                # Once, and after our own attempt: a password that is still wrong is not to be tried again and again.
                courier.door.call_all()
                has_called = True
            say(f"{delivered} delivered, {left.pending} with living processes")
            time.sleep(_LOOK_EVERY_S)
    finally:
        journal.close()
        # It had the courier's short one; what the caller asks next may take longer.
        ours.deadline_s = usual  # type: ignore[attr-defined]
