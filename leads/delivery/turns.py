"""The door to Postgres, at which the processes of a machine knock in turn, so that a wrong password is tried once.

What they tell each other are files in the outbox.
"""

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from django.db import DatabaseError, OperationalError

from leads.delivery.breaker import Fault, classify
from leads.delivery.journal.disk import make_directory

RETRY_NOW = "retry-now"  # touched by whoever mended the database
AUTH_BLOCK_S = 150.0
AUTH_BLOCK = "auth-block"  # holds the unix time before which no process may try the password again
_TURN = "connecting"


class KnockedAlready(OperationalError):
    """A process here had its password refused lately; one more try, and the host may ban the address."""


class Door:
    """As one process sees it; any thread may ask. Where no directory works, each knocks for itself."""

    def __init__(self, directories: Sequence[Path]) -> None:
        self._directories = directories

    @contextmanager
    def knocking(self) -> Iterator[None]:
        """Connect inside, in turn with all processes of this machine, or KnockedAlready."""
        with self._turn():
            if self.seconds_barred():
                raise KnockedAlready("the password was refused a moment ago")
            try:
                yield
            except DatabaseError as error:
                if classify(error) is Fault.AUTH:
                    self.bar()
                raise

    def seconds_barred(self) -> float:
        """Return for how long nobody may try the password again, or 0."""
        with suppress(OSError, ValueError):
            return max(0.0, float(self._file(AUTH_BLOCK).read_text()) - time.time())
        return 0.0

    def bar(self) -> None:
        """Keep all from trying a password that was refused."""
        with suppress(OSError):
            make_directory(self._directories[0])
            self._file(AUTH_BLOCK).write_text(f"{time.time() + AUTH_BLOCK_S:.0f}")

    def unbar(self) -> None:
        with suppress(OSError):
            self._file(AUTH_BLOCK).unlink(missing_ok=True)

    def call_all(self) -> None:
        """Let every process on this machine try again at once: a person mended the database."""
        # The first to try finds out, and where it fails the others are kept away again.
        self.unbar()
        with suppress(OSError):
            make_directory(self._directories[0])
            self._file(RETRY_NOW).touch()

    def called_at(self) -> float:
        """Return the unix time of the last such call, or 0."""
        with suppress(OSError):
            return self._file(RETRY_NOW).stat().st_mtime
        return 0.0

    @contextmanager
    def _turn(self) -> Iterator[None]:
        fd = None
        for directory in self._directories:
            with suppress(OSError):
                make_directory(directory)
                fd = os.open(directory / _TURN, os.O_RDWR | os.O_CREAT, 0o600)
                break
        try:
            if fd is not None:
                fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            if fd is not None:
                os.close(fd)

    def _file(self, name: str) -> Path:
        return self._directories[0] / name
