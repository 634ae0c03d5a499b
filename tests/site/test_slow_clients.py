"""Slow and broken connections on the running site: they hold no thread, and customers beside them notice nothing."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Event, Thread

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import ParseException
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import IterUnreader
from hypothesis import given
from hypothesis import strategies as st

from serving.worker import MOST_BODY_BYTES, Arrival
from tests.support import live
from tests.support.customers import a_quote, check_out_with
from tests.support.eventually import PATIENCE_S, eventually
from tests.support.live import NOBODY_LISTENS, Site

HEAD = b"POST /quote/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-Proto: https\r\n"
# A checkout takes a tenth of this, on a machine that runs other tests too.
BUDGET_S = 1.0
EACH = 40


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with live.site(NOBODY_LISTENS) as running:
        yield running


def connect(site: Site) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(site.url.rpartition(":")[2])), timeout=PATIENCE_S)


def answer_to(site: Site, *parts: bytes) -> bytes:
    """Send the parts in packets of their own; return everything that comes back until the site closes."""
    with connect(site) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            client.sendall(part)
            time.sleep(0.01)  # or the parts would arrive together
        return b"".join(iter(lambda: client.recv(65536), b""))


@contextmanager
def slow(site: Site, count: int, begin: bytes, drip: bytes) -> Iterator[None]:
    """Keep connections that send a first part, and then a little more every tenth of a second."""
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(site)) for _ in range(count)]
        for client in clients:
            client.sendall(begin)
        is_over = Event()

        def go_on() -> None:
            while drip and not is_over.wait(0.1):
                for client in clients:
                    with suppress(OSError):
                        client.sendall(drip)

        dripping = Thread(target=go_on)
        dripping.start()
        try:
            yield
        finally:
            is_over.set()
            dripping.join()


@pytest.mark.quiet
def test_customers_beside_slow_heads_slow_bodies_and_silent_connections_wait_less_than_a_second(site):
    with (
        slow(site, EACH, b"GET / HTTP/1.1\r\nX-Slow: ", b"a"),
        slow(site, EACH, HEAD + b"Content-Length: 200000\r\n\r\n{", b" "),
        slow(site, EACH, b"", b""),
    ):
        for _ in range(10):
            quote = a_quote(site)
            assert check_out_with(site, quote).seconds < BUDGET_S
            assert site.get("/").seconds < BUDGET_S


def test_a_request_in_any_pieces_is_answered_as_one_in_one_piece(site):
    head = HEAD + b"Content-Type: application/json\r\nConnection: close\r\nContent-Length: 14\r\n\r\n"
    request = head + b'{"lines": [1]}'
    whole = answer_to(site, request)
    assert whole.startswith(b"HTTP/1.1 422 ")
    assert b'"field": "lines.0' in whole
    pieces = [request[at : at + 7] for at in range(0, len(request), 7)]
    assert answer_to(site, *pieces).partition(b"\r\n\r\n")[2] == whole.partition(b"\r\n\r\n")[2]


def test_requests_that_follow_on_one_connection_are_all_answered(site):
    get = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    last = get.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert answer_to(site, get + get[:20], get[20:] + last).count(b"HTTP/1.1 200 OK") == 3


def test_a_client_that_waits_for_a_go_ahead_gets_it(site):
    with connect(site) as client:
        client.sendall(HEAD + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 100 ")
        client.sendall(b"{}")
        assert eventually(lambda: b"HTTP/1.1 422 " in client.recv(65536))


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (HEAD + b"Content-Length: 99999999999999999999\r\n\r\n", b"413"),
        (HEAD + b"Content-Length: %d\r\n\r\n" % (2 * MOST_BODY_BYTES) + b"a" * 2 * MOST_BODY_BYTES, b"413"),
        (HEAD + b"Content-Length: +4\r\n\r\n", b"400"),
        (HEAD + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd", b"400"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", b"411"),
        (HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
        (b"GET / HTTP/1.1\nHost: a\n\n", b"400"),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\n" + b"X: " + b"a" * 40_000, b"431"),
    ],
    ids=lambda value: None if isinstance(value, bytes) and len(value) > 10 else None,
)
def test_what_is_too_large_or_malformed_is_refused(site, request_, status):
    with connect(site) as client:
        client.sendall(request_)
        client.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer[:12] == b"HTTP/1.1 " + status
    assert b"https://wa.me/" in answer  # not gunicorn's bare page


@pytest.fixture(scope="module")
def impatient() -> Iterator[Site]:
    one_worker = {"WEB_CONCURRENCY": "1", "GUNICORN_CMD_ARGS": "--worker-connections=20"}
    with live.site(NOBODY_LISTENS, application="tests.support.impatient", **one_worker) as running:
        yield running


def is_closed(client: socket.socket) -> bool:
    client.settimeout(0.05)
    try:
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_what_arrives_too_slowly_is_closed(impatient):
    def drips_in_vain() -> bool:
        try:
            client.sendall(b"X: y\r\n")
        except OSError:
            return True
        return is_closed(client)

    with connect(impatient) as client:
        client.sendall(HEAD)
        assert eventually(drips_in_vain)


def test_when_all_connections_are_taken_the_oldest_unfinished_request_gives_way(impatient):
    with slow(impatient, 60, HEAD, b""):
        assert impatient.get("/").status == 200


def test_when_unfinished_requests_take_too_much_memory_the_largest_is_closed(impatient):
    begin = HEAD + b"Content-Length: 3000000\r\n\r\n"
    with connect(impatient) as small, connect(impatient) as large:
        small.sendall(begin)
        with suppress(OSError):
            large.sendall(begin + b"a" * 2_000_000)
        assert eventually(lambda: is_closed(large))
        small.sendall(b"a")
        assert impatient.get("/").status == 200


# --- Where a request ends ---------------------------------------------------------------------------------------------


class AskedForMore(Exception):
    """In the worker, the thread would now wait for the client."""


def never_more() -> Iterator[bytes]:
    raise AskedForMore
    yield b""


def read_by_gunicorn(data: bytes) -> None:
    """Read a request as gunicorn's thread does, with nothing on the socket but this."""
    parser = RequestParser(Config(), never_more(), ("127.0.0.1", 1))
    assert isinstance(parser.unreader, IterUnreader)
    parser.unreader.unread(data)
    with suppress(ParseException, StopIteration, OSError):
        next(parser).body.read()


FRAGMENTS = [
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"GET / HTTP/1.1\r\n",
        b"POST / HTTP/1.1\r\n",
        b"POST / HTTP/1.0\r\n",
        b"Host: a\r\n",
        b" ",
    ),
    *(b"Content-Length: 3\r\n", b"Content-Length:0005\r\n", b"content-length: 1\t\r\n", b"Content-Length: \xb2\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"transfer-encoding:Chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n"),
    *(
        b"3\r\nabc\r\n",
        b"0\r\n\r\n",
        b"0\r\n",
        b"00\r\n",
        b"3;a=b\r\n",
        b"a\r\n",
        b"abc",
        b"X: y\r\n",
        b"Content_Length: 9\r\n",
    ),
    *(b"Content-Length: 12345678901234567890\r\n", b"\r\n\r\n", b"\x00", b": \r\n", b"Content-Length : 4\r\n"),
]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=12), st.integers(1, 40))
def test_gunicorn_needs_no_more_than_what_counts_as_whole(fragments, piece):
    data = b"".join(fragments)
    arrival = Arrival(deadline=0)
    for at in range(0, len(data), piece):
        arrival.add(data[at : at + piece])
        if arrival.refusal:
            return
        if arrival.is_whole:
            read_by_gunicorn(bytes(arrival.data))
            return


@given(st.sampled_from([b"", b"abc", b"a" * 300]), st.integers(1, 99))
def test_a_sound_request_is_whole_with_its_last_byte_and_not_before(body, piece):
    data = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    arrival = Arrival(deadline=0)
    for at in range(0, len(data) - 1, piece):
        arrival.add(data[at : min(at + piece, len(data) - 1)])
    assert (arrival.is_whole, arrival.refusal) == (False, "")
    arrival.add(data[-1:])
    assert arrival.is_whole
    read_by_gunicorn(data)


def test_the_work_grows_with_the_length_alone():
    started = time.process_time()
    arrival = Arrival(deadline=0)
    arrival.add(HEAD + b"Content-Length: 1000000\r\n\r\n")
    for _ in range(1_000_000):
        arrival.add(b"a")
    assert arrival.is_whole
    for sign in (b"0", b" ", b"\t", b"1", b"\r", b"\r\n", b"\r\ncontent-length:", b"\r\ncontent-length: 0"):
        for end in (b"x\r\n\r\n", b"\r\n\r\n", b""):
            Arrival(deadline=0).add(HEAD + b"Content-Length:" + sign * 30_000 + end)
    assert time.process_time() - started < 5  # takes a tenth of it; quadratic work would take minutes
