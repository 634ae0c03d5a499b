"""Checks whether the database has the leads that were delivered last, and how far back the kept ones go."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from django.conf import settings
from django.utils import timezone

from leads.delivery.journal import kept
from leads.ops.doctor.finding import Finding, error, ok, warning
from leads.privacy.forgotten import forgotten

_DAY_S = 86_400.0
_NEWEST = 10_000


def on_disk() -> Iterator[Finding]:
    """Yield a warning if there was no room on this machine's disk for as many days as are wanted."""
    found, days = kept.kept(settings.OUTBOX_DIRECTORIES), settings.OUTBOX_KEEP_DAYS
    if found.cut_until is not None and time.time() - found.cut_until < days * _DAY_S:
        room = f"at most {kept.MOST_BYTES / 1024**2:,.0f} MB, and no more than what is still free"
        yield warning(
            "kept",
            f"delivered leads of before {_local(found.cut_until)} were removed for want of room, not after {days} days",
            f"Free some space on the outbox's disk, or lower OUTBOX_KEEP_DAYS: they take {room}.",
        )


def in_postgres() -> Iterator[Finding]:
    """Yield whether the newest of the kept leads are in the database."""
    looked_up = forgotten(settings.OUTBOX_DIRECTORIES, most=_NEWEST)
    missing, of = len(looked_up.missing), looked_up.of
    found = kept.kept(settings.OUTBOX_DIRECTORIES)
    if missing:
        yield error(
            "kept",
            f"{missing} of the {of} leads and quotes that this machine delivered last are not in the database: it was "
            "restored, or a replica took over that lacked them, or somebody deleted them",
            "`python manage.py outbox replay` brings them back, once, on each machine (docs/operations.md, "
            "The database has forgotten leads).",
        )
    elif of:
        since = f"; kept since {_local(found.since)}, {found.bytes / 1024**2:,.1f} MB" if found.since else ""
        yield ok("kept", f"the {of} leads and quotes that this machine delivered last are in the database{since}")


def _local(at: float) -> str:
    return f"{timezone.localtime(datetime.fromtimestamp(at, UTC)):%Y-%m-%d %H:%M}"
