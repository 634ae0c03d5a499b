"""Gunicorn's worker with threads, with three changes: a request gets a thread when it has arrived whole, what gunicorn
refuses gets the site's own page, and its sign of life takes nothing from a request.

Gunicorn reads in the thread, so a dozen clients that send a byte a second would take every thread. Here the worker's
main thread, which only waits for sockets, collects what arrives. It closes what takes too long.
"""

import re
import selectors
import socket
import time
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn import util
from gunicorn.workers.gthread import TConn, ThreadWorker

# From the first byte to the last. A phone on a bad network sends the largest honest form, 30 kB, in a third of this.
ARRIVES_WITHIN_S = 20.0
# The request line and the cookies may have 8,190 bytes each, gunicorn's maximum.
MOST_HEAD_BYTES = 32 * 1024
# More than DATA_UPLOAD_MAX_MEMORY_SIZE, above which Django reads nothing: its page can still say that in kind words.
MOST_BODY_BYTES = 3 * 1024 * 1024
# Of all requests that are arriving. Above it, the largest is dropped.
MOST_ARRIVING_BYTES = 64 * 1024 * 1024
READ_BYTES = 64 * 1024
# How often a worker tells the master that it lives. The master waits for 30 s, gunicorn's timeout.
NOTIFY_EVERY_S = 1.0

_END_OF_HEAD = b"\r\n\r\n"
_BARE_LF = re.compile(rb"(?<!\r)\n")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)[ \t]*\r\n")


class Arrival:
    """A request that is arriving. deadline: by the monotonic clock; refusal: the status when it is not taken, or "".

    It finds only where the request ends, and never before gunicorn does: its thread would then wait for more. A
    malformed head counts as whole, for gunicorn to refuse.
    """

    def __init__(self, deadline: float) -> None:
        self.data = bytearray()
        self.deadline = deadline
        self.refusal = ""
        self.expects_100 = False
        self.is_watched = False  # by the poller
        self._whole: int | None = None  # bytes of the whole request, once that is known

    @property
    def is_whole(self) -> bool:
        return self._whole is not None and len(self.data) >= self._whole

    def add(self, data: bytes) -> None:
        before = len(self.data)
        self.data += data
        if self._whole is not None:
            return
        end = self.data.find(_END_OF_HEAD, max(0, before - len(_END_OF_HEAD) + 1))
        if end >= 0:
            self._read_head(bytes(self.data[: end + 2]).lower(), body_at=end + len(_END_OF_HEAD))
        elif _BARE_LF.search(self.data, before):
            self._whole = len(self.data)
        elif len(self.data) > MOST_HEAD_BYTES:
            self.refusal = "431 Request Header Fields Too Large"

    def _read_head(self, head: bytes, *, body_at: int) -> None:
        length = _LENGTH.search(head)
        # More digits than these are too large, and many more are slow to read.
        body_bytes = int(length[1].lstrip(b"0")[:12] or 0) if length else 0
        self._whole = body_at + body_bytes
        self.expects_100 = b"\r\nexpect:" in head  # gunicorn refuses any other than 100-continue
        if b"\r\ntransfer-encoding:" in head:  # Django cannot read chunks, which have no length
            self.refusal = "411 Length Required"
        elif body_bytes > MOST_BODY_BYTES:
            self.refusal = "413 Content Too Large"


class _Recorded:
    """Stands in for a socket, and keeps what is sent to it."""

    def __init__(self) -> None:
        self.data = b""

    def gettimeout(self) -> float:
        return 0.0

    def sendall(self, data: bytes) -> None:
        self.data += data


EMPTY = b"Content-Length: 0\r\n\r\n"


class WholeRequestWorker(ThreadWorker):  # type: ignore[misc]  # untyped
    """Its application may have `last_resort`: headers and body of a page, as bytes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._arriving: dict[TConn, Arrival] = {}
        self._arriving_bytes = 0
        self._notify_at = 0.0

    def notify(self) -> None:
        """Tell the master that this worker lives. Gunicorn calls it in each round, some thousand times a second."""
        now = time.monotonic()
        if now >= self._notify_at:
            self._notify_at = now + NOTIFY_EVERY_S
            super().notify()

    def load_wsgi(self) -> None:
        super().load_wsgi()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Log an error and answer it as gunicorn does, with the site's page: a customer's cookies may be too long."""
        gunicorn_s = _Recorded()
        super().handle_error(req, gunicorn_s, addr, exc)
        status_line = gunicorn_s.data.partition(b"\r\n")[0]
        with suppress(OSError):
            util.write_nonblock(client, self._answer(status_line))

    def _answer(self, status_line: bytes) -> bytes:
        return status_line + b"\r\nConnection: close\r\n" + getattr(self.wsgi, "last_resort", EMPTY)

    def enqueue_req(self, conn: TConn) -> None:
        """Collect the next request of a connection. Gunicorn calls it for each that is new or has become readable."""
        if conn.sock.gettimeout() != 0.0:  # each call of setblocking lets another thread run
            conn.sock.setblocking(False)
        # Until the first byte arrives, a connection is as idle as between two requests. Proxies open some in advance.
        arrival = Arrival(time.monotonic() + self.cfg.keepalive)
        if conn.parser and (ahead := conn.parser.unreader.take_buffered()):
            self._add(arrival, ahead)
        self._arriving[conn] = arrival
        self._read(conn)
        if conn in self._arriving:  # most requests arrive in one piece, and need no poller
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._read, conn))
            arrival.is_watched = True

    def _keepalive_after(self, conn: TConn, keepalive: bool) -> bool:
        """Return whether the connection can be used again. What nobody has read of the body is in memory.

        Gunicorn would expect it from the socket, with a timeout, and each setting of one lets another thread run.
        """
        return keepalive and bool(conn.parser.finish_body())

    def murder_pending(self) -> None:
        """Drop the requests that take too long, or for which there is no room. Gunicorn calls it in each round."""
        super().murder_pending()
        now = time.monotonic()
        for conn in [conn for conn, arrival in self._arriving.items() if arrival.deadline < now]:
            self._drop(conn)
        while self._arriving and self.nr_conns >= self.worker_connections:
            self._drop(next(iter(self._arriving)))
        while self._arriving_bytes > MOST_ARRIVING_BYTES:
            self._drop(max(self._arriving, key=lambda conn: len(self._arriving[conn].data)))

    def _read(self, conn: TConn, sock: Any = None) -> None:
        arrival = self._arriving[conn]
        if not arrival.is_whole:
            try:
                data = conn.sock.recv(READ_BYTES)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._drop(conn)
                return
            if arrival.refusal:
                return
            self._add(arrival, data)
        if arrival.refusal:
            self._refuse(conn, arrival)
        elif arrival.is_whole:
            self._forget(conn)
            conn.init()
            conn.parser.unreader.unread(bytes(arrival.data))
            super().enqueue_req(conn)
        elif arrival.expects_100:
            arrival.expects_100 = False
            with suppress(OSError):
                conn.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _add(self, arrival: Arrival, data: bytes) -> None:
        if not arrival.data:
            arrival.deadline = time.monotonic() + ARRIVES_WITHIN_S
        arrival.add(data)
        self._arriving_bytes += len(data)

    def _refuse(self, conn: TConn, arrival: Arrival) -> None:
        """Answer at once. The client may read that only after it has sent everything, so go on reading."""
        with suppress(OSError):
            conn.sock.send(self._answer(f"HTTP/1.1 {arrival.refusal}".encode()))
            conn.sock.shutdown(socket.SHUT_WR)
        self._arriving_bytes -= len(arrival.data)
        arrival.data.clear()

    def _drop(self, conn: TConn) -> None:
        self._forget(conn)
        self.nr_conns -= 1
        conn.close()

    def _forget(self, conn: TConn) -> None:
        arrival = self._arriving.pop(conn)
        self._arriving_bytes -= len(arrival.data)
        if arrival.is_watched:
            self.poller.unregister(conn.sock)
