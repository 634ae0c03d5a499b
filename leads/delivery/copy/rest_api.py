"""A client of Supabase's REST API (PostgREST), for the doctor and the copier: one connection for each request."""

import io
import socket
import ssl
from collections.abc import Mapping
from functools import cached_property
from http.client import HTTPConnection, HTTPException, HTTPSConnection, IncompleteRead
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from leads.delivery.system import time

LEADS = "/rest/v1/leads"
CONNECT_S = 3.0
# For the request and the whole answer.
ANSWER_S = 5.0
# What is asked for has a few dozen bytes, an error a few hundred. More is not read.
MOST_BYTES = 4096


class NoAnswer(OSError):
    """The API cannot be reached, speaks no HTTP, or takes too long. The text is a class, for the log."""


class Answer(NamedTuple):
    """body: it may repeat a lead's row, so it belongs in no log."""

    status: int
    body: bytes

    @property
    def is_taken(self) -> bool:
        """Whether the API has inserted what it was sent. A page with a good status is somebody else's, as in hotels."""
        is_json = self.body.strip()[:1] in (b"", b"[", b"{")
        return self.status in (200, 201, 204) and is_json and len(self.body) <= MOST_BYTES


class RestApi:
    """The API of one project. It keeps no session, follows no redirect, and uses no proxy of the environment.

    url: of the project, https, or http on this machine; key: a service key, which goes into headers and nowhere else.
    """

    def __init__(self, url: str, key: str) -> None:
        self._address = urlsplit(url)
        self._headers = {
            "apikey": key,
            "Content-Type": "application/json",
            "User-Agent": "folio",
            "Connection": "close",
        }
        if not key.startswith("sb_secret_"):
            self._headers["Authorization"] = f"Bearer {key}"  # a JWT, which the API wants in both places

    def insert(self, records: bytes) -> Answer:
        """Insert rows into `leads`, except those that are there. records: a JSON list of objects. NoAnswer."""
        prefer = {"Prefer": "resolution=ignore-duplicates,return=minimal"}
        return self._ask("POST", f"{LEADS}?on_conflict=id", records, prefer)

    def read(self, path: str) -> Answer:
        """Get a path such as /rest/v1/leads?limit=1. NoAnswer."""
        return self._ask("GET", path)

    def _ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = MappingProxyType({})
    ) -> Answer:
        connection = self._connection()
        try:
            connection.connect()
            with connection.sock as transport:
                connection.sock = _Until(time.monotonic() + ANSWER_S, transport)
                connection.request(method, path, body, {**self._headers, **headers})
                response = connection.getresponse()
                body = response.read(MOST_BYTES + 1)
                if response.length and len(body) <= MOST_BYTES:
                    raise IncompleteRead(body)
                return Answer(response.status, body)
        except (OSError, HTTPException, ValueError) as error:
            raise NoAnswer(type(error).__name__) from None  # its message may have the key, or a part of the answer

    def _connection(self) -> HTTPConnection:
        host, port = self._address.hostname or "", self._address.port
        if self._address.scheme == "https":
            return HTTPSConnection(host, port, timeout=CONNECT_S, context=self._tls)
        return HTTPConnection(host, port, timeout=CONNECT_S)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()


class _Until(io.RawIOBase):
    """A socket as http.client uses it, until a moment: a timeout of a socket begins anew with each byte that comes."""

    def __init__(self, end: float, transport: socket.socket) -> None:
        self._end, self._transport = end, transport

    def sendall(self, data: Any) -> None:
        self._limit()
        self._transport.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def close(self) -> None:
        """Leave the socket to `_ask`: http.client closes it before the answer is read when no other will follow."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._limit()
        return self._transport.recv_into(buffer)

    def _limit(self) -> None:
        if (left := self._end - time.monotonic()) <= 0:
            raise TimeoutError
        self._transport.settimeout(left)
