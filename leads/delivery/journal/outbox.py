"""The outbox: an append-only journal, on this machine's disk, of leads that Postgres has not confirmed. Plain Python.

A directory of segments. A process appends to a segment of its own, locked (flock) for its life, so there is no shared
writer; a segment whose lock is free belongs to a dead process, and any relay adopts it.

Delivered records are only counted (beside the segment, for whoever asks how many wait), never rewritten; a segment
whose every record is delivered is unlinked. Delivering twice is harmless, so nothing else needs to survive a crash. A
torn last line was never acknowledged and is passed over; a damaged line inside is set aside with its segment, and the
rest is delivered. Nothing is dropped for age, size or count; a backlog is read in batches, in constant memory.
"""

import errno
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from leads.delivery.journal.census import segment_paths
from leads.delivery.journal.disk import EPHEMERAL_FILE_SYSTEMS, NETWORK_FILE_SYSTEMS, file_system, free_bytes
from leads.delivery.journal.quarantine import put_aside, quarantined
from leads.delivery.journal.segment import Item, Segment, SegmentRetired, encode

# A segment is retired when an eighth of this waits in it, so that newer leads pass, or when it is longer and all of it
# is delivered.
SEGMENT_BYTES = 4 * 1024 * 1024
BATCH = 200
MOST_AHEAD = 1000
# Each held segment is an open file, of which a process may have few; the next are adopted when these are delivered.
MOST_HELD = 64
# How long a directory that failed is left alone before it is tried again.
RETRY_DIRECTORY_S = 5.0
LOW_DISK_BYTES = 50 * 1024 * 1024
# Most outages end by themselves. When a lead has waited this long, this one needs a person.
WORRYING_S = 900


class OutboxUnavailable(OSError):
    """No directory of the outbox took the record: it is not on disk."""


class Batch(NamedTuple):
    """Records to deliver together, one or more. end: the offset after them in their segment."""

    segment: Segment
    items: list[Item]
    end: int


class Outbox:
    """One process's part of the journal. Made after the fork; any thread may append, the rest is the relay's.

    directories: in the order in which they are tried. notice: called with what happened and its details, for the log.
    """

    def __init__(
        self,
        directories: Sequence[Path],
        *,
        notice: Callable[..., None] = lambda what, **details: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.directories, self.notice, self.clock = directories, notice, clock
        self._lock = Lock()
        # Under the lock:
        self._current: Segment | None = None  # takes new records
        self._backlog: list[Segment] = []  # retired or adopted, in the order in which they are delivered
        self._last_used: Path | None = None
        # What a stale look at it costs is one more try of a directory:
        self._failed_at: dict[Path, float] = {}
        # The relay's own:
        self._ahead: set[bytes] = set()
        self._more_to_adopt = False
        self._unreadable: set[Path] = set()
        self._low: set[Path] = set()
        self._warn_of_file_systems()

    def append(self, folio: str, text: bytes) -> Segment:
        """Bring a record to the disk; OutboxUnavailable where no directory takes it. text: JSON in one line."""
        return self.append_lines([encode(Item(folio, self.clock(), text))])

    def append_lines(self, lines: Sequence[bytes]) -> Segment:
        """Bring records to the disk with one sync, and return where; OutboxUnavailable where no directory takes all."""
        text = b"".join(lines)
        while True:
            with self._lock:
                segment = self._current
                if segment is None or self._may_leave_spare(segment):
                    if begun := self._begin(text):
                        return begun
                    if segment is None:
                        raise OutboxUnavailable(errno.EIO, "no directory of the outbox takes a record")
            try:
                segment.sync(segment.write(text))
            except OSError as error:
                self._replace(segment, error)
            else:
                return segment

    def take(self, most: int = BATCH) -> Batch | None:
        """Return the next records to deliver, or None when nothing waits. most: how many together, at least 1.

        1. Look at the segment that takes new records first, then at the others, and at those of dead processes last.
        2. Read the next records of each. One that cannot be read is left where it is, so that the others go on.
        3. Return the first records that are found.
        4. A segment without any is settled up to its end, and goes when nothing more can come of it.
        5. When all are empty, adopt more segments of dead processes, if there were more than may be held, and start
           over.
        """
        with self._lock:
            segments = [*filter(None, [self._current]), *self._backlog]
        for segment in segments:
            known_damage = segment.damaged
            try:
                items, end = segment.read(most, self._ahead)
            except OSError as error:
                self._give_up(segment, error)
                continue
            if segment.damaged > known_damage:
                self.notice("damaged", segment=segment.path.name, lines=segment.damaged - known_damage)
            if items:
                return Batch(segment, items, end)
            self._settle(segment, end)
        return self.take(most) if self._more_to_adopt and self.adopt() else None

    def delivered_ahead(self, line: bytes) -> None:
        """Count a record as delivered before it is seen in the journal, which then passes over it."""
        if len(self._ahead) >= MOST_AHEAD:
            self._ahead.clear()  # no disk takes these; if one does, they are delivered again, which is harmless
        self._ahead.add(line)

    def delivered(self, batch: Batch) -> None:
        """Count a batch as delivered; its file goes when nothing more can come of it."""
        self._settle(batch.segment, batch.end)

    def quarantine(self, item: Item, *, reason: str) -> None:
        """Put aside what Postgres refuses for ever, on the disk before it is counted as settled."""
        for directory in self._to_try():
            try:
                put_aside(directory, item, reason=reason, at=self.clock())
            except OSError as error:
                self._note_failure(directory, error)
                continue
            self.notice("quarantined", folio=item.folio, reason=reason)
            return
        raise OutboxUnavailable(errno.EIO, "no directory of the outbox takes what Postgres refuses")

    def retry_quarantined(self) -> int:
        """Journal again what Postgres refused, on request; return how many. A file goes after its record is on disk."""
        count = 0
        for path, refused in list(quarantined(self.directories)):
            row = refused["record"]
            self.append(row["folio"], json.dumps(row, separators=(",", ":")).encode())
            path.unlink(missing_ok=True)
            count += 1
        return count

    def adopt(self) -> int:
        """Look after the directories, every few seconds; return how many segments of dead processes were taken over.

        Files that were deleted in use are copied back to the disk, and a disk that is nearly full is reported.
        """
        with self._lock:
            self._rescue_deleted()
            room = MOST_HELD - len(self._backlog)
        self._watch_space()
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
                self._note_unreadable(path, error)
        with self._lock:
            self._backlog += adopted
        return len(adopted)

    def close(self) -> None:
        """Let go of everything; what waits is adopted by the next process."""
        with self._lock:
            segments, self._current, self._backlog = [*self._backlog, self._current], None, []
        for segment in filter(None, segments):
            segment.retire()
            if segment.is_finished():
                with suppress(OSError):
                    segment.unlink()
            segment.close()

    # --- Where the next record goes; with the lock held -------------------------------------------------------------

    def _begin(self, lines: bytes) -> Segment | None:
        """Start a segment with these records, better placed than the current one; None where no directory takes it."""
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
        """Return the directories, those that failed a moment ago last."""
        return sorted(self.directories, key=lambda directory: not self._has_rested(directory))

    def _has_rested(self, directory: Path) -> bool:
        # A clock that was set back counts as a rest.
        return not 0 <= self.clock() - self._failed_at.get(directory, -RETRY_DIRECTORY_S) < RETRY_DIRECTORY_S

    def _may_leave_spare(self, segment: Segment) -> bool:
        first = self.directories[0]
        return segment.directory != first and self._has_rested(first)

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
        """Copy what waits in deleted files, which only our open descriptors still reach, into new ones."""
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
        """Go on without a segment that failed."""
        with self._lock:
            if segment is not self._current:
                return
            self._retire_current()
            if isinstance(error, FileNotFoundError):
                self._rescue_deleted()
            elif not isinstance(error, SegmentRetired):
                self._note_failure(segment.directory, error)

    def _settle(self, segment: Segment, end: int) -> None:
        """Count what stands before `end` in a segment as delivered.

        1. Mark it, for this process and for whoever asks how many wait.
        2. Where the segment takes new records, start another for them when too many wait in it, so that newer leads
           pass, or when it is long and all delivered, so that it can go.
        3. Remove the segment when nothing more can come of it.
        """
        if end > segment.delivered:
            segment.mark(end)
        if segment is self._current:
            waits = segment.written - segment.delivered
            if waits > SEGMENT_BYTES // 8 or (waits == 0 and segment.written > SEGMENT_BYTES):
                self._set_back(segment)
        self._finish(segment)

    def _set_back(self, segment: Segment) -> None:
        """Let newer leads pass: they get a segment of their own."""
        with self._lock:
            if segment is self._current:
                self._retire_current()

    def _finish(self, segment: Segment) -> None:
        """Remove a segment of which nothing more can come; where that fails, it is kept and tried again."""
        with self._lock:
            if segment not in self._backlog or not segment.is_finished():
                return
            self._backlog.remove(segment)
        try:
            segment.unlink()
        except OSError:
            with self._lock:
                self._backlog.append(segment)
        else:
            segment.close()

    def _give_up(self, segment: Segment, error: OSError) -> None:
        """Leave a segment that cannot be read where it is, so that the others go on."""
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
    """OutboxUnavailable where locks and syncs cannot be trusted."""
    kind = file_system(directory)
    if kind in NETWORK_FILE_SYSTEMS:
        raise OutboxUnavailable(
            errno.ENOTSUP, f"{directory} is on a network file system ({kind}), which loses locks and syncs"
        )
