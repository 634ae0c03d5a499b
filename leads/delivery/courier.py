"""The courier: one daemon thread a process that carries leads to Postgres, on one connection of its own.

It takes all that waits, writes it with one statement, and only then counts it as delivered. When Postgres fails, the
breaker says when to try again, with a real pending lead; nobody waits for it meanwhile.

A new lead goes the express way, from memory, while the scribe brings it to the disk. The journal has what did not
arrive that way: in an outage, or before a crash.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from django.conf import settings
from django.db import connections

from leads.delivery.breaker import Breaker, Fault, classify
from leads.delivery.journal.outbox import BATCH, Batch, Outbox, OutboxUnavailable
from leads.delivery.journal.segment import Item
from leads.delivery.latches import Bell, Latches
from leads.delivery.notices import notice
from leads.delivery.pace import STEP, Pace
from leads.delivery.scribe import Entry, Scribe
from leads.delivery.turns import Door
from leads.delivery.upsert import PROBE, upsert
from leads.errors import named, place_of

DEADLINE_S = 1.0
IDLE_S = 1.0
ADOPT_EVERY_S = 5.0
# More than ever wait at once; older ones are on the disk, unless no disk works.
MOST_EXPRESS = 200
LOOK_EVERY_S = 0.5
LATE_S = 5.0


@dataclass
class Courier:
    """Carries one process's leads. Start it after the fork; stop it to let go of the files."""

    outbox: Outbox
    breaker: Breaker
    deadline_s: float = DEADLINE_S
    _has_news: Bell = field(default_factory=Bell)
    _is_stopping: threading.Event = field(default_factory=threading.Event)
    _busy_since: float | None = None
    _express: deque[Entry] = field(default_factory=lambda: deque(maxlen=MOST_EXPRESS))
    _has_backlog: bool = True
    _pace: Pace = field(default_factory=Pace)
    _thread: threading.Thread | None = None
    _adopt_at: float = 0.0
    _most: int = BATCH
    _look_at: float = 0.0
    _last_refusal: str = ""
    _call_heard: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        self._waiting = Latches[Entry](lambda entry: entry.is_settled or self.breaker.is_open)
        self.scribe = Scribe(self.outbox, on_written=self._has_written)
        self.door = Door(self.outbox.directories)

    @property
    def database_state(self) -> str:
        """Return up, down or unknown: what was last seen of Postgres."""
        if self.breaker.is_open:
            return "down"
        return "up" if self.breaker.has_delivered else "unknown"

    def start(self) -> None:
        self.scribe.start()
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """End the thread, after what it is doing; what waits stays on the disk."""
        end = time.monotonic() + timeout_s
        self.scribe.stop(timeout_s)
        self._is_stopping.set()
        self._has_news.ring()
        if self._thread:
            self._thread.join(max(0.0, end - time.monotonic()))

    # --- From any thread --------------------------------------------------------------------------------------------

    def send(self, folio: str, text: bytes) -> Entry:
        """Take a lead, for the disk and for Postgres; ValueError where it is no record. text: JSON in one line."""
        entry = self.scribe.entry(folio, text)
        self._express.append(entry)
        self._has_news.ring()
        self.scribe.write(entry)
        return entry

    def wait_for(self, entry: Entry, timeout_s: float) -> bool:
        """Return whether Postgres has a lead, as soon as that is known and after `timeout_s` at the latest.

        Nobody waits for a courier that is backing off or has been busy for longer than that.
        """
        if not self._is_stuck(timeout_s):
            self._waiting.wait_for(entry, timeout_s)
        return entry.is_delivered

    @property
    def is_down(self) -> bool:
        """Whether a question to Postgres from a request's thread had better not be asked."""
        return self.breaker.is_open or self.door.seconds_barred() > 0

    def failed(self, error: Exception) -> None:
        """Count a question that failed on a request's thread."""
        fault = classify(error)
        if fault is Fault.AUTH:
            self.door.bar()
        self.breaker.failed(fault)
        self._waiting.wake()

    def look_again(self) -> None:
        """Have the courier ask Postgres anew: a connection that nobody waits for has failed."""
        self.breaker.has_delivered = False
        self._has_news.ring()

    def _is_stuck(self, timeout_s: float) -> bool:
        return self._busy_since is not None and time.monotonic() - self._busy_since > timeout_s

    # --- The thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        connections["default"].deadline_s = self.deadline_s  # type: ignore[attr-defined]
        while not self._is_stopping.is_set():
            try:
                self._round()
            except Exception as error:
                # A courier that dies delivers nothing more; one that goes on may.
                notice("courier failed", error=named(error), at=place_of(error))
                time.sleep(IDLE_S)
        self.outbox.take()  # passes over what went the express way
        connections["default"].close()
        self.outbox.close()

    def _round(self) -> None:
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_EVERY_S
            self._look_for_a_call()
        if time.monotonic() >= self._adopt_at:
            self._adopt_at = time.monotonic() + ADOPT_EVERY_S
            self.outbox.adopt()
            self._has_backlog = True
        if (pause := self.breaker.seconds_to_next_attempt()) > 0:
            self._rest(min(pause, IDLE_S), for_news=False)
            return
        if self._express and self._carry_express() is not None:
            return
        if self._has_backlog and not self._pace.seconds_to_next_step():
            self._carry_backlog()
        elif not self._express and (self.breaker.is_open or not self.breaker.has_delivered):
            if self._attempt([PROBE], keep=False) is Fault.DATA:
                self.breaker.delivered()  # a rule of its own refuses this row, so it does take rows
        elif not self._express:
            self._rest(self._pace.seconds_to_next_step() if self._has_backlog else IDLE_S, for_news=True)

    def _rest(self, seconds: float, *, for_news: bool) -> None:
        if not for_news:
            self._is_stopping.wait(seconds)
            return
        if not self._has_news.wait(seconds):
            self._has_backlog = True  # perhaps: whoever tries a refused lead again tells nobody

    # --- The express ------------------------------------------------------------------------------------------------

    def _carry_express(self) -> Fault | None:
        """Deliver what has just come; what fails is tried again from here, or by the next process from the journal."""
        if not (entries := self._taken_from_express()):
            return None
        delivered, fault = self._deliver([entry.item for entry in entries])
        self._pace.customers_came()
        self._settle(zip(entries, delivered, strict=False))
        for entry in entries[: len(delivered)]:
            self.outbox.delivered_ahead(entry.line)
        left = entries[len(delivered) :]
        if fault is Fault.DATA:
            left = left[1:]  # there is nowhere to put it aside; where a disk had it, it is in the journal
        self._express.extendleft(reversed(left))
        return fault

    def _settle(self, answers: Iterable[tuple[Entry | None, bool]]) -> None:
        for entry, is_there in answers:
            if entry:
                entry.is_delivered, entry.is_settled = is_there, True
        self._waiting.wake()

    def _taken_from_express(self) -> list[Entry]:
        entries: dict[str, Entry] = {}
        while self._express and len(entries) < self._most:
            entry = self._express.popleft()
            if entry.is_settled:
                continue
            if entry.item.folio in entries:
                self._express.appendleft(entry)
                break
            entries[entry.item.folio] = entry
        return list(entries.values())

    # --- The backlog ------------------------------------------------------------------------------------------------

    def _carry_backlog(self) -> None:
        started, fault = time.monotonic(), None
        self._has_backlog = False
        if batch := self.outbox.take(min(self._most, STEP) if self._pace.is_busy else self._most):
            self._has_backlog = True
            # Where the courier is slow, some have come to the disk before their turn.
            express = {entry.item.text: entry for entry in self._express.copy()}
            delivered, fault = self._deliver_batch(batch)
            answered = [express.get(item.text) for item in batch.items]
            self._settle(zip(answered, delivered, strict=False))
            if fault is Fault.DATA:
                self._rest(IDLE_S, for_news=False)  # nowhere to put aside what Postgres refuses
        if fault is None:  # else the breaker says when; and a first connection takes long
            self._pace.stepped(time.monotonic() - started)

    def drain(self) -> Iterator[int]:
        """Deliver what no living process holds, on this thread; yield how many went each time. Stops at a fault."""
        connections["default"].deadline_s = self.deadline_s  # type: ignore[attr-defined]
        self.outbox.adopt()
        while batch := self.outbox.take(self._most):
            delivered, fault = self._deliver_batch(batch)
            if fault is not None:
                return
            yield sum(delivered)

    def _deliver_batch(self, batch: Batch) -> tuple[list[bool], Fault | None]:
        delivered, fault = self._deliver(batch.items)
        if fault is None:
            self.outbox.delivered(batch)
        elif delivered:
            batch.segment.mark(batch.items[len(delivered) - 1].end)
        return delivered, fault

    # --- One statement ----------------------------------------------------------------------------------------------

    def _deliver(self, items: Sequence[Item]) -> tuple[list[bool], Fault | None]:
        """Write rows; return which of the first ones Postgres took, the others being put aside, and what went wrong.

        What went wrong kept all the rest: DATA where there is nowhere to put aside the next one.
        """
        was_open = self.breaker.is_open
        fault = self._attempt([item.text for item in items])
        delivered = [] if fault else [True] * len(items)
        if fault is Fault.DATA:
            delivered, fault = self._deliver_one_by_one(items)
        if fault is Fault.TIMEOUT:
            # What a slow network cannot carry within the deadline in one go, it may in several.
            self._most = max(1, self._most // 4)
        if fault is not None:
            return delivered, fault
        if len(items) >= self._most:
            self._most = min(BATCH, 2 * self._most)
        age = time.time() - items[0].at
        if was_open or age > LATE_S:
            notice("delivered late", leads=len(items), oldest_seconds=round(age))
        return delivered, None

    def _deliver_one_by_one(self, items: Sequence[Item]) -> tuple[list[bool], Fault | None]:
        """Find the rows that Postgres refuses; what went wrong is not theirs, or DATA."""
        delivered: list[bool] = []
        for item in items:
            fault = self._attempt([item.text])
            if fault is Fault.DATA:
                try:
                    self.outbox.quarantine(item, reason=self._last_refusal)
                except OutboxUnavailable:
                    return delivered, Fault.DATA
            elif fault is not None:
                return delivered, fault
            delivered.append(fault is None)
        return delivered, None

    def _attempt(self, texts: Sequence[bytes], *, keep: bool = True) -> Fault | None:
        """Try to write rows; return what went wrong, or None when they are there."""
        self._busy_since = time.monotonic()
        try:
            was_open = connections["default"].connection is not None
            error = self._knock(texts, keep=keep)
            if error and was_open and classify(error) is Fault.INFRASTRUCTURE:
                # A connection that died while it was idle, as by a restart of Postgres, gets one fresh try.
                connections["default"].close()
                error = self._knock(texts, keep=keep)
        finally:
            self._busy_since = None
        if error is None:
            self.breaker.delivered()
            return None
        fault = classify(error)
        self._last_refusal = named(error)
        if fault is not Fault.DATA:
            connections["default"].close()
            self.breaker.failed(fault)
            self._waiting.wake()
        return fault

    def _knock(self, texts: Sequence[bytes], *, keep: bool) -> Exception | None:
        if connections["default"].connection is not None:
            return _error_of(texts, keep=keep)
        try:
            with self.door.knocking():
                upsert(texts, keep=keep)
        except Exception as error:
            return error
        return None

    def _look_for_a_call(self) -> None:
        called_at = self.door.called_at()
        if called_at > self._call_heard:
            self._call_heard = called_at
            self.breaker.retry_now()

    def _has_written(self) -> None:
        self._has_backlog = True
        self._has_news.ring()


def _error_of(texts: Sequence[bytes], *, keep: bool) -> Exception | None:
    try:
        upsert(texts, keep=keep)
    except Exception as error:
        return error
    return None


# --- The courier of this process ------------------------------------------------------------------------------------

_ours: tuple[int, Courier] | None = None
_ours_lock = threading.Lock()


def of_this_process() -> Courier:
    """Return this process's courier, started at the first call: threads and locks do not survive a fork."""
    global _ours
    if _ours and _ours[0] == os.getpid():
        return _ours[1]
    with _ours_lock:
        if not _ours or _ours[0] != os.getpid():
            _ours = (os.getpid(), _started())
        return _ours[1]


def stop() -> None:
    """Stop this process's courier, if it has one; the next call for it starts another."""
    global _ours
    if _ours and _ours[0] == os.getpid():
        _ours[1].stop()
    _ours = None


def _started() -> Courier:
    courier = Courier(
        outbox=Outbox(directories=settings.OUTBOX_DIRECTORIES, notice=notice),
        breaker=Breaker(clock=time.monotonic, on_change=_tell_change),
    )
    courier.start()
    return courier


def _tell_change(is_open: bool, fault: Fault | None) -> None:
    notice("breaker opened" if is_open else "breaker closed", fault=fault)
