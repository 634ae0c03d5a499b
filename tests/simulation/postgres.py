"""A Postgres in virtual time: its table, what goes wrong with it, and the connection that delivery uses."""

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
from django.db.utils import DatabaseErrorWrapper
from psycopg import errors

from tests.simulation.table import Table
from tests.simulation.threads import Scheduler

# When virtual time begins, for those who tell the date.
EPOCH = 1_800_000_000.0
CONNECT_TIMEOUT_S = 2.0
PARAMETERS = {"host": "db.example", "port": "5432", "user": "folio", "password": "secret"}


class Mistake(BaseException):
    """The simulation is wrong, or delivery does what no database could answer."""


class DeadlineExceeded(psycopg.OperationalError, TimeoutError):
    """As in settings/postgres/driver.py."""


@dataclass(eq=False)
class Fault:
    """What is wrong with the server.

    kind: refuses, hangs, slow, loses_replies (it has committed), drops (it has not), read_only, no_table,
    every_row (a trigger refuses each), password. share: of how many statements, for loses_replies and drops.
    """

    kind: str
    share: float = 1.0


@dataclass(eq=False)
class Session:
    """A connection as the server and the driver see it. is_read_only: its server is another one's standby now."""

    server: "Server"
    deadline_s: float
    is_broken: bool = False
    is_in_use: bool = False
    until: float | None = None  # on the machine's clock, and then it is not given up
    is_read_only: bool = False
    prepare_threshold: int | None = 5

    @property
    def patience_s(self) -> float:
        """How long one exchange may take."""
        left = self.deadline_s if self.until is None else self.until - self.server.monotonic()
        return max(0.0, min(self.deadline_s, left))

    def execute(self, statement: str) -> None:
        """SET CONSTRAINTS, in the transaction of a probe."""
        self.server.execute(self, statement, [], keep=False)

    def give_up(self) -> None:
        """Cancel; a server that does not answer takes its time for that, too."""
        self.server.world.sleep(0.25 * self.server.random.random())


@dataclass(eq=False)
class Server:
    """world: whose time passes; monotonic: the clock of the process that runs. trace: called with what was done."""

    world: Scheduler
    monotonic: Callable[[], float]
    random: random.Random
    trace: Callable[..., None]
    table: Table = field(default_factory=Table)
    fault: Fault | None = None
    poisoned: set[str] = field(default_factory=set)
    sessions: list[Session] = field(default_factory=list)
    abandoned: list[tuple[str, list[dict[str, Any]]]] = field(default_factory=list)
    statements: dict[str, str] = field(default_factory=dict)
    latency_s: float = 0.001
    is_watched: Callable[[], bool] = lambda: False

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(EPOCH + self.world.now, UTC)

    def begin(self, fault: Fault | None) -> None:
        """Let a fault begin, or end the one that there is."""
        was_hanging = self.fault is not None and self.fault.kind in ("hangs", "slow")
        self.fault = fault
        if fault and fault.kind in ("refuses", "password"):
            self.break_all()
        if was_hanging:
            for statement, rows in self.abandoned:  # whoever sent it has given up, and it is done all the same
                self._apply(statement, rows)
        self.abandoned.clear()

    def break_all(self) -> None:
        for session in self.sessions:
            session.is_broken = True
        self.sessions.clear()

    def demote(self) -> None:
        """Have another server take over: the old one keeps its connections, and writes nothing more."""
        for session in self.sessions:
            session.is_read_only = True
        self.sessions.clear()

    def connect(self, deadline_s: float) -> Session:
        self._travel()
        fault = self.fault.kind if self.fault else ""
        if fault == "refuses":
            raise psycopg.OperationalError(
                'connection failed: connection to server at "10.0.0.1", port 5432 failed: Connection refused'
            )
        if fault == "password":
            raise psycopg.OperationalError(
                'connection failed: connection to server at "10.0.0.1", port 5432 failed: '
                'FATAL:  password authentication failed for user "folio"'
            )
        if fault == "hangs" and not self._thaws_within(CONNECT_TIMEOUT_S):
            raise errors.ConnectionTimeout("connection timeout expired")
        session = Session(self, deadline_s)
        self.sessions.append(session)
        return session

    def execute(self, session: Session, statement: str, parameters: list[Any], *, keep: bool) -> int:
        """Run a statement; return its row count."""
        if session.is_in_use:
            raise Mistake("two threads use a connection at a time")
        session.is_in_use = True
        try:
            return self._execute(session, statement, parameters, keep=keep)
        finally:
            session.is_in_use = False

    def _execute(self, session: Session, statement: str, parameters: list[Any], *, keep: bool) -> int:
        kind = self.statements.get(statement, "other")
        rows = json.loads(parameters[0]) if kind != "other" else []
        self._reach(session, kind, rows if keep else [])
        fault = self.fault.kind if self.fault else ""
        is_hit = self.fault is not None and self.random.random() < self.fault.share
        if fault == "drops" and is_hit:
            self._break(session)
        if kind != "other":
            self._refuse(fault, rows)
        if (fault == "read_only" or session.is_read_only) and kind != "other":
            raise errors.ReadOnlySqlTransaction("cannot execute INSERT in a read-only transaction")
        count = self._apply(kind, rows) if keep and kind != "other" else len(rows)
        if fault == "loses_replies" and is_hit:
            self.trace("commits, and the reply is lost", kind, [row["folio"] for row in rows])
            self._break(session)
        self._travel()
        if session.is_broken:
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return count

    def is_read_only(self, session: Session) -> bool:
        self._reach(session, "other", [])
        self._travel()
        return session.is_read_only or self.fault is not None and self.fault.kind == "read_only"

    def _travel(self) -> None:
        self.world.sleep(self.latency_s * (0.5 + self.random.random()))

    def _reach(self, session: Session, kind: str, rows: list[dict[str, Any]]) -> None:
        if session.is_broken:
            raise psycopg.OperationalError("the connection is closed")
        if session.patience_s <= 0:
            self._give_up(session, kind, rows)
        self._travel()
        if self.fault and self.fault.kind == "slow":
            seconds = self.random.expovariate(2)
            patience_s = session.patience_s
            self.world.sleep(min(seconds, patience_s))
            if seconds > patience_s:
                self._give_up(session, kind, rows)
        if self.fault and self.fault.kind == "hangs" and not self._thaws_within(session.patience_s):
            self._give_up(session, kind, rows)
        if session.is_broken:
            raise psycopg.OperationalError("server closed the connection unexpectedly")

    def _give_up(self, session: Session, kind: str, rows: list[dict[str, Any]]) -> None:
        if rows and self.random.random() < 0.5:
            self.abandoned.append((kind, rows))
        session.is_broken = True
        if session.until is None:
            session.give_up()
        raise DeadlineExceeded("no answer in time")

    def _thaws_within(self, seconds: float) -> bool:
        end = self.world.now + seconds
        while self.fault and self.fault.kind == "hangs":
            if self.world.now >= end:
                return False
            self.world.sleep(min(0.1, end - self.world.now + 1e-6))
        return True

    def _break(self, session: Session) -> None:
        session.is_broken = True
        self._travel()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    def _refuse(self, fault: str, rows: list[dict[str, Any]]) -> None:
        if fault == "no_table":
            raise errors.UndefinedTable('relation "leads" does not exist')
        if fault == "every_row":
            raise errors.RaiseException("not today")
        if any(row["folio"] in self.poisoned for row in rows):
            raise errors.CheckViolation("violates a rule of the shop")

    def _apply(self, kind: str, rows: list[dict[str, Any]]) -> int:
        if self.is_watched():
            self.trace(kind, [(row["folio"], row["phone"], row["name"]) for row in rows])
        act = self.table.insert if kind == "INSERT" else self.table.upsert
        return act(rows, now=self.now)


class Wrapper:
    """`connections["default"]` of a thread, as far as delivery uses it. attempt: turns.attempt."""

    Database = psycopg

    def __init__(self, server: Server, attempt: Callable[[Any], Any]) -> None:
        self._server, self._attempt = server, attempt
        self.connection: Session | None = None
        self.deadline_s = 5.0
        self.has_its_own = self.errors_occurred = self.is_rolled_back = False
        self.wrap_database_errors = DatabaseErrorWrapper(self)  # type: ignore[arg-type]

    def get_connection_params(self) -> dict[str, str]:
        return PARAMETERS

    def ensure_connection(self) -> None:
        if self.connection is None:
            with self.wrap_database_errors, self._attempt(PARAMETERS):
                self.connection = self._server.connect(self.deadline_s)

    def close(self) -> None:
        self.connection = None

    @contextmanager
    def cursor(self) -> Iterator["AskingCursor"]:
        self.ensure_connection()
        with self.wrap_database_errors:
            yield AskingCursor(self._server, self.connection)


class AskingCursor:
    """The cursor of the relay's question whether Postgres writes."""

    def __init__(self, server: Server, session: Session | None) -> None:
        self._server, self._session = server, session

    def execute(self, statement: str) -> None:
        assert self._session is not None
        self._answer = self._server.is_read_only(self._session)

    def fetchone(self) -> tuple[bool]:
        return (self._answer,)


class RawCursor:
    """psycopg.RawCursor. wrapper: of the thread, which says whether the transaction will be rolled back."""

    def __init__(self, session: Session, wrapper: Wrapper) -> None:
        self._session, self._wrapper, self.rowcount = session, wrapper, -1

    def execute(self, statement: str, parameters: list[Any], *, prepare: bool | None = None) -> None:
        keep = not self._wrapper.is_rolled_back
        self.rowcount = self._session.server.execute(self._session, statement, parameters, keep=keep)
