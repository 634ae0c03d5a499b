"""No request costs much, whatever its body: every address of the site, in process and through gunicorn."""

import json
import re
import socket
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from time import process_time
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
from django.test import Client

from leads.models import Lead
from quoter import token
from tests.support import live
from tests.support.addresses import addresses
from tests.support.eventually import PATIENCE_S
from tests.support.factories import a_line, an_issued_quote, as_form, store
from tests.support.live import Postgres, Site
from tests.support.stored import a_lead

# A calculator with as many lines as a form may have takes half a megabyte, and 22 kB compressed.
MOST_BYTES = 550_000
# CPU time of the whole process, three times what it is to be on a quiet machine.
MOST_S = 0.6
MOST_GROWTH_KB = 50 * 1024

FORM, JSON = "application/x-www-form-urlencoded", "application/json"
MULTIPART = "multipart/form-data; boundary=b"
# Fields of customers' and of staff's forms, in which the bodies have long texts.
NAMES = (
    "name",
    "phone",
    "token",
    "removed",
    "attribution",
    "before",
    "text",
    "notes",
    "next",
    "login",
    "password",
    "username",
)
MEASURE = "lines.0.measure.volume.m3"


class Body(NamedTuple):
    """What is sent. headers: as in a WSGI environment; length: what is said to be its length, None for nothing."""

    content: bytes
    kind: str = FORM
    headers: tuple[tuple[str, str], ...] = ()
    length: str | None = "right"


def part(name: str, value: str = "", more: str = "") -> str:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{value}\r\n'


def multipart(*parts: str) -> bytes:
    return ("".join(parts) + "--b--\r\n").encode()


def lines(count: int) -> bytes:
    return "&".join(f"lines.{number}.product=concrete" for number in range(count)).encode()


def long(text: str, *, size: int = 250_000) -> bytes:
    """Return a form with a long text in all the fields together."""
    each = text * (size // len(NAMES) // len(text.encode()))
    return "&".join(f"{name}={each}" for name in (*NAMES, MEASURE)).encode()


CHUNKED = (("HTTP_TRANSFER_ENCODING", "chunked"),)
MARKS = "\u0300\u0323"
LINE = json.dumps(a_line())
WIDE_LINE = {"options": {"ñ" * 99 + str(number): [] for number in range(99)}}
FULL_LINE = a_line(measure={"kind": "volume", "m3": '"' * 300})
ACCENTED_LINE = a_line(measure={"kind": "volume", "m3": f"5{MARKS * 30_000}"})

BODIES = {
    "500 lines": Body(lines(500)),
    "1,900 lines": Body(lines(1_900)),
    "9,999 lines": Body(lines(9_999)),
    "full lines": Body(urlencode(as_form(*[FULL_LINE] * 60), doseq=True).encode()),
    "tiny fields": Body(b"a&" * 120_000),
    "as many fields as fit": Body(b"&".join(b"lead=%d" % number for number in range(1_990))),
    "one field many times": Body(b"&".join([b"lines.0.extras=fiber", b"text=a"] * 990)),
    "quotes": Body(long('"')),
    "accents": Body(long(MARKS)),
    "accents, for staff": Body(long(MARKS, size=1_000_000)),
    "letters": Body(b"text=" + b"a" * 65_536),
    "zeros": Body(b"text=" + b"0" * 65_536 + b"a"),
    "megabytes": Body(b"text=" + b"%22" * 1_000_000),
    "not UTF-8": Body(b"name=%ff%fe&phone=\xff\xfe&text=\xff"),
    "NUL": Body(b"name=%00&phone=%00&text=%00&login=%00&lead=%00&next=%00&lines.0.product=%00"),
    "JSON of lists": Body(b'{"lines":[' + b"[]," * 85_000 + b"[]]}", JSON),
    "JSON of numbers": Body(b'{"lines":[' + b"1," * 120_000 + b"1]}", JSON),
    "a long number": Body(b'{"lines":[' + b"1" * 250_000 + b"]}", JSON),
    "deep JSON": Body(b'{"lines":' + b"[" * 250_000, JSON),
    "wide JSON": Body(json.dumps({"lines": [{"options": {f"{n}": [] for n in range(20_000)}}]}).encode(), JSON),
    "wide lines": Body(json.dumps({"lines": [WIDE_LINE] * 3}).encode(), JSON),
    "a long key": Body(json.dumps({"lines": [{"options": {"ñ" * 100_000: []}}]}, ensure_ascii=False).encode(), JSON),
    "many extras": Body(json.dumps({"lines": [a_line(extras=["fiber"] * 25_000)]}).encode(), JSON),
    "accents in JSON": Body(json.dumps(dict.fromkeys(NAMES, MARKS * 5_000), ensure_ascii=False).encode(), JSON),
    "accents in a quantity": Body(json.dumps({"lines": [ACCENTED_LINE]}, ensure_ascii=False).encode(), JSON),
    "megabytes of JSON": Body(b'{"lines":[' + f"{LINE},".encode() * 20_000 + b"1]}", JSON),
    "a file": Body(multipart(part("text", "a"), part("file", "x" * 100_000, '; filename="a.txt"')), MULTIPART),
    "a large file": Body(multipart(part("file", "x" * 5_000_000, '; filename="a.txt"')), MULTIPART),
    "a long field of multipart": Body(multipart(part("text", "x" * 5_000_000)), MULTIPART),
    "many parts": Body(multipart(*[part("a")] * 1_990), MULTIPART),
    "too many parts": Body(multipart(*[part("a")] * 4_000), MULTIPART),
    "no parts": Body(b"\r\n" * 500_000, MULTIPART),
    "no boundary": Body(b"--b", "multipart/form-data"),
    "gzip": Body(b"\x1f\x8b" + bytes(1000), headers=(("HTTP_CONTENT_ENCODING", "gzip"),)),
    "unknown charset": Body(b"text=a", f"{FORM}; charset=klingon"),
    "Latin-1": Body("text=ñ".encode("latin-1"), f"{FORM}; charset=latin-1"),
    "JSON in UTF-16": Body('{"lines": []}'.encode("utf-16"), f"{JSON}; charset=utf-16"),
    "chunked": Body(LINE.encode(), JSON, CHUNKED, None),
    "chunked megabytes": Body(b"text=" + b"a" * 5_000_000, headers=CHUNKED, length=None),
    "no length": Body(b"text=a", length=None),
    "a negative length": Body(b"text=a", length="-5"),
    "a huge length": Body(b"text=a", length="9" * 17),
}  # fmt: skip
# In headers of the length that gunicorn takes.
BODIES["long headers"] = Body(
    b"a=b",
    headers=(
        ("HTTP_ACCEPT_LANGUAGE", "es-mx;q=0.1," * 680),
        ("HTTP_COOKIE", 'a="\\073\\";' * 800),
        ("HTTP_ORIGIN", "http://" + "a." * 4_000),
        ("HTTP_REFERER", "http://a/" + "a@" * 4_000),
        ("HTTP_USER_AGENT", "a/" * 4_000),
        ("HTTP_X_FORWARDED_FOR", "1," * 4_000),
    ),
)
BODIES["a long host"] = Body(b"a=b", headers=(("HTTP_HOST", "?" * 8_000),))
# Long, and with more parameters than a form may have.
QUERIES = (
    "&" * 8_000,
    "q=" + "0" * 8_000 + "a",
    "lang=%ff&p=%00&e=x&all=%22&leads=" + "1," * 3_000,
    "q=" + "%CC%80%CC%A3" * 600,
)


class Reply(NamedTuple):
    status: int
    size: int
    seconds: float


def ask(address: str, body: Body | None = None, *, query: str = "", cookies: str = "") -> Reply:
    """Send a request to the application that gunicorn runs. body: of a POST; without one, it is a GET."""
    from settings.wsgi import application

    statuses: list[str] = []
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST" if body else "GET",
        "PATH_INFO": address,
        "QUERY_STRING": query,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "198.18.0.1",
        "HTTP_ACCEPT": "text/html",
        "HTTP_ORIGIN": "http://testserver",
        "HTTP_COOKIE": cookies,
        "HTTP_X_CSRFTOKEN": CSRF,
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(body.content if body else b""),
        "wsgi.errors": BytesIO(),
        "wsgi.input_terminated": True,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.version": (1, 0),
    }
    if body:
        length = str(len(body.content)) if body.length == "right" else body.length
        environ |= {"CONTENT_TYPE": body.kind, **dict(body.headers)} | ({"CONTENT_LENGTH": length} if length else {})
    started = process_time()
    answer: Any = application(environ, lambda status, headers, exc_info=None: statuses.append(status))  # type: ignore[arg-type,return-value]
    size = sum(map(len, answer))
    seconds = process_time() - started
    answer.close()
    return Reply(int(statuses[0][:3]), size, seconds)


CSRF = "c" * 32
LIST = "/admin/leads/lead/"
FIND, LOGIN = f"{LIST}find/", "/admin/login/"
# What customers send their forms to; these get every body.
FORMS = ("/", "/quote/", "/summary/", "/checkout/", "/late/")
# So many addresses get a body between them, by turns.
TURNS = 16


def faults_of(address: str, bodies: Iterable[str], cookies: str) -> Iterator[str]:
    asked = [(name, BODIES[name], "") for name in bodies]
    asked += [(f"GET {query[:9]}", None, query) for query in ("", *QUERIES)]
    for name, body, query in asked:
        reply = ask(address, body, query=query, cookies=cookies)
        if reply.seconds > MOST_S:  # something else may have taken the time
            reply = min(reply, ask(address, body, query=query, cookies=cookies), key=lambda each: each.seconds)
        if reply.status >= 500 or reply.size > MOST_BYTES or reply.seconds > MOST_S:
            yield f"{address[:60]} {name}: {reply.status}, {reply.size:,} bytes, {reply.seconds:.2f} s"
        if left := [*Path(tempfile.gettempdir()).iterdir()]:
            yield f"{address[:60]} {name}: {left} on the disk"


@pytest.fixture
def empty_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("empty_temporary_folder")
@pytest.mark.parametrize("turns", [TURNS, pytest.param(1, marks=pytest.mark.by_hand)])
@pytest.mark.parametrize("who", ["customer", "staff"])
def test_no_address_spends_much_on_any_body(who, turns, admin_client: Client):
    store(a_lead())
    number = str(Lead.objects.get().pk)
    values = {"reference": token.dumps(an_issued_quote()), "name": "share.png", "app_label": "leads", "key": "a"}
    walked = list(dict.fromkeys([*addresses(values, number), "/nowhere/"]))
    staff_s = [path for path in walked if path.startswith("/admin/")]
    assert len(staff_s) > 50
    assert set(FORMS) <= set(walked)
    cookies = f"csrftoken={CSRF}"
    if who == "staff":
        cookies += f"; sessionid={admin_client.cookies['sessionid'].value}"
        # What is refused before any page of staff begins is so for all of them. The rest they get by turns.
        read = [name for name, body in BODIES.items() if ask(FIND, body, cookies=cookies).status != 400]
        bodies = by_turns(staff_s, read, max(turns, 3))
        bodies |= {FIND: BODIES.keys()} | dict.fromkeys([f"{LIST}{number}/change/", f"{LIST}restore/"], read)
    else:
        # Without a login, all pages of staff answer alike.
        bodies = by_turns(staff_s, ["500 lines", "letters", "quotes", "a file", "JSON of lists"], turns)
        bodies |= by_turns([path for path in walked if path not in staff_s], list(BODIES), turns)
        bodies |= dict.fromkeys([LOGIN, *FORMS], BODIES.keys())
    faults = [fault for path, names in bodies.items() for fault in faults_of(path, names, cookies)]
    assert not faults, "\n".join(faults)


def by_turns(paths: list[str], names: list[str], turns: int) -> dict[str, Iterable[str]]:
    return {path: names[number % turns :: turns] for number, path in enumerate(paths)}


# --- Through gunicorn -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = str(tmp_path_factory.mktemp("temporary"))
    with live.site(postgres.url, WEB_CONCURRENCY="1", TMPDIR=folder) as running:
        yield running


def send(site: Site, head: str, pieces: Iterable[bytes] = ()) -> bytes:
    """Send a request piece by piece, until all is sent or the site hangs up; return what it answers."""
    answer = b""
    with socket.create_connection(("127.0.0.1", int(site.url.rpartition(":")[2])), timeout=PATIENCE_S) as connection:
        with suppress(OSError):
            connection.sendall(
                f"{head}\r\nHost: 127.0.0.1\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n\r\n".encode()
            )
            for piece in pieces:
                connection.sendall(piece)
        with suppress(OSError):
            while more := connection.recv(65_536):
                answer += more
    return answer


def status(answer: bytes) -> int:
    return int(answer.split(b" ")[1])


def chunks(content: bytes, *, size: int = 100_000) -> Iterator[bytes]:
    for start in range(0, len(content), size):
        piece = content[start : start + size]
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def peak_kb(site: Site) -> int:
    [worker] = site.workers()
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{worker}/status").read_text())
    assert found
    return int(found[1])


@pytest.mark.parametrize("size", [300_000, 1_500_000, 3_000_000])
@pytest.mark.parametrize("kind", [FORM, MULTIPART, JSON])
def test_a_client_that_has_sent_too_much_gets_a_kind_answer(site, size, kind):
    for path in ("/quote/", "/checkout/"):
        head = f"POST {path} HTTP/1.1\r\nContent-Length: {size}\r\nContent-Type: {kind}\r\nAccept-Language: es"
        answer = send(site, head, [b"x" * size])
        assert status(answer) == 422
        assert b"demasiado texto" in answer


def test_a_body_without_a_length_is_refused(site):
    head = f"POST /quote/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Type: {FORM}"
    assert status(send(site, head, chunks(b"name=" + b"x" * 2_000_000))) == 411


@pytest.mark.parametrize(
    "line",
    [
        "Content-Length: -5",
        "Content-Length: a lot",
        f"Content-Length: {'9' * 5_000}",
        f"Content-Length: {'9' * 18}",
        "Transfer-Encoding: gzip",
    ],
)
def test_a_length_that_is_none_is_no_error_of_ours(site, line):
    answer = send(site, f"POST /quote/ HTTP/1.1\r\n{line}\r\nContent-Type: {FORM}", [b"a=b"])
    assert not answer or status(answer) in (*range(400, 500), 501)


def test_nothing_makes_a_worker_grow_or_leaves_a_file(site):
    folder = Path(site.environment["TMPDIR"])
    site.get("/")
    before = peak_kb(site)
    seen: set[Path] = set()

    def endless(most: int) -> Iterator[bytes]:
        piece = part("file", "", '; filename="a.txt"').encode()
        for _ in range(most // 1_000_000):
            yield piece
            seen.update(folder.iterdir())
            piece = b"x" * 1_000_000

    for path in ("/", "/summary/", "/late/", "/privacy/", "/q/x/", "/nowhere/", "/admin/login/", "/healthz"):
        declared = f"POST {path} HTTP/1.1\r\nContent-Length: 314572800\r\nContent-Type: {MULTIPART}"
        answer = send(site, declared, endless(30_000_000))
        assert not answer or status(answer) < 500
        chunked = f"POST {path} HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Type: {MULTIPART}"
        send(site, chunked, chunks(b"".join(endless(20_000_000)), size=1_000_000))
    for name in ("500 lines", "9,999 lines", "JSON of lists", "JSON of numbers", "megabytes of JSON", "quotes"):
        body = BODIES[name]
        for path in ("/", "/quote/"):
            head = f"POST {path} HTTP/1.1\r\nContent-Length: {len(body.content)}\r\nContent-Type: {body.kind}"
            assert status(send(site, head, [body.content])) < 500
    assert not seen
    assert [*folder.iterdir()] == []
    assert peak_kb(site) - before < MOST_GROWTH_KB
    assert site.get("/healthz").status == 200
