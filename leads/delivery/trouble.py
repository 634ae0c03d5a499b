"""What is wrong on this machine now, in a file beside the journal that all processes share.

The alerts worker, one a machine, looks every few seconds and writes the file; the health check and the doctor read it.
It works without Postgres, and holds no personal data.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import NamedTuple

from leads.delivery.journal.census import Census
from leads.delivery.journal.disk import free_bytes, make_directory, private
from leads.delivery.journal.outbox import LOW_DISK_BYTES, WORRYING_S
from leads.delivery.system import Path, open, os, time
from quoter.shop import served

FILE = "trouble.json"
# A process that finds Postgres down writes the time of time.monotonic to a file of this name and its number, about once
# a second until it is up.
OUTAGE_FILE = "database-down"
# A trial may take 3 s, in which its process writes nothing.
OUTAGE_LASTS_S = 5.0
# The worker writes this often while something is wrong. An older file is of a site that has stopped.
WRITE_EVERY_S = 60.0
STALE_S = 300.0
# How many files a detail names.
MOST_NAMED = 3


class Trouble(StrEnum):
    """Something that needs a person."""

    DATABASE = "database"  # Postgres takes no leads
    OUTBOX = "outbox"  # a lead has waited for WORRYING_S
    QUARANTINE = "quarantine"  # Postgres refused a lead
    DAMAGED = "damaged"  # a segment of the journal cannot be read whole
    ACCESS = "access"  # the site may not read or write a file or directory of the outbox
    DISK = "disk"  # an outbox's disk is nearly full, or cannot be read
    STORAGE = "storage"  # the database is nearly as large as it may be
    FORGOTTEN = "forgotten"  # the database lacks leads that it had
    ALERTS = "alerts"  # staff are not told of leads
    PUBLISHED = "published"  # a published version on the disk cannot be served, so one before it is


class Begun(NamedTuple):
    """since: unix time; is_told: whether a mail has said that it began; detail: a number or an error, or ""."""

    since: float
    is_told: bool = False
    detail: str = ""


Troubles = Mapping[Trouble, Begun]


def on_disk(counts: Census, directories: Sequence[Path], *, now: float) -> Iterator[tuple[Trouble, str]]:
    """Yield what is wrong with the outbox and with what was published, each with a detail."""
    if counts.age_s(now) > WORRYING_S:
        yield Trouble.OUTBOX, str(counts.pending)
    if counts.quarantined:
        yield Trouble.QUARANTINE, str(counts.quarantined)
    if counts.damaged:
        yield Trouble.DAMAGED, str(counts.damaged)
    if counts.inaccessible:
        yield Trouble.ACCESS, ", ".join(map(str, counts.inaccessible[:MOST_NAMED]))
    for directory in directories:
        try:
            is_low = free_bytes(directory) < LOW_DISK_BYTES
        except OSError:
            is_low = True
        if is_low:
            yield Trouble.DISK, str(directory)
            break
    if faults := served.faults():
        yield Trouble.PUBLISHED, faults[0]


def note_outage(directories: Sequence[Path]) -> None:
    """Tell the other processes of this machine that Postgres is down. Without a working directory nobody is told."""
    for directory in directories:
        with suppress(OSError):
            make_directory(directory)
            fd = private(str(_own_note(directory)), os.O_WRONLY | os.O_CREAT)
            try:
                os.pwrite(fd, f"{time.monotonic():020.3f}".encode(), 0)  # always as long, so nobody reads half of it
            finally:
                os.close(fd)
            return


def end_outage(directories: Sequence[Path]) -> None:
    """Tell them that this process has found Postgres up again, and remove what processes that ended have left."""
    for directory in directories:
        for note in (_own_note(directory), *_notes(directory)):
            if note == _own_note(directory) or not _is_fresh(note):
                with suppress(OSError):
                    note.unlink()


def is_outage_noted(directories: Sequence[Path]) -> bool:
    """Return whether a process of this machine has found Postgres down in the last seconds, and not up since."""
    return any(_is_fresh(note) for directory in directories for note in _notes(directory))


def _own_note(directory: Path) -> Path:
    return directory / f"{OUTAGE_FILE}.{os.getpid()}"


def _notes(directory: Path) -> list[Path]:
    return list(directory.glob(f"{OUTAGE_FILE}.*"))


def _is_fresh(note: Path) -> bool:
    with suppress(OSError, ValueError):
        return 0 <= time.monotonic() - float(note.read_bytes()) < OUTAGE_LASTS_S
    return False


def load(directories: Sequence[Path]) -> dict[Trouble, Begun]:
    """Return what was wrong when the worker wrote last, however long ago; {} when there is no such file."""
    for directory in directories:
        with suppress(OSError, ValueError, TypeError, AttributeError):
            stored = json.loads((directory / FILE).read_bytes())
            return {Trouble(name): Begun(float(since), *more) for name, (since, *more) in stored.items()}
    return {}


def current(directories: Sequence[Path]) -> dict[Trouble, Begun]:
    """Return what is wrong now; {} as well when no worker has written for STALE_S."""
    for directory in directories:
        with suppress(OSError):
            # A file from the future was written while the clock was ahead.
            return load([directory]) if abs(time.time() - (directory / FILE).stat().st_mtime) < STALE_S else {}
    return {}


def store(directories: Sequence[Path], troubles: Troubles) -> None:
    """Replace the file in the first directory that takes it. No directory may; the next call tries again."""
    text = json.dumps({str(trouble): list(begun) for trouble, begun in troubles.items()})
    for directory in directories:
        with suppress(OSError):
            make_directory(directory)
            unfinished = directory / f"{FILE}.{os.getpid()}"
            with open(unfinished, "w", encoding="utf-8", opener=private) as file:
                file.write(text)
            unfinished.replace(directory / FILE)
            return
