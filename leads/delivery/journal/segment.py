"""One file of the journal: append-only, locked by its process for life, a record a line.

    <crc32, 8 hex digits> <unix time> <folio> <JSON>\\n

A torn last line was never acknowledged and is passed over; a damaged line inside is counted, and the rest is read.
"""

import errno
import json
import os
import re
import secrets
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from leads.delivery.journal.disk import lock, make_directory, sync_directory

SUFFIX = ".journal"
COUNT_SUFFIX = ".delivered"
DAMAGED = "damaged"

_CHUNK = 64 * 1024
# A deleted file is copied in pieces of this size.
_RESCUE_CHUNK = 4 * 1024 * 1024
_FOLIO = re.compile(r"[A-Za-z0-9_-]+")
_RECORD_START = re.compile(rb"(?=[0-9a-f]{8} \d+\.\d{3} )")


class SegmentRetired(OSError):
    """This segment takes no more records; the next one does."""


class Item(NamedTuple):
    """One record. at: when it was journaled, unix time; text: its JSON; end: the offset after it in its segment."""

    folio: str
    at: float
    text: bytes
    end: int = 0

    @property
    def data(self) -> Any:
        return json.loads(self.text)


def encode(item: Item) -> bytes:
    """Return the line of a record; ValueError where it would not be one line that reads back the same."""
    if not _FOLIO.fullmatch(item.folio) or b"\n" in item.text:
        raise ValueError("a folio is letters, digits and dashes, and the JSON of a record is one line")
    body = b"%.3f %s %s" % (item.at, item.folio.encode(), item.text)
    return b"%08x %s\n" % (zlib.crc32(body), body)


def decode(line: bytes) -> Item | None:
    """Return the record of a line without its newline, or None where it is damaged."""
    checksum, _, body = line.partition(b" ")
    try:
        if int(checksum, 16) != zlib.crc32(body):
            return None
        at, folio, text = body.split(b" ", 2)
        return Item(folio.decode(), float(at), text)
    except ValueError:
        return None


def records(line: bytes) -> Iterator[tuple[Item | None, int]]:
    """Yield what is in a line, newline included: each record, or None for a damaged one, and its length.

    Where a newline was damaged, two records stand in one line, both of them sound.
    """
    if item := decode(line[:-1]):
        yield item, len(line)
        return
    for piece in filter(None, _RECORD_START.split(line)):
        yield decode(piece[:-1]), len(piece)


class Segment:
    """One file of the journal. Offsets are bytes: `written` bounds what may be read, `delivered` is where to go on."""

    def __init__(self, path: Path, fd: int, *, size: int) -> None:
        self.path, self.directory = path, path.parent
        self.written = self.synced = size
        self.delivered = 0
        self.damaged = 0
        self.is_rescued = False
        self._fd = fd
        self._is_retired = False
        self._has_lost_a_sync = False
        self._checked = 0
        self._count_fd: int | None = None
        self._write_lock, self._sync_lock = Lock(), Lock()

    @classmethod
    def create(cls, directory: Path, content: Iterable[bytes]) -> "Segment":
        """Make a segment that begins with `content` and is ours until we close it; OSError leaves nothing behind."""
        make_directory(directory)
        while True:
            path = directory / f"{time.time_ns()}-{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
            segment = cls(path, os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600), size=0)
            try:
                if lock(segment._fd) and not segment.is_deleted():
                    for part in content:
                        segment.sync(segment.write(part))
                    sync_directory(directory)
                    return segment
            except OSError:
                with suppress(OSError):
                    path.unlink()
                segment.close()
                raise
            segment.close()  # another process adopted it before it was locked

    @classmethod
    def adopt(cls, path: Path) -> "Segment | None":
        """Take over a segment that no living process holds; None where one does, or where it is gone."""
        try:
            fd = os.open(path, os.O_RDONLY)  # a disk that became read-only still gives up what it has
        except FileNotFoundError:
            return None
        segment = cls(path, fd, size=0)
        segment.retire()
        try:
            if lock(fd) and not segment.is_deleted():
                segment.written = segment.synced = os.fstat(fd).st_size
                return segment
        except OSError:
            segment.close()
            raise
        segment.close()
        return None

    def write(self, lines: bytes) -> int:
        """Hand records to the kernel; return the offset of their end. `sync` brings them to the disk."""
        with self._write_lock:
            if self._is_retired:
                raise SegmentRetired(self.path)
            try:
                if (took := os.write(self._fd, lines)) != len(lines):
                    raise OSError(errno.ENOSPC, f"the disk took {took} bytes of {len(lines)}")
            except OSError:
                # Nothing may follow it: only the last line of a segment may be torn.
                self._is_retired = True
                raise
            self.written += len(lines)
            return self.written

    def sync(self, end: int) -> None:
        """Bring what is written to the disk, at least up to `end`; OSError: it is not there, and nothing may follow.

        What is written while another thread syncs shares the next sync.
        """
        with self._sync_lock:
            if self.synced >= end:
                return
            # A sync that failed is not tried again: the kernel may have dropped what it could not write, and say yes.
            if self._has_lost_a_sync:
                raise SegmentRetired(self.path)
            covered = self.written
            try:
                os.fdatasync(self._fd)
                if self.is_deleted():
                    raise FileNotFoundError(errno.ENOENT, "deleted while it was in use", str(self.path))
            except OSError:
                self._is_retired = self._has_lost_a_sync = True
                raise
            self.synced = covered

    def is_deleted(self) -> bool:
        """Whether no name leads to it any more: such a file accepts writes, and loses them with its process."""
        return os.fstat(self._fd).st_nlink == 0

    def read(self, limit: int, known: set[bytes]) -> tuple[list[Item], int]:
        """Return up to `limit` undelivered records and the offset after them; damage on the way is counted.

        A folio comes at most once: a second record of it is for the next batch. Lines in `known` are passed over, and
        taken from it. Where nothing sound is left, the offset is the end.
        """
        items: dict[str, Item] = {}
        bound, offset, rest = self._sound, self.delivered, b""
        position = offset
        while position < bound:
            chunk = os.pread(self._fd, min(_CHUNK, bound - position), position)
            if not chunk:
                break
            position += len(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            whole = [line + b"\n" for line in lines]
            if rest and position == bound:
                whole.append(rest)  # torn, unless only its newline is damaged
            for line in whole:
                if line in known:
                    known.discard(line)
                    offset += len(line)
                    continue
                for item, length in records(line):
                    if len(items) == limit or (item and item.folio in items):
                        return list(items.values()), offset
                    offset += length
                    if item:
                        items[item.folio] = item._replace(end=offset)
                    elif offset > self._checked and line.endswith(b"\n"):
                        self.damaged += 1
                    self._checked = max(self._checked, offset)
        return list(items.values()), offset if items else bound

    def mark(self, offset: int) -> None:
        """Count everything before `offset` as delivered, for other processes as well."""
        self.delivered = offset
        with suppress(OSError):  # without it, leads that wait are only counted too high
            if self._count_fd is None:
                self._count_fd = os.open(self.path.with_suffix(COUNT_SUFFIX), os.O_WRONLY | os.O_CREAT, 0o600)
            os.pwrite(self._count_fd, b"%020d\n" % offset, 0)

    @property
    def _sound(self) -> int:
        """The end of what can be read: the kernel may have dropped what followed when a sync failed."""
        return self.synced if self._has_lost_a_sync else self.written

    def remainder(self) -> Iterator[bytes]:
        """Yield the bytes that were acknowledged and not delivered."""
        for position in range(self.delivered, self.synced, _RESCUE_CHUNK):
            yield os.pread(self._fd, min(_RESCUE_CHUNK, self.synced - position), position)

    def retire(self) -> None:
        """Take no more records."""
        with self._write_lock:
            self._is_retired = True

    def is_finished(self) -> bool:
        """Whether every record that was or may yet be acknowledged is delivered, and no other can come."""
        with self._write_lock, self._sync_lock:
            # A file that is removed before its sync would look as if somebody had deleted it.
            return self._is_retired and self.synced >= self._sound and self.delivered >= self._sound

    def unlink(self) -> None:
        """Remove the file; one with damage in it is set aside instead. OSError: it is still there."""
        self.path.with_suffix(COUNT_SUFFIX).unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            if self.damaged:
                aside = self.path.parent / DAMAGED
                make_directory(aside)
                self.path.rename(aside / self.path.name)
            else:
                self.path.unlink()

    def close(self) -> None:
        """Let go of the file. An append that is still on its way fails, and goes to the next segment."""
        with self._write_lock, self._sync_lock:
            self._is_retired = self._has_lost_a_sync = True
            for fd in (self._count_fd, self._fd):
                if fd is not None:
                    os.close(fd)
            # The kernel may give these numbers to other files from now on.
            self._count_fd, self._fd = None, -1
