"""Who this machine is: a file in the outbox, because a machine is where a journal is. Plain Python.

The file's key stays the same over restarts, deploys and new host names. A copy of the directory has the same key in
another place, so whoever finds the key in use elsewhere takes another (`renewed`).
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from leads.delivery.journal.disk import make_directory, private, sync_directory
from leads.delivery.system import Path, open, os, secrets

FILE = "machine"
_KEY_BYTES = 8
# It changes with each start of the machine, and is another on each machine.
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Identity(NamedTuple):
    """key: of this machine; place: of the file that has it, until the machine starts again."""

    key: str
    place: str


def identity(directories: Sequence[Path]) -> Identity | None:
    """Return who this machine is; None as long as no directory has the file."""
    return next(_known(directories), None)


def made_identity(directories: Sequence[Path]) -> Identity | None:
    """Return who this machine is; without a file, write one. None when no directory takes it."""
    if known := identity(directories):
        return known
    for directory in directories:
        with suppress(OSError):
            unfinished = _written(directory)
            if os.path.lexists(directory / FILE):  # a damaged one
                unfinished.replace(directory / FILE)
            else:
                with suppress(FileExistsError):  # another process was first
                    os.link(unfinished, directory / FILE)
                unfinished.unlink()
            sync_directory(directory)
            return identity([directory])
    return None


def renewed(directories: Sequence[Path]) -> Identity | None:
    """Give this machine another key, and return who it is then. OSError when the file cannot be replaced."""
    for directory in directories:
        if identity([directory]):
            _written(directory).replace(directory / FILE)
            sync_directory(directory)
    return identity(directories)


def _known(directories: Sequence[Path]) -> Iterator[Identity]:
    for directory in directories:
        with suppress(OSError, UnicodeDecodeError):
            path = directory / FILE
            key, stat = path.read_text("ascii").strip(), path.stat()
            if len(key) == 2 * _KEY_BYTES and key.isalnum():
                yield Identity(key, _place(stat))


def _place(stat: os.stat_result) -> str:
    boot = ""
    with suppress(OSError):
        boot = _BOOT.read_text("ascii")
    return hashlib.sha256(f"{boot} {stat.st_dev} {stat.st_ino}".encode()).hexdigest()[:16]


def _written(directory: Path) -> Path:
    make_directory(directory)
    unfinished = directory / f"{FILE}.{os.getpid()}.tmp"
    with open(unfinished, "w", encoding="ascii", opener=private) as file:
        file.write(secrets.token_hex(_KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    return unfinished
