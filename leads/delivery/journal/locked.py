"""Records of which no key is in use, and the journals that were set aside because of them. Plain Python."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress

from leads.delivery.journal import quarantine, sealing
from leads.delivery.journal.disk import files
from leads.delivery.journal.segment import LOCKED, SUFFIX, headers
from leads.delivery.system import Path


def locked_paths(directories: Sequence[Path]) -> list[Path]:
    """Return the journals that were set aside, when one of their records had a key that was not in use."""
    return [path for directory in directories for path in files(directory / LOCKED, SUFFIX)]


def unlock(directories: Sequence[Path]) -> None:
    """Move those journals back of which all keys are in use now."""
    for path in locked_paths(directories):
        with suppress(OSError):  # another process was first
            if not any(_missing_in(path)):
                path.rename(path.parent.parent / path.name)


def missing_keys(directories: Sequence[Path]) -> dict[Path, Counter[str]]:
    """Return the files with records of which no key is in use: how many of its records need which, by its mark."""
    journals = [path for directory in directories for path in files(directory, SUFFIX)]
    found = {path: Counter(_missing_in(path)) for path in (*journals, *locked_paths(directories))}
    found |= {path: Counter(filter(None, [quarantine.missing_key(path)])) for path in quarantine.paths(directories)}
    return {path: keys for path, keys in found.items() if keys}


def _missing_in(path: Path) -> Iterator[str]:
    """Yield the mark of the missing key for each record of a journal that needs one."""
    with suppress(OSError), path.open("rb") as file:
        for line in file:
            for record, _ in headers(line):
                if record and (mark := sealing.missing_key(record.text)):
                    yield mark
