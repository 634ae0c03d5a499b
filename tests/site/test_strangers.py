"""Strangers at the running site: a flood takes nothing from staff and customers, and nonsense alarms nobody.

Who was staff is a stranger, too.
"""

import re
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from threading import Event, Thread
from typing import Any

import pytest

from leads.staff import sessions
from tests.support import live, mark
from tests.support.customers import PERSON, a_quote, an_unhurried_quote, check_out_with
from tests.support.eventually import eventually
from tests.support.ingest import Ingest, ingest
from tests.support.live import Answer, Postgres, Site, is_up
from tests.support.staff import log_all_in, log_in, post

LIST = "/admin/leads/lead/"
LOGIN = "/admin/login/"
FLOOD_S = 2.0
MOST_REFUSED = 0.05
# A checkout takes 1 s at most, and half of this machine sends the flood.
BUDGET_S = 2.0


@pytest.fixture(scope="module")
def sentry() -> Iterator[Ingest]:
    with ingest() as running:
        yield running


@pytest.fixture(scope="module")
def site(postgres: Postgres, sentry: Ingest) -> Iterator[Site]:
    with live.site(postgres.url, SENTRY_DSN=sentry.dsn, TRUSTED_PROXIES="1") as running:
        assert eventually(lambda: is_up(running))
        yield running


@pytest.fixture(scope="module")
def session(site: Site) -> str:
    return log_in(site)


_addresses = count()


def one_address() -> dict[str, str]:
    return {"X-Forwarded-For": "203.0.113.9"}


def many_addresses() -> dict[str, str]:
    number = next(_addresses)
    return {"X-Forwarded-For": f"198.{18 + number // 65536}.{number // 256 % 256}.{number % 256}"}


@contextmanager
def flood(request: Callable[[], Answer], *, threads: int = 8) -> Iterator[Counter[int]]:
    """Send requests as fast as they are answered; yield how many answers had each status."""
    statuses: Counter[int] = Counter()
    is_over = Event()

    def go_on() -> None:
        while not is_over.is_set():
            statuses[request().status] += 1

    running = [Thread(target=go_on) for _ in range(threads)]
    for thread in running:
        thread.start()
    try:
        yield statuses
    finally:
        is_over.set()
        for thread in running:
            thread.join()


def guess(site: Site, address: Callable[[], dict[str, str]]) -> Callable[[], Answer]:
    """Return a function that posts a wrong password."""
    return lambda: post(site, LOGIN, {"login": f"name{next(_addresses)}", "password": "guess"}, **address())


FLOODS: dict[str, Callable[[Site], Callable[[], Answer]]] = {
    "staff pages without a session": lambda site: lambda: site.get(LIST, Cookie="sessionid=invented"),
    "logins from many addresses": lambda site: guess(site, many_addresses),
    "login pages": lambda site: lambda: site.get(LOGIN, **many_addresses()),
    "logins from one address": lambda site: guess(site, one_address),
    "quotes by folio": lambda site: lambda: site.get("/q/261122-7F3K-Q2M9-Q/"),
}


@pytest.mark.quiet
@pytest.mark.parametrize("kind", mark.by_hand_but(2, FLOODS))
def test_a_flood_takes_no_place_from_staff_and_no_time_from_customers(kind, site, session):
    quote = a_quote(site)
    site.get(LIST, Cookie=session)
    pages: list[Answer] = []
    with flood(FLOODS[kind](site)) as statuses:
        assert eventually(lambda: statuses.total() > 20)
        until = time.monotonic() + FLOOD_S
        while time.monotonic() < until:
            pages.append(site.get(LIST, Cookie=session))
            assert check_out_with(site, quote).seconds < BUDGET_S
    refused = [page for page in pages if page.status != 200]
    assert len(refused) <= MOST_REFUSED * len(pages), (Counter(page.status for page in pages), statuses)
    assert not [page for page in refused if "La base de datos no responde" in page.text]
    assert set(statuses) <= {200, 302, 404, 429, 503}, statuses
    assert eventually(lambda: is_up(site))


# --- Nonsense --------------------------------------------------------------------------------------------------------

COOKIES = ["sessionid", "csrftoken", "messages", "staff-user", "staff-unfinished-a", "visitor", "tags"]
HEAD = "Host: 127.0.0.1\r\nX-Forwarded-Proto: https\r\n"
FORM = f"{HEAD}Content-Type: application/x-www-form-urlencoded\r\n"
RAW = [
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "hello\r\n\r\n",
    f"BREW / HTTP/1.1\r\n{HEAD}\r\n",
    f"GET / HTTP/9.9\r\n{HEAD}\r\n",
    f"OPTIONS * HTTP/1.1\r\n{HEAD}\r\n",
    f"TRACE /admin/ HTTP/1.1\r\n{HEAD}\r\n",
    f"CONNECT evil.example:443 HTTP/1.1\r\n{HEAD}\r\n",
    f"GET http://evil.example/admin/ HTTP/1.1\r\n{HEAD}\r\n",
    f"GET /%00%ff%fe/../../etc/passwd HTTP/1.1\r\n{HEAD}\r\n",
    f"GET /?%ff=%00&a[]=%zz HTTP/1.1\r\n{HEAD}Cookie: visitor=\xff; a=b;;=; sessionid=\x01\r\n\r\n",
    f"GET /{'a' * 9000} HTTP/1.1\r\n{HEAD}\r\n",
    f"GET / HTTP/1.1\r\n{HEAD}{'X: y' * 20_000}\r\n",
    "GET / HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Proto: https\r\n\r\n",
    "GET /admin/ HTTP/1.1\r\nHost: ?a=b ?\r\nX-Forwarded-Proto: https\r\n\r\n",
    f"GET / HTTP/1.1\r\n{HEAD}Host: twice\r\n\r\n",
    f"POST /quote/ HTTP/1.1\r\n{HEAD}Content-Length: +4\r\n\r\n",
    f"POST /quote/ HTTP/1.1\r\n{HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    f"POST /admin/login/ HTTP/1.1\r\n{FORM}Transfer-Encoding: chunked\r\n\r\n3\r\nab\r\n0\r\n\r\n",
    f"POST /admin/login/ HTTP/1.1\r\n{FORM}Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n",
    f"POST /admin/login/ HTTP/1.1\r\n{FORM}Content-Length: 99999999999\r\n\r\n",
    f"POST /admin/login/ HTTP/1.1\r\n{FORM}Content-Length: 500\r\n\r\nlogin=a",  # and goes away
    f"POST /checkout/ HTTP/1.1\r\n{FORM}Content-Length: 500\r\n\r\ntoken=a",
    f"POST /checkout/ HTTP/1.1\r\n{HEAD}Content-Type: multipart/form-data; boundary=\r\nContent-Length: 3\r\n\r\nabc",
    f"POST /admin/login/ HTTP/1.1\r\n{HEAD}Content-Type: multipart/form-data\r\nContent-Length: 3\r\n\r\nabc",
    f"POST /admin/login/ HTTP/1.1\r\n{HEAD}Content-Type: text/html; charset=klingon\r\nContent-Length: 3\r\n\r\nabc",
    f"POST /checkout/ HTTP/1.1\r\n{HEAD}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n\xff\xfe",
    f"GET /admin/ HTTP/1.1\r\n{HEAD}Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    f"GET / HTTP/1.1\r\n{HEAD}Expect: tea\r\n\r\n",
    f"GET / HTTP/1.1\r\n{HEAD}X_Forwarded_For: a\r\nX-Forwarded-For: no address, \xff\r\n\r\n",
]


HEADERS = [
    ("X-Forwarded-For", "not an address"),
    ("Accept-Language", "x-" * 3000),
    ("Accept", ";;q=,"),
    ("Accept-Encoding", "\x7f"),
    ("If-Modified-Since", "yesterday"),
    ("If-None-Match", '"' * 900),
    ("Range", "bytes=b-a,9-1"),
    ("Referer", "http://[::1"),
    ("Origin", "http://[::1"),
    *(("Cookie", f"{name}={value}") for name in COOKIES for value in ("a:b:c", ".eJw:1:2", '"\\777"', "=" * 3000)),
]


def style(site: Site) -> str:
    """Return the address of a static file."""
    return re.findall(r'href="(/static/[^"]+\.css)"', site.get("/").text)[0]


def send(site: Site, request: str) -> None:
    """Send it, read what comes, and reset the connection."""
    with socket.create_connection(("127.0.0.1", int(site.url.rpartition(":")[2])), timeout=5) as client:
        client.sendall(request.encode("latin-1"))
        if not request.endswith("=a"):
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def test_nonsense_makes_no_error_no_traceback_and_no_event(site, sentry):
    before, length = len(sentry.events), len(site.log)
    for request in RAW:
        send(site, request)
    requests: list[tuple[str, Any]] = [
        ("/quote/", {"lines": "x"}),
        ("/checkout/", {"token": "broken", "name": "\0", "phone": "1" * 999}),
        ("/late/", {"token": "\ud800"}),
        (LOGIN, {"login": "ana"}),
        (f"{LIST}1/contact/", {}),
    ]
    for path, data in requests:
        assert site.post_json(path, data).status < 500
        assert site.post(path, {"a": "b" * 300_000}).status < 500
        assert site.post(path, [(f"f{number}", "") for number in range(20_100)]).status < 500
    for credential in ("", "x", "{}", "[]", "null", '"a"', "[" * 5000, '{"id": 1, "rawId": [], "response": {"a": 1}}'):
        assert post(site, f"{LOGIN}passkey/", {"credential": credential}).status < 500
    for path in (
        LOGIN,
        "/admin/login/second-factor/",
        "/admin/password/",
        "/admin/logout/",
        "/admin/second-factor/app/",
    ):
        for form in (
            {"login": "a\0", "password": "\0"},
            {"login": "a" * 9999, "password": "b" * 9999},
            {"next": "//evil"},
        ):
            # Flooded places are free again within a second.
            assert eventually(lambda path=path, form=form: post(site, path, form).status < 500)
    for name, value in HEADERS:
        for path in ("/", LOGIN, f"{LIST}?next=%00", style(site)):
            assert site.get(path, **{name: value}).status < 500, name
    for path in ("/nothing/", "/q/broken/", f"/q/{'a' * 300}.b/", "/static/%00", "/admin/nothing/", f"{LIST}?x__y=1"):
        assert site.get(path).status < 500
    assert eventually(lambda: is_up(site))
    log = site.log[length:]
    assert "Invalid request from ip=" in log
    assert not [word for word in ("ERROR", "CRITICAL", "WARNING", "Traceback") if word in log], log
    assert sentry.events[before:] == []


def test_a_fault_of_ours_is_still_one_event(site, session, sentry, postgres):
    before = len(sentry.events)
    postgres.query("ALTER TABLE auth_group RENAME COLUMN name TO gone")
    try:
        assert site.get("/admin/auth/group/", Cookie=session).status == 500
    finally:
        postgres.query("ALTER TABLE auth_group RENAME COLUMN gone TO name")
    assert eventually(lambda: len(sentry.events) > before)
    [event] = sentry.events[before:]
    assert event["level"] == "error"
    assert event["exception"]["values"]


# --- Who was staff, in an outage -------------------------------------------------------------------------------------


@pytest.mark.quiet
def test_in_an_outage_only_staff_who_may_see_leads_at_its_beginning_see_them(site, postgres):
    kept, logged_out, switched_off, ended = log_all_in(site, "ana", "bea", "eva", "ida")
    for session in (kept, logged_out, switched_off, ended):
        assert site.get(LIST, Cookie=session.strip()).status == 200
    noted = site.outbox / sessions.DIRECTORY
    before = len(list(noted.iterdir()))
    post(site, "/admin/logout/", cookie=logged_out)
    postgres.query("UPDATE auth_user SET is_active = false WHERE username = 'eva'")
    key = ended.strip().partition("=")[2]
    postgres.query("DELETE FROM django_session WHERE session_key = %s", key)  # as by a logout at another machine
    assert eventually(lambda: len(list(noted.iterdir())) == before - 3)

    postgres.stop()
    try:
        assert eventually(lambda: all(site.get(LIST, Cookie=kept.strip()).status == 503 for _ in range(8)))
        check_out_with(site, an_unhurried_quote())
        pages = {
            name: site.get(LIST, Cookie=session.strip())
            for name, session in {"ana": kept, "bea": logged_out, "eva": switched_off, "ida": ended, "": ""}.items()
        }
    finally:
        postgres.start()
    # A process that has not noticed the outage sends whoever has no session to the login, without a query.
    assert {page.status for page in pages.values()} <= {302, 503}
    assert [name for name, page in pages.items() if PERSON["name"] in page.text] == ["ana"]
    assert [name for name, page in pages.items() if "tel:+" in page.text] == ["ana"]
