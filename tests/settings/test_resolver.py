"""Names of database servers are resolved within a limit, and the last known addresses stay in use."""

import socket
import threading
import time

import psycopg
import pytest

from leads.delivery.breaker import Fault, classify
from leads.ops.doctor.connection import explained
from settings.postgres import driver, resolver

HOST = "db.example.com"
FOUND = {"db.example.com": ["192.0.2.1", "2001:db8::1", "192.0.2.9"], "two.example.com": ["192.0.2.2"]}


class NameServer:
    """Answers for `FOUND`, while `answers` is set. questions: the names it was asked for."""

    def __init__(self) -> None:
        self.answers, self.questions = threading.Event(), []
        self.answers.set()
        self.error: OSError | None = None

    def getaddrinfo(self, host, port, **how):
        self.questions.append(host)
        self.answers.wait(20)
        if self.error or host not in FOUND:
            raise self.error or socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(0, 0, 0, "", (address, int(port))) for address in FOUND[host]]


@pytest.fixture
def name_server(monkeypatch):
    server = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", server.getaddrinfo)
    monkeypatch.setattr(resolver, "_known", {})
    monkeypatch.setattr(resolver, "_lookups", {})
    yield server
    server.answers.set()


@pytest.mark.parametrize(
    ("given", "resolved"),
    [
        ({"host": HOST}, (f"{HOST},{HOST}", "192.0.2.1,2001:db8::1", "5432,5432")),
        ({"host": HOST, "port": 6543}, (f"{HOST},{HOST}", "192.0.2.1,2001:db8::1", "6543,6543")),
        ({"host": "two.example.com"}, ("two.example.com", "192.0.2.2", "5432")),
        ({"host": "127.0.0.1,two.example.com", "port": "1,"}, ("127.0.0.1,two.example.com", ",192.0.2.2", "1,5432")),
        ({"host": "gone.example.com,two.example.com"}, ("two.example.com", "192.0.2.2", "5432")),
        ({"host": "/run/postgresql"}, None),
        ({"host": "127.0.0.1"}, None),
        ({"host": "::1,127.0.0.1"}, None),
        ({"host": ""}, None),
        ({}, None),
        ({"host": HOST, "hostaddr": "192.0.2.7"}, None),
        ({"host": "a,b", "port": "1,2,3"}, None),  # libpq says what is wrong
    ],
)
def test_hosts_become_addresses_and_keep_their_names_for_tls(given, resolved, name_server):
    expected = dict(zip(("host", "hostaddr", "port"), resolved, strict=True)) if resolved else {}
    assert resolver.addresses(given) == expected


def test_a_silent_name_server_holds_nobody_for_longer_than_the_limit_and_is_asked_once(name_server):
    name_server.answers.clear()
    started = time.monotonic()
    for _ in range(5):
        with pytest.raises(psycopg.OperationalError) as raised:
            driver.connect(host=HOST, connect_timeout=2)
    assert time.monotonic() - started < 3 * resolver.RESOLVE_S
    assert name_server.questions == [HOST]
    assert classify(raised.value) is Fault.TIMEOUT
    assert "the name server of this machine does not answer" in explained(raised.value)[0]


def test_the_last_known_addresses_are_used_while_the_name_server_is_silent_or_fails(name_server):
    known = resolver.addresses({"host": HOST})
    name_server.answers.clear()
    assert resolver.addresses({"host": HOST}) == known
    name_server.answers.set()
    resolver._lookups[HOST]._thread.join()
    name_server.error = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    assert resolver.addresses({"host": HOST}) == known


def test_a_name_that_is_gone_is_an_error_and_one_that_moved_is_followed(name_server, monkeypatch):
    resolver.addresses({"host": HOST})
    monkeypatch.setitem(FOUND, HOST, ["192.0.2.50"])
    assert resolver.addresses({"host": HOST})["hostaddr"] == "192.0.2.50"
    monkeypatch.delitem(FOUND, HOST)
    with pytest.raises(psycopg.OperationalError, match="failed to resolve host"):
        resolver.addresses({"host": HOST})


@pytest.mark.parametrize("host", ["a" * 70 + ".example", "a..b", "\udcff.example"])
def test_a_name_that_cannot_be_one_is_an_error_of_the_connection(host):
    with pytest.raises(psycopg.OperationalError):
        driver.connect(host=host)
