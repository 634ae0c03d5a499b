"""Reads the segments of all processes in the outbox's directories, without locks. Plain Python."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from leads.delivery.journal.quarantine import QUARANTINE
from leads.delivery.journal.segment import COUNT_SUFFIX, DAMAGED, SUFFIX, Item, records


class Census(NamedTuple):
    """What waits in the directories, over all processes. oldest_at: unix time, or None when nothing waits."""

    pending: int
    oldest_at: float | None
    quarantined: int
    damaged: int


def census(directories: Sequence[Path]) -> Census:
    pending, oldest = 0, None
    for path in segment_paths(directories):
        with suppress(OSError):
            for item in waiting(path):
                pending += 1
                oldest = item.at if oldest is None else min(oldest, item.at)
    return Census(
        pending=pending,
        oldest_at=oldest,
        quarantined=sum(len(list((d / QUARANTINE).glob("*.json"))) for d in directories),
        damaged=sum(len(list((d / DAMAGED).glob(f"*{SUFFIX}"))) for d in directories),
    )


def waiting(path: Path) -> Iterator[Item]:
    """Yield the undelivered records of any process's segment, line by line."""
    with suppress(FileNotFoundError), path.open("rb") as file:  # its owner may deliver and remove it meanwhile
        with suppress(OSError, ValueError):
            file.seek(int(path.with_suffix(COUNT_SUFFIX).read_bytes()))
        for line in file:
            for item, _ in records(line):
                if item:
                    yield item


def segment_paths(directories: Sequence[Path]) -> list[Path]:
    """Return the segments of all processes, oldest first."""
    return sorted((path for d in directories for path in d.glob(f"*{SUFFIX}")), key=lambda path: path.name)


def journaled(directories: Sequence[Path]) -> Iterator[Item]:
    """Yield every record of every journal in use, delivered or not."""
    for path in segment_paths(directories):
        with suppress(FileNotFoundError), path.open("rb") as file:  # its owner may remove it meanwhile
            for line in file:
                yield from (item for item, _ in records(line) if item)


def verify(path: Path) -> tuple[int, int, bool]:
    """Read a whole segment; return how many records are sound, how many damaged, and whether its tail is torn."""
    sound, damaged, is_torn = 0, 0, False
    with suppress(FileNotFoundError), path.open("rb") as file:
        for line in file:
            for item, _ in records(line):
                if item:
                    sound += 1
                elif line.endswith(b"\n"):
                    damaged += 1
                else:
                    is_torn = True
    return sound, damaged, is_torn
