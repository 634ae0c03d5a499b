"""The journal writer: one daemon thread a process that brings leads to the disk, with one sync for all that wait.

While nobody waits for the disk, it holds leads for up to 0.1 s and syncs them together. Most customers are answered
before that, because Postgres has their lead.

Requests wait for the disk within a bound. When it hangs, the chat's message carries the lead, and the journal gets it
when the disk comes back.
"""

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

from leads.delivery.entry import Entry
from leads.delivery.journal.outbox import Outbox, OutboxUnavailable
from leads.delivery.journal.segment import Item, encode

# A sync takes a millisecond, and on a disk that is busy with something else a few dozen.
DISK_WAIT_S = 0.3
BATCH = 200
# Nobody waits meanwhile. With 0.02 a checkout took a tenth more of the CPU, for more syncs and changes of thread.
LINGER_S = 0.1


class JournalWriter:
    """Writes one process's leads. Start it after the fork; stop it before the outbox is closed.

    on_written: called on its thread whenever leads are on the disk.
    """

    def __init__(self, outbox: Outbox, *, on_written: Callable[[], None]) -> None:
        self._outbox, self._on_written = outbox, on_written
        self._queue: SimpleQueue[Entry | None] = SimpleQueue()  # None: wakes the thread, to stop
        self._is_waited_for = threading.Event()
        self._answered = threading.Condition()
        self._busy_since: float | None = None
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="journal writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """End the thread, after it has written what waits."""
        self._is_stopping = True
        self._queue.put(None)
        self._is_waited_for.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def entry(self, folio: str, text: bytes) -> Entry:
        """Return a lead that is to be written; ValueError where it is no record. text: JSON in one line."""
        item = Item(folio, self._outbox.clock(), text)
        return Entry(item, encode(item))

    def write(self, entry: Entry) -> None:
        """Take a lead, to be written within LINGER_S, or as soon as somebody waits for it."""
        self._queue.put(entry)

    def wait_for(self, entry: Entry, timeout_s: float = DISK_WAIT_S) -> bool:
        """Return whether a lead is on the disk, as soon as that is known; nobody waits for a disk that hangs."""
        if entry.is_on_disk is None:
            self._is_waited_for.set()
            with self._answered:
                self._answered.wait_for(lambda: entry.is_on_disk is not None or self.is_stuck, timeout_s)
        return entry.is_on_disk is True

    @property
    def is_stuck(self) -> bool:
        busy_since = self._busy_since
        return busy_since is not None and time.monotonic() - busy_since > DISK_WAIT_S

    # --- The thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        """Write what comes, until told to stop.

        1. Wait for a lead.
        2. Hold it up to LINGER_S for others to share its sync; not at all when somebody waits for the disk.
        3. Bring it to the disk, with all that have come meanwhile.
        """
        while not (self._is_stopping and self._queue.empty()):
            arrived = [self._queue.get()]
            self._is_waited_for.wait(LINGER_S)
            self._is_waited_for.clear()
            while len(arrived) < BATCH and not self._queue.empty():  # nobody else takes from it
                arrived.append(self._queue.get())
            if entries := [entry for entry in arrived if entry]:
                self._bring_to_disk(entries)

    def _bring_to_disk(self, entries: list[Entry]) -> None:
        self._busy_since = time.monotonic()
        try:
            self._outbox.append_lines([entry.line for entry in entries])
            are_on_disk = True
        except Exception as error:  # broad: a journal writer that dies journals nothing more; one that goes on may
            are_on_disk = False
            if not isinstance(error, OutboxUnavailable):
                self._outbox.notice("journal writer failed", error=type(error).__name__)
        finally:
            self._busy_since = None
        for entry in entries:
            entry.is_on_disk = are_on_disk
        with self._answered:
            self._answered.notify_all()
        if are_on_disk:
            self._on_written()
