"""The outbox: an append-only journal, on this machine's disk, of leads that Postgres has not confirmed. Plain Python.

It is a directory of segments. A process appends to its own segment, which it keeps locked (flock) until it ends, so no
two processes write to the same file. A segment whose lock is free belongs to a dead process, and any relay adopts it.

Records are never rewritten. A file beside the segment says how far it is delivered, so that other processes can count
what waits. When all its records are delivered, a segment is unlinked, or kept for some days (kept.py). Delivering twice
is harmless, so nothing else needs to survive a crash. A torn last line was never acknowledged and is skipped. A segment
with a damaged line is set aside after the rest of it is delivered. No record is dropped for age, size or count. A
backlog is read in batches, in constant memory.
"""

import errno
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from leads.delivery.journal.census import WORRYING_S as WORRYING_S
from leads.delivery.journal.census import inaccessible, segment_paths
from leads.delivery.journal.disk import EPHEMERAL_FILE_SYSTEMS, NETWORK_FILE_SYSTEMS, file_system, free_bytes
from leads.delivery.journal.kept import Keeper
from leads.delivery.journal.locked import unlock
from leads.delivery.journal.quarantine import folio_of, put_aside, quarantined
from leads.delivery.journal.segment import Item, Segment, SegmentRetired, encode
from leads.delivery.system import Path, threading, time

# A segment is retired when it is longer or older than this and fully delivered, so that it can be removed, or when an
# eighth of the bytes wait in it: then newer leads get a segment of their own and need not wait for the backlog.
SEGMENT_BYTES = 4 * 1024 * 1024
SEGMENT_S = 3600.0
BATCH = 200
MOST_AHEAD = 1000
# Each held segment is an open file, and a process may open only so many; more are adopted when these are delivered.
MOST_HELD = 64
# How long after a failure a directory is tried again.
RETRY_DIRECTORY_S = 5.0
LOW_DISK_BYTES = 50 * 1024 * 1024


class OutboxUnavailable(OSError):
    """No directory of the outbox took the record: it is not on disk."""


class Batch(NamedTuple):
    """Records to deliver together, one or more. end: the offset after them in their segment."""

    segment: Segment
    items: list[Item]
    end: int


class Outbox:
    """One process's part of the journal. Create it after the fork. Any thread may append; the rest is for the relay.

    directories: in the order in which they are tried. notice: called with each transition and its details, for the log.
    keep_days: for how long delivered journals are kept; 0: not at all; None: they are neither kept nor removed.
    """

    def __init__(
        self,
        directories: Sequence[Path],
        *,
        notice: Callable[..., None] = lambda what, **details: None,
        clock: Callable[[], float] = time.time,
        keep_days: int | None = None,
    ) -> None:
        self.directories, self.notice, self.clock = directories, notice, clock
        self._lock = threading.Lock()
        # Under the lock:
        self._current: Segment | None = None  # takes new records
        self._backlog: list[Segment] = []  # retired or adopted, in the order in which they are delivered
        self._last_used: Path | None = None
        # Without a lock, because a stale value only costs one more try of a directory:
        self._failed_at: dict[Path, float] = {}
        # Used only by the relay:
        self._ahead: set[bytes] = set()
        self._more_to_adopt = False
        self._unreadable: set[Path] = set()  # errors of the disk, so they are not read again
        self._inaccessible: set[Path] = set()
        self._low: set[Path] = set()
        self._has_unlocked = False  # keys change only with a start
        self._keeper = Keeper(directories, keep_days)
        self._warn_of_file_systems()

    def append(self, folio: str, text: bytes) -> Segment:
        """Write and sync a record; OutboxUnavailable when no directory takes it. text: JSON in one line."""
        return self.append_lines([encode(Item(folio, self.clock(), text))])

    def append_lines(self, lines: Sequence[bytes]) -> Segment:
        """Write records with one sync and return their segment; OutboxUnavailable when no directory takes all."""
        text = b"".join(lines)
        while True:
            with self._lock:
                segment = self._current
                if segment is None or self._may_leave_spare(segment):
                    if started := self._start_segment(text):
                        return started
                    if segment is None:
                        raise OutboxUnavailable(errno.EIO, "no directory of the outbox takes a record")
            try:
                segment.sync(segment.write(text))
            except OSError as error:
                self._replace(segment, error)
            else:
                return segment

    def take(self, most: int = BATCH) -> Batch | None:
        """Return the next records to deliver, or None when nothing waits. most: the largest number of them, at least 1.

        1. Go through the segments: the current one first, then the retired and adopted ones, in their order.
        2. Read the next records of the segment. A segment that cannot be read is left where it is.
        3. Return the first records found.
        4. Settle a segment without undelivered records up to its end, which removes it when it is finished.
        5. When all segments are empty and more of dead processes wait than could be held, adopt those and start over.
        """
        with self._lock:
            segments = [*filter(None, [self._current]), *self._backlog]
        for segment in segments:
            known_damage, known_keys = segment.damaged, len(segment.missing_keys)
            try:
                items, end = segment.read(most, self._ahead)
            except OSError as error:
                self._give_up(segment, error)
                continue
            if segment.damaged > known_damage:
                self.notice("damaged", segment=segment.path.name, lines=segment.damaged - known_damage)
            if len(segment.missing_keys) > known_keys:
                self.notice("locked", segment=segment.path.name, keys=",".join(sorted(segment.missing_keys)))
            if items:
                return Batch(segment, items, end)
            self._settle(segment, end)
        return self.take(most) if self._more_to_adopt and self.adopt() else None

    def delivered_ahead(self, line: bytes) -> None:
        """Count a record as delivered before the journal is read as far as it; it is then skipped there."""
        if len(self._ahead) >= MOST_AHEAD:
            self._ahead.clear()  # the disk does not take them; if it does later, delivering them again is harmless
        self._ahead.add(line)

    def delivered(self, batch: Batch) -> None:
        """Count a batch as delivered; remove its segment when that is finished."""
        self._settle(batch.segment, batch.end)

    def quarantine(self, item: Item, *, reason: str) -> None:
        """Write a refused record to the quarantine, and sync it; OutboxUnavailable when no directory takes it."""
        for directory in self._to_try():
            try:
                put_aside(directory, item, reason=reason, at=self.clock())
            except OSError as error:
                self._note_failure(directory, error)
                continue
            self.notice("quarantined", folio=item.folio, reason=reason)
            return
        raise OutboxUnavailable(errno.EIO, "no directory of the outbox takes the refused record")

    def retry_quarantined(self) -> int:
        """Journal the refused records again, and return how many. Each file is removed after its record is on disk.

        OSError when no directory takes them, or a file cannot be removed; the rest stays.
        """
        count = 0
        for path, refused in list(quarantined(self.directories)):
            record = json.dumps(refused["record"], separators=(",", ":"))
            with suppress(ValueError):  # a file that somebody put there stays
                self.append(folio_of(path), record.encode())
                path.unlink(missing_ok=True)
                count += 1
        return count

    def adopt(self) -> int:
        """Adopt segments of dead processes and return how many. The relay calls it every few seconds.

        It also copies segments that were deleted in use back to the disk, and reports what this user may not read and a
        disk that is nearly full. What this user may read again is adopted then; what was locked, once a process has the
        key.
        """
        if not self._has_unlocked:
            self._has_unlocked = True
            unlock(self.directories)
        self._keeper.expire(self.clock())
        with self._lock:
            if self._keeper.wants_all():
                self._retire_current()
            self._rescue_deleted()
            room = MOST_HELD - len(self._backlog)
        self._watch_space()
        self._watch_access()
        adopted: list[Segment] = []
        self._more_to_adopt = False
        for path in segment_paths(self.directories):
            if path in self._unreadable:
                continue
            if len(adopted) >= room:
                self._more_to_adopt = True
                break
            try:
                if segment := Segment.adopt(path):
                    adopted.append(segment)
            except OSError as error:
                if path not in self._inaccessible:
                    self._note_unreadable(path, error)
        with self._lock:
            self._backlog += adopted
        return len(adopted)

    def held(self) -> list[Path]:
        """Return the files that this process delivers, the oldest first. Any thread may call it."""
        with self._lock:
            return [segment.path for segment in (*self._backlog, self._current) if segment]

    def close(self) -> None:
        """Close all segments; another process adopts those with waiting records."""
        with self._lock:
            segments, self._current, self._backlog = [*self._backlog, self._current], None, []
        for segment in filter(None, segments):
            segment.retire()
            if segment.is_finished():
                with suppress(OSError):
                    segment.unlink(keep=self._keeper.keeps)
            segment.close()

    # --- Where the next record goes; with the lock held -------------------------------------------------------------

    def _start_segment(self, lines: bytes) -> Segment | None:
        """Start a segment with these records in a better directory than the current one; None when that fails."""
        for directory in self._to_try():
            if self._current and self._current.directory == directory:
                return None
            try:
                refuse_network_file_system(directory)
                segment = Segment.create(directory, [lines])
            except OSError as error:
                self._note_failure(directory, error)
                continue
            if self._failed_at.pop(directory, None):
                self.notice("writable again", directory=str(directory))
            if directory not in (self.directories[0], self._last_used):
                self.notice("spare", directory=str(directory))
            self._last_used = directory
            self._retire_current()
            self._current = segment
            return segment
        return None

    def _to_try(self) -> list[Path]:
        """Return the directories in the order to try them: those that failed a moment ago last."""
        return sorted(self.directories, key=lambda directory: not self._may_retry(directory))

    def _may_retry(self, directory: Path) -> bool:
        # A failure in the future means that the clock was set back.
        return not 0 <= self.clock() - self._failed_at.get(directory, -RETRY_DIRECTORY_S) < RETRY_DIRECTORY_S

    def _may_leave_spare(self, segment: Segment) -> bool:
        first = self.directories[0]
        return segment.directory != first and self._may_retry(first)

    def _note_failure(self, directory: Path, error: OSError) -> None:
        if directory not in self._failed_at:
            self.notice("unwritable", directory=str(directory), error=str(error))
        self._failed_at[directory] = self.clock()

    def _retire_current(self) -> None:
        if self._current:
            self._current.retire()
            self._backlog.append(self._current)
            self._current = None

    def _rescue_deleted(self) -> None:
        """Copy the waiting records of deleted files, which this process still has open, to new files."""
        for segment in [*self._backlog, self._current]:
            if segment is None or segment.is_rescued or not segment.is_deleted():
                continue
            self.notice("deleted", segment=segment.path.name)
            if segment is self._current:
                self._retire_current()
            for directory in self._to_try():
                try:
                    copy = Segment.create(directory, segment.remainder())
                except OSError as error:
                    self._note_failure(directory, error)
                    continue
                copy.retire()
                self._backlog.append(copy)
                segment.is_rescued = True
                break

    # --- What becomes of a segment ----------------------------------------------------------------------------------

    def _replace(self, segment: Segment, error: OSError) -> None:
        """Retire a segment whose write or sync failed, so that the next records go to another."""
        with self._lock:
            if segment is not self._current:
                return
            self._retire_current()
            if isinstance(error, FileNotFoundError):
                self._rescue_deleted()
            elif not isinstance(error, SegmentRetired):
                self._note_failure(segment.directory, error)

    def _settle(self, segment: Segment, end: int) -> None:
        """Count everything before `end` in a segment as delivered.

        1. Store the offset, for this process and for those that count what waits.
        2. Retire the current segment when too much waits in it, so that newer leads do not wait behind the backlog, or
           when it is long or old and fully delivered, so that it can be removed.
        3. Remove the segment when it is finished.
        """
        if end > segment.delivered:
            segment.mark(end)
        if segment is self._current:
            waiting = segment.written - segment.delivered
            is_long = segment.written > SEGMENT_BYTES or segment.age_s > SEGMENT_S
            if waiting > SEGMENT_BYTES // 8 or (waiting == 0 and is_long):
                self._retire_if_current(segment)
        self._finish(segment)

    def _retire_if_current(self, segment: Segment) -> None:
        """Retire a segment if it is the current one, so that newer leads get their own."""
        with self._lock:
            if segment is self._current:
                self._retire_current()

    def _finish(self, segment: Segment) -> None:
        """Remove a finished segment; when that fails, keep it and try again later."""
        with self._lock:
            if segment not in self._backlog or not segment.is_finished():
                return
            self._backlog.remove(segment)
        try:
            segment.unlink(keep=self._keeper.keeps)
        except OSError:
            with self._lock:
                self._backlog.append(segment)
        else:
            segment.close()

    def _give_up(self, segment: Segment, error: OSError) -> None:
        """Leave a segment that cannot be read on the disk, and go on with the others."""
        with self._lock:
            if segment is self._current:
                self._retire_current()
            self._backlog.remove(segment)
        segment.close()
        self._note_unreadable(segment.path, error)

    def _note_unreadable(self, path: Path, error: OSError) -> None:
        self._unreadable.add(path)
        self.notice("unreadable", segment=path.name, error=error.strerror)

    def _warn_of_file_systems(self) -> None:
        for directory in self.directories:
            kind = file_system(directory)
            if kind in NETWORK_FILE_SYSTEMS:
                self.notice("network", directory=str(directory), file_system=kind)
            elif kind in EPHEMERAL_FILE_SYSTEMS:
                self.notice("ephemeral", directory=str(directory), file_system=kind)

    def _watch_access(self) -> None:
        found = set(inaccessible(self.directories))
        for path in sorted(found - self._inaccessible):
            self.notice("unreadable", segment=path.name, error="no access")
        self._inaccessible = found

    def _watch_space(self) -> None:
        for directory in self.directories:
            try:
                free = free_bytes(directory)
            except OSError:
                continue
            if free >= LOW_DISK_BYTES:
                self._low.discard(directory)
            elif directory not in self._low:
                self._low.add(directory)
                self.notice("disk low", directory=str(directory), free_bytes=free)


def refuse_network_file_system(directory: Path) -> None:
    """Raise OutboxUnavailable for a network file system, where locks and syncs cannot be relied on."""
    kind = file_system(directory)
    if kind in NETWORK_FILE_SYSTEMS:
        raise OutboxUnavailable(
            errno.ENOTSUP, f"{directory} is on a network file system ({kind}), which loses locks and syncs"
        )
