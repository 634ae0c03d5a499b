"""Paces a machine's connections to Postgres: one process tries at a time, and none tries a refused password often.

The processes coordinate through files in the outbox. Supabase's fail2ban bans an address after three wrong passwords in
ten minutes. So after one, nobody tries by itself for eleven minutes; a person who asks gets the second try, a minute
after the first at the earliest. Whoever gets in, such as the doctor or a release, ends the wait for all.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from django.conf import settings
from django.db import DatabaseError, OperationalError, connections
from django.utils.crypto import salted_hmac
from psycopg import Error as PostgresError

from leads.delivery.breaker import Fault, classify, refusal_of
from leads.delivery.journal.disk import make_directory, nearest_existing, private
from leads.delivery.refusals.table import BANNED, NOTHING_LISTENS, PASSWORD_PAUSE_S, Refusal
from leads.delivery.system import Path, fcntl, open, os, threading, time
from leads.errors import error_name

RETRY_NOW = "retry-now"  # a file that is touched when a person asks to retry
# A file with a line for each refusal, in seconds of time.monotonic, which all processes of a machine share and nobody
# sets.
AUTH_BLOCK = "auth-block"
AUTH_BLOCK_S = PASSWORD_PAUSE_S
# fail2ban counts what was refused in this time, and bans at the third.
WINDOW_S = 600.0
MOST_IN_WINDOW = 2
# The least time between two tries that a person asks for.
GAP_S = 45.0
# For how long a refused password may be why nothing listens any more.
BAN_LASTS_S = 3600.0
# How long a thread waits for its turn.
TURN_WAIT_S = 2.0
# No process connects for so long: who holds the turn then is frozen, and the others go on without.
TURN_LASTS_S = 30.0
_TURN = "connecting"
# Marks of whom the server accepted when this process connected last.
_known: set[str] = set()
# Until when this process may not try again what was refused, where no disk takes the file: by the file that could not
# be written and the mark of who was refused.
_unwritten: dict[tuple[Path, str], float] = {}


class _Looked(threading.local):
    """refusals: when each was that this thread saw as it last looked whether it may try; None once it has tried."""

    refusals: frozenset[float] | None = None


_looked = _Looked()


class PasswordRefusedLately(OperationalError):
    """The password was refused a short time ago, and trying again could make the host ban this address."""


class TurnTaken(OperationalError, TimeoutError):
    """Another process has been connecting for TURN_WAIT_S, and may yet be refused."""

    def __init__(self) -> None:
        super().__init__("no turn to connect within the time")


class Refused(NamedTuple):
    """A line of the file. at: when it was refused, 0 when nobody knows.

    until: when it may be tried again, 0 after it was accepted, or refused anew. of: a mark of who was refused, "" for
    everybody. is_password: whether fail2ban counts it.
    """

    until: float
    at: float = 0.0
    of: str = ""
    is_password: bool = True


class ConnectionTurns:
    """Coordinates this process with the others. Thread-safe. Without a working directory it coordinates nothing."""

    def __init__(self, directories: Sequence[Path], *, is_asked: bool = False) -> None:
        """is_asked: whether a person says that the password is right now, which no block keeps from being tried."""
        self._directories, self._is_asked = directories, is_asked

    @contextmanager
    def connecting(self) -> Iterator[None]:
        """Let the site connect. PasswordRefusedLately when the password is blocked."""
        with suppress(OSError):
            make_directory(self._directories[0])
        if not self._is_asked and self.seconds_blocked():
            raise PasswordRefusedLately("the password was refused a moment ago")
        yield

    @contextmanager
    def attempt(self, parameters: Mapping[str, Any]) -> Iterator[None]:
        """Hold this machine's turn while a connection is made, whoever makes it, and note whether it was refused.

        PasswordRefusedLately when another was refused since this thread looked, TurnTaken when that was too long for a
        password that this process has not used before. parameters: libpq's.
        """
        of = _who(parameters)
        seen = _times(self._read()) if _looked.refusals is None else _looked.refusals
        _looked.refusals = None
        with self._turn(may_go_on=of in _known):
            now = time.monotonic()
            if any(line.of == of and line.until > now and line.at not in seen for line in self._read()):
                raise PasswordRefusedLately("the password was refused a moment ago")
            try:
                yield
            except (DatabaseError, PostgresError) as error:
                if classify(error) is Fault.AUTH:
                    self._refused(error, of)
                raise
            self._accepted(of)

    def seconds_blocked(self) -> float:
        """Return for how many seconds this process may not try its password again, at most AUTH_BLOCK_S, or 0."""
        lines = self._read()
        _looked.refusals = _times(lines)
        if not lines and not _unwritten:
            return 0.0
        we, now = _who(connections["default"].get_connection_params()), time.monotonic()
        ends = [line.until for line in lines if line.of in (we, "")]
        seconds = max(ends, default=0.0) - now
        if (unwritten := _unwritten.get((self._file(AUTH_BLOCK), we), 0.0) - now) > max(seconds, 0.0):
            return unwritten
        # More than that was written before the machine was started again.
        return seconds if 0 < seconds <= AUTH_BLOCK_S else 0.0

    def refusal_of(self, error: BaseException) -> Refusal | None:
        """Return why a connection was not made, as breaker.refusal_of, and name a ban after a refused password."""
        refusal = refusal_of(error)
        if refusal is NOTHING_LISTENS and any(line.is_password and line.at and line.until for line in self._read()):
            return BANNED
        return refusal

    def because(self, error: BaseException) -> str:
        """Return the cause of a database error for the log, which never repeats its message."""
        refusal = self.refusal_of(error)
        return refusal.found if refusal else error_name(error)

    def block(self, seconds: float = AUTH_BLOCK_S, *, of: str = "", is_password: bool = True) -> None:
        """Keep every process from trying what was refused, or this one where the others cannot be told.

        of: a mark of who was, "" for everybody.
        """
        now = time.monotonic()
        earlier = [line._replace(until=0.0) if line.of == of else line for line in self._read()]
        if not (self._may_write() and self._write([*earlier, Refused(now + seconds, now, of, is_password)])):
            _unwritten[self._file(AUTH_BLOCK), of] = now + seconds

    def unblock(self) -> None:
        """Let every process try again, because a person says that it is repaired. What was refused still counts."""
        _unwritten.clear()
        now = time.monotonic()
        self._replace([line._replace(until=min(line.until, now)) for line in self._read()])

    def seconds_until_asked(self) -> float:
        """Return for how many seconds more not even a person who asks should have the password tried, or 0."""
        lines, now = self._read(), time.monotonic()
        in_window = [line.at for line in lines if line.is_password and line.at and now - line.at < WINDOW_S]
        safe_at = max(in_window, default=0.0) + GAP_S
        if len(in_window) >= MOST_IN_WINDOW:
            safe_at = max(safe_at, in_window[-MOST_IN_WINDOW] + WINDOW_S)
        blocked = self.seconds_blocked()
        return blocked if any(not line.at for line in lines) else max(0.0, min(blocked, safe_at - now))

    def shorten(self) -> None:
        """End the wait as soon as a try gets nobody banned, because a person asks."""
        until = time.monotonic() + self.seconds_until_asked()
        self._replace([line._replace(until=min(line.until, until)) for line in self._read()])

    def ask_all_to_retry(self) -> None:
        """Let every process on this machine try again immediately, because a person repaired the database.

        A password that was refused is tried again as soon as that gets nobody banned.
        """
        self.shorten()
        with suppress(OSError):
            make_directory(self._directories[0])
            self._file(RETRY_NOW).touch()

    def retry_asked_at(self) -> int:
        """Return a number that changes with each `ask_all_to_retry`; 0 before the first. It is a file's time, in ns."""
        with suppress(OSError):
            return self._file(RETRY_NOW).stat().st_mtime_ns
        return 0

    def _refused(self, error: BaseException, of: str) -> None:
        _known.discard(of)
        if refusal := refusal_of(error):
            self.block(refusal.pause_s, of=of, is_password=refusal.is_password)
        else:
            self.block(of=of)

    def _accepted(self, of: str) -> None:
        """End the wait of everybody with the same password; each relay sees it, and tries."""
        _known.add(of)
        _unwritten.pop((self._file(AUTH_BLOCK), of), None)
        if any(line.until and line.of in (of, "") for line in self._read()) and self._may_write():
            self._write([line._replace(until=0.0) if line.of in (of, "") else line for line in self._read()])
            with suppress(OSError):  # a disk that fails is no fault of the connection, which is there
                self._file(RETRY_NOW).touch()  # a relay that saw no block before it ended would sleep through it

    def _replace(self, lines: Sequence[Refused]) -> None:
        if lines != self._read() and self._may_write():
            self._write(lines)

    def _may_write(self) -> bool:
        """Return whether the site could read what this user writes: commands may run as another user than the site."""
        with suppress(OSError):
            return nearest_existing(self._directories[0]).stat().st_uid in (0, os.geteuid())
        return False

    @contextmanager
    def _turn(self, *, may_go_on: bool) -> Iterator[None]:
        """Hold the lock of this machine. A user whose files the site could not read, and a first command, have none.

        may_go_on: whether to go on without it when another holds it for too long; else that is TurnTaken.
        """
        fd = None
        for directory in self._directories:
            with suppress(OSError):
                if directory.stat().st_uid == os.geteuid():
                    fd = os.open(directory / _TURN, os.O_RDWR | os.O_CREAT, 0o600)
                    break
        try:
            if fd is not None and not _lock(fd) and not may_go_on and time.monotonic() - _held_since(fd) < TURN_LASTS_S:
                raise TurnTaken
            yield
        finally:
            if fd is not None:
                os.close(fd)

    def _read(self) -> list[Refused]:
        """Return what was refused within the last hour, the latest last."""
        now = time.monotonic()
        with suppress(OSError, ValueError):
            lines = [_line(text) for text in self._file(AUTH_BLOCK).read_text().splitlines() if text]
            return [line for line in lines if not line.at or 0 <= now - line.at < BAN_LASTS_S]
        return []

    def _write(self, lines: Sequence[Refused]) -> bool:
        """Return whether the disk took the file."""
        with suppress(OSError):
            make_directory(self._directories[0])
            unfinished = self._file(f"{AUTH_BLOCK}.{os.getpid()}.{threading.get_ident()}")
            with open(unfinished, "w", encoding="utf-8", opener=private) as file:
                file.writelines(f"{line.until} {line.at} {int(line.is_password)} {line.of}\n" for line in lines)
            unfinished.replace(self._file(AUTH_BLOCK))
            return True
        return False

    def _file(self, name: str) -> Path:
        return self._directories[0] / name


def attempt(parameters: Mapping[str, Any]) -> Any:
    """Return the context of one connection being made, for the database engine. parameters: libpq's."""
    return ConnectionTurns(settings.OUTBOX_DIRECTORIES).attempt(parameters)


def _lock(fd: int) -> bool:
    """Return whether this thread got the lock; then the file says since when, as time.monotonic does."""
    end = time.monotonic() + TURN_WAIT_S
    while time.monotonic() < end:
        with suppress(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(OSError):
                os.pwrite(fd, f"{time.monotonic():020.3f}".encode(), 0)
            return True
        time.sleep(0.005)
    return False


def _held_since(fd: int) -> float:
    with suppress(OSError, ValueError):
        return float(os.pread(fd, 20, 0))
    return time.monotonic()


def _who(parameters: Mapping[str, Any]) -> str:
    """Return a mark of who connects where with which password. The password cannot be guessed from it."""
    parts = [str(parameters.get(name, "")) for name in ("host", "port", "user", "password")]
    return salted_hmac("leads.delivery.turns", "\0".join(parts), algorithm="sha256").hexdigest()[:16]


def _times(lines: Sequence[Refused]) -> frozenset[float]:
    return frozenset(line.at for line in lines)


def _line(text: str) -> Refused:
    until, at, is_password, of = text.split(" ") if " " in text else (text, "0", "1", "")
    return Refused(float(until), float(at), of, is_password == "1")
