"""The journal writer: one daemon thread per process that brings leads to the disk, many with one sync.

While no request waits for the disk, it holds leads for up to 0.1 s and syncs them together. Most customers are answered
before that, because Postgres has their lead.

A request waits for the disk only for DISK_WAIT_S. When the disk hangs, the chat's message carries the lead, and the
journal gets it when the disk works again.
"""

from collections.abc import Callable

from leads.delivery.entry import Entry
from leads.delivery.journal.outbox import Outbox, OutboxUnavailable
from leads.delivery.journal.segment import Item, encode
from leads.delivery.system import SimpleQueue, threading, time

# A sync takes a millisecond, on a busy disk a few dozen.
DISK_WAIT_S = 0.3
BATCH = 200
# No request waits meanwhile. With 0.02 a checkout took a tenth more CPU, because of more syncs and thread switches.
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
        """End the thread after it has written the waiting leads."""
        self._is_stopping = True
        self._queue.put(None)
        self._is_waited_for.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def entry(self, folio: str, text: bytes) -> Entry:
        """Return a new entry for `write`. text: JSON in one line; ValueError when it cannot be a record."""
        item = Item(folio, self._outbox.clock(), text)
        return Entry(item, encode(item))

    def write(self, entry: Entry) -> None:
        """Queue a lead, which is written within LINGER_S, or as soon as a request waits for the disk."""
        self._queue.put(entry)

    def wait_for(self, entry: Entry) -> bool:
        """Return whether a lead is on the disk, as soon as that is known, or when the disk hangs or the time is up."""
        if entry.is_on_disk is None:
            self._is_waited_for.set()
            with self._answered:
                self._answered.wait_for(lambda: entry.is_on_disk is not None or self.is_stuck, DISK_WAIT_S)
        return entry.is_on_disk is True

    @property
    def is_stuck(self) -> bool:
        busy_since = self._busy_since
        return busy_since is not None and time.monotonic() - busy_since > DISK_WAIT_S

    # --- The thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        """Write leads until `stop` is called.

        1. Wait for a lead.
        2. Hold it up to LINGER_S so that others share its sync; not at all when a request waits for the disk.
        3. Bring it to the disk, with all that have come meanwhile.
        """
        while not (self._is_stopping and self._queue.empty()):
            arrived = [self._queue.get()]
            self._is_waited_for.wait(LINGER_S)
            self._is_waited_for.clear()
            while len(arrived) < BATCH and not self._queue.empty():  # only this thread takes from the queue
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
