"""One file of the journal: append-only, locked until its process ends, one record per line.

    <crc32, 8 hex digits> <unix time> <folio> <sealed JSON>\\n

A torn last line was never acknowledged and is skipped. Any other damaged line is counted, and the rest is read; so are
lines whose key is not in use (sealing.py). Journals of releases that did not seal have the JSON itself.
"""

import errno
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from leads.delivery.journal import sealing
from leads.delivery.journal.disk import lock, make_directory, sync_names
from leads.delivery.system import Path, os, secrets, threading, time

SUFFIX = ".journal"
COUNT_SUFFIX = ".delivered"
COPIED_SUFFIX = ".copied"  # leads.delivery.journal.copied
DAMAGED, LOCKED, KEPT = "damaged", "locked", "kept"

_CHUNK = 64 * 1024
# A deleted file is copied in pieces of this size.
_RESCUE_CHUNK = 4 * 1024 * 1024
_FOLIO = re.compile(r"[A-Za-z0-9_-]+")
# Unix times of the years 1653 to 5138: what is outside of them is no time of a record.
_EARLIEST, _LATEST = -1e10, 1e11
_RECORD_START = re.compile(rb"(?=[0-9a-f]{8} \d+\.\d{3} )")

T = TypeVar("T")


class SegmentRetired(OSError):
    """This segment takes no more records."""


class Item(NamedTuple):
    """One record. at: when it was journaled, unix time; text: its JSON; end: the offset after it in its segment."""

    folio: str
    at: float
    text: bytes
    end: int = 0

    @property
    def data(self) -> Any:
        return json.loads(self.text)


class Locked(NamedTuple):
    """A record that no key in use opens. key: the mark of the one that does."""

    folio: str
    at: float
    key: str


class Header(NamedTuple):
    """A record that is not opened. text: as it is in the file; about: what it is sealed with."""

    folio: str
    at: float
    text: bytes
    about: bytes


def encode(item: Item) -> bytes:
    """Return the line of a record, sealed; ValueError for a folio or a text that could not be read back."""
    if not _FOLIO.fullmatch(item.folio) or b"\n" in item.text:
        raise ValueError("a folio is letters, digits and dashes, and the JSON of a record is one line")
    about = about_of(item.folio, item.at)
    body = b"%s %s" % (about, sealing.seal(item.text, about=about))
    return b"%08x %s\n" % (zlib.crc32(body), body)


def about_of(folio: str, at: float) -> bytes:
    """Return what a record is sealed with: its time and its folio, as its line has them."""
    return b"%.3f %s" % (at, folio.encode())


def header(line: bytes) -> Header | None:
    """Return the record of a line without opening it, or None when it is damaged. line: without its newline."""
    checksum, _, body = line.partition(b" ")
    try:
        if int(checksum, 16) != zlib.crc32(body):
            return None
        at, folio, text = body.split(b" ", 2)
        read = Header(folio.decode(), float(at), text, body[: len(at) + 1 + len(folio)])
        return read if _EARLIEST <= read.at <= _LATEST else None
    except ValueError:
        return None


def decode(line: bytes) -> Item | Locked | None:
    """Return the record of a line, or None when it is damaged. line: without its newline."""
    if not (read := header(line)):
        return None
    try:
        return Item(read.folio, read.at, sealing.unseal(read.text, about=read.about))
    except sealing.KeyMissing as missing:
        return Locked(read.folio, read.at, str(missing))
    except sealing.SealBroken:
        return None


def records(line: bytes) -> Iterator[tuple[Item | Locked | None, int]]:
    """Yield each record in a line, or None for a damaged one, with its length in bytes. line: with its newline.

    A line holds two sound records when the newline between them was damaged.
    """
    yield from _in_line(line, decode)


def headers(line: bytes) -> Iterator[tuple[Header | None, int]]:
    """Yield what `records` does without opening it, which takes a third of the time."""
    yield from _in_line(line, header)


def _in_line(line: bytes, read: Callable[[bytes], T]) -> Iterator[tuple[T, int]]:
    if found := read(line[:-1]):
        yield found, len(line)
        return
    for piece in filter(None, _RECORD_START.split(line)):
        yield read(piece[:-1]), len(piece)


class Segment:
    """One file of the journal. Offsets in bytes: records end at `written`; those before `delivered` are delivered."""

    def __init__(self, path: Path, fd: int, *, size: int) -> None:
        self.path, self.directory = path, path.parent
        self.written = self.synced = size
        self.delivered = 0
        self.damaged = 0
        self.missing_keys: set[str] = set()
        self.is_rescued = False
        self._fd = fd
        self._is_retired = False
        self._began = time.monotonic()
        self._has_lost_a_sync = False
        self._checked = 0
        self._count_fd: int | None = None
        self._write_lock, self._sync_lock = threading.Lock(), threading.Lock()

    @classmethod
    def create(cls, directory: Path, content: Iterable[bytes]) -> "Segment":
        """Create a segment that begins with `content`, locked until it is closed; OSError leaves no file behind."""
        make_directory(directory)
        while True:
            path = directory / f"{time.time_ns()}-{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
            segment = cls(path, os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600), size=0)
            try:
                if lock(segment._fd) and not segment.is_deleted():
                    for part in content:
                        segment.sync(segment.write(part))
                    sync_names(directory)
                    return segment
            except OSError:
                with suppress(OSError):
                    path.unlink()
                segment.close()
                raise
            segment.close()  # another process adopted it before it was locked

    @classmethod
    def adopt(cls, path: Path) -> "Segment | None":
        """Take over a segment of a dead process; None when a running process holds it, or when it is gone."""
        try:
            fd = os.open(path, os.O_RDONLY)  # read-only, so that it works on a disk that became read-only
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
        """Write records to the kernel's page cache; return the offset after them. `sync` brings them to the disk."""
        with self._write_lock:
            if self._is_retired:
                raise SegmentRetired(self.path)
            try:
                if (took := os.write(self._fd, lines)) != len(lines):
                    raise OSError(errno.ENOSPC, f"the disk took {took} bytes of {len(lines)}")
            except OSError:
                # Only the last line of a segment may be torn, so nothing may follow it.
                self._is_retired = True
                raise
            self.written += len(lines)
            return self.written

    def sync(self, end: int) -> None:
        """Bring the written records to the disk, at least up to `end`.

        After an OSError they are not on the disk, and the segment takes no more. Records that are written while another
        thread syncs share the next sync.
        """
        with self._sync_lock:
            if self.synced >= end:
                return
            # A failed sync is not tried again: the kernel may have dropped the pages, and would then report success.
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
        """Whether the file has no name any more: it accepts writes, but they are lost when the process ends."""
        return os.fstat(self._fd).st_nlink == 0

    def read(self, limit: int, known: set[bytes]) -> tuple[list[Item], int]:
        """Return up to `limit` undelivered records and the offset after them; damaged lines on the way are counted.

        Records of which no key is in use are passed over, and their keys noted. A folio comes at most once; a second
        record of it is left for the next batch. Lines in `known` are skipped, and removed from `known`. When no sound
        record is left, the offset is the end.
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
                    if isinstance(item, Item):
                        items[item.folio] = item._replace(end=offset)
                    elif item:
                        self.missing_keys.add(item.key)
                    elif offset > self._checked and line.endswith(b"\n"):
                        self.damaged += 1
                    self._checked = max(self._checked, offset)
        return list(items.values()), offset if items else bound

    def mark(self, offset: int) -> None:
        """Count everything before `offset` as delivered, for other processes as well."""
        self.delivered = offset
        with suppress(OSError):  # without it, other processes only count too many waiting leads
            if self._count_fd is None:
                self._count_fd = os.open(self.path.with_suffix(COUNT_SUFFIX), os.O_WRONLY | os.O_CREAT, 0o600)
            os.pwrite(self._count_fd, b"%020d\n" % offset, 0)

    @property
    def _sound(self) -> int:
        """The end of what can be read. After a failed sync, the kernel may have dropped what was written since."""
        return self.synced if self._has_lost_a_sync else self.written

    def remainder(self) -> Iterator[bytes]:
        """Yield the bytes of the records that were acknowledged and not delivered."""
        for position in range(self.delivered, self.synced, _RESCUE_CHUNK):
            yield os.pread(self._fd, min(_RESCUE_CHUNK, self.synced - position), position)

    def retire(self) -> None:
        """Take no more records."""
        with self._write_lock:
            self._is_retired = True

    @property
    def age_s(self) -> float:
        """For how long this process has had the file, in seconds."""
        return time.monotonic() - self._began

    def is_finished(self) -> bool:
        """Whether the segment takes no more records, and all that are or may yet be acknowledged are delivered."""
        with self._write_lock, self._sync_lock:
            # A file that is removed before its sync would be taken for one that was deleted in use.
            return self._is_retired and self.synced >= self._sound and self.delivered >= self._sound

    def unlink(self, *, keep: bool = False) -> None:
        """Remove the file. OSError: it is still there.

        One with a record of which no key is in use is moved to locked/ instead, one with a damaged line to damaged/,
        and any other with records to kept/ if it is to be kept.
        """
        self.path.with_suffix(COUNT_SUFFIX).unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            if self.missing_keys or self.damaged:
                aside = self.path.parent / (LOCKED if self.missing_keys else DAMAGED)
                make_directory(aside)
                self.path.rename(aside / self.path.name)
                sync_names(aside)
            elif keep and self.written:  # the owner of an empty one may be about to lock it, and finds that it is gone
                aside = self.path.parent / KEPT
                make_directory(aside)
                self.path.rename(aside / self.path.name)
                (aside / self.path.name).touch()  # it is kept from now on, however long it has waited
            else:
                self.path.unlink()
        with suppress(OSError):
            self.path.with_suffix(COPIED_SUFFIX).unlink()

    def close(self) -> None:
        """Close the file. An append that is still running fails, and goes to the next segment."""
        with self._write_lock, self._sync_lock:
            self._is_retired = self._has_lost_a_sync = True
            for fd in (self._count_fd, self._fd):
                if fd is not None:
                    os.close(fd)
            # The kernel may reuse these numbers for other files from now on.
            self._count_fd, self._fd = None, -1
