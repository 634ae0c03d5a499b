"""Counts the statements that a site sends to Postgres, and its round trips, in a proxy between the two."""

import socket
from contextlib import suppress
from pathlib import Path
from threading import Thread

_SOCKET = ".s.PGSQL.5432"


class Wire:
    """A proxy: a Unix socket in `directory` that forwards to the one in the directory `real`.

    statements: how many were run; round_trips: how often a site waited for Postgres to be ready again.
    """

    def __init__(self, directory: Path, real: Path) -> None:
        self.statements = self.round_trips = 0
        self._real = str(real / _SOCKET)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(directory / _SOCKET))
        self._listener.listen()
        Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            site, _ = self._listener.accept()
            postgres = socket.socket(socket.AF_UNIX)
            postgres.connect(self._real)
            Thread(target=self._pass_on, args=(site, postgres, True), daemon=True).start()
            Thread(target=self._pass_on, args=(postgres, site, False), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, is_counted: bool) -> None:
        unread, has_started = b"", False
        with suppress(OSError):
            while chunk := source.recv(65536):
                target.sendall(chunk)
                if is_counted:
                    unread, has_started = self._count(unread + chunk, has_started)
            target.shutdown(socket.SHUT_WR)

    def _count(self, data: bytes, has_started: bool) -> tuple[bytes, bool]:
        """Count the complete messages of the protocol; return the rest. A connection's first message has no type."""
        while len(data) >= 5:
            start = 1 if has_started else 0
            length = start + int.from_bytes(data[start : start + 4])
            if len(data) < length:
                break
            if has_started:
                kind = data[:1]
                self.statements += kind in (b"Q", b"E")  # Query, Execute
                self.round_trips += kind in (b"Q", b"S")  # Query, Sync
            data, has_started = data[length:], True
        return data, has_started
