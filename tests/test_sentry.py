"""What reaches Sentry: the folio and the kind of error, never the person. A local endpoint plays the service."""

import gzip
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.factories import NAME, PHONE

CHECKOUT_WITHOUT_A_DATABASE = f"""
import django
django.setup()
from django.test import Client
import json, sentry_sdk
client = Client(headers={{"host": "localhost"}})
line = {{"product": "concrete", "options": {{"strength": "200", "service": "direct"}},
        "measure": {{"kind": "volume", "m3": "5.6"}}, "extras": []}}
quote = client.post("/quote/", json.dumps({{"lines": [line]}}), content_type="application/json").json()
body = {{"token": quote["token"], "name": {NAME!r}, "phone": {PHONE!r}}}
answer = client.post("/checkout/", json.dumps(body), content_type="application/json").json()
assert answer["warning"] == "db_down", answer
print(answer["folio"])
sentry_sdk.flush(5)
"""


@pytest.fixture
def sentry():
    """A server that keeps what is posted to it; yields its DSN and the texts it got."""
    received: list[str] = []

    class Keep(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(
                (gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body).decode()
            )
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Keep) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://key@127.0.0.1:{server.server_port}/1", received
        server.shutdown()
        thread.join()


def test_a_lead_that_was_not_stored_is_reported_by_its_folio(sentry, tmp_path):
    dsn, received = sentry
    environment = {
        **os.environ,
        "DEBUG": "true",
        "SENTRY_DSN": dsn,
        "DATABASE_URL": "postgres://nobody:hunter2hunter2@127.0.0.1:1/none",
        "DJANGO_SETTINGS_MODULE": "settings",
        "OUTBOX_DIR": str(tmp_path / "outbox"),
        "OUTBOX_SPARE_DIR": str(tmp_path / "spare"),
    }
    done = subprocess.run(
        [sys.executable, "-c", CHECKOUT_WITHOUT_A_DATABASE], env=environment, capture_output=True, text=True, check=True
    )

    folio = done.stdout.split()[-1]
    events = "\n".join(received)
    messages = [json.loads(line) for text in received for line in text.splitlines() if '"logentry"' in line]
    assert any(folio in json.dumps(event["logentry"]) for event in messages)
    assert any("breaker opened" in json.dumps(event["logentry"]) for event in messages)
    for personal in (NAME, json.dumps(NAME), PHONE, "6561234567", "hunter2hunter2"):
        assert personal not in events
        assert personal not in done.stderr
