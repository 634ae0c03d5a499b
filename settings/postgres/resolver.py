"""Resolves the names of database servers within a limit.

libpq and psycopg resolve a name before `connect_timeout` begins, and nothing ends the wait for a name server that
never answers: it takes ten seconds and more, and a page would hang as long. So a thread resolves it. When that takes
too long, the last known addresses are used.
"""

import socket
import threading
import time
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import psycopg

RESOLVE_S = 1.0
# Of each name, in the order of the name server, because each silent address takes another two seconds.
MOST_ADDRESSES = 2


class NameServerSilent(psycopg.OperationalError, TimeoutError):
    """The name server did not answer in time, and no address is known from before."""


class _Lookup:
    """One question to the name server, which several threads may wait for."""

    def __init__(self, host: str, port: str) -> None:
        self.error: OSError | None = None
        self._until = time.monotonic() + RESOLVE_S
        self._thread = threading.Thread(target=self._run, args=(host, port), name="resolver", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()  # False as well after a fork, which no other thread survives

    def wait(self) -> None:
        self._thread.join(max(0.0, self._until - time.monotonic()))

    def _run(self, host: str, port: str) -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        except (OSError, UnicodeError) as error:  # UnicodeError: a label that is too long, or empty
            self.error = error if isinstance(error, OSError) else OSError(str(error))
        else:
            _known[host] = [str(address[0]) for *_rest, address in found][:MOST_ADDRESSES]


_known: dict[str, list[str]] = {}  # the last addresses of each name
_lookups: dict[str, _Lookup] = {}
_lock = threading.Lock()


def addresses(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return host, hostaddr and port for libpq, each host as often as it has addresses; {} when nothing is to resolve.

    parameters: libpq's. Host and port may be lists with commas. libpq still verifies the certificate's name by host.
    OperationalError when no host can be resolved.
    """
    hosts = str(parameters.get("host") or "").split(",")
    ports = str(parameters.get("port") or "5432").split(",")
    if parameters.get("hostaddr") or len(ports) not in (1, len(hosts)) or not any(map(_is_name, hosts)):
        return {}
    attempts: list[tuple[str, str, str]] = []
    error: psycopg.OperationalError | None = None
    for number, host in enumerate(hosts):
        port = ports[number % len(ports)] or "5432"
        try:
            attempts += [(host, address, port) for address in (_resolved(host, port) if _is_name(host) else [""])]
        except psycopg.OperationalError as failed:
            error = failed
    if error and not attempts:
        raise error
    names, found, at = zip(*attempts, strict=True)
    return {"host": ",".join(names), "hostaddr": ",".join(found), "port": ",".join(at)}


def _is_name(host: str) -> bool:
    """Return whether a host has to be resolved; it may also be an address, a socket's directory, or left out."""
    try:
        ip_address(host)
    except ValueError:
        return bool(host) and not host.startswith(("/", "@"))
    return False


def _resolved(host: str, port: str) -> list[str]:
    with _lock:
        lookup = _lookups.get(host)
        if lookup is None or not lookup.is_running:
            lookup = _lookups[host] = _Lookup(host, port)
    lookup.wait()
    is_silent = lookup.is_running or (lookup.error and lookup.error.errno == socket.EAI_AGAIN)
    if is_silent and (known := _known.get(host)):
        return known
    if lookup.is_running:
        raise NameServerSilent(f"failed to resolve host {host!r}: no answer within {RESOLVE_S:g} s")
    if lookup.error:
        raise psycopg.OperationalError(f"failed to resolve host {host!r}: {lookup.error}")
    return _known[host]
