"""A local HTTP server that behaves as Supabase's REST API: PostgREST behind a gateway that knows the service key.

It runs the statements that PostgREST 14 runs for these requests, as the role `authenticator` that becomes the service
role, and answers as PostgREST documents. Its modes break it as the world does.
"""

import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psycopg

KEY = "sb_secret_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz"
# {"alg":"HS256"}, {"role":"service_role"}: a key of the old kind, which goes into both headers. PostgREST takes a new
# one in `Authorization` for a broken JWT (PGRST301).
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2lnbmVk"
LOGINS = ((KEY, None), (JWT, f"Bearer {JWT}"))
INSERTS = "/rest/v1/leads?on_conflict=id"
PREFER = "resolution=ignore-duplicates,return=minimal"
LEADS = "/rest/v1/leads?select=id&limit=1"

# SqlFragment.hs, fromJsonBodyF, and QueryBuilder.hs, mutateRequestToQuery. The columns are those of the first object.
INSERT = """
WITH pgrst_source AS (
    INSERT INTO "public"."leads" ({columns}) SELECT {values}
    FROM (SELECT %s::json AS json_data) pgrst_payload, LATERAL (
        SELECT {columns} FROM json_populate_recordset(NULL::"public"."leads", pgrst_payload.json_data)
    ) pgrst_body
    ON CONFLICT ("id") DO NOTHING RETURNING 1
)
SELECT '' FROM (SELECT count(*) FROM pgrst_source) AS _
"""
READ = """
WITH pgrst_source AS (SELECT "public"."leads"."id" FROM "public"."leads" LIMIT 1 OFFSET 0)
SELECT coalesce(json_agg(_postgrest_t), '[]')::text FROM (SELECT * FROM pgrst_source) _postgrest_t
"""
# Error.hs, mapSQLtoHTTP: the statuses of the errors that can come here, by the beginning of their SQLSTATE.
STATUSES = {
    "23505": 409,
    "23503": 409,
    "42501": 403,
    "42883": 404,
    "42P01": 404,
    "25006": 405,
    "53": 503,
    "57": 500,
    "P0002": 500,
}


class Fault(Enum):
    """What the API does instead of a right answer."""

    HANG = auto()  # it takes the request and says nothing
    LOSE = auto()  # it does what was asked, and the connection breaks before the answer
    TRICKLE = auto()  # a byte of the headers every tenth of a second, without end
    HUGE = auto()  # a body without end
    REDIRECT = auto()  # to `elsewhere`
    PAGE = auto()  # 200, and a page of somebody else's


class PostgREST:
    """url: for SUPABASE_URL; answer: a fault or a status instead of right answers; asked: method and path of each
    request; elsewhere: what came to the address that the redirect names.
    """

    def __init__(self, database: str, *, certificates: Path | None = None) -> None:
        """database: where to log in as authenticator, which needs no password; certificates: a directory with
        server.crt and server.key of localhost, to be asked by https.
        """
        self.answer: Fault | int | None = None
        self.asked: list[str] = []
        self.elsewhere: list[str] = []
        self.is_over = Event()
        self._database = database
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        if certificates:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(certificates / "server.crt", certificates / "server.key")
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self.url = f"https://localhost:{self._server.server_port}"
        Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()

    def close(self) -> None:
        self.is_over.set()
        self._server.shutdown()
        self._server.server_close()

    def run(self, path: str, body: bytes, prefer: str | None) -> tuple[int, str]:
        """Run what a request asks for, in a transaction as the service role; return the status and the body."""
        try:
            with psycopg.connect(self._database, user="authenticator") as connection:
                connection.execute("SET LOCAL ROLE service_role")
                if path == LEADS:
                    cursor = connection.execute(READ)
                elif path == INSERTS and prefer == PREFER:
                    return 201, self._insert(connection, json.loads(body))
                else:
                    return 404, json.dumps({"code": "PGRST205"})
                [(text,)] = cursor.fetchall()
            return 200, text
        except psycopg.Error as error:
            state = error.sqlstate or "08000"
            status = next((STATUSES[state[:size]] for size in (5, 2) if state[:size] in STATUSES), 400)
            said = {"message": error.diag.message_primary, "details": error.diag.message_detail}
            return status, json.dumps({"code": state, **said})

    def _insert(self, connection: psycopg.Connection[Any], rows: list[dict[str, Any]]) -> str:
        if rows:
            columns = ", ".join(f'"{name}"' for name in rows[0])
            values = ", ".join(f'pgrst_body."{name}"' for name in rows[0])
            connection.execute(INSERT.format(columns=columns, values=values), [json.dumps(rows)])
        return ""


@contextmanager
def postgrest(database: str, *, certificates: Path | None = None) -> Iterator[PostgREST]:
    running = PostgREST(database, certificates=certificates)
    try:
        yield running
    finally:
        running.close()


def _handler_of(api: PostgREST) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve(b"")

        def do_POST(self) -> None:
            self._serve(self.rfile.read(int(self.headers["Content-Length"])))

        def _serve(self, body: bytes) -> None:
            if self.path.startswith("/elsewhere"):
                api.elsewhere.append(str(self.headers))
                return self._send(200, "1")
            api.asked.append(f"{self.command} {self.path}")
            answer = api.answer
            if isinstance(answer, int):
                return self._send(answer, json.dumps({"message": "as the test wants it"}))
            if (self.headers["apikey"], self.headers["Authorization"]) not in LOGINS:
                return self._send(401, json.dumps({"message": "Invalid API key"}))
            if answer in (None, Fault.LOSE):
                status, text = api.run(self.path, body, self.headers["Prefer"])
                if answer is None:
                    return self._send(status, text)
            self.close_connection = True
            with suppress(OSError):
                self._fail(answer)

        def _send(self, status: int, text: str, **headers: str) -> None:
            content = text.encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Connection", "close")  # as the request wants it
            self.end_headers()
            self.wfile.write(content)

        def _fail(self, fault: Any) -> None:
            if fault is Fault.HANG:
                api.is_over.wait()
            elif fault is Fault.LOSE:
                self.connection.shutdown(socket.SHUT_RDWR)
            elif fault is Fault.TRICKLE:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nX-Slow: ")
                while not api.is_over.is_set():
                    self.wfile.write(b"x")
                    time.sleep(0.1)
                self.wfile.write(b"\r\n\r\n")
            elif fault is Fault.HUGE:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000000\r\n\r\n1")
                while not api.is_over.is_set():
                    self.wfile.write(b" " * 65536)
            elif fault is Fault.REDIRECT:
                self._send(307, "", Location=f"{api.url}/elsewhere")
            else:
                self._send(200, "<p>Welcome to the hotel</p>")

        def log_message(self, *args: Any) -> None:
            pass

    return Handler
