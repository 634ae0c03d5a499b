"""The scribe: one daemon thread a process that brings leads to the disk, all that wait together with one sync.

Requests wait for it within a bound, so a disk that hangs holds no customer: the chat message carries the lead then, and
the journal has it too when the disk comes back.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from leads.outbox import Outbox, OutboxUnavailable, Position
from leads.segment import Item, encode

# A sync takes a millisecond, and on a disk that is busy with something else a few dozen.
DISK_WAIT_S = 0.3
BATCH = 200


@dataclass(eq=False)
class Entry:
    """A lead on its way. position: where it stands in the journal, once on the disk; has_failed: no disk took it."""

    item: Item
    line: bytes
    position: Position | None = None
    has_failed: bool = False

    @property
    def is_settled(self) -> bool:
        """Whether Postgres has answered for it, or will not be asked."""
        return self.has_failed or (self.position is not None and self.position.is_settled)

    @property
    def is_delivered(self) -> bool:
        return self.position is not None and self.position.is_settled and not self.position.is_refused


class Scribe:
    """Writes one process's leads. Start it after the fork; stop it before the outbox is closed.

    on_written, on_failed: called on its thread whenever leads are on the disk, or no directory took them.
    """

    def __init__(self, outbox: Outbox, *, on_written: Callable[[], None], on_failed: Callable[[], None]) -> None:
        self._outbox, self._on_written, self._on_failed = outbox, on_written, on_failed
        self._queue: deque[Entry] = deque()
        self._has_work = threading.Event()
        self._done = threading.Condition()
        self._busy_since: float | None = None
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="scribe", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """End the thread, after it has written what waits."""
        self._is_stopping = True
        self._has_work.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def write(self, folio: str, text: bytes) -> Entry:
        """Take a lead; ValueError where it is no record. text: JSON in one line."""
        item = Item(folio, self._outbox.clock(), text)
        entry = Entry(item, encode(item))
        self._queue.append(entry)
        self._has_work.set()
        return entry

    def wait_for(self, entry: Entry, timeout_s: float = DISK_WAIT_S) -> bool:
        """Return whether a lead is on the disk, as soon as that is known; nobody waits for a disk that hangs."""
        with self._done:
            self._done.wait_for(lambda: entry.position or entry.has_failed or self.is_stuck, timeout_s)
        return entry.position is not None

    @property
    def is_stuck(self) -> bool:
        busy_since = self._busy_since
        return busy_since is not None and time.monotonic() - busy_since > DISK_WAIT_S

    def _run(self) -> None:
        while self._queue or not self._is_stopping:
            if self._queue:
                self._write([self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))])
            else:
                self._has_work.wait()
                self._has_work.clear()

    def _write(self, entries: list[Entry]) -> None:
        self._busy_since = time.monotonic()
        try:
            positions = self._outbox.append_all([entry.line for entry in entries])
        except Exception as error:  # a scribe that dies journals nothing more; one that goes on may
            if not isinstance(error, OutboxUnavailable):
                self._outbox.notice("scribe failed", error=type(error).__name__)
            for entry in entries:
                entry.has_failed = True
            self._on_failed()
        else:
            for entry, position in zip(entries, positions, strict=True):
                entry.position = position
            self._on_written()
        finally:
            self._busy_since = None
        with self._done:
            self._done.notify_all()
