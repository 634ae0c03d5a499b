"""Each request has an id, which is on its error page, in a header and in its lines of the log."""

import json
import logging
import re

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from leads.staff import bulkhead
from settings.json_lines import JsonFormatter
from settings.scrubbing import redaction
from settings.urls import handler400, handler403, handler404, handler500
from settings.urls import urlpatterns as site_urls
from telemetry import current
from telemetry.logstream import NonBlockingStream, stderr
from tests.support.factories import a_line, an_issued_quote, as_form, post_json, quoted

__all__ = ["handler400", "handler403", "handler404", "handler500"]

pytestmark = pytest.mark.django_db

ID = re.compile(r"[2-9B-Z]{4}-[2-9B-Z]{4}")
TEXT = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}-0[67]:00 \[(?P<id>.{9})\] INFO telemetry\.requests (?P<rest>.*)"
)
logger = logging.getLogger("site")


def breaks(request: HttpRequest) -> HttpResponse:
    logger.error("It broke")
    raise RuntimeError("Zoila Vaca")


def forbids(request: HttpRequest, name: str) -> HttpResponse:
    raise PermissionDenied


urlpatterns = [
    *(path(f"{prefix}breaks/", breaks) for prefix in ("", "admin/")),
    *(path(f"{prefix}forbids/<str:name>/", forbids) for prefix in ("", "admin/")),
    *site_urls,
]


@pytest.fixture(autouse=True)
def urls_with_broken_pages(settings) -> None:
    settings.ROOT_URLCONF = __name__


@pytest.fixture
def lines(monkeypatch) -> list[str]:
    """What is written to stderr."""
    written: list[str] = []
    monkeypatch.setattr(stderr, "write", written.append)
    return written


@pytest.fixture
def customer() -> Client:
    return Client(raise_request_exception=False, headers={"host": "localhost"})


def requests_in(lines: list[str]) -> list[str]:
    """Return what the lines of requests say after the id, without milliseconds and bytes."""
    found = [match["rest"] for line in lines if (match := TEXT.fullmatch(line))]
    return [re.sub(r" [\d.]+ ms (\d+|-) bytes", "", rest) for rest in found]


# --- The id -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "address"),
    [
        (400, f"/?{'&' * 5000}"),
        (403, "/forbids/me/"),
        (403, "/admin/forbids/me/"),
        (404, "/nothing/"),
        (404, "/admin/nothing/"),
        (500, "/breaks/"),
        (500, "/admin/breaks/"),
        (503, "/q/{folio}/"),
        (503, "/admin/leads/lead/"),
    ],
)
def test_an_error_page_has_the_id_of_its_request_and_so_has_its_line(status, address, admin_client, monkeypatch, lines):
    if status == 503:
        monkeypatch.setattr("leads.delivery.relay.Relay.is_down", True)
    admin_client.raise_request_exception = False
    answer = admin_client.get(address.format(folio=an_issued_quote().quote.folio))
    assert answer.status_code == status
    number = answer["X-Request-ID"]
    assert ID.fullmatch(number)
    assert number in answer.content.decode()
    assert [match["id"] for line in lines if (match := TEXT.fullmatch(line))] == [number]


def test_the_busy_page_which_is_the_same_for_all_has_no_id_of_somebody_else(customer, monkeypatch):
    monkeypatch.setattr(type(bulkhead.LOGINS), "may_leave", False)
    answers = [customer.post("/admin/login/", {"login": "ana"}) for _ in range(2)]
    for answer in answers:
        assert answer.status_code == 503
        assert not ID.search(answer.content.decode())


def test_every_line_of_a_request_has_its_id_and_lines_outside_have_none(customer, caplog, lines):
    root = next(each for each in logging.root.handlers if isinstance(each, NonBlockingStream))
    first, second = (customer.get("/breaks/")["X-Request-ID"] for _ in range(2))
    assert first != second
    for number in (first, second):
        own = [line for line in lines if f"[{number}]" in line]
        assert [word in "\n".join(own) for word in ("It broke", "Internal Server Error", " 500 ")] == [True] * 3
        assert len(own) == 3
    outside = root.format(logging.LogRecord("site", logging.INFO, "", 0, "Outside", (), None))
    assert outside.endswith("00 INFO site Outside")
    assert current.request_id() == ""


def test_an_id_from_outside_is_not_used(customer, lines):
    answer = customer.get("/nothing/", headers={"X-Request-ID": "Zoila-Vaca"})
    assert ID.fullmatch(answer["X-Request-ID"])
    assert not [line for line in lines if "Zoila" in line]


def test_ids_have_no_letters_that_are_confused_when_they_are_read_aloud():
    ids = {current.Current().id for _ in range(2000)}
    assert len(ids) == 2000
    assert all(ID.fullmatch(number) for number in ids)
    assert not set("".join(ids)) & set("015AEILOSUY")


# --- The line ---------------------------------------------------------------------------------------------------------


def test_a_line_has_the_view_and_the_outcome_and_nothing_that_came_from_outside(customer, lines, settings):
    settings.REQUEST_LOG = True
    priced = quoted(customer, a_line())
    person = {"name": "Zoila Vaca", "phone": "(656) 123-4567"}
    post_json(customer, "/checkout/", {"token": priced["token"], **person})
    customer.get(f"/q/{priced['token']}/?utm_source=Zoila")
    customer.get("/forbids/Zoila/")
    customer.get("/nothing/Zoila/")
    customer.generic("ZOILA", "/")
    customer.post("/summary/", as_form(a_line()))
    customer.get("/", headers={"host": "zoila.example.com"})
    assert [line for line in requests_in(lines) if "stored" not in line] == [
        "POST checkout:give_quote 201 queued",
        "GET checkout:quote_page 200",
        "GET tests.telemetry.test_requests.forbids 403",
        "GET - 404",
        "OTHER quoter:calculator 405",
        "POST quoter:summary 200",
        "GET - 400",
    ]
    assert "POST checkout:checkout 200 stored" in requests_in(lines)
    written = "\n".join(line for line in lines if "telemetry.requests" in line)
    assert not re.search(f"(?i)zoila|4567|{priced['token'][:40]}|{priced['folio']}", written)


def test_style_sheets_and_monitors_write_no_line_unless_something_is_wrong(customer, lines):
    assert customer.get("/healthz").status_code == 200
    answer = customer.get("/static/site.css")
    assert answer.status_code == 200
    answer.close()
    assert customer.get("/static/nothing.css").status_code == 404
    assert requests_in(lines) == ["GET static 404"]


def test_only_requests_that_fail_have_a_line_unless_all_are_asked_for(customer, lines, settings):
    answer = customer.get("/")
    assert "X-Request-ID" not in answer
    customer.get("/nothing/")
    assert requests_in(lines) == ["GET - 404"]
    settings.REQUEST_LOG = True
    assert ID.fullmatch(customer.get("/")["X-Request-ID"])
    assert requests_in(lines)[1:] == ["GET quoter:calculator 200"]


def test_a_line_as_json_has_the_same_as_fields(customer, lines, monkeypatch):
    console = next(each for each in logging.root.handlers if isinstance(each, NonBlockingStream))
    monkeypatch.setattr(console, "formatter", JsonFormatter(redaction([]), django_settings.VERSION))
    answer = customer.get("/nothing/")
    line = json.loads(lines[-1])
    time, version, process, ms, size = (line.pop(name) for name in ("time", "version", "process", "ms", "bytes"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", time)
    assert (version, process > 0, ms > 0, size) == (django_settings.VERSION, True, True, len(answer.content))
    assert line == {
        "level": "INFO",
        "logger": "telemetry.requests",
        "message": f"GET - 404 {ms} ms {size} bytes",
        "request_id": answer["X-Request-ID"],
        "method": "GET",
        "route": "-",
        "status": 404,
        "outcome": "",
    }
