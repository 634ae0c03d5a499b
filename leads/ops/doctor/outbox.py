"""Checks the outbox: whether each directory can be written, on which disk it is, and what waits in it."""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from leads.delivery.journal.census import census
from leads.delivery.journal.disk import NETWORK_FILE_SYSTEMS, file_system, free_bytes, is_ephemeral
from leads.delivery.journal.outbox import LOW_DISK_BYTES, WORRYING_S
from leads.ops.doctor.finding import Finding, error, ok, warning


def examine() -> Iterator[Finding]:
    for variable, directory in zip(("OUTBOX_DIR", "OUTBOX_SPARE_DIR"), settings.OUTBOX_DIRECTORIES, strict=True):
        yield from _directory(variable, directory)
    yield from _waiting()


def _directory(variable: str, directory: Path) -> Iterator[Finding]:
    kind = file_system(directory)
    where = f"{variable}, {directory}"
    if fault := _fault_of(directory):
        cure = f"Let the site's user write there (the directory and its parents), or set {variable} to another one."
        yield error("outbox", f"{where}, cannot be written: {fault}", cure)
        return
    free = free_bytes(directory)
    found = f"{where}: {kind or 'an unknown file system'}, {free / 1024**2:,.0f} MB free"
    if kind in NETWORK_FILE_SYSTEMS:
        cure = f"Set {variable} to a disk of this machine; one outbox for each machine."
        yield error("outbox", f"{found}; a network file system loses locks and syncs, so it is not used", cure)
    elif free < LOW_DISK_BYTES:
        yield error("outbox", f"{found}; nearly full", "Free some space: leads wait here when Postgres is down.")
    elif is_ephemeral(directory):
        cure = f"Set {variable} to a disk that outlives a deploy, such as the host's volume."
        yield warning("outbox", f"{found}; a restart or a deploy deletes what waits there", cure)
    else:
        yield ok("outbox", found)


def _fault_of(directory: Path) -> str:
    """Return why a record cannot be written to the directory, or "".

    A missing directory is not created, because the site could not write to one that another user created.
    """
    try:
        if os.path.lexists(directory):
            with tempfile.TemporaryFile(dir=directory) as file:
                file.write(b"\n")
                file.flush()
                os.fsync(file.fileno())
            return ""
        nearest = next(folder for folder in directory.absolute().parents if os.path.lexists(folder))
        if not nearest.is_dir():
            return f"{nearest} is not a directory"
        return "" if os.access(nearest, os.W_OK | os.X_OK) else f"this user may not write to {nearest}"
    except OSError as fault:
        return fault.strerror or type(fault).__name__


def _waiting() -> Iterator[Finding]:
    counts = census(settings.OUTBOX_DIRECTORIES)
    age_s = max(0, time.time() - counts.oldest_at) if counts.oldest_at else 0
    pending = f"leads that wait for Postgres: {counts.pending}" + (
        f", the oldest for {age_s:.0f} s" if counts.pending else ""
    )
    if age_s > WORRYING_S:
        yield error("outbox", pending, "Repair the database (see below), then run `python manage.py outbox flush`.")
    else:
        yield ok("outbox", pending)
    if counts.quarantined:
        cure = "`python manage.py outbox list` says why; correct the table, then run `outbox flush --quarantined`."
        yield error("outbox", f"leads that Postgres refused, in quarantine: {counts.quarantined}", cure)
    if counts.damaged:
        cure = "`python manage.py outbox verify` counts the records; damaged/ keeps every byte (docs/reliability.md)."
        yield error("outbox", f"damaged segments, set aside: {counts.damaged}", cure)
