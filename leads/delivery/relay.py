"""The relay: one daemon thread a process that carries leads to Postgres, on one connection of its own.

New leads go from memory, while the journal writer brings them to the disk. The backlog is what else the journal has:
leads of an outage, or of a process that died. The breaker says when Postgres may be tried again.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Iterable

from django.conf import settings
from django.db import connections

from leads.delivery.breaker import Breaker, Fault, classify
from leads.delivery.entry import Entry
from leads.delivery.journal.outbox import Outbox
from leads.delivery.journal.writer import JournalWriter
from leads.delivery.notices import notice
from leads.delivery.pace import STEP, Pace
from leads.delivery.postgres_writer import PostgresWriter
from leads.delivery.turns import ConnectionTurns
from leads.errors import error_location, error_name

DEADLINE_S = 1.0
IDLE_S = 1.0
ADOPT_EVERY_S = 5.0
LOOK_EVERY_S = 0.5
# More than ever wait at once. Beyond it the oldest leave the memory: they are on the disk, unless no disk works.
MOST_IN_MEMORY = 200


class Relay:
    """Carries one process's leads. Start it after the fork; stop it to let go of the files.

    deadline_s: the longest that one exchange with Postgres may take.
    """

    def __init__(self, outbox: Outbox, breaker: Breaker, *, deadline_s: float = DEADLINE_S) -> None:
        self.outbox, self.breaker = outbox, breaker
        self.turns = ConnectionTurns(outbox.directories)
        self.journal_writer = JournalWriter(outbox, on_written=self._has_written)
        self._postgres = PostgresWriter(outbox, breaker, self.turns, on_fault=self._wake_waiters)
        self._deadline_s = deadline_s
        self._answered = threading.Condition()
        self._has_news = threading.Event()
        self._is_stopping = threading.Event()
        self._arrivals: deque[Entry] = deque(maxlen=MOST_IN_MEMORY)
        self._has_backlog = True
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        # The thread's own, and nobody else's:
        self._in_memory: deque[Entry] = deque()
        self._pace = Pace()
        self._adopt_at = self._look_at = 0.0
        self._retry_asked_at = time.time()

    @property
    def database_state(self) -> str:
        """Return up, down or unknown: what was last seen of Postgres."""
        if self.breaker.is_open:
            return "down"
        return "up" if self.breaker.has_delivered else "unknown"

    def start(self) -> None:
        self.journal_writer.start()
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """End both threads, after what they are doing; what waits stays on the disk."""
        end = time.monotonic() + timeout_s
        self.journal_writer.stop(timeout_s)
        self._is_stopping.set()
        self._has_news.set()
        if self._thread.is_alive():
            self._thread.join(max(0.0, end - time.monotonic()))

    # --- From any thread --------------------------------------------------------------------------------------------

    def send(self, folio: str, text: bytes) -> Entry:
        """Take a lead, for the disk and for Postgres; ValueError where it is no record. text: JSON in one line."""
        entry = self.journal_writer.entry(folio, text)
        self._arrivals.append(entry)
        self._has_news.set()
        self.journal_writer.write(entry)
        return entry

    def wait_for(self, entry: Entry, timeout_s: float) -> bool:
        """Return whether Postgres has a lead, as soon as that is known and after `timeout_s` at the latest.

        Nobody waits for a relay that is backing off or has been busy for longer than that.
        """
        if not self._postgres.is_stuck(timeout_s):
            with self._answered:
                self._answered.wait_for(lambda: entry.is_stored is not None or self.breaker.is_open, timeout_s)
        return entry.is_stored is True

    @property
    def is_down(self) -> bool:
        """Whether a question to Postgres from a request's thread had better not be asked."""
        return self.breaker.is_open or self.turns.seconds_blocked() > 0

    def failed(self, error: Exception) -> None:
        """Count a question that failed on a request's thread."""
        fault = classify(error)
        if fault is Fault.AUTH:
            self.turns.block()
        self.breaker.failed(fault)
        self._wake_waiters()

    def look_again(self) -> None:
        """Have the relay ask Postgres again: a connection that nobody waits for has failed."""
        self.breaker.doubt()
        self._has_news.set()

    def _wake_waiters(self) -> None:
        with self._answered:
            self._answered.notify_all()

    def _has_written(self) -> None:
        self._has_backlog = True
        self._has_news.set()

    # --- The thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        connections["default"].deadline_s = self._deadline_s  # type: ignore[attr-defined]
        while not self._is_stopping.is_set():
            try:
                self._step()
            except Exception as error:  # broad: a thread that dies delivers nothing more; one that goes on may
                notice("relay failed", error=error_name(error), at=error_location(error))
                time.sleep(IDLE_S)
        self.outbox.take()  # passes over what went from memory
        connections["default"].close()
        self.outbox.close()

    def _step(self) -> None:
        """Take one step.

        1. Look whether a person asked to retry, every half second, and after dead processes' journals, every five.
        2. While the breaker is open, wait until it lets us try.
        3. Deliver the leads that have just come. When that fails, begin again.
        4. Deliver one batch of the backlog, unless customers come and it has had its share of the time.
        5. With nothing to deliver, and Postgres not known to be well, ask it with a row that is rolled back.
        6. With nothing to do at all, wait for news.
        """
        self._look_around()
        if (pause := self.breaker.seconds_to_next_attempt()) > 0:
            self._is_stopping.wait(min(pause, IDLE_S))
            return
        if self._deliver_new() is not None:
            return
        if self._has_backlog and not self._pace.seconds_to_next_step():
            self._deliver_backlog()
        elif not self._in_memory:
            if self.database_state != "up":
                self._postgres.probe()
            else:
                self._wait_for_news()

    def _look_around(self) -> None:
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_EVERY_S
            retry_asked_at = self.turns.retry_asked_at()
            if retry_asked_at > self._retry_asked_at:
                self._retry_asked_at = retry_asked_at
                self.breaker.retry_now()
        if now >= self._adopt_at:
            self._adopt_at = now + ADOPT_EVERY_S
            self.outbox.adopt()
            self._has_backlog = True

    def _wait_for_news(self) -> None:
        seconds = self._pace.seconds_to_next_step() if self._has_backlog else IDLE_S
        if not self._has_news.wait(seconds):
            self._has_backlog = True  # perhaps: whoever tries a refused lead again tells nobody
        self._has_news.clear()  # before we look for it: what comes later sets it again

    # --- New leads, from memory -------------------------------------------------------------------------------------

    def _deliver_new(self) -> Fault | None:
        """Deliver what has just come.

        1. Take what waits in memory, each folio once.
        2. Write it to Postgres.
        3. Tell those who wait for what is settled, and have the journal pass over it.
        4. Keep the rest for the next step. What Postgres refuses and no disk takes into the quarantine is left to the
           journal, if a disk has it.
        """
        self._take_in()
        entries = self._next_new()
        if not entries:
            return None
        stored, fault = self._postgres.deliver([entry.item for entry in entries])
        self._pace.customers_came()
        settled, left = entries[: len(stored)], entries[len(stored) :]
        self._settle(zip(settled, stored, strict=True))
        for entry in settled:
            self.outbox.delivered_ahead(entry.line)
        if fault is Fault.DATA:
            left = left[1:]
        self._in_memory.extendleft(reversed(left))
        return fault

    def _take_in(self) -> None:
        """Move what arrived to the leads in memory, of which the oldest leave when there are too many."""
        while self._arrivals:
            self._in_memory.append(self._arrivals.popleft())
        while len(self._in_memory) > MOST_IN_MEMORY:
            self._in_memory.popleft()

    def _next_new(self) -> list[Entry]:
        entries: dict[str, Entry] = {}
        while self._in_memory and len(entries) < self._postgres.most:
            entry = self._in_memory.popleft()
            if entry.is_stored is not None:
                continue  # the backlog had it already
            if entry.item.folio in entries:
                self._in_memory.appendleft(entry)
                break
            entries[entry.item.folio] = entry
        return list(entries.values())

    def _settle(self, answers: Iterable[tuple[Entry, bool]]) -> None:
        """Write down what Postgres answered for each lead; then wake those who wait, who read it."""
        for entry, is_stored in answers:
            entry.is_stored = is_stored
        self._wake_waiters()

    # --- The backlog, from the journal ------------------------------------------------------------------------------

    def _deliver_backlog(self) -> None:
        """Deliver one batch of the journal.

        1. Take the next batch, a small one while customers come. Without one, the backlog is done.
        2. Write it to Postgres.
        3. Settle those of its leads that are in memory, too: when we are slow, some reach the disk before their turn.
        4. When Postgres refuses a lead that no disk takes into the quarantine, pause: it comes first again.
        5. Note how long it took, so that customers get the rest of the time. After a fault the breaker says when.
        """
        started, fault = time.monotonic(), None
        self._has_backlog = False  # before the journal is read: what is written meanwhile sets it again
        if batch := self.outbox.take(min(self._postgres.most, STEP) if self._pace.is_busy else self._postgres.most):
            self._has_backlog = True
            self._take_in()
            by_text = {entry.item.text: entry for entry in self._in_memory}
            stored, fault = self._postgres.deliver_batch(batch)
            answers = zip(batch.items, stored, strict=False)
            self._settle((by_text[item.text], is_stored) for item, is_stored in answers if item.text in by_text)
            if fault is Fault.DATA:
                self._is_stopping.wait(IDLE_S)
        if fault is None:
            self._pace.stepped(time.monotonic() - started)


# --- The relay of this process ------------------------------------------------------------------------------------

_running: tuple[int, Relay] | None = None
_start_lock = threading.Lock()


def of_this_process() -> Relay:
    """Return this process's relay, started at the first call: threads and locks do not survive a fork."""
    global _running
    if _running and _running[0] == os.getpid():
        return _running[1]
    with _start_lock:
        if not _running or _running[0] != os.getpid():
            _running = (os.getpid(), _started())
        return _running[1]


def stop() -> None:
    """Stop this process's relay, if it has one; the next call for it starts another."""
    global _running
    if _running and _running[0] == os.getpid():
        _running[1].stop()
    _running = None


def _started() -> Relay:
    relay = Relay(
        Outbox(settings.OUTBOX_DIRECTORIES, notice=notice),
        Breaker(clock=time.monotonic, on_change=_log_change),
    )
    relay.start()
    return relay


def _log_change(is_open: bool, fault: Fault | None) -> None:
    notice("breaker opened" if is_open else "breaker closed", fault=fault)
