"""A load generator that uses little CPU: one process, one loop, keep-alive connections, requests made beforehand."""

import multiprocessing
import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

# A customer waits longer; a measurement need not.
PATIENCE_S = 4.0


class Answer(NamedTuple):
    """number: of the request; at: when it was sent, monotonic; seconds: until answered; status: 0 for no answer."""

    number: int
    at: float
    seconds: float
    status: int

    @property
    def is_served(self) -> bool:
        """Whether the customer was sent on to the chat."""
        return self.status in (302, 303)


class Load(NamedTuple):
    """The result of one load. cpu_s: of the load generator itself."""

    answers: list[Answer]
    started: float
    seconds: float
    cpu_s: float


@dataclass
class _Customer:
    """One connection; one request at a time."""

    port: int
    number: int = -1
    sent_at: float = 0.0
    received: bytes = b""
    line: socket.socket | None = None

    def send(self, number: int, request: bytes) -> socket.socket:
        if self.line is None:
            self.line = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)
            self.line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number, self.received, self.sent_at = number, b"", time.monotonic()
        self.line.sendall(request)
        return self.line

    def hang_up(self) -> None:
        if self.line:
            self.line.close()
            self.line = None

    def status(self) -> int | None:
        """Read what has arrived; return the status of a complete answer, 0 if the connection closed, else None."""
        assert self.line is not None
        chunk = self.line.recv(65536)
        self.received += chunk
        head, end, body = self.received.partition(b"\r\n\r\n")
        if end:
            length = head.lower().partition(b"content-length: ")[2].split(b"\r", 1)[0]
            if len(body) >= int(length or 0):
                if b"\r\nConnection: close" in head:
                    self.hang_up()
                return int(head[9:12])
        return None if chunk else 0


def run(port: int, requests: Sequence[bytes], *, clients: int, seconds: float, first: int = 0) -> Load:
    """Send each request once, beginning with number `first`, `clients` at a time, from a process of its own."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=lambda: sender.send(_run(port, requests, clients, seconds, first)))
    process.start()
    load: Load = receiver.recv()
    process.join()
    return load


def _run(port: int, requests: Sequence[bytes], clients: int, seconds: float, first: int) -> Load:
    answers: list[Answer] = []
    selector = selectors.EpollSelector()
    left = iter(enumerate(requests[first:], start=first))
    cpu, started = time.process_time(), time.monotonic()
    end = started + seconds

    def send(customer: _Customer) -> None:
        earlier = customer.line
        number, request = next(left)
        try:
            line = customer.send(number, request)
        except OSError:
            customer.hang_up()
            line = customer.send(number, request)
        if line is not earlier:
            selector.register(line, selectors.EVENT_READ, customer)

    for _ in range(clients):
        send(_Customer(port))
    waiting = clients
    while waiting and time.monotonic() < end + PATIENCE_S:
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
            if status == 0 or customer.line is None:
                selector.unregister(key.fileobj)
                customer.hang_up()
            if now < end:
                send(customer)
            else:
                waiting -= 1
                customer.number = -1
    unanswered = [key.data for key in selector.get_map().values() if key.data.number >= 0]
    answers += [Answer(c.number, c.sent_at, time.monotonic() - c.sent_at, 0) for c in unanswered]
    return Load(answers, started, seconds, time.process_time() - cpu)
