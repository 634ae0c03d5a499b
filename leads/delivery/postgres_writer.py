"""Writes leads to Postgres, many with one statement, and handles refused rows and faults."""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext

from django.db import connections

from leads.delivery.breaker import Breaker, Fault, classify
from leads.delivery.journal.outbox import BATCH, Batch, Outbox, OutboxUnavailable
from leads.delivery.journal.segment import Item
from leads.delivery.notices import notice
from leads.delivery.turns import ConnectionTurns
from leads.delivery.upsert import PROBE, upsert
from leads.errors import error_name

# A lead that waited longer than this is logged as delivered late.
LATE_S = 5.0


class PostgresWriter:
    """Writes on the connection of the calling thread, always the same one. Any thread may call `is_stuck`.

    batch_size: at most how many rows go into a statement. on_fault: called after a fault of Postgres that the breaker
    has counted.
    """

    def __init__(
        self, outbox: Outbox, breaker: Breaker, turns: ConnectionTurns, *, on_fault: Callable[[], None] = lambda: None
    ) -> None:
        self.batch_size = BATCH
        self._outbox, self._breaker, self._turns, self._on_fault = outbox, breaker, turns, on_fault
        self._busy_since: float | None = None
        self._refusal = ""

    def deliver(self, items: Sequence[Item]) -> tuple[list[bool], Fault | None]:
        """Write rows. Return for each settled row whether Postgres took it, and the fault that left the rest, or None.

        The settled rows are the first ones.

        1. Write all rows with one statement.
        2. When Postgres refuses a row, write them one by one, and put the refused row into the quarantine. When no disk
           takes it there, the fault is DATA, and that row is the first of the rest.
        3. When Postgres does not answer in time, use smaller batches from now on, for a slow network.
        4. When a full batch was delivered, use larger batches again.
        """
        was_open = self._breaker.is_open
        fault = self._attempt([item.text for item in items])
        stored = [] if fault else [True] * len(items)
        if fault is Fault.DATA:
            stored, fault = self._deliver_one_by_one(items)
        if fault is Fault.TIMEOUT:
            self.batch_size = max(1, self.batch_size // 4)
        if fault is not None:
            return stored, fault
        if len(items) >= self.batch_size:
            self.batch_size = min(BATCH, 2 * self.batch_size)
        age = time.time() - items[0].at
        if was_open or age > LATE_S:
            notice("delivered late", leads=len(items), oldest_seconds=round(age))
        return stored, None

    def deliver_batch(self, batch: Batch) -> tuple[list[bool], Fault | None]:
        """Write a batch of the journal, as `deliver` does, and mark its settled records in the journal."""
        stored, fault = self.deliver(batch.items)
        if fault is None:
            self._outbox.delivered(batch)
        elif stored:
            batch.segment.mark(batch.items[len(stored) - 1].end)
        return stored, fault

    def probe(self) -> None:
        """Try a row that is rolled back, and report the outcome to the breaker."""
        if self._attempt([PROBE], keep=False) is Fault.DATA:
            self._breaker.delivered()  # a constraint refused this empty row, so Postgres itself works

    def is_stuck(self, longer_than_s: float) -> bool:
        """Return whether a statement or a connection attempt has been running for longer than that."""
        busy_since = self._busy_since  # read once, because the writing thread may clear it
        return busy_since is not None and time.monotonic() - busy_since > longer_than_s

    def _deliver_one_by_one(self, items: Sequence[Item]) -> tuple[list[bool], Fault | None]:
        stored: list[bool] = []
        for item in items:
            fault = self._attempt([item.text])
            if fault is Fault.DATA:
                try:
                    self._outbox.quarantine(item, reason=self._refusal)
                except OutboxUnavailable:
                    return stored, Fault.DATA
            elif fault is not None:
                return stored, fault
            stored.append(fault is None)
        return stored, None

    def _attempt(self, texts: Sequence[bytes], *, keep: bool = True) -> Fault | None:
        """Try to write rows and report the outcome to the breaker; return the fault, or None when they are written."""
        self._busy_since = time.monotonic()
        try:
            was_connected = connections["default"].connection is not None
            error = self._write(texts, keep=keep)
            if error and was_connected and classify(error) is Fault.INFRASTRUCTURE:
                # The connection may have died while it was idle, as in a restart of Postgres, so a new one is tried
                # once.
                connections["default"].close()
                error = self._write(texts, keep=keep)
        finally:
            self._busy_since = None
        if error is None:
            self._breaker.delivered()
            return None
        fault = classify(error)
        self._refusal = error_name(error)
        if fault is not Fault.DATA:
            connections["default"].close()
            self._breaker.failed(fault)
            self._on_fault()
        return fault

    def _write(self, texts: Sequence[bytes], *, keep: bool) -> Exception | None:
        is_connected = connections["default"].connection is not None
        try:
            with nullcontext() if is_connected else self._turns.connecting():
                upsert(texts, keep=keep)
        except Exception as error:  # broad: whatever it is, the breaker says when to try again
            return error
        return None
