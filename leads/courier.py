"""The courier: one daemon thread a process that carries the outbox to Postgres, on one connection of its own.

It takes all that waits, writes it with one statement, and only then counts it as delivered. When Postgres fails, the
breaker says when to try again, with a real pending lead; nobody waits for it meanwhile.
"""

import fcntl
import os
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.db import connections, transaction
from django.db.utils import OperationalError
from psycopg import errors

from leads.breaker import Breaker, Fault, classify
from leads.disk import make_directory
from leads.notices import notice
from leads.outbox import BATCH, Batch, Outbox, OutboxUnavailable
from leads.scribe import Entry, Scribe
from leads.segment import Item

DEADLINE_S = 1.0
IDLE_S = 1.0
ADOPT_EVERY_S = 5.0
MOST_UNJOURNALED = 1000
LOOK_EVERY_S = 0.5
LATE_S = 5.0

RETRY_NOW = "retry-now"  # touched by whoever mended the database
AUTH_BLOCK_S = 150.0
AUTH_BLOCK = "auth-block"  # holds the unix time before which no process may try the password again

UPSERT = """
INSERT INTO leads (folio, name, phone, quote_data, visitor_id, created_at, submitted_at)
SELECT folio, name, phone, quote_data, visitor_id, created_at, submitted_at
FROM jsonb_to_recordset(%s::jsonb) AS arrived (
    folio text, name text, phone text, quote_data jsonb, visitor_id text,
    created_at timestamptz, submitted_at timestamptz
)
ON CONFLICT (folio) DO UPDATE SET
    name = excluded.name,
    phone = excluded.phone,
    quote_data = excluded.quote_data,
    visitor_id = excluded.visitor_id,
    submitted_at = excluded.submitted_at
WHERE excluded.submitted_at > coalesce(leads.submitted_at, '-infinity')
"""

# A row that can be, and is never kept: it asks a database without pending leads whether it takes one.
_PROBE = b'{"folio": "probe", "name": "", "phone": "", "quote_data": {}, "visitor_id": "", "created_at": "2000-01-01"}'


class KnockedAlready(OperationalError):
    """A process here had its password refused lately; one more try, and the host may ban the address."""


def upsert(texts: Sequence[bytes], *, keep: bool = True) -> None:
    """Write leads, given as JSON objects, in one statement on this thread's connection; a folio may come once.

    Any exception of the database means that none of them is known to be there. keep=False: try, and undo.
    """
    rows = (b"[" + b",".join(texts) + b"]").decode()
    connection = connections["default"]
    if keep:
        connection.ensure_connection()
        with connection.wrap_database_errors:
            _write(connection.connection, rows)
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(UPSERT, [rows])
        transaction.set_rollback(True)


def _write(connection: psycopg.Connection[Any], rows: str) -> None:
    # Not through Django's cursor, which cannot ask for a prepared plan: it halves the work of both sides.
    try:
        connection.execute(UPSERT, [rows], prepare=True)
    except (errors.DuplicatePreparedStatement, errors.InvalidSqlStatementName):
        # A transaction pooler that DATABASE_URL does not tell of: each time another session of Postgres.
        connection.prepare_threshold = None
        connection.execute(UPSERT, [rows])


@dataclass(eq=False)
class Unjournaled:
    """A record that no disk took: it lives only in this process, for as long as somebody waits for it."""

    item: Item
    is_delivered: bool = False
    is_settled: bool = False


@dataclass
class Courier:
    """Carries one process's outbox, which its scribe fills. Start it after the fork; stop it to let go of the files."""

    outbox: Outbox
    breaker: Breaker
    deadline_s: float = DEADLINE_S
    _lock: threading.Lock = field(default_factory=threading.Lock)
    # Who waits, each for a lock of their own to be released: to wake all for the few that are settled costs.
    _waiting: dict[Entry | Unjournaled, threading.Lock] = field(default_factory=dict)
    _has_news: threading.Event = field(default_factory=threading.Event)
    _is_stopping: threading.Event = field(default_factory=threading.Event)
    _busy_since: float | None = None
    _unjournaled: deque[Unjournaled] = field(default_factory=lambda: deque(maxlen=MOST_UNJOURNALED))
    _thread: threading.Thread | None = None
    _adopt_at: float = 0.0
    _most: int = BATCH
    _look_at: float = 0.0
    _last_refusal: str = ""
    _retry_seen: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        self.scribe = Scribe(self.outbox, on_written=self._has_written, on_failed=self._answer)

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
        self._has_news.set()
        if self._thread:
            self._thread.join(max(0.0, end - time.monotonic()))

    # --- From any thread --------------------------------------------------------------------------------------------

    def carry_unjournaled(self, item: Item) -> Unjournaled:
        """Take a lead that could not be journaled. Whoever waits for it takes it back where that was in vain."""
        record = Unjournaled(item)
        with self._lock:
            self._unjournaled.append(record)
        self._has_news.set()
        return record

    def wait_for(self, record: Entry | Unjournaled, timeout_s: float) -> bool:
        """Return whether Postgres has a lead, as soon as that is known and after `timeout_s` at the latest.

        Nobody waits for a courier that is backing off or has been busy for longer than that.
        """
        answered = threading.Lock()
        with self._lock:
            if not (record.is_settled or self.breaker.is_open or self._is_stuck(timeout_s)):
                answered.acquire()
                self._waiting[record] = answered
        answered.acquire(timeout=timeout_s)
        with self._lock:
            self._waiting.pop(record, None)
            if isinstance(record, Unjournaled):
                with suppress(ValueError):
                    self._unjournaled.remove(record)
        return record.is_delivered

    @property
    def is_down(self) -> bool:
        """Whether a question to Postgres from a request's thread had better not be asked."""
        return self.breaker.is_open or self._is_blocked()

    def failed(self, error: Exception) -> None:
        """Count a question that failed on a request's thread."""
        fault = classify(error)
        if fault is Fault.AUTH:
            self._block()
        self.breaker.failed(fault)
        self._answer()

    def look_again(self) -> None:
        """Have the courier ask Postgres anew: a connection that nobody waits for has failed."""
        self.breaker.has_delivered = False
        self._has_news.set()

    @contextmanager
    def knocking(self) -> Iterator[None]:
        """Connect inside, from any thread, in turn with all processes of this machine, or KnockedAlready.

        So a wrong password is tried once, and not once a process.
        """
        with _turn(self.outbox.directories):
            if self._is_blocked():
                raise KnockedAlready("the password was refused a moment ago")
            try:
                yield
            except Exception as error:
                if classify(error) is Fault.AUTH:
                    self._block()
                raise

    def retry_now(self) -> None:
        """Let every process on this machine try again at once: a person mended the database."""
        # Lifted once, here: the first process to try finds out, and where it fails the others are blocked again.
        self._unblock()
        with suppress(OSError):
            make_directory(self.outbox.directories[0])
            self._mark(RETRY_NOW).touch()

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
                notice("courier failed", error=named(error), at=_place_of(error))
                time.sleep(IDLE_S)
        connections["default"].close()
        self.outbox.close()

    def _round(self) -> None:
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_EVERY_S
            self._look_for_retry_now()
        if time.monotonic() >= self._adopt_at:
            self._adopt_at = time.monotonic() + ADOPT_EVERY_S
            self.outbox.adopt()
        if (pause := self.breaker.seconds_to_next_attempt()) > 0:
            self._rest(min(pause, IDLE_S), for_news=False)
            return
        if self._unjournaled:
            self._deliver_unjournaled()
        elif batch := self.outbox.take(self._most):
            if self._deliver(batch) is Fault.DATA:
                self._rest(IDLE_S, for_news=False)  # nowhere to put aside what Postgres refuses
        elif self.breaker.is_open or not self.breaker.has_delivered:
            if self._attempt([_PROBE], keep=False) is Fault.DATA:
                self.breaker.delivered()  # a rule of its own refuses this row, so it does take rows
        else:
            self._rest(IDLE_S, for_news=True)

    def _rest(self, seconds: float, *, for_news: bool) -> None:
        if for_news:
            self._has_news.wait(seconds)
            self._has_news.clear()
        else:
            self._is_stopping.wait(seconds)

    def drain(self) -> Iterator[int]:
        """Deliver what no living process holds, on this thread; yield how many went each time. Stops at a fault."""
        connections["default"].deadline_s = self.deadline_s  # type: ignore[attr-defined]
        self._unblock()  # a person asks: the password may be mended
        self.outbox.adopt()
        while batch := self.outbox.take(self._most):
            if self._deliver(batch) is not None:
                return
            yield sum(item.end not in batch.segment.refused for item in batch.items)

    def _deliver(self, batch: Batch) -> Fault | None:
        was_open = self.breaker.is_open
        fault = self._attempt([item.text for item in batch.items])
        if fault is Fault.DATA:
            fault = self._deliver_one_by_one(batch)
        if fault is Fault.TIMEOUT:
            # What a slow network cannot carry within the deadline in one go, it may in several.
            self._most = max(1, self._most // 4)
        if fault is not None:
            return fault
        self._most = min(BATCH, 2 * self._most)
        self.outbox.delivered(batch)
        self._answer()
        age = time.time() - batch.items[0].at
        if was_open or age > LATE_S:
            notice("delivered late", leads=len(batch.items), oldest_seconds=round(age))
        return None

    def _deliver_one_by_one(self, batch: Batch) -> Fault | None:
        """Find the rows that Postgres refuses; return a fault that is not theirs, or None."""
        for item in batch.items:
            fault = self._attempt([item.text])
            if fault is Fault.DATA:
                try:
                    self.outbox.quarantine(item, reason=self._last_refusal)
                except OutboxUnavailable:
                    return Fault.DATA  # it stays in its segment, and is tried again
                batch.segment.refused.add(item.end)
            elif fault is not None:
                return fault
            batch.segment.mark(item.end)
            self._answer()
        return None

    def _deliver_unjournaled(self) -> None:
        with self._lock:
            if not self._unjournaled:
                return  # whoever waited for it gave up
            record = self._unjournaled.popleft()
        record.is_delivered = self._attempt([record.item.text]) is None
        record.is_settled = True
        self._answer()

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
            self._answer()
        return fault

    def _knock(self, texts: Sequence[bytes], *, keep: bool) -> Exception | None:
        if connections["default"].connection is not None:
            return _error_of(texts, keep=keep)
        try:
            with self.knocking():
                upsert(texts, keep=keep)
        except Exception as error:
            return error
        return None

    def _unblock(self) -> None:
        with suppress(OSError):
            self._mark(AUTH_BLOCK).unlink(missing_ok=True)

    def _is_blocked(self) -> bool:
        with suppress(OSError, ValueError):
            return time.time() < float(self._mark(AUTH_BLOCK).read_text())
        return False

    def _block(self) -> None:
        with suppress(OSError):
            self._mark(AUTH_BLOCK).write_text(f"{time.time() + AUTH_BLOCK_S:.0f}")

    def _look_for_retry_now(self) -> None:
        with suppress(OSError):
            touched_at = self._mark(RETRY_NOW).stat().st_mtime
            if touched_at > self._retry_seen:
                self._retry_seen = touched_at
                self.breaker.retry_now()

    def _mark(self, name: str) -> Path:
        return self.outbox.directories[0] / name

    def _has_written(self) -> None:
        self._has_news.set()
        # Postgres may have a record before its thread knows where it stands.
        self._answer()

    def _answer(self) -> None:
        """Wake whoever has no more to wait for; all of them while the breaker is open."""
        with self._lock:
            for record in [each for each in self._waiting if each.is_settled or self.breaker.is_open]:
                self._waiting.pop(record).release()


def named(error: BaseException) -> str:
    """Name an error without its message, in which Postgres repeats the row: the class, and the SQLSTATE if any."""
    code = getattr(error.__cause__, "sqlstate", None)
    return f"{type(error).__name__} {code}" if code else type(error).__name__


def _place_of(error: BaseException) -> str:
    """Say where an error was raised: its traceback's frames hold no values, its message might."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"


def _error_of(texts: Sequence[bytes], *, keep: bool) -> Exception | None:
    try:
        upsert(texts, keep=keep)
    except Exception as error:
        return error
    return None


@contextmanager
def _turn(directories: Sequence[Path]) -> Iterator[None]:
    """Take turns with the other processes on this machine; where no directory works, go on without."""
    fd = None
    for directory in directories:
        with suppress(OSError):
            make_directory(directory)
            fd = os.open(directory / "connecting", os.O_RDWR | os.O_CREAT, 0o600)
            break
    try:
        if fd is not None:
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        if fd is not None:
            os.close(fd)


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
