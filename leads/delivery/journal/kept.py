"""Delivered journals stay for some days, so that a database that has forgotten leads gets them back. Plain Python.

A finished segment is moved to kept/ beside the journal, sealed as it is. The oldest are removed when their time is
over, or when all of them take too much room.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, NamedTuple

from leads.delivery.journal import sealing
from leads.delivery.journal.census import segment_paths
from leads.delivery.journal.disk import files, free_bytes, make_directory, private
from leads.delivery.journal.segment import (
    COUNT_SUFFIX,
    KEPT,
    SUFFIX,
    Header,
    Item,
    Locked,
    encode,
    headers,
    records,
)
from leads.delivery.system import Path, fcntl, open, os, time

# They never take more than this, nor more than what is still free on their disk.
MOST_BYTES = 4 * 1024**3
# A file with the time, in unix time, until which journals were removed for want of room.
CUT = "cut-until"
# Touched by whoever wants the journals in use to be finished, so that they come here.
RETIRE_NOW = "retire-now"
_EXPIRE_EVERY_S = 60.0
_DAY_S = 86_400.0
_UNFINISHED = ".tmp"
_UNFINISHED_LASTS_S = 3600.0


class Keeper:
    """What one process's outbox keeps. days: for how long; 0: not at all; None: it neither keeps nor removes any."""

    def __init__(self, directories: Sequence[Path], days: int | None) -> None:
        self._directories, self._days = directories, days
        self._expire_at = 0.0
        self._asked_at = _asked_at(directories)

    @property
    def keeps(self) -> bool:
        """Whether finished journals are kept."""
        return bool(self._days)

    def wants_all(self) -> bool:
        """Return whether somebody called `ask_to_retire` since this was asked last."""
        before, self._asked_at = self._asked_at, _asked_at(self._directories)
        return before != self._asked_at

    def expire(self, now: float) -> None:
        """Remove the kept journals whose time is over, once a minute. now: unix time."""
        if self._days is None or time.monotonic() < self._expire_at:
            return
        self._expire_at = time.monotonic() + _EXPIRE_EVERY_S
        for directory in self._directories:
            with suppress(OSError):
                expire(directory, keep_s=self._days * _DAY_S, now=now)


class Kept(NamedTuple):
    """What is kept. since: when the oldest journal was delivered, unix time, or None; cut_until: as in CUT, or None."""

    journals: int
    bytes: int
    since: float | None
    cut_until: float | None


class Read(NamedTuple):
    """A record that was read. fraction: of all that there is to read, up to here."""

    record: Item | Locked | None
    fraction: float


def paths(directories: Sequence[Path]) -> list[Path]:
    """Return the kept journals, the oldest first."""
    return sorted((path for each in directories for path in files(each / KEPT, SUFFIX)), key=lambda path: path.name)


def kept(directories: Sequence[Path]) -> Kept:
    """Return what is kept, over all processes."""
    found = [_stat(path) for path in paths(directories)]
    cuts = [cut for directory in directories if (cut := _cut_until(directory)) is not None]
    return Kept(
        journals=len(found),
        bytes=sum(size for _, size in found),
        since=min((at for at, _ in found), default=None),
        cut_until=max(cuts, default=None),
    )


def expire(directory: Path, *, keep_s: float, now: float) -> int:
    """Remove the kept journals of a directory whose time is over or for which there is no room; return how many.

    now: unix time. OSError when the disk fails.
    """
    removed = 0
    for path in files(directory / KEPT, _UNFINISHED):
        if now - _stat(path)[0] > _UNFINISHED_LASTS_S:
            path.unlink(missing_ok=True)
    ages = sorted((*_stat(path), path) for path in files(directory / KEPT, SUFFIX))
    room = sum(size for _, size, _ in ages)
    for at, size, path in ages:
        is_over = now - at > keep_s
        if not is_over and room <= min(MOST_BYTES, free_bytes(directory)):
            break
        if not is_over:
            _note_cut(directory, at)
        path.unlink(missing_ok=True)
        room, removed = room - size, removed + 1
    return removed


def delivered(directories: Sequence[Path], *, since: float = 0.0) -> Iterator[Read]:
    """Yield every record of the kept journals and of those in use, in this order, one at a time.

    Those of before `since` (unix time) are left out. In the journals in use there may be some that wait.
    """
    in_use = segment_paths(directories)  # before the kept ones: one that is finished meanwhile is in both lists
    finished = paths(directories)
    names = {path.name for path in finished}
    listed = [(path, *_stat(path)) for path in (*finished, *(path for path in in_use if path.name not in names))]
    listed = [(path, at, size) for path, at, size in listed if at >= since]
    whole, done = sum(size for *_, size in listed) or 1, 0
    for path, *_ in listed:
        with suppress(OSError), _opened(path) as file:  # it may be removed meanwhile
            for line in file:
                done += len(line)
                for record, _ in records(line):
                    if record is None or record.at >= since:
                        yield Read(record, min(1.0, done / whole))


def newest(directories: Sequence[Path], most: int) -> list[str]:
    """Return up to so many folios, those of the last delivered records. No more files are read than that takes, and
    nothing is unsealed."""
    found: dict[str, float] = {}
    in_use = [(path, _delivered_until(path)) for path in segment_paths(directories)]
    recent = [(path, _stat(path)[1]) for path in sorted(paths(directories), key=_stat, reverse=True)]
    for path, end in (*in_use, *recent):
        if len(found) >= most and path.parent.name == KEPT:
            break
        for record in _headers_until(path, end):
            found[record.folio] = max(record.at, found.get(record.folio, record.at))
    return sorted(found, key=lambda folio: found[folio], reverse=True)[:most]


def has(directories: Sequence[Path], folio: str, *, before: float) -> bool:
    """Return whether a journal that was begun before a moment (unix time) has a record of a folio; the newest first."""
    listed = [*paths(directories), *segment_paths(directories)]
    for path in sorted(listed, key=lambda path: path.name, reverse=True):
        with suppress(OSError, ValueError):
            if _begun_at(path) <= before and b" %s " % folio.encode() in path.read_bytes():
                return True
    return False


def clear(
    directories: Sequence[Path],
    matches: Callable[[Item], bool],
    *,
    replace: Callable[[Item], bytes] | None = None,
    say: Callable[[float], None] = lambda fraction: None,
) -> int:
    """Rewrite the kept journals without the records that match; return how many records changed.

    replace: returns the text that takes a record's place; the same text leaves it as it is. A record of which no key is
    in use is given without a text, and never replaced. say: called with the fraction that is done.
    """
    changed, listed = 0, paths(directories)
    for number, path in enumerate(listed):
        with _alone(path.parent), suppress(FileNotFoundError):
            changed += _rewrite(path, matches, replace)
        say((number + 1) / len(listed))
    return changed


def ask_to_retire(directories: Sequence[Path]) -> None:
    """Have this machine's processes finish their journals, within seconds. OSError when no directory takes the file."""
    make_directory(directories[0])
    (directories[0] / RETIRE_NOW).touch()


def _asked_at(directories: Sequence[Path]) -> int:
    with suppress(OSError):
        return (directories[0] / RETIRE_NOW).stat().st_mtime_ns
    return 0


def _rewrite(path: Path, matches: Callable[[Item], bool], replace: Callable[[Item], bytes] | None) -> int:
    """Write a journal anew if any of its records match. Its times stay, and one without records is removed."""
    changed = left = 0
    unfinished = path.with_suffix(_UNFINISHED)
    stat = path.stat()
    with path.open("rb") as file, open(unfinished, "wb", opener=private) as new:
        for line in file:
            for record, length in records(line):
                item = Item("", record.at, b"") if isinstance(record, Locked) else record
                after = replace(item) if replace and item and item.folio and matches(item) else None
                # What is damaged was not delivered from here.
                if item is None or (after == item.text if after is not None else not matches(item)):
                    new.write(line[:length])
                    left += 1
                else:
                    changed += 1
                    if after is not None:
                        new.write(encode(item._replace(text=after)))
                        left += 1
                line = line[length:]
        new.flush()
        os.fsync(new.fileno())
    if not changed:
        unfinished.unlink()
    elif left:
        os.utime(unfinished, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        unfinished.rename(path)
    else:
        unfinished.unlink()
        path.unlink()
    return changed


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Rewrite alone: of two, the later would bring back what the earlier removed."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _headers_until(path: Path, end: int) -> Iterator[Header]:
    with suppress(OSError), path.open("rb") as file:
        for line in file:
            end -= len(line)
            if end < 0:
                return
            # What no key opens was passed over; it is delivered once a process has the key.
            yield from (record for record, _ in headers(line) if record and not sealing.missing_key(record.text))


def _delivered_until(path: Path) -> int:
    with suppress(OSError, ValueError):
        return int(path.with_suffix(COUNT_SUFFIX).read_bytes())
    return 0


def _begun_at(path: Path) -> float:
    """Return when a journal was created, unix time, by its name; ValueError for a file that somebody put there."""
    return int(path.name.partition("-")[0]) / 1e9


def _opened(path: Path) -> IO[bytes]:
    """Open a journal, also one in use that was finished since it was listed."""
    try:
        return path.open("rb")
    except FileNotFoundError:
        return (path.parent / KEPT / path.name).open("rb")


def _stat(path: Path) -> tuple[float, int]:
    """Return the time of the last change and the size; zeros for a file that is gone."""
    for place in (path, path.parent / KEPT / path.name):  # as in _opened
        with suppress(OSError):
            stat = place.stat()
            return stat.st_mtime, stat.st_size
    return 0.0, 0


def _note_cut(directory: Path, at: float) -> None:
    unfinished = directory / KEPT / f"{CUT}.{os.getpid()}"
    with open(unfinished, "w", encoding="ascii", opener=private) as file:
        file.write(f"{at:.3f}")
    unfinished.rename(directory / KEPT / CUT)


def _cut_until(directory: Path) -> float | None:
    with suppress(OSError, ValueError):
        return float((directory / KEPT / CUT).read_bytes())
    return None
