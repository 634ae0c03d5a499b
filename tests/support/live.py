"""Starts the site with gunicorn, and a Postgres for it, for tests that stop, freeze and break them."""

import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, flock
from functools import cache
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

import psycopg
from psycopg.rows import dict_row

from tests.support import partitioned
from tests.support.eventually import PATIENCE_S, eventually
from tests.support.processes import ROOT, SOCKET_FD, Process, run

# What is kept for a run on another Postgres (bin/with-postgres) is of that one alone.
VAR = ROOT / "var" / os.environ.get("POSTGRES_PROGRAMS", "").strip("/").replace("/", "-")
# How many data directories of migrated_postgres are kept: a run of an earlier state of the code may still copy its own.
MOST_MIGRATED = 4
SECRET_KEY = secrets.token_urlsafe(50)  # another for each process, so that none is published
WHATSAPP_NUMBER = "526561234567"
# The header of a host's proxy. Without it, a site in production redirects to https.
THROUGH_THE_PROXY = {"X-Forwarded-Proto": "https"}
# A DATABASE_URL for tests without a database: nothing listens on port 1.
NOBODY_LISTENS = "postgres://nobody:x@127.0.0.1:1/none"


class Postgres:
    """A Postgres server with the migrated tables. url: for DATABASE_URL; data: its directory."""

    def __init__(self, url: str, data: Path, programs: Path) -> None:
        self.url, self.data, self.programs = url, data, programs
        owner = data.stat()
        # Postgres refuses to run as root, so root starts it as the owner of the data.
        self.account: dict[str, Any] = (
            {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        )

    @property
    def log(self) -> str:
        return (self.data / "server.log").read_text()

    def stop(self) -> None:
        command = [self.programs / "pg_ctl", "stop", "--mode=fast", "--wait", "--silent", f"--pgdata={self.data}"]
        subprocess.run(command, check=True, cwd="/", **self.account)

    def start(self) -> None:
        command = [self.programs / "postgres", "-D", self.data]
        with open(self.data / "server.log", "ab") as log:
            process = subprocess.Popen(command, cwd="/", stdout=log, stderr=log, **self.account)
        # Without wait(), a zombie would keep its process id, and Postgres would not start again.
        Thread(target=process.wait, daemon=True).start()
        eventually(self._answers, or_show=lambda: self.log)

    def query(self, sql: str, *parameters: Any) -> list[dict[str, Any]]:
        """Run one statement on a new connection; return its rows. It can also write in a read-only database."""
        may_write = "-c default_transaction_read_only=off"
        with psycopg.connect(self.url, autocommit=True, options=may_write, row_factory=dict_row) as connection:
            cursor = connection.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    def empty(self, *tables: str, restart_ids: bool = False) -> None:
        """Empty tables and those that refer to them, also while a site uses them.

        TRUNCATE locks one table after the other, which may end in a deadlock with a transaction of the site. Postgres
        then lets one of the two fail. So it gives up long before Postgres looks for deadlocks, and tries again.
        """
        impatient = "-c default_transaction_read_only=off -c lock_timeout=100"

        def is_empty() -> bool:
            with suppress(psycopg.errors.LockNotAvailable), psycopg.connect(self.url, options=impatient) as connection:
                ids = "RESTART IDENTITY" if restart_ids else ""
                connection.execute(f"TRUNCATE {', '.join(tables)} {ids} CASCADE")
                return True
            return False

        assert eventually(is_empty)

    def end_connections(self) -> None:
        self.query("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'folio'")

    def _answers(self) -> bool:
        with suppress(psycopg.OperationalError):
            return bool(self.query("SELECT true"))
        return False


@contextmanager
def postgres(programs: Path | None = None) -> Iterator[Postgres]:
    """Yield a new Postgres with empty tables. It ends with this process, even if that is killed, and so do its data.

    programs: the directory of another Postgres's programs, which has no tables then.
    """
    model = ["--no-fsync"] if programs else [f"--copy-of={migrated_postgres()}"]
    command = ["sh", "-c", 'echo "$DATABASE_URL"; echo "$PGDATA"; echo "$PGBIN"; exec cat']
    with subprocess.Popen(
        [sys.executable, ROOT / "bin" / "with-postgres", "--temporary", *model, *command],
        env=os.environ | ({"POSTGRES_PROGRAMS": str(programs)} if programs else {}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as with_postgres:
        url, data, programs = (with_postgres.stdout.readline().strip() for _ in range(3))
        server = Postgres(url, Path(data), Path(programs))
        yield server


class Answer(NamedTuple):
    """What the site answered. seconds: from the request to the last byte."""

    status: int
    headers: HTTPMessage
    text: str
    seconds: float

    @property
    def location(self) -> str:
        return self.headers["Location"] or ""

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.text)


class Site:
    """A running site. environment: what it was started with; process: gunicorn's master."""

    def __init__(
        self, port: int, environment: Mapping[str, str], process: subprocess.Popen | Process, log: Path
    ) -> None:
        self.url, self.environment, self.process = f"http://127.0.0.1:{port}", environment, process
        self._port, self._log = port, log

    def stop(self) -> None:
        """Kill gunicorn and its workers, so that nothing listens on the port."""
        workers = self.workers()
        for pid in (self.process.pid, *workers):
            os.kill(pid, signal.SIGKILL)
        self.process.wait(PATIENCE_S)
        assert eventually(lambda: not any(_is_running(pid) for pid in workers))

    def start(self) -> None:
        """Start gunicorn again on the same port."""
        command = ["-m", "gunicorn", f"--bind=127.0.0.1:{self._port}", self.process.args[-1]]
        self.process = Process(command, environment=self.environment, stdout=self._log, stderr=self._log)
        eventually(lambda: self._answers() and self.is_whole(), or_show=lambda: self.log)

    def freeze(self) -> None:
        """Suspend gunicorn: it still accepts connections and answers none."""
        for pid in (self.process.pid, *self.workers()):
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in (self.process.pid, *self.workers()):
            os.kill(pid, signal.SIGCONT)

    def _answers(self) -> bool:
        with suppress(OSError):
            return self.get("/healthz").status == 200
        return False

    @property
    def log(self) -> str:
        """Return what gunicorn and the site have logged so far."""
        return self._log.read_text()

    @property
    def outbox(self) -> Path:
        return Path(self.environment["OUTBOX_DIR"])

    def workers(self) -> list[int]:
        """Return the process ids of gunicorn's workers."""
        master = self.process.pid
        return [int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split()]

    def is_whole(self) -> bool:
        """Return whether it has all its workers: the first answers before gunicorn has started the others."""
        return len(self.workers()) == int(self.environment.get("WEB_CONCURRENCY") or 2)

    def get(self, path: str, **headers: str) -> Answer:
        return self._request("GET", path, headers)

    def post(self, path: str, form: Any = (), **headers: str) -> Answer:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._request("POST", path, kind | headers, urlencode(form, doseq=True))

    def post_json(self, path: str, data: Any, **headers: str) -> Answer:
        return self._request("POST", path, {"Content-Type": "application/json"} | headers, json.dumps(data))

    def manage(self, *arguments: str) -> str:
        """Run a management command in the site's environment; return what it printed."""
        return manage(*arguments, environment=self.environment)

    def _request(self, method: str, path: str, headers: Mapping[str, str], body: str | None = None) -> Answer:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
        started = time.monotonic()
        try:
            connection.request(method, path, body, {**THROUGH_THE_PROXY, "Connection": "close", **headers})
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        return Answer(response.status, response.headers, text, time.monotonic() - started)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def is_up(site: Site) -> bool:
    """Return whether Postgres is up and no lead waits, in eight answers, because each may come from another worker."""
    answers = [site.get("/healthz").json for _ in range(8)]
    return all(answer["database"] == "up" and answer["outbox"]["pending"] == 0 for answer in answers)


@contextmanager
def site(
    database_url: str, *, under: Sequence[str] = (), application: str = "settings.wsgi", **changes: str
) -> Iterator[Site]:
    """Yield a running site, as in production, with its own outbox.

    under: a command that gunicorn's command is appended to, such as unshare; application: what gunicorn runs; changes:
    environment variables, such as DEBUG="true".
    """
    with TemporaryDirectory(prefix="folio-site-") as directory, socket.create_server(("127.0.0.1", 0)) as listener:
        outbox = {"OUTBOX_DIR": f"{directory}/outbox", "OUTBOX_SPARE_DIR": f"{directory}/outbox-spare"}
        variables = environment(database_url, **{**outbox, **changes})
        log = Path(directory) / "log"
        process = _gunicorn(application, under, listener, variables, log)
        port = listener.getsockname()[1]
        listener.close()
        running = Site(port, variables, process, log)
        try:
            try:
                running.get("/healthz")
            except OSError as error:
                raise AssertionError(f"The site does not start:\n{running.log}") from error
            if not under:  # otherwise its workers may be another process's children
                eventually(running.is_whole, or_show=lambda: running.log)
            yield running
        finally:
            running.process.terminate()
            try:
                running.process.wait(PATIENCE_S)
            finally:
                running.process.kill()


def _gunicorn(
    application: str, under: Sequence[str], listener: socket.socket, variables: Mapping[str, str], log: Path
) -> subprocess.Popen | Process:
    """Start gunicorn on a socket that already listens, so that no other process can take its port."""
    command = ["-m", "gunicorn", f"--bind=fd://{SOCKET_FD}", application]
    if not under:
        return Process(command, environment=variables, stdout=log, stderr=log, listener=listener)
    fd = listener.fileno()
    command[2] = f"--bind=fd://{fd}"
    with log.open("wb") as output:
        return subprocess.Popen(
            [*under, sys.executable, *command], cwd=ROOT, env=variables, pass_fds=[fd], stdout=output, stderr=output
        )


def environment(database_url: str, **changes: str) -> dict[str, str]:
    """Return the environment of a site in production. Other variables are empty, so that .env does not set them."""
    names = re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    return {
        **os.environ,
        **dict.fromkeys(names, ""),
        "SECRET_KEY": SECRET_KEY,
        "ALLOWED_HOSTS": "127.0.0.1",
        "DATABASE_URL": database_url,
        "WHATSAPP_NUMBER": WHATSAPP_NUMBER,
        **changes,
    }


def manage(*arguments: str, environment: Mapping[str, str]) -> str:
    done = run("manage.py", *arguments, environment=environment)
    assert done.returncode == 0, f"manage.py {arguments[0]}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


@cache
def migrated_postgres() -> Path:
    """Return a data directory with empty tables. Copying it takes a tenth of the time of initdb and migrate.

    It is made once for each state of the code, and never changed, because another run may be copying it.
    """
    kind = f"migrated-postgres{f'-partitioned-{partitioned.FIRST}' * partitioned.IS_WANTED}"
    data = VAR / f"{kind}-{_state_of_the_code()}"
    VAR.mkdir(parents=True, exist_ok=True)
    with (VAR / "migrated-postgres-by").open("a") as turn:
        flock(turn, LOCK_EX)
        if not data.exists():
            unfinished = data.with_name(f"{data.name}.unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            _migrate(unfinished)
            unfinished.rename(data)
            Path(f"{unfinished}.lock").unlink()
            made = sorted(VAR.glob("migrated-postgres-*/"), key=lambda path: path.stat().st_mtime, reverse=True)
            for old in made[MOST_MIGRATED:]:
                shutil.rmtree(old)
    return data


def _migrate(data: Path) -> None:
    migrate = f"{sys.executable} manage.py migrate --verbosity=0"
    if partitioned.IS_WANTED:
        migrate += f" && {sys.executable} manage.py partition_leads --from={partitioned.FIRST} --apply"
    with_postgres = [sys.executable, ROOT / "bin" / "with-postgres", f"--data={data}", "--no-fsync"]
    subprocess.run([*with_postgres, "sh", "-c", migrate], cwd=ROOT, env=environment(""), check=True)


def _state_of_the_code() -> str:
    """Return what changes with whatever may change what `migrate` makes."""
    files = [path for app in ("leads", "quoter", "checkout", "settings") for path in (ROOT / app).rglob("*.py")]
    files += [ROOT / "requirements-dev.txt", ROOT / "bin" / "with-postgres"]
    seen = sorted((str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in files)
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:12]


def at_once(count: int, action: Callable[[], Any]) -> list[Any]:
    """Run an action in this many threads at the same time; return its results."""
    with ThreadPoolExecutor(count) as threads:
        return [result.result() for result in [threads.submit(action) for _ in range(count)]]


def message(chat_url: str) -> str:
    """Return the text of a wa.me link."""
    return parse_qs(urlsplit(chat_url).query, strict_parsing=True)["text"][0]
