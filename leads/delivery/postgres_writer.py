"""Writes leads to Postgres, many with one statement, and handles refused rows and faults."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

from django.db import connections

from leads.delivery.breaker import Breaker, Fault, classify
from leads.delivery.journal.outbox import BATCH, Batch, Outbox, OutboxUnavailable
from leads.delivery.journal.segment import Item
from leads.delivery.notices import notice
from leads.delivery.system import time
from leads.delivery.turns import ConnectionTurns
from leads.delivery.upsert import PROBE, PROBES, upsert
from leads.errors import error_name
from telemetry import series

# Requests write themselves only while Postgres answers within this time.
QUICK_S = 0.1
# A lead that waited longer than this is logged as delivered late.
LATE_S = 5.0
# After so many refused rows, and the probes refused as well, the table counts as what is at fault.
MOST_REFUSED = 5
_REFUSALS = (Fault.DATA, Fault.SCHEMA)
# SQLSTATEs of a table that is read-only, missing or lacks a column: what they refuse says nothing about a row, unless a
# trigger raises them.
_OF_A_TABLE = ("25006", "42P01", "42703")


class PostgresWriter:
    """Writes on the connection of one thread, which calls all methods but `write_at_once`. One thread writes at a time.

    Any thread may look at `is_stuck` and `is_quick` at any time.

    batch_size: at most how many rows go into a statement.
    """

    def __init__(self, outbox: Outbox, breaker: Breaker, turns: ConnectionTurns) -> None:
        self.batch_size = BATCH
        self._outbox, self._breaker, self._turns = outbox, breaker, turns
        self._busy_since: float | None = None
        self._took_s: float | None = None  # the last exchange; None: it failed
        self._connection: Any = None  # Django's, of the thread that owns it
        self._must_give_up = False
        self._refusal = self._because = ""
        self._suspects: set[bytes] = set()  # refused when every other row was refused as well
        self._guilty: set[bytes] = set()  # those of them that were refused before another row was accepted

    @property
    def is_quick(self) -> bool:
        """Whether Postgres is known to work and has just answered quickly."""
        return self._took_s is not None and self._took_s < QUICK_S and self._breaker.has_delivered

    def write_at_once(self, items: Sequence[Item], within_s: float) -> bool:
        """Write rows on any thread, with one try within `within_s`; return whether all are written.

        If not, they are left to `deliver`, and so is what is wrong. Only a Postgres that does not answer counts as a
        fault at once, and the connection is given up by the thread that owns it, because that takes time.
        """
        open_one = self._connection and self._connection.connection
        if not open_one or self._breaker.is_open or not self.is_quick:
            return False
        texts = [item.text for item in items]
        self._busy_since = started = time.monotonic()
        open_one.until = started + within_s
        try:
            upsert(texts, is_quick=True, on=self._connection)
        except Exception as error:  # broad: whatever it is, `deliver` meets it again
            self._took_s = None
            self._breaker.doubt()
            if classify(error) is Fault.TIMEOUT:
                self._must_give_up = True
                self._breaker.failed(Fault.TIMEOUT, self._turns.because(error))
            return False
        finally:
            open_one.until = None
            self._busy_since = None
        self._took_s = time.monotonic() - started
        self._breaker.delivered()
        self._accepted(texts)
        series.BATCHES.add("delivered")
        series.DELIVERED.add(count=len(texts))
        return True

    def deliver(self, items: Sequence[Item]) -> tuple[list[bool], Fault | None]:
        """Write rows. Return for each settled row whether Postgres took it, and the fault that left the rest, or None.

        The settled rows are the first ones.

        1. Write all rows with one statement, and with a second one what that left out.
        2. When Postgres refuses a row, write them one by one. A row that is refused again after another was accepted
           goes into the quarantine. When no disk takes it there, the fault is DATA, and that row is the first of the
           rest. When every row is refused, the table is at fault, and the rows wait: the fault is SCHEMA.
        3. When Postgres does not answer in time, use smaller batches from now on, for a slow network.
        4. When a full batch was delivered, use larger batches again.
        """
        was_open = self._breaker.is_open
        fault = self._attempt([item.text for item in items], is_quick=True)
        stored = [] if fault else [True] * len(items)
        if fault in _REFUSALS:
            stored, fault = self._deliver_one_by_one(items)
        series.BATCHES.add(fault or "delivered")
        series.DELIVERED.add(count=sum(stored))
        if fault is not None and fault is not Fault.DATA:
            self._report(fault)
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
        fault = self._attempt([PROBE], keep=False)
        if fault is Fault.DATA:
            self._breaker.delivered()  # a rule refused this empty row, so Postgres itself works; leads will show more
        elif fault is not None:
            self._report(fault)

    def ask(self) -> None:
        """Ask an idle Postgres for a sign of life. Without one, or when it takes no rows, its state is in doubt."""
        error = self._exchange(self._read_whether_it_writes)
        if error is not None:
            self._because = self._turns.because(error)
            self._report(classify(error))
            self._breaker.doubt()

    def is_stuck(self, longer_than_s: float) -> bool:
        """Return whether a statement or a connection attempt has been running for longer than that."""
        busy_since = self._busy_since  # read once, because the writing thread may clear it
        return busy_since is not None and time.monotonic() - busy_since > longer_than_s

    def _deliver_one_by_one(self, items: Sequence[Item]) -> tuple[list[bool], Fault | None]:
        """Write rows one by one, as step 2 of `deliver` says.

        A refused row is a suspect until another is accepted, of these or a probe. It is then tried once more, because
        the table may have been mended in between, or an id that was already used was the whole reason. The probe comes
        after the refusal, because a table may begin to refuse every row at any moment.
        """
        stored: list[bool] = []
        suspects: list[Item] = []
        for item in items:
            fault = self._attempt([item.text])
            is_refused = fault in _REFUSALS
            if is_refused:
                suspects.append(item)
                if len(suspects) == 1:
                    is_guilty = item.text in self._guilty and not self._is_of_the_table()
                    fault = None if is_guilty else self._probe_all()
                if fault in _REFUSALS:
                    if len(suspects) == MOST_REFUSED:
                        break
                    continue
            while suspects and fault is None:
                was_stored, fault = self._try_again(suspects[0])
                if fault is None:
                    stored.append(was_stored)
                    del suspects[0]
            if fault is not None:
                return stored, fault
            if not is_refused:
                stored.append(True)
        self._suspects = {suspect.text for suspect in suspects}
        return stored, Fault.SCHEMA if suspects else None

    def _try_again(self, suspect: Item) -> tuple[bool, Fault | None]:
        """Write a row that was refused before another was accepted; put it into the quarantine if it is refused again.

        Return whether Postgres took it, and the fault that leaves it unsettled, or None.
        """
        fault = self._attempt([suspect.text])
        if fault in _REFUSALS:
            reason = self._refusal
            if self._is_of_the_table():
                return False, Fault.SCHEMA
            fault = None if self._quarantine(suspect, reason) else Fault.DATA
            return False, fault
        return True, fault

    def _is_of_the_table(self) -> bool:
        """Whether the last refusal was because the table cannot take any row just now, as after a failover."""
        return self._refusal.endswith(_OF_A_TABLE) and self._probe_all() is Fault.SCHEMA

    def _quarantine(self, item: Item, reason: str) -> bool:
        self._guilty.discard(item.text)
        try:
            self._outbox.quarantine(item, reason=reason)
        except OutboxUnavailable:
            return False
        return True

    def _probe_all(self) -> Fault | None:
        """Return None when Postgres accepts one of the probes, else the fault."""
        fault = None
        for probe in PROBES:
            fault = self._attempt([probe], keep=False)
            if fault not in _REFUSALS:
                break
        return fault

    def _attempt(self, texts: Sequence[bytes], *, keep: bool = True, is_quick: bool = False) -> Fault | None:
        """Try to write rows; return the fault, or None when Postgres accepted them, which closes the breaker."""
        error = self._exchange(partial(upsert, texts, keep=keep, is_quick=is_quick))
        if error is None:
            self._breaker.delivered()
            self._accepted(texts)
            return None
        self._refusal, self._because = error_name(error), self._turns.because(error)
        return classify(error)

    def _accepted(self, texts: Sequence[bytes]) -> None:
        """Note that rows were accepted: suspects that are none of them are guilty when they are refused again."""
        if self._suspects or self._guilty:
            self._guilty = (self._guilty | self._suspects).difference(texts)
            self._suspects = set()

    def _report(self, fault: Fault) -> None:
        """Have the breaker count a fault of Postgres, and use a new connection after it."""
        connections["default"].close()
        self._breaker.failed(fault, self._because)

    def _exchange(self, action: Callable[[], None]) -> Exception | None:
        """Do something on the connection; return the error."""
        self._busy_since = started = time.monotonic()
        self._connection = connections["default"]
        try:
            if self._must_give_up:
                self._must_give_up = False
                if given_up := self._connection.connection:
                    given_up.give_up()
                self._connection.close()
            was_connected = self._connection.connection is not None
            error = self._do(action)
            if error and was_connected and classify(error) is Fault.INFRASTRUCTURE:
                # The connection may have died while it was idle, as in a restart of Postgres, so a new one is tried
                # once.
                connections["default"].close()
                error = self._do(action)
            self._took_s = None if error else time.monotonic() - started
            return error
        finally:
            self._busy_since = None

    def _do(self, action: Callable[[], None]) -> Exception | None:
        is_connected = connections["default"].connection is not None
        try:
            with nullcontext() if is_connected else self._turns.connecting():
                action()
        except Exception as error:  # broad: whatever it is, the breaker says when to try again
            return error
        return None

    def _read_whether_it_writes(self) -> None:
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT current_setting('transaction_read_only') = 'on'")
            if cursor.fetchone() == (True,):
                self._breaker.doubt()
