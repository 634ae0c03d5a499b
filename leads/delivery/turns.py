"""Lets the processes of a machine connect to Postgres one at a time, so that a wrong password is tried only once.

They coordinate through files in the outbox.
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

RETRY_NOW = "retry-now"  # a file that is touched when a person asks to retry
AUTH_BLOCK_S = 150.0
# A file with the time of time.monotonic before which no process may try the password again. All processes of a machine
# have the same, and nobody sets it.
AUTH_BLOCK = "auth-block"
_TURN = "connecting"


class PasswordRefusedLately(OperationalError):
    """The password was refused a short time ago, and trying again could make the host ban this address."""


class ConnectionTurns:
    """Coordinates this process with the others. Thread-safe. Without a working directory it coordinates nothing."""

    def __init__(self, directories: Sequence[Path]) -> None:
        self._directories = directories

    @contextmanager
    def connecting(self) -> Iterator[None]:
        """Hold this machine's turn to connect. PasswordRefusedLately when the password is blocked."""
        with self._turn():
            if self.seconds_blocked():
                raise PasswordRefusedLately("the password was refused a moment ago")
            try:
                yield
            except DatabaseError as error:
                if classify(error) is Fault.AUTH:
                    self.block()
                raise

    def seconds_blocked(self) -> float:
        """Return for how many seconds no process may try the password again, at most AUTH_BLOCK_S, or 0."""
        with suppress(OSError, ValueError):
            seconds = float(self._file(AUTH_BLOCK).read_text()) - time.monotonic()
            # More than that was written before the machine was started again.
            return seconds if 0 < seconds <= AUTH_BLOCK_S else 0.0
        return 0.0

    def block(self) -> None:
        """Keep every process from trying a password that was refused."""
        with suppress(OSError):
            make_directory(self._directories[0])
            self._file(AUTH_BLOCK).write_text(str(time.monotonic() + AUTH_BLOCK_S))

    def unblock(self) -> None:
        with suppress(OSError):
            self._file(AUTH_BLOCK).unlink(missing_ok=True)

    def ask_all_to_retry(self) -> None:
        """Let every process on this machine try again immediately, because a person repaired the database."""
        # When the password is still wrong, the first process to try it blocks the others again.
        self.unblock()
        with suppress(OSError):
            make_directory(self._directories[0])
            self._file(RETRY_NOW).touch()

    def retry_asked_at(self) -> int:
        """Return a number that changes with each `ask_all_to_retry`; 0 before the first. It is a file's time, in ns."""
        with suppress(OSError):
            return self._file(RETRY_NOW).stat().st_mtime_ns
        return 0

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
