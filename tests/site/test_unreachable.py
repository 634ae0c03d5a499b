"""Why no connection is made, by real servers: each has its cause in the log and its cure from the doctor."""

import gc
import logging
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple

import psycopg
import pytest
from django.db import connection

from leads.delivery import relay
from leads.delivery.breaker import Fault
from leads.ops.doctor.connection import open_connection
from settings import database
from settings.postgres import driver
from tests.support import faults
from tests.support.eventually import PATIENCE_S, eventually
from tests.support.tls import TlsServer, tls_server

pytestmark = pytest.mark.needs("postgres with TLS")


@pytest.fixture(scope="module")
def tls() -> Iterator[TlsServer]:
    with tls_server() as server:
        server.query("CREATE DATABASE closed ALLOW_CONNECTIONS false")
        yield server


def as_it_is(tls: TlsServer) -> AbstractContextManager[None]:
    return nullcontext()


@contextmanager
def without_tls(tls: TlsServer) -> Iterator[None]:
    tls.query("ALTER SYSTEM SET ssl = off", "SELECT pg_reload_conf()")
    try:
        yield
    finally:
        tls.query("ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()")


@contextmanager
def certificate_expired(tls: TlsServer) -> Iterator[None]:
    tls.present(days=-1)
    try:
        yield
    finally:
        tls.present(days=1)


@contextmanager
def no_route(tls: TlsServer) -> Iterator[None]:
    """Have no route to the addresses of documents, as a machine without IPv6 has none to Supabase's direct host."""
    route = ["throw", "2001:db8::/32"]
    subprocess.run(["ip", "-6", "route", "add", *route], check=True)
    try:
        yield
    finally:
        subprocess.run(["ip", "-6", "route", "del", *route], check=True)


def restricted(tls: TlsServer) -> AbstractContextManager[None]:
    """Drop what this machine sends, as Supabase's network restrictions do."""
    return faults.dropping(tls.port)


class Case(NamedTuple):
    """cause, cure: words of what is said; breaks: what is wrong meanwhile; query: of the URL; ca: DATABASE_CA."""

    cause: str
    cure: str
    fault: Fault = Fault.INFRASTRUCTURE
    breaks: Callable[[TlsServer], AbstractContextManager[None]] = as_it_is
    host: str = "localhost"
    database: str = "postgres"
    query: str = ""
    ca: str = ""


CASES = {
    "of another host": Case("of another host name", "Use the name that", host="127.0.0.1", ca="ca"),
    "of another host by the URL alone": Case(
        "of another host name", "Use the name that", host="127.0.0.1", query="sslmode=verify-full&sslrootcert={ca}"
    ),
    "of another authority": Case("is not one of DATABASE_CA", "Download the project's certificate", ca="another_ca"),
    "expired": Case("or has expired", "renew its certificate", breaks=certificate_expired, ca="ca"),
    "no TLS": Case("the server has no TLS", "Turn TLS on", breaks=without_tls, query="sslmode=require"),
    "no TLS to verify": Case("the server has no TLS", "Turn TLS on", breaks=without_tls, ca="ca"),
    "TLS only": Case("without TLS", "add ?sslmode=require", Fault.AUTH, query="sslmode=disable"),
    "closed": Case("is closed to everybody", "ALLOW_CONNECTIONS true", database="closed"),
    "no route": Case("no route to that address", "Session pooler", breaks=no_route, host="[2001:db8::1]"),
    "restricted": Case("a firewall drops", "Network restrictions", Fault.TIMEOUT, restricted, host="127.0.0.1"),
}
NEEDS = {"no route": "mounting", "restricted": "iptables"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.needs(NEEDS[name])] if name in NEEDS else []) for name in CASES]
)
def test_a_connection_that_is_not_made_has_its_cause_in_the_log_and_its_cure_from_the_doctor(
    name, tls, connecting_to, caplog
):
    case = CASES[name]
    url = tls.url(case.host, case.query.format(ca=tls.ca), database=case.database)
    with case.breaks(tls), caplog.at_level(logging.INFO):
        connecting_to(url, ca=getattr(tls, case.ca) if case.ca else "")
        running = relay.of_this_process()
        eventually(lambda: case.cause in caplog.text, or_show=lambda: caplog.text)
        [finding] = open_connection()
        assert running.breaker.fault is case.fault
    assert "breaker opened" in caplog.text
    assert (case.cause in finding.found, case.cure in finding.cure) == (True, True), finding


def test_a_connection_that_was_begun_in_vain_takes_no_place_at_the_server():
    gc.disable()
    try:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            with pytest.raises(psycopg.OperationalError):
                driver.connect(f"postgresql://127.0.0.1:{silent.getsockname()[1]}/postgres?connect_timeout=2")
            begun, _ = silent.accept()
            with begun:
                begun.settimeout(PATIENCE_S)
                while begun.recv(1000):
                    pass
    finally:
        gc.enable()


@pytest.fixture
def connecting_to(monkeypatch, django_db_blocker) -> Iterator[Callable[..., None]]:
    """Let Django connect as the site does with a DATABASE_URL and a DATABASE_CA."""
    original = dict(connection.settings_dict)

    def connect(url: str, *, ca: str) -> None:
        monkeypatch.setenv("DATABASE_URL", url)
        monkeypatch.setenv("DATABASE_CA", ca)
        read = database.from_url("DATABASE_URL", ca="DATABASE_CA")
        assert not read.fault
        options = {**original["OPTIONS"], **read.config["OPTIONS"]}
        options.pop("host", None)
        connection.settings_dict.update({**read.config, "OPTIONS": options})

    connection.close()
    with django_db_blocker.unblock():
        yield connect
        relay.stop()
        connection.close()
        connection.settings_dict.clear()
        connection.settings_dict.update(original)
