"""A row for each web machine in Postgres, so that staff pages at any machine say what waits on all of them.

The alerts worker of a machine writes its row, so no customer's thread does. While Postgres is down nobody writes or
reads rows: a machine then knows only its own disk, and from a file that there are others.
"""

import json
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import DateTimeField, ExpressionWrapper
from django.db.models.functions import Now

from leads.delivery import machine
from leads.delivery.health import outbox_state
from leads.delivery.journal import quarantine
from leads.delivery.journal.census import Census
from leads.delivery.journal.disk import is_ephemeral, make_directory, private
from leads.delivery.machine import Identity
from leads.delivery.postgres_writer import LATE_S
from leads.delivery.system import open, os, time
from leads.models import Machine

# A row is written this often, and at once when something has changed.
WRITE_EVERY_S = 15.0
# From then on a machine counts as silent.
SILENT_AFTER = timedelta(seconds=60)
# How long a row must have been silent before the same key in another place takes it, such as the machine itself after a
# start. Whoever is kept from it for longer than that is a copy of a machine that works.
PLACE_KEPT_S = 40.0
IS_COPY_AFTER_S = 60.0
# A machine whose disk does not outlive it, as on Heroku, is another after each start. Those go by themselves.
GONE_AFTER = timedelta(hours=1)
MOST_REFUSED = 50
NEIGHBOURS = "machines.json"

_NOW = "statement_timestamp()"
_COLUMNS = [
    *("key", "place", "name", "version", "pending", "oldest_at", "quarantined", "damaged", "inaccessible", "refused"),
    "is_durable",
]
_WRITE = f"""
INSERT INTO lead_machines ({", ".join(_COLUMNS)}, seen_at, heard_since)
VALUES ({", ".join(f"%({name})s" for name in _COLUMNS)}, {_NOW}, {_NOW})
ON CONFLICT (key) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS)},
    seen_at = {_NOW}, heard_since = CASE
        WHEN lead_machines.seen_at < {_NOW} - make_interval(secs => %(silent_after)s) THEN {_NOW}
        ELSE lead_machines.heard_since
    END
WHERE lead_machines.place = excluded.place OR lead_machines.seen_at < {_NOW} - make_interval(secs => %(place_kept)s)
RETURNING retry_asked_at
"""


@dataclass(frozen=True, slots=True)
class State:
    """What a machine's outbox holds. name: unique among all; seen_at: None of this one as long as it has no row.

    is_this: whether it is the machine that answers. is_silent: not heard of for SILENT_AFTER, though others were.
    refused: as in `Machine`. inaccessible: how many; counts.inaccessible has the paths only of this machine.
    """

    key: str
    name: str
    version: str
    counts: Census
    inaccessible: int
    refused: Sequence[dict[str, Any]]
    is_this: bool
    is_silent: bool
    is_durable: bool
    seen_at: datetime | None = None

    @property
    def needs_looking(self) -> bool:
        """Whether leads are, or may be, on the disk of a machine that is not heard of."""
        return self.is_silent and (self.is_durable or self.has_something)

    @property
    def has_something(self) -> bool:
        return bool(self.counts.pending or self.counts.quarantined or self.counts.damaged or self.inaccessible)


def states() -> list[State]:
    """Return all machines by their names, this one included. One query.

    This machine's state is that of its row too, so that pages at all machines say the same. Without a fresh row it is
    what is on the disk now.
    """
    own = machine.identity(settings.OUTBOX_DIRECTORIES)
    now = ExpressionWrapper(Now(), output_field=DateTimeField())
    rows = list(Machine.objects.annotate(now=now).order_by("name", "key"))
    names = _names(rows)
    # After an outage nobody was heard of, until each has written once. Only whoever was heard without a gap can say
    # that another is silent.
    can_tell = any(row.now - row.seen_at < SILENT_AFTER < row.now - row.heard_since for row in rows)
    found = [_state(row, names[row.key], is_this=row.key == (own and own.key), can_tell=can_tell) for row in rows]
    is_fresh = {row.key: row.now - row.seen_at < SILENT_AFTER for row in rows}
    if own and is_fresh.get(own.key):
        return found
    return [_state_of_disk(own), *(state for state in found if not state.is_this)]


def ask_to_retry(states: Sequence[State]) -> None:
    """Ask other machines to retry the leads that Postgres refused; each does so within seconds."""
    keys = [state.key for state in states if not state.is_this]
    Machine.objects.filter(key__in=keys, quarantined__gt=0).update(retry_asked_at=Now())


class OwnRow:
    """Writes this machine's row. Only the alerts worker that is on duty uses it.

    retry_refused: called when staff at another machine asked for it. clock: monotonic, in seconds.
    """

    def __init__(self, retry_refused: Callable[[], Any], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._retry_refused, self._clock = retry_refused, clock
        self._written: dict[str, Any] = {}
        self._written_at = -math.inf
        self._kept_out_since: float | None = None

    def write(self) -> None:
        """Write the row if something has changed, or WRITE_EVERY_S have passed. A database error leaves it to later."""
        own = machine.made_identity(settings.OUTBOX_DIRECTORIES)
        if own is None:
            return  # no disk works, so no lead can wait on one; `Trouble.DISK` is mailed
        said = _said(own)
        is_due = not 0 <= self._clock() - self._written_at < WRITE_EVERY_S
        if said == self._written and not is_due and not said["quarantined"]:
            return
        with connection.cursor() as cursor:
            cursor.execute(_WRITE, {**said, "silent_after": SILENT_AFTER.total_seconds(), "place_kept": PLACE_KEPT_S})
            row = cursor.fetchone()
        if row is None:
            self._kept_out()
            return
        self._written, self._written_at, self._kept_out_since = said, self._clock(), None
        if asked_at := row[0]:
            self._retry_refused()
            Machine.objects.filter(key=own.key, retry_asked_at=asked_at).update(retry_asked_at=None)
        if is_due:
            _forget_gone()
            rows = list(Machine.objects.order_by("name", "key"))
            names = _names(rows)
            _remember([names[row.key] for row in rows if row.key != own.key])

    def _kept_out(self) -> None:
        """Another place has this key. Wait until it is silent, or else take another key."""
        if self._kept_out_since is None:
            self._kept_out_since = self._clock()
        elif self._clock() - self._kept_out_since > IS_COPY_AFTER_S:
            machine.renewed(settings.OUTBOX_DIRECTORIES)
            self._kept_out_since = None


def _said(own: Identity) -> dict[str, Any]:
    counts = outbox_state()
    # A moment after a checkout its lead is still on its way. It would be news, and none when anybody reads it.
    waits = counts.age_s(time.time()) > LATE_S
    refused = [
        {"folio": _printable(quarantine.folio_of(path)), "reason": _printable(str(each["reason"]))[:200]}
        for path, each in islice(quarantine.quarantined(settings.OUTBOX_DIRECTORIES), MOST_REFUSED)
    ]
    return {
        "key": own.key,
        "place": own.place,
        "name": settings.MACHINE_NAME,
        "version": settings.VERSION,
        "pending": counts.pending if waits else 0,
        "oldest_at": _moment(counts.oldest_at) if waits and counts.oldest_at is not None else None,
        "quarantined": counts.quarantined,
        "damaged": counts.damaged,
        "inaccessible": len(counts.inaccessible),
        "refused": json.dumps(refused),
        "is_durable": not is_ephemeral(settings.OUTBOX_DIRECTORIES[0]),
    }


def _forget_gone() -> None:
    """Delete the rows of machines whose disks have gone with them, unless leads were lost there."""
    gone = Machine.objects.filter(is_durable=False, seen_at__lt=Now() - GONE_AFTER)
    gone.filter(pending=0, quarantined=0, damaged=0, inaccessible=0).delete()


def _printable(text: str) -> str:
    """Return a text as jsonb takes it: a file that somebody put there may have any name and reason."""
    return "".join(filter(str.isprintable, text))


def _moment(seconds: float) -> datetime:
    """Return a moment in UTC. seconds: unix time, by a clock that may have been wrong by any number of years."""
    return datetime.fromtimestamp(min(max(seconds, 0.0), 253_370_764_800.0), UTC)


def _names(rows: Any) -> dict[str, str]:
    """Return a name of each row's key, which no other has."""
    names = [row.name for row in rows]
    return {row.key: str(row) if names.count(row.name) > 1 else row.name for row in rows}


def _state(row: Any, name: str, *, is_this: bool, can_tell: bool) -> State:
    oldest_at = row.oldest_at.timestamp() if row.oldest_at else None
    return State(
        key=row.key,
        name=name,
        version=row.version,
        counts=Census(row.pending, oldest_at, row.quarantined, row.damaged),
        inaccessible=row.inaccessible,
        refused=row.refused,
        is_this=is_this,
        is_silent=can_tell and row.now - row.seen_at > SILENT_AFTER,
        is_durable=row.is_durable,
        seen_at=row.seen_at,
    )


def _state_of_disk(own: Identity | None) -> State:
    counts = outbox_state()
    return State(
        key=own.key if own else "",
        name=settings.MACHINE_NAME,
        version=settings.VERSION,
        counts=counts,
        inaccessible=len(counts.inaccessible),
        refused=[],
        is_this=True,
        is_silent=False,
        is_durable=True,
    )


# --- The other machines, for when Postgres is down --------------------------------------------------------------------


def neighbours() -> list[str]:
    """Return the names of the other machines, as this one knew them last; [] when there are none."""
    for directory in settings.OUTBOX_DIRECTORIES:
        with suppress(OSError, ValueError):
            return [str(name) for name in json.loads((directory / NEIGHBOURS).read_bytes())]
    return []


def remember(states: Sequence[State]) -> None:
    """Remember that there are these machines. For the site's own processes only, because it writes to the outbox."""
    _remember([state.name for state in states if not state.is_this])


def _remember(others: list[str]) -> None:
    if others == neighbours():
        return
    for directory in settings.OUTBOX_DIRECTORIES:
        with suppress(OSError):
            make_directory(directory)
            unfinished = directory / f"{NEIGHBOURS}.{os.getpid()}"
            with open(unfinished, "w", encoding="utf-8", opener=private) as file:
                json.dump(others, file)
            unfinished.replace(directory / NEIGHBOURS)
            return
