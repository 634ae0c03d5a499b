"""The relay: one daemon thread per process that delivers leads to Postgres, on one connection of its own.

Most new leads are written by the requests that wait for them (group_commit.py). The relay writes the others from
memory: quotes, for which nobody waits, and what is not quick. All other leads in the journal are the backlog: leads of
an outage, or of a process that died. The breaker decides when Postgres may be tried again.
"""

from django.conf import settings
from django.db import connections

from leads.delivery import trouble
from leads.delivery.breaker import Breaker, Fault, classify, is_of_the_connection
from leads.delivery.copy.copier import Copier
from leads.delivery.copy.rest_api import RestApi
from leads.delivery.entry import Entry
from leads.delivery.group_commit import GroupCommit
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


class Relay:
    """Delivers one process's leads. Start it after the fork; stopping it closes its files.

    deadline_s: how long one exchange with Postgres may take.
    """

    def __init__(self, outbox: Outbox, breaker: Breaker, *, deadline_s: float = DEADLINE_S) -> None:
        self.outbox, self.breaker = outbox, breaker
        self.turns = ConnectionTurns(outbox.directories)
        self._has_work = threading.Event()
        self.journal_writer = JournalWriter(outbox, on_written=self._has_written)
        self._postgres = PostgresWriter(outbox, breaker, self.turns)
        self._group = GroupCommit(
            self._postgres, breaker, needs_relay=self._has_work.set, on_settled=self._note_settled
        )
        self.copier: Copier | None = None
        if settings.SUPABASE_REST_COPY:
            api = RestApi(settings.SUPABASE_URL, settings.SUPABASE_SERVICE_ROLE_KEY)
            self.copier = Copier(api, held=outbox.held, is_down=lambda: breaker.is_open)
        self._deadline_s = deadline_s
        self._is_stopping = threading.Event()
        self._has_backlog = True
        self._must_ask = False
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._pace = Pace()
        # Only the relay's thread uses these:
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

    def send(self, folio: str, text: bytes, *, is_waited_for: bool = True) -> Entry:
        """Take a lead, to be written to the disk and to Postgres. text: JSON in one line.

        is_waited_for: whether `wait_for` will be called, which writes the lead itself.
        ValueError when the folio or the text cannot be a record of the journal.
        """
        entry = self.journal_writer.entry(folio, text)
        self._group.add(entry, is_waited_for=is_waited_for)
        self.journal_writer.write(entry)
        return entry

    def wait_for(self, entry: Entry, timeout_s: float) -> bool:
        """Bring a lead to Postgres, within `timeout_s`; return whether it is there (GroupCommit.wait_for)."""
        return self._group.wait_for(entry, timeout_s)

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
        self._group.wake_waiters()

    def look_again(self) -> None:
        """Have the relay check Postgres again, because another connection of this process has failed."""
        self.breaker.doubt()
        self._has_work.set()

    def _note_settled(self, entry: Entry) -> None:
        self._pace.customers_came()
        self.outbox.delivered_ahead(entry.line)

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
        with self._group.turn():
            connections["default"].close()
        self.outbox.close()

    def _step(self) -> None:
        """Take one step.

        1. Check every half second whether a person asked to retry, and adopt the journals of dead processes every five
           seconds.
        2. While the breaker is open, say so to this machine's other processes, and wait until it allows a trial. When
           it has closed, say that.
        3. Deliver the new leads that no request has written. When that fails, begin again.
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
        elif not self._group.is_left:
            if self.database_state != "up":
                with self._group.turn():
                    self._postgres.probe()
            elif self._must_ask or time.monotonic() >= self._ask_at:
                self._must_ask = False
                self._ask_at = time.monotonic() + ASK_EVERY_S
                with self._group.turn():
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
            self._group.leave_to_relay()  # perhaps: a request may have failed before it waited
        self._has_work.clear()  # before looking for work: what comes later sets it again

    def _deliver_new(self) -> Fault | None:
        """Deliver the leads in memory that no request has written; return the fault that leaves some there, or None."""
        if not self._group.is_left:
            return None
        with self._group.turn():
            return self._group.deliver()

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
            with self._group.turn():
                stored, fault = self._postgres.deliver_batch(batch)
                self._group.settle_from_backlog(batch.items, stored)
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
