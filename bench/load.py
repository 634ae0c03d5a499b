"""A load generator that uses little CPU: one process, one loop, keep-alive connections, prepared requests."""

import multiprocessing
import selectors
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

# How long a client waits. In an outage, shorter than a customer would, so that a measurement ends; else so long that no
# other work on the machine makes an answer late.
PATIENCE_S, OUTAGE_PATIENCE_S = 45.0, 4.0


class Requests:
    """Requests that are made before a load, as many as it may need. make: returns the one with a number."""

    def __init__(self, make: Callable[[int], bytes]) -> None:
        self._make = make
        self._made: list[bytes] = []

    def until(self, end: int) -> list[bytes]:
        """Return the requests with all numbers below `end`."""
        self._made += map(self._make, range(len(self._made), end))
        return self._made


class Answer(NamedTuple):
    """number: the request's; at: when it was sent, monotonic; seconds: until the answer; status: 0 for no answer."""

    number: int
    at: float
    seconds: float
    status: int

    @property
    def is_served(self) -> bool:
        """Whether the customer was redirected to the chat."""
        return self.status in (302, 303)


class Load(NamedTuple):
    """The result of one load. seconds: how long requests were sent; cpu_s: CPU time of the load generator itself."""

    answers: list[Answer]
    started: float
    seconds: float
    cpu_s: float


@dataclass
class _Customer:
    """One connection; one request at a time."""

    port: int
    patience_s: float
    number: int = -1
    sent_at: float = 0.0
    received: bytes = b""
    connection: socket.socket | None = None

    def send(self, number: int, request: bytes) -> socket.socket:
        if self.connection is None:
            self.connection = socket.create_connection(("127.0.0.1", self.port), timeout=self.patience_s)
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number, self.received, self.sent_at = number, b"", time.monotonic()
        self.connection.sendall(request)
        return self.connection

    def close(self) -> None:
        if self.connection:
            self.connection.close()
            self.connection = None

    def status(self) -> int | None:
        """Read what has arrived; return the status of a complete answer, 0 if the connection closed, else None."""
        assert self.connection is not None
        chunk = self.connection.recv(65536)
        self.received += chunk
        head, end, body = self.received.partition(b"\r\n\r\n")
        if end:
            length = head.lower().partition(b"content-length: ")[2].split(b"\r", 1)[0]
            is_chunked = b"\r\nTransfer-Encoding: chunked" in head
            if body.endswith(b"0\r\n\r\n") if is_chunked else len(body) >= int(length or 0):
                if b"\r\nConnection: close" in head:
                    self.close()
                return int(head[9:12])
        return None if chunk else 0


def run(
    port: int,
    requests: Sequence[bytes],
    *,
    clients: int,
    seconds: float,
    first: int = 0,
    patience_s: float = PATIENCE_S,
) -> Load:
    """Send each request once, beginning with number `first`, `clients` at a time, from a separate process.

    It ends earlier if there are no more requests.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=lambda: sender.send(_run(port, requests[first:], clients, seconds, first, patience_s))
    )
    process.start()
    load: Load = receiver.recv()
    process.join()
    return load


def _run(port: int, requests: Sequence[bytes], clients: int, seconds: float, first: int, patience_s: float) -> Load:
    answers: list[Answer] = []
    selector = selectors.EpollSelector()
    left = enumerate(requests, start=first)
    cpu, started = time.process_time(), time.monotonic()
    end = started + seconds

    def send(customer: _Customer, number: int, request: bytes) -> None:
        earlier = customer.connection
        try:
            connection = customer.send(number, request)
        except OSError:
            if earlier:
                selector.unregister(earlier)
            customer.close()
            connection = customer.send(number, request)
        if connection is not earlier:
            selector.register(connection, selectors.EVENT_READ, customer)

    for request in islice(left, clients):
        send(_Customer(port, patience_s), *request)
    while selector.get_map() and time.monotonic() < end + patience_s:
        for key, _events in selector.select(timeout=0.1):
            customer = key.data
            try:
                status = customer.status()
            except OSError:
                status = 0
            if status is None:
                continue
            now = time.monotonic()
            answers.append(Answer(customer.number, customer.sent_at, now - customer.sent_at, status))
            next_one = next(left, None) if now < end else None
            # A site may close the connection of a customer who is done, and that must not look like an answer.
            if next_one is None or status == 0 or customer.connection is None:
                selector.unregister(key.fileobj)
                customer.close()
            if next_one:
                send(customer, *next_one)
            else:
                end = min(end, now)
    unanswered = [key.data for key in selector.get_map().values()]
    answers += [Answer(c.number, c.sent_at, time.monotonic() - c.sent_at, 0) for c in unanswered]
    return Load(answers, started, end - started, time.process_time() - cpu)
