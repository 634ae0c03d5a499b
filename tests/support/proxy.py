"""A TCP proxy between the site and Postgres that can break the connection in several ways."""

import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from pathlib import Path
from threading import Condition, Thread
from typing import Any

# Codes of the requests that a client may send before the startup message.
TLS_OR_GSS = (80877103, 80877104)
CHUNK = 65536


class Mode(Enum):
    PASS = auto()
    REFUSE = auto()  # nobody listens
    HANG = auto()  # accepts connections and data, and forwards nothing until the mode changes
    SWALLOW = auto()  # forwards to Postgres, and drops its answers on these connections, also after the mode changes
    DELAY = auto()  # 200 ms for a round trip
    TRICKLE = auto()  # 40 kB/s towards Postgres


class Proxy:
    """url: for DATABASE_URL; messages: how many of each kind the clients sent, such as {"Execute": 3}."""

    KINDS = {b"Q": "Query", b"P": "Parse", b"B": "Bind", b"E": "Execute", b"S": "Sync"}

    def __init__(self, server: Path | int, *, user: str = "postgres") -> None:
        """server: the directory of a Postgres's unix socket, or the port of one on this machine."""
        self.messages: Counter[str] = Counter()
        self.connections = 0
        self._server = server
        self._changed = Condition()
        self._mode = Mode.PASS
        self._open: set[socket.socket] = set()
        self._refusal, self._sqlstate, self._most = "", "XX000", 0
        self._listener: socket.socket | None = None
        self.port = self._listen(0)
        self.url = f"postgresql://{user}@127.0.0.1:{self.port}/postgres"

    @contextmanager
    def mode(self, mode: Mode) -> Iterator[None]:
        self._set(mode)
        try:
            yield
        finally:
            self._set(Mode.PASS)

    @contextmanager
    def refusing(self, message: str, *, sqlstate: str = "XX000") -> Iterator[None]:
        """End all connections, and answer new ones with this error, as a pooler does for an unknown tenant."""
        self._refusal, self._sqlstate = message, sqlstate
        self.cut()
        try:
            yield
        finally:
            self._refusal = ""

    @contextmanager
    def having(self, sessions: int, message: str) -> Iterator[None]:
        """Keep all connections, and refuse every one above so many with this error, as a full session pooler does."""
        self._refusal, self._sqlstate, self._most = message, "XX000", sessions
        try:
            yield
        finally:
            self._refusal, self._most = "", 0

    @property
    def sessions(self) -> int:
        """Return how many connections are open."""
        return len(self._open) // 2

    def lead_to(self, server: Path | int) -> None:
        """Lead to another server from now on, as a name does after a failover."""
        self._server = server
        self.cut()

    def cut(self) -> None:
        """End all connections."""
        with self._changed:
            for end in self._open:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._set(Mode.REFUSE)

    def _set(self, mode: Mode) -> None:
        with self._changed:
            self._mode = mode
            self._changed.notify_all()
        if mode is Mode.REFUSE and self._listener:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
            self.cut()
        elif mode is not Mode.REFUSE and not self._listener:
            self._listen(self.port)

    def _listen(self, port: int) -> int:
        self._listener = socket.create_server(("127.0.0.1", port), backlog=64)
        Thread(target=self._accept, args=[self._listener], daemon=True).start()
        return int(self._listener.getsockname()[1])

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self.connections += 1
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._refusal and self.sessions >= self._most:
            return self._refuse(client, self._refusal)
        with client, self._connected() as server:
            with self._changed:
                self._open |= {client, server}
            back = Thread(target=self._pump, args=[server, client], daemon=True)
            back.start()
            self._pump(client, server, Watch(self.messages))
            back.join()
            with self._changed:
                self._open -= {client, server}

    def _refuse(self, client: socket.socket, message: str) -> None:
        fields = f"SFATAL\0VFATAL\0C{self._sqlstate}\0M{message}\0\0".encode()
        with client, suppress(OSError):
            (size,) = struct.unpack("!I", client.recv(4))
            if struct.unpack("!I", client.recv(4))[0] in TLS_OR_GSS:
                client.sendall(b"N")
                (size,) = struct.unpack("!I", client.recv(4))
            client.recv(size)
            client.sendall(b"E" + struct.pack("!I", len(fields) + 4) + fields)

    def _connected(self) -> socket.socket:
        if isinstance(self._server, int):
            return socket.create_connection(("127.0.0.1", self._server))
        server = socket.socket(socket.AF_UNIX)
        with suppress(OSError):  # when Postgres is stopped, the client's connection closes immediately
            server.connect(str(self._server / ".s.PGSQL.5432"))
        return server

    def _pump(self, source: socket.socket, target: socket.socket, watch: Any = None) -> None:
        drops_answers = False
        with suppress(OSError):
            while data := source.recv(CHUNK):
                if watch:
                    watch.saw(data)
                with self._changed:
                    self._changed.wait_for(lambda: self._mode is not Mode.HANG)
                    mode = self._mode
                drops_answers = drops_answers or (mode is Mode.SWALLOW and not watch)
                if drops_answers:
                    continue
                if mode is Mode.DELAY:
                    time.sleep(0.1)
                if mode is Mode.TRICKLE and watch:
                    for start in range(0, len(data), 400):
                        target.sendall(data[start : start + 400])
                        time.sleep(0.01)
                else:
                    target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class Watch:
    """Counts the messages of one client."""

    def __init__(self, counted: Counter[str]) -> None:
        self._counted, self._rest, self._has_started = counted, b"", False

    def saw(self, data: bytes) -> None:
        self._rest += data
        head = 1 if self._has_started else 0
        while len(self._rest) >= head + 4:
            (size,) = struct.unpack_from("!I", self._rest, head)
            if len(self._rest) < head + size:
                return
            if self._has_started:
                self._counted[Proxy.KINDS.get(self._rest[:1], "other")] += 1
            else:
                (code,) = struct.unpack_from("!I", self._rest, 4)
                self._has_started = code not in TLS_OR_GSS
            self._rest = self._rest[head + size :]
            head = 1 if self._has_started else 0


@contextmanager
def proxy(server: Path | int, *, user: str = "postgres") -> Iterator[Proxy]:
    running = Proxy(server, user=user)
    try:
        yield running
    finally:
        running.close()
