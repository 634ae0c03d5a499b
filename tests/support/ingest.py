"""A local server that receives what the site sends to Sentry."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Ingest:
    """dsn: for SENTRY_DSN; envelopes: the bodies of all requests."""

    def __init__(self, port: int) -> None:
        self.dsn = f"http://key@127.0.0.1:{port}/1"
        self.envelopes: list[str] = []

    @property
    def events(self) -> list[dict[str, Any]]:
        """Return the events in the envelopes, whose lines are a header, then a header and the JSON of each item."""
        items = []
        for envelope in self.envelopes:
            lines = [json.loads(line) for line in envelope.splitlines()]
            items += zip(lines[1::2], lines[2::2], strict=True)
        return [body for header, body in items if header["type"] == "event"]


@contextmanager
def ingest() -> Iterator[Ingest]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            is_packed = self.headers.get("Content-Encoding") == "gzip"
            received.envelopes.append((gzip.decompress(body) if is_packed else body).decode())
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        received = Ingest(server.server_port)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield received
        finally:
            server.shutdown()
            thread.join()
