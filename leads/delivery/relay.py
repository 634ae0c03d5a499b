"""The relay: one daemon thread per process that delivers leads to Postgres, on one connection of its own.

It delivers new leads from memory, while the journal writer brings them to the disk. All other leads in the journal are
the backlog: leads of an outage, or of a process that died. The breaker decides when Postgres may be tried again.
"""

from collections import deque
from collections.abc import Iterable

from django.conf import settings
from django.db import connections

from leads.delivery import trouble
from leads.delivery.breaker import Breaker, Fault, classify, is_of_the_connection
from leads.delivery.copy.copier import Copier
from leads.delivery.copy.rest_api import RestApi
from leads.delivery.entry import Entry
from leads.delivery.journal.outbox import Outbox
from leads.delivery.journal.writer import JournalWriter
from leads.delivery.notices import notice
from leads.delivery.pace import STEP, Pace
from leads.delivery.postgres_writer import PostgresWriter
from leads.delivery.system import os, threading, time
from leads.delivery.turns import ConnectionTurns
from leads.errors import error_location, error_name
from telemetry import series

DEADLINE_S = 1.0
IDLE_S = 1.0
ADOPT_EVERY_S = 5.0
RETRY_CHECK_EVERY_S = 0.5
# How often an idle relay asks Postgres for a sign of life, so that no customer has to find an outage.
ASK_EVERY_S = 3.0
# More than can wait at the same time in practice. When there are more, the oldest are dropped from memory and delivered
# from the journal, which has them unless no disk works.
MOST_IN_MEMORY = 200


class Relay:
    """Delivers one process's leads. Start it after the fork; stopping it closes its files.

    deadline_s: how long one exchange with Postgres may take.
    """

    def __init__(self, outbox: Outbox, breaker: Breaker, *, deadline_s: float = DEADLINE_S) -> None:
        self.outbox, self.breaker = outbox, breaker
        self.turns = ConnectionTurns(outbox.directories)
        self.journal_writer = JournalWriter(outbox, on_written=self._has_written)
        self._postgres = PostgresWriter(outbox, breaker, self.turns, on_fault=self._wake_waiters)
        self.copier: Copier | None = None
        if settings.SUPABASE_REST_COPY:
            api = RestApi(settings.SUPABASE_URL, settings.SUPABASE_SERVICE_ROLE_KEY)
            self.copier = Copier(api, held=outbox.held, is_down=lambda: breaker.is_open)
        self._deadline_s = deadline_s
        self._answered = threading.Condition()
        self._has_work = threading.Event()
        self._is_stopping = threading.Event()
        self._arrivals: deque[Entry] = deque(maxlen=MOST_IN_MEMORY)
        self._has_backlog = True
        self._must_ask = False
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        # Only the relay's thread uses these:
        self._in_memory: deque[Entry] = deque()
        self._pace = Pace()
        self._adopt_at = self._check_at = self._ask_at = 0.0
        self._has_noted_outage = True  # what an earlier process of this number has left is removed as well
        self._retry_asked_at = self.turns.retry_asked_at()

    @property
    def database_state(self) -> str:
        """Return up, down or unknown: the state of Postgres as last seen."""
        if self.breaker.is_open:
            return "down"
        return "up" if self.breaker.has_delivered else "unknown"

    def start(self) -> None:
        self.journal_writer.start()
        self._thread.start()
        if self.copier:
            self.copier.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """End the threads after their current step; leads that wait stay on the disk."""
        end = time.monotonic() + timeout_s
        if self.copier:
            self.copier.stop()
        self.journal_writer.stop(timeout_s)
        self._is_stopping.set()
        self._has_work.set()
        if self._thread.is_alive():
            self._thread.join(max(0.0, end - time.monotonic()))

    # --- From any thread --------------------------------------------------------------------------------------------

    def send(self, folio: str, text: bytes) -> Entry:
        """Take a lead, to be written to the disk and to Postgres. text: JSON in one line.

        ValueError when the folio or the text cannot be a record of the journal.
        """
        entry = self.journal_writer.entry(folio, text)
        self._arrivals.append(entry)
        self._has_work.set()
        self.journal_writer.write(entry)
        return entry

    def wait_for(self, entry: Entry, timeout_s: float) -> bool:
        """Return whether Postgres has a lead, as soon as that is known and after `timeout_s` at the latest.

        It returns immediately while the relay is backing off, or when its statement has taken longer than `timeout_s`.
        """
        if not self._postgres.is_stuck(timeout_s):
            with self._answered:
                self._answered.wait_for(lambda: entry.is_stored is not None or self.breaker.is_open, timeout_s)
        return entry.is_stored is True

    @property
    def is_down(self) -> bool:
        """Whether a request's thread should not query Postgres."""
        return self.breaker.is_open or self.turns.seconds_blocked() > 0

    def failed(self, error: Exception) -> None:
        """Count a query that failed on a request's thread.

        A pooler may refuse another connection while the relay delivers on its own. That never opens the breaker, but
        the relay asks at once whether Postgres still answers.
        """
        if self.database_state == "up" and is_of_the_connection(error):
            self._must_ask = True
            self._has_work.set()
            return
        self.breaker.failed(classify(error), self.turns.because(error))
        self._wake_waiters()

    def look_again(self) -> None:
        """Have the relay check Postgres again, because another connection of this process has failed."""
        self.breaker.doubt()
        self._has_work.set()

    def _wake_waiters(self) -> None:
        with self._answered:
            self._answered.notify_all()

    def _has_written(self) -> None:
        self._has_backlog = True
        self._has_work.set()

    # --- The thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        connections["default"].deadline_s = self._deadline_s  # type: ignore[attr-defined]
        connections["default"].has_its_own = True  # type: ignore[attr-defined]
        while not self._is_stopping.is_set():
            try:
                self._step()
            except Exception as error:  # broad: a thread that dies delivers nothing more; one that goes on may
                notice("relay failed", error=error_name(error), at=error_location(error))
                time.sleep(IDLE_S)
        self.outbox.take()  # skips and settles the records that were delivered from memory
        connections["default"].close()
        self.outbox.close()

    def _step(self) -> None:
        """Take one step.

        1. Check every half second whether a person asked to retry, and adopt the journals of dead processes every five
           seconds.
        2. While the breaker is open, say so to this machine's other processes, and wait until it allows a trial. When
           it has closed, say that.
        3. Deliver the leads that have just come. When that fails, begin again.
        4. Deliver one batch of the backlog, unless customers come and it has had its share of the time.
        5. With nothing to deliver, and the state of Postgres unknown, probe it with a row that is rolled back.
        6. With nothing to do, ask Postgres for a sign of life every three seconds, and wait for work.
        """
        self._check_retry_and_adopt()
        if self.breaker.is_open:
            trouble.note_outage(self.outbox.directories)
            self._has_noted_outage = True
        elif self._has_noted_outage:
            trouble.end_outage(self.outbox.directories)
            self._has_noted_outage = False
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
            elif self._must_ask or time.monotonic() >= self._ask_at:
                self._must_ask = False
                self._ask_at = time.monotonic() + ASK_EVERY_S
                self._postgres.ask()
            else:
                self._wait_for_work()

    def _check_retry_and_adopt(self) -> None:
        now = time.monotonic()
        if now >= self._check_at:
            self._check_at = now + RETRY_CHECK_EVERY_S
            retry_asked_at = self.turns.retry_asked_at()
            if retry_asked_at != self._retry_asked_at:  # not "later", because the clock may have been set back
                self._retry_asked_at = retry_asked_at
                self.breaker.retry_now()
        if now >= self._adopt_at:
            self._adopt_at = now + ADOPT_EVERY_S
            self.outbox.adopt()
            self._has_backlog = True

    def _wait_for_work(self) -> None:
        seconds = self._pace.seconds_to_next_step() if self._has_backlog else IDLE_S
        if not self._has_work.wait(seconds):
            self._has_backlog = True  # perhaps: retrying a refused lead journals it without setting the event
        self._has_work.clear()  # before looking for work: what comes later sets it again

    # --- New leads, from memory -------------------------------------------------------------------------------------

    def _deliver_new(self) -> Fault | None:
        """Deliver the leads that have just come.

        1. Take leads from memory, each folio once.
        2. Write them to Postgres.
        3. Wake the threads that wait for the settled ones, and have the journal skip those.
        4. Keep the rest for the next step. A refused lead that no disk takes into the quarantine is dropped from
           memory; the journal still has it, unless no disk works.
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
        """Move arrived leads to those in memory, and drop the oldest when there are too many."""
        while self._arrivals:
            self._in_memory.append(self._arrivals.popleft())
        while len(self._in_memory) > MOST_IN_MEMORY:
            self._in_memory.popleft()

    def _next_new(self) -> list[Entry]:
        entries: dict[str, Entry] = {}
        while self._in_memory and len(entries) < self._postgres.batch_size:
            entry = self._in_memory.popleft()
            if entry.is_stored is not None:
                continue  # already delivered with the backlog
            if entry.item.folio in entries:
                self._in_memory.appendleft(entry)
                break
            entries[entry.item.folio] = entry
        return list(entries.values())

    def _settle(self, results: Iterable[tuple[Entry, bool]]) -> None:
        """Set each entry's result, then wake the threads that wait for one."""
        for entry, is_stored in results:
            entry.is_stored = is_stored
        self._wake_waiters()

    # --- The backlog, from the journal ------------------------------------------------------------------------------

    def _deliver_backlog(self) -> None:
        """Deliver one batch of the journal.

        1. Take the next batch, a small one while customers come. When there is none, the backlog is done.
        2. Write it to Postgres.
        3. Also settle those of its leads that are in memory. When the relay is slow, some are in the journal before
           they are delivered from memory.
        4. When Postgres refuses a lead that no disk takes into the quarantine, pause, because the same lead comes first
           again.
        5. Unless there was a fault, start the pause that leaves the rest of the time to customers. After a fault the
           breaker decides when to go on.
        """
        started, fault = time.monotonic(), None
        self._has_backlog = False  # before the journal is read: a write meanwhile sets it again
        if batch := self.outbox.take(
            min(self._postgres.batch_size, STEP) if self._pace.is_busy else self._postgres.batch_size
        ):
            self._has_backlog = True
            self._take_in()
            by_text = {entry.item.text: entry for entry in self._in_memory}
            stored, fault = self._postgres.deliver_batch(batch)
            results = zip(batch.items, stored, strict=False)
            self._settle((by_text[item.text], is_stored) for item, is_stored in results if item.text in by_text)
            if fault is Fault.DATA:
                self._is_stopping.wait(IDLE_S)
        if fault is None:
            self._pace.stepped(time.monotonic() - started)


# --- The relay of this process ------------------------------------------------------------------------------------

_running: tuple[int, Relay] | None = None
_start_lock = threading.Lock()


def of_this_process() -> Relay:
    """Return this process's relay. The first call starts it, because threads and locks do not survive a fork."""
    global _running
    if _running and _running[0] == os.getpid():
        return _running[1]
    with _start_lock:
        if not _running or _running[0] != os.getpid():
            _running = (os.getpid(), _started())
        return _running[1]


def stop() -> None:
    """Stop this process's relay, if it has one; the next `of_this_process` starts another."""
    global _running
    if _running and _running[0] == os.getpid():
        _running[1].stop()
    _running = None


def _started() -> Relay:
    def log_change(is_open: bool, fault: Fault | None) -> None:
        series.TRANSITIONS.add("open" if is_open else "closed")
        series.IS_OPEN.set(is_open)
        notice("breaker opened" if is_open else "breaker closed", fault=fault)
        if is_open and breaker.because:
            notice("cause", fault=fault, because=breaker.because)  # a line of its own: Sentry groups by the one above

    breaker = Breaker(clock=time.monotonic, on_change=log_change)
    journal = Outbox(settings.OUTBOX_DIRECTORIES, notice=notice, keep_days=settings.OUTBOX_KEEP_DAYS)
    relay = Relay(journal, breaker)
    relay.start()
    return relay
