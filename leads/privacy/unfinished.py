"""Files of exports while they are written: private, complete or absent, and removed even if the process is killed.

On Linux a file has no name until it is complete, so nothing is left of a process that is killed. Where that is not
possible, and for the parts of a spreadsheet, the name begins with PREFIX. Their process holds a lock on them, so the
next export and `purge_leads` remove what a dead process left.
"""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import IO, Self

PREFIX = ".folio-export-"


class CompleteFile:
    """A private file that appears under its name when it is complete, in place of an older one. A context manager.

    OSError when the path cannot become such a file; that is checked at once, and no older file is touched.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(os.path.realpath(path))  # a link stays, and its file is replaced
        if self.path.exists() and not self.path.is_file():
            raise IsADirectoryError(0, "it is a directory" if self.path.is_dir() else "it is not a file")
        remove_unfinished(self.path.parent)
        self._name: Path | None = None
        self._fd = self._unnamed() if hasattr(os, "O_TMPFILE") else -1
        if self._fd < 0:
            self._fd, name = tempfile.mkstemp(prefix=PREFIX, dir=self.path.parent)
            self._name = Path(name)
            flock(self._fd, LOCK_EX)
        self.file: IO[bytes] = open(self._fd, "w+b")  # noqa: SIM115  (__exit__ closes it)

    def __enter__(self) -> Self:
        return self

    def sync(self) -> None:
        """Write everything to the disk, which may take long."""
        self.file.flush()
        os.fsync(self._fd)

    def give_name(self) -> None:
        """Give the file a name beside the final one, after `sync`. What may still fail, fails here."""
        if self._name is None:
            self._name = self.path.parent / f"{PREFIX}{secrets.token_hex(8)}"
            flock(self._fd, LOCK_EX)
            directory = os.open(self.path.parent, os.O_RDONLY)
            try:
                # With a directory, os.link calls linkat, which can follow the link of an open file.
                os.link(f"/proc/self/fd/{self._fd}", self._name.name, dst_dir_fd=directory, follow_symlinks=True)
            finally:
                os.close(directory)

    def complete(self) -> None:
        """Put the file in its place, after `give_name`."""
        assert self._name is not None
        os.replace(self._name, self.path)
        self._name = None

    def __exit__(self, *error: object) -> None:
        if self._name is not None:
            self._name.unlink(missing_ok=True)
        self.file.close()

    def _unnamed(self) -> int:
        try:
            fd = os.open(self.path.parent, os.O_TMPFILE | os.O_RDWR, 0o600)
        except FileNotFoundError:
            raise
        except OSError:  # some file systems have no files without a name
            return -1
        if os.path.exists(f"/proc/self/fd/{fd}"):
            return fd
        os.close(fd)  # without /proc it could not get a name later
        return -1


@contextmanager
def private_directory() -> Iterator[str]:
    """Yield a directory for the parts of a file. Only its owner can read it, and it is removed at the end."""
    remove_unfinished(Path(tempfile.gettempdir()))
    directory = tempfile.mkdtemp(prefix=PREFIX)
    lock = os.open(directory, os.O_RDONLY)
    try:
        flock(lock, LOCK_EX)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(lock)


def remove_unfinished(*directories: Path) -> int:
    """Remove what exports of dead processes left in these directories; return how many there were."""
    removed = 0
    for path in [path for directory in directories for path in directory.glob(f"{PREFIX}*")]:
        with suppress(OSError):  # another user's, or in use
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                if os.fstat(fd).st_uid == os.geteuid():
                    flock(fd, LOCK_EX | LOCK_NB)
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
                    removed += 1
            finally:
                os.close(fd)
    return removed
