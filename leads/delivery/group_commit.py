"""Group commit: leads in memory reach Postgres by whoever waits for them.

A request that finds the connection free writes all leads that wait, its own among them: it leads. Others wait, and when
it has finished, one of those whose leads came meanwhile leads the next group. So a lone request hands its lead to no
other thread, and many share a statement. Whatever is not quick and simple is left to the relay, which has time: a new
connection, a refused row, a Postgres that is slow or down.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from leads.delivery.breaker import Breaker, Fault
from leads.delivery.entry import Entry
from leads.delivery.journal.segment import Item
from leads.delivery.postgres_writer import PostgresWriter
from leads.delivery.system import threading, time

# More than can wait at the same time in practice. When there are more, the oldest are dropped from memory and delivered
# from the journal, which has them unless no disk works.
MOST_IN_MEMORY = 200
# A request leads only with so much of its time left. When Postgres has not answered within that, it is in trouble.
LEAST_LEFT = 0.75


class GroupCommit:
    """The leads of one process that are in memory, and the turns on its connection.

    is_left: whether the relay has leads to deliver from memory. needs_relay: called then; on_settled: called with each
    lead that was settled from memory.
    """

    def __init__(
        self,
        postgres: PostgresWriter,
        breaker: Breaker,
        *,
        needs_relay: Callable[[], None],
        on_settled: Callable[[Entry], None],
    ) -> None:
        self._postgres, self._breaker = postgres, breaker
        self._needs_relay, self._on_settled = needs_relay, on_settled
        self._arrivals: deque[Entry] = deque(maxlen=MOST_IN_MEMORY)
        self.is_left = False
        self._turn = threading.Lock()
        self._in_memory: deque[Entry] = deque()  # with the turn
        self._answered = threading.Condition()

    def add(self, entry: Entry, *, is_waited_for: bool) -> None:
        """Take a lead. is_waited_for: whether `wait_for` will be called; if not, the relay writes it."""
        self._arrivals.append(entry)
        if not is_waited_for:
            self.leave_to_relay()

    def leave_to_relay(self) -> None:
        """Have the relay deliver what is in memory."""
        self.is_left = True
        self._needs_relay()

    def wait_for(self, entry: Entry, timeout_s: float) -> bool:
        """Return whether Postgres has a lead, as soon as that is known and after `timeout_s` at the latest.

        It returns immediately while the breaker is open, or when a statement has taken longer than `timeout_s`.

        1. Write all leads that wait, if the connection is free and Postgres answers quickly.
        2. Otherwise wait until another has written this one, or leaves the connection free; then begin again.
        3. Leave to the relay what is not written when the time is over, or cannot be written here.
        """
        end = time.monotonic() + timeout_s
        may_lead = True
        while (
            not self._is_over(entry) and not self._postgres.is_stuck(timeout_s) and (left := end - time.monotonic()) > 0
        ):
            may_lead = may_lead and self._postgres.is_quick and left >= LEAST_LEFT * timeout_s
            if may_lead and self._turn.acquire(blocking=False):
                may_lead = self._lead(left)
                continue
            if not may_lead:
                self.leave_to_relay()
            with self._answered:
                self._answered.wait_for(partial(self._may_go_on, entry, may_lead), left)
        if entry.is_stored is None:
            self.leave_to_relay()
        return entry.is_stored is True

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Have the connection, and what waits in memory, alone; afterwards those who wait look again."""
        with self._turn:
            yield
        self.wake_waiters()

    def deliver(self) -> Fault | None:
        """Deliver what is left to the relay, with a turn. Return the fault that leaves the rest, or None.

        1. Take leads from memory, each folio once.
        2. Write them to Postgres, however that may be done.
        3. Settle them, and have the journal skip those.
        4. Keep the rest for the next time. A refused lead that no disk takes into the quarantine is dropped from
           memory; the journal still has it, unless no disk works.
        """
        self.is_left = False  # before memory is looked at: what is left meanwhile sets it again
        entries = self._next()
        if not entries:
            return None
        stored, fault = self._postgres.deliver([entry.item for entry in entries])
        settled, left = entries[: len(stored)], entries[len(stored) :]
        self._settle(settled, stored)
        if fault is Fault.DATA:
            left = left[1:]
        self._in_memory.extendleft(reversed(left))
        self.is_left = self.is_left or bool(self._in_memory)
        return fault

    def settle_from_backlog(self, items: Sequence[Item], stored: Sequence[bool]) -> None:
        """Settle those of the journal's records that are in memory as well, with a turn.

        When nobody is quick, some are in the journal before they are delivered from memory.
        """
        self._take_in()
        by_text = {entry.item.text: entry for entry in self._in_memory}
        for item, is_stored in zip(items, stored, strict=False):
            if entry := by_text.get(item.text):
                entry.is_stored = is_stored

    def wake_waiters(self) -> None:
        with self._answered:
            self._answered.notify_all()

    def _is_over(self, entry: Entry) -> bool:
        return entry.is_stored is not None or self._breaker.is_open

    def _may_go_on(self, entry: Entry, may_lead: bool) -> bool:
        return self._is_over(entry) or (may_lead and not self._turn.locked())

    def _lead(self, within_s: float) -> bool:
        """Write the next group on a request's thread, which has taken the turn; return whether that did anything."""
        try:
            entries = self._next()
            is_written = bool(entries) and self._postgres.write_at_once([entry.item for entry in entries], within_s)
            if is_written:
                self._settle(entries, [True] * len(entries))
            else:
                self._in_memory.extendleft(reversed(entries))
        finally:
            self._turn.release()
        self.wake_waiters()
        return is_written

    def _settle(self, entries: Sequence[Entry], stored: Sequence[bool]) -> None:
        for entry, is_stored in zip(entries, stored, strict=True):
            entry.is_stored = is_stored
            self._on_settled(entry)

    def _take_in(self) -> None:
        """Move arrived leads to those in memory, and drop the oldest when there are too many."""
        while self._arrivals:
            self._in_memory.append(self._arrivals.popleft())
        while len(self._in_memory) > MOST_IN_MEMORY:
            self._in_memory.popleft()

    def _next(self) -> list[Entry]:
        self._take_in()
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
