"""Reads the segments of all processes in the outbox's directories, without locks. Plain Python."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from leads.delivery.journal import quarantine, sealing
from leads.delivery.journal.disk import files, may_write
from leads.delivery.journal.locked import locked_paths, missing_keys
from leads.delivery.journal.segment import (
    COUNT_SUFFIX,
    DAMAGED,
    KEPT,
    LOCKED,
    SUFFIX,
    Item,
    headers,
    records,
)
from leads.delivery.system import Path, os

# Most outages end by themselves. When a lead has waited this long, a person is needed.
WORRYING_S = 900
# How far a clock may be set back without being wrong.
_SET_BACK_S = 5.0


class Census(NamedTuple):
    """What waits in the directories, over all processes. oldest_at: unix time, or None when nothing waits.

    inaccessible: directories and files that this user cannot read, directories that it cannot write, and files with
    records of which no key is in use. What they hold is in no count, in no list, and is not delivered.
    """

    pending: int
    oldest_at: float | None
    quarantined: int
    damaged: int
    inaccessible: tuple[Path, ...] = ()

    def age_s(self, now: float) -> float:
        """Return for how many seconds the oldest has waited, 0 when nothing waits. now: unix time.

        Nobody knows it of one that was written while the clock was ahead, so that counts as worrying.
        """
        if self.oldest_at is None:
            return 0.0
        return WORRYING_S + 1.0 if self.oldest_at > now + _SET_BACK_S else max(0.0, now - self.oldest_at)


def census(directories: Sequence[Path]) -> Census:
    """Count what waits. Never raises: what cannot be read is part of the result."""
    pending, oldest = 0, None
    unreadable = dict.fromkeys(inaccessible(directories))
    for path in segment_paths(directories):
        try:
            for line in _undelivered(path):
                for record, _ in headers(line):
                    if record and sealing.missing_key(record.text):
                        unreadable[path] = None
                    elif record:
                        pending += 1
                        oldest = record.at if oldest is None else min(oldest, record.at)
        except OSError:
            unreadable[path] = None
    unreadable |= dict.fromkeys(locked_paths(directories))
    refused = quarantine.paths(directories)
    unreadable |= dict.fromkeys(path for path in refused if not quarantine.read(path) and os.path.lexists(path))
    return Census(
        pending=pending,
        oldest_at=oldest,
        quarantined=len(refused),
        damaged=sum(len(files(directory / DAMAGED, SUFFIX)) for directory in directories),
        inaccessible=tuple(unreadable),
    )


def left_out(directories: Sequence[Path]) -> str:
    """Return a sentence that names what `census` calls inaccessible, or ""."""
    paths = census(directories).inaccessible
    named = ", ".join(map(str, paths))
    keys = sorted({mark for marks in missing_keys(directories).values() for mark in marks})
    lacking = "".join(f" The key {mark} is missing." for mark in keys)
    return f"Not all can be read or written: {named}.{lacking} `manage.py doctor` says what to do." if paths else ""


def inaccessible(directories: Sequence[Path]) -> Iterator[Path]:
    """Yield what this user may not read in the directories, and the directories and folders that it may not write.

    Everything in there is the site's own, except folders such as lost+found. Errors of the disk itself show only when a
    file is read.
    """
    for directory in directories:
        if not may_write(directory):
            yield directory
            continue
        folders = (quarantine.QUARANTINE, DAMAGED, LOCKED, KEPT)
        for folder in (directory, *(directory / name for name in folders)):
            if not may_write(folder):
                yield folder
            else:
                yield from _unreadable_in(folder)


def _unreadable_in(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                is_folder = os.path.isdir(entry.path) and not entry.name.endswith((SUFFIX, quarantine.SUFFIX))
                is_readable = os.path.isfile(entry.path) and os.access(entry.path, os.R_OK)
                if not (is_folder or is_readable) and os.path.lexists(entry.path):
                    yield Path(entry.path)
    except FileNotFoundError:
        return
    except OSError:
        yield folder


def waiting(path: Path) -> Iterator[Item]:
    """Yield the undelivered records of any process's segment, line by line, as far as it can be read."""
    with suppress(OSError):
        for line in _undelivered(path):
            yield from _items(line)


def _undelivered(path: Path) -> Iterator[bytes]:
    with suppress(FileNotFoundError), path.open("rb") as file:  # its owner may deliver and remove it meanwhile
        with suppress(OSError, ValueError, OverflowError):
            file.seek(int(path.with_suffix(COUNT_SUFFIX).read_bytes()))
        yield from file


def _items(line: bytes) -> Iterator[Item]:
    yield from (item for item, _ in records(line) if isinstance(item, Item))


def segment_paths(directories: Sequence[Path]) -> list[Path]:
    """Return the segments of all processes, oldest first."""
    return sorted((path for d in directories for path in files(d, SUFFIX)), key=lambda path: path.name)


def journaled(directories: Sequence[Path]) -> Iterator[Item]:
    """Yield every record of every journal in use that can be read, delivered or not."""
    for path in segment_paths(directories):
        with suppress(OSError), path.open("rb") as file:  # its owner may remove it meanwhile
            for line in file:
                yield from _items(line)


def verify(path: Path) -> tuple[int, int, bool]:
    """Read a segment as far as it can be read.

    Return how many records are sound, how many damaged, and whether its tail is torn. Those of which no key is in use
    are none of these.
    """
    sound, damaged, is_torn = 0, 0, False
    with suppress(OSError), path.open("rb") as file:
        for line in file:
            for item, _ in records(line):
                if item:
                    sound += isinstance(item, Item)
                elif line.endswith(b"\n"):
                    damaged += 1
                else:
                    is_torn = True
    return sound, damaged, is_torn
