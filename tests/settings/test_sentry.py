"""What reaches Sentry and the log: the folio and the kind of error, never the person. A local server acts as Sentry."""

import json
import logging
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from settings.json_lines import JsonFormatter
from settings.scrubbing import LineFormatter, redaction
from tests.support import live, processes
from tests.support.factories import NAME, PHONE
from tests.support.ingest import Ingest, ingest

PERSONAL = (NAME, json.dumps(NAME)[1:-1], ascii(NAME)[1:-1], PHONE, "6561234567", "hunter2hunter2")

CHECKOUT_WITHOUT_A_DATABASE = f"""
from django.test import Client
from leads.delivery.journal import writer
writer.DISK_WAIT_S = 5  # a slow disk would be another event
client = Client(headers={{"host": "localhost"}})
line = {{"product": "concrete", "options": {{"strength": "200", "service": "direct"}},
        "measure": {{"kind": "volume", "m3": "5.6"}}, "extras": []}}
quote = client.post("/quote/", json.dumps({{"lines": [line]}}), content_type="application/json").json()
body = {{"token": quote["token"], "name": {NAME!r}, "phone": {PHONE!r}}}
for _ in range(9):
    answer = client.post("/checkout/", json.dumps(body), content_type="application/json").json()
    assert answer["warning"] == "db_down", answer
print(answer["folio"])
"""

# Puts personal data into every part of an event, and reports a database error that repeats the row.
A_ROW_REFUSED = f"""
import logging
from django.db import connection
from django.test import RequestFactory
name, phone = {NAME!r}, {PHONE!r}
sentry_sdk.set_user({{"username": name}})
sentry_sdk.set_tag("phone", phone)
sentry_sdk.set_context("form", {{"name": name}})
sentry_sdk.add_breadcrumb(message=name, data={{"phone": phone}})
try:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE people (name text, phone text CHECK (phone = ''))")
        cursor.execute("INSERT INTO people VALUES (%s, %s)", [name, phone])
except Exception:
    request = RequestFactory().post("/q/" + "t" * 90 + "/?name=" + name, {{"phone": phone}})
    logging.getLogger("django.request").exception(
        "%s: %s %s", "Internal Server Error", request.path, phone, extra={{"request": request}}
    )
sentry_sdk.capture_message("Call " + phone)
"""


@pytest.fixture
def sentry() -> Iterator[Ingest]:
    with ingest() as running:
        yield running


def run(program: str, directory: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "DEBUG": "true",
        "DJANGO_SETTINGS_MODULE": "settings",
        "OUTBOX_DIR": str(directory / "outbox"),
        "OUTBOX_SPARE_DIR": str(directory / "spare"),
        **changes,
    }
    setup = "import json, django, sentry_sdk; django.setup()"
    return processes.run("-c", f"{setup}\n{program}\nsentry_sdk.flush(5)", environment=environment)


def test_an_outage_is_reported_once_and_nothing_of_its_leads(sentry, tmp_path):
    nowhere = "postgres://nobody:hunter2hunter2@127.0.0.1:1/none"
    done = run(CHECKOUT_WITHOUT_A_DATABASE, tmp_path, SENTRY_DSN=sentry.dsn, DATABASE_URL=nowhere)
    assert done.returncode == 0, done.stderr

    folio = done.stdout.split()[-1]
    messages = [event["logentry"]["formatted"] for event in sentry.events]
    assert [message for message in messages if "network" not in message] == ["breaker opened: fault=infrastructure"]
    assert not [message for message in messages if folio in message]
    assert [text for text in PERSONAL if text in "".join(sentry.envelopes) + done.stderr] == []


PRODUCTION = {"DEBUG": "false", "SECRET_KEY": live.SECRET_KEY, "WHATSAPP_NUMBER": "526561234567"}
A_STRANGER_S_MISTAKES = """
from django.test import Client
client = Client(headers={"host": "localhost", "x-forwarded-proto": "https"})
assert client.get("/?" + "&" * 5000).status_code == 400
assert client.get("/", headers={"host": "?" * 5000}).status_code == 400
assert client.post("/privacy/", {"a": "b" * 2_000_000}).status_code == 303
sentry_sdk.capture_message("The end")
"""


def test_a_request_that_is_refused_is_no_report(sentry, tmp_path):
    done = run(A_STRANGER_S_MISTAKES, tmp_path, SENTRY_DSN=sentry.dsn, **PRODUCTION)
    assert done.returncode == 0, done.stderr
    assert "TooManyFieldsSent" in done.stderr
    assert [event.get("message") for event in sentry.events] == ["The end"]


A_PAGE_THAT_FAILS = """
from unittest import mock
from django.test import Client
client = Client(headers={"host": "localhost", "x-forwarded-proto": "https"}, raise_request_exception=False)
with mock.patch("quoter.views.page", side_effect=RuntimeError("Zoila")):
    print(client.get("/")["X-Request-ID"])
sentry_sdk.capture_message("The end")
"""


@pytest.mark.by_hand
def test_an_event_has_the_id_of_its_request(sentry, tmp_path):
    done = run(A_PAGE_THAT_FAILS, tmp_path, SENTRY_DSN=sentry.dsn, **PRODUCTION)
    assert done.returncode == 0, done.stderr
    failed, after = sentry.events
    assert failed["tags"] == {"request_id": done.stdout.split()[-1]}
    assert "tags" not in after


def test_an_event_has_the_error_and_its_place_and_nothing_that_was_typed(sentry, tmp_path):
    done = run(A_ROW_REFUSED, tmp_path, SENTRY_DSN=sentry.dsn)
    assert done.returncode == 0, done.stderr
    error, message = sentry.events

    assert error["logentry"]["formatted"] == "Internal Server Error: /q/[redacted]/ [redacted]"
    raised = error["exception"]["values"]
    assert [(value["module"], value["type"], value["value"]) for value in raised] == [
        ("psycopg.errors", "CheckViolation", "23514"),
        ("django.db.utils", "IntegrityError", ""),
    ]
    assert {"filename", "lineno", "function", "context_line"} <= set(raised[0]["stacktrace"]["frames"][-1])
    assert "vars" not in json.dumps(raised)
    assert message["message"] == "Call [redacted]"
    about = {"event_id", "timestamp", "platform", "level", "environment", "server_name", "sdk"}
    # An event has a release if the host or git names one.
    assert set(error) - {"release"} == about | {"logger", "logentry", "exception"}
    assert set(message) - {"release"} == about | {"message"}
    assert [text for text in PERSONAL if text in "".join(sentry.envelopes) + done.stderr] == []


def test_an_invalid_sentry_dsn_stops_the_start(tmp_path):
    done = run("print('started')", tmp_path, SENTRY_DSN="o1.ingest.sentry.io")
    assert "started" not in done.stdout
    assert "ImproperlyConfigured: SENTRY_DSN cannot be used: Unsupported scheme ''." in done.stderr


# --- Redaction of a text --------------------------------------------------------------------------------------------

REDACT = redaction(["pass/word of ours", "", "short"])


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Call (656) 123-4567, or +52 1 656 123 4567.", "Call [redacted], or [redacted]."),
        ("Call +52 (656) 123 4567 or 656.123.4567!", "Call [redacted] or [redacted]!"),
        ("phone=6561234567 from 192.168.100.200", "phone=[redacted] from [redacted]"),
        ("postgresql://shop:pass/word of ours@db", "postgresql://shop:[redacted]@db"),
        ("postgresql://shop:pass%2Fword%20of%20ours@db", "postgresql://shop:[redacted]@db"),
        (f"Internal Server Error: /q/{'A-_z9' * 20}.{'s' * 43}/", "Internal Server Error: /q/[redacted]/"),
        ("GET /admin/leads/lead/?q=656&name=Zoila HTTP", "GET /admin/leads/lead/?[redacted] HTTP"),
    ],
)
def test_personal_data_secrets_and_addresses_are_redacted(text, redacted):
    assert REDACT(text) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "queued: folio=261122-7F3K-Q2M9-X fault=timeout",
        "quarantined: folio=261122-7834-0291-5 reason=IntegrityError 23514",
        "Internal Server Error: /q/261122-7834-0291-5/",
        "2026-11-22 19:35:14,860 INFO delivered late: leads=1000 oldest_seconds=86400",
        "damaged: segment=1763846400123456789-4242-ab12cd34.journal lines=1",
        "Listening at: http://127.0.0.1:46373 (21604)",
        "?: (leads.W001) DATABASE_URL is not set. The short one.",
    ],
)
def test_what_operations_need_is_not_redacted(text):
    assert REDACT(text) == text


# --- The log --------------------------------------------------------------------------------------------------------


def logged(error: Exception) -> str:
    formatter = LineFormatter("%(levelname)s %(message)s", redact=REDACT)
    record: Any = logging.LogRecord("site", logging.ERROR, "", 0, "It broke", (), (type(error), error, None))
    record.exc_text = f"What another handler wrote: {error}"
    return formatter.format(record)


def test_a_traceback_names_each_exception_without_a_message_that_may_repeat_what_was_typed():
    try:
        try:
            int(NAME)
        except ValueError as cause:
            raise KeyError(NAME) from cause
    except KeyError as error:
        written = logged(error)

    assert NAME not in written
    first, second = written.index("builtins.ValueError\n"), written.index("builtins.KeyError")
    assert written.index("int(NAME)") < first < written.index("raise KeyError(NAME) from cause") < second


def test_a_line_as_json_is_redacted_before_it_is_encoded_and_is_one_line():
    try:
        int(NAME)
    except ValueError as cause:
        error: Any = (type(cause), cause, cause.__traceback__)
    record = logging.LogRecord("site", logging.ERROR, "", 0, "Call %s\n%s", (PHONE, "pass/word of ours"), error)
    record.fields = {"folio": "261122-7834-0291-5", "leads": 3, "by": PHONE, "level": "none of its own", "fault": None}
    written = JsonFormatter(REDACT, version="1.2").format(record)
    assert "\n" not in written
    line = json.loads(written)
    traceback = line.pop("traceback")
    assert (traceback.splitlines()[0], traceback.splitlines()[-1]) == (
        "Traceback (most recent call last):",
        "builtins.ValueError",
    )
    assert datetime.fromisoformat(line.pop("time")).utcoffset() == timedelta(0)
    assert line.pop("process") == os.getpid()
    assert line == {
        "level": "ERROR",
        "logger": "site",
        "message": "Call [redacted]\n[redacted]",
        "version": "1.2",
        "folio": "261122-7834-0291-5",
        "leads": 3,
        "by": "[redacted]",
        "fault": None,
    }


def test_the_two_hours_of_the_night_when_the_clock_is_set_back_differ_in_the_log():
    formatter = LineFormatter("%(asctime)s", redact=REDACT, zone="America/Ciudad_Juarez")
    record = logging.LogRecord("site", logging.INFO, "", 0, "", (), None)
    written = []
    for hour in (7, 8):
        record.created = datetime(2026, 11, 1, hour, 30, tzinfo=UTC).timestamp()
        written.append(formatter.format(record))
    assert written == ["2026-11-01 01:30:00.000-06:00", "2026-11-01 01:30:00.000-07:00"]


def test_a_traceback_has_the_messages_of_errors_about_the_code():
    assert logged(FileNotFoundError(2, "No such file or directory", "/var/outbox")).endswith(
        "builtins.FileNotFoundError: [Errno 2] No such file or directory: '/var/outbox'"
    )
