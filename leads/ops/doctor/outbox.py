"""Checks the outbox: whose it is, whether each directory can be written, where it is, and what waits in it."""

import os
import stat
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from django.conf import settings

from leads.delivery.journal import sealing
from leads.delivery.journal.census import Census, census
from leads.delivery.journal.disk import NETWORK_FILE_SYSTEMS, file_system, free_bytes, is_ephemeral, may_write
from leads.delivery.journal.locked import missing_keys
from leads.delivery.journal.outbox import LOW_DISK_BYTES, WORRYING_S
from leads.ops.doctor.finding import Finding, error, ok, warning
from leads.ops.owner import as_owner, other_owner, this_user

VARIABLES = ("OUTBOX_DIR", "OUTBOX_SPARE_DIR")
# What systems empty by themselves, at a start or after some days. A file system in memory is reported by its kind.
EMPTIED = [Path(name) for name in ("/tmp", "/var/tmp", "/run")]
# How many files a finding names.
MOST_NAMED = 5


def examine(environment: Mapping[str, str]) -> Iterator[Finding]:
    directories = settings.OUTBOX_DIRECTORIES
    if owner := other_owner(directories):
        found = f"the outbox is {owner}'s, and this is {this_user()}: whether the site can use it was not tried"
        yield error("outbox", found, f"Run every command as the site's user: {as_owner(owner, sys.argv)}")
    else:
        for variable, directory in zip(VARIABLES, directories, strict=True):
            yield from _directory(variable, directory)
    for variable, directory in zip(VARIABLES, directories, strict=True):
        yield from _place(variable, environment.get(variable, "").strip(), _real(directory))
    first, spare = map(_real, directories)
    if first != spare and (first.is_relative_to(spare) or spare.is_relative_to(first)):
        found = "one of OUTBOX_DIR and OUTBOX_SPARE_DIR is inside the other: what breaks one breaks both"
        yield warning(
            "outbox", found, "Set OUTBOX_SPARE_DIR to a directory beside it, on another disk if there is one."
        )
    if first == spare:
        found = "OUTBOX_SPARE_DIR is OUTBOX_DIR: when that cannot be written, there is no other"
        yield warning("outbox", found, "Set OUTBOX_SPARE_DIR to another directory, on another disk if there is one.")
    yield from _waiting()


def _place(variable: str, given: str, directory: Path) -> Iterator[Finding]:
    """Yield what is wrong with where a directory is. given: the variable, "" for the default."""
    public = [settings.STATIC_ROOT, *settings.STATICFILES_DIRS, settings.SHARE_DIR]
    if any(directory.is_relative_to(_real(folder)) for folder in public):
        found = f"{variable}, {directory}, is in a folder that anybody can download and that a release replaces"
        yield error("outbox", found, f"Set {variable} to a directory of its own, such as /var/lib/folio/outbox.")
    if given and not Path(given).is_absolute():
        found = f"{variable}={given} is relative: it is {directory}, in the folder of this release"
        yield warning("outbox", found, f"Set {variable} to the whole path, which stays the same with every release.")
    if any(directory.is_relative_to(folder) for folder in EMPTIED) and not is_ephemeral(directory):
        found = f"{variable}, {directory}, is where the system deletes files: leads that wait there get lost"
        yield warning("outbox", found, f"Set {variable} to a durable directory, such as /var/lib/folio/outbox.")


def _real(path: Path | str) -> Path:
    return Path(os.path.realpath(path))


def _directory(variable: str, directory: Path) -> Iterator[Finding]:
    kind = file_system(directory)
    where = f"{variable}, {directory}"
    if directory.is_dir() and directory.stat().st_mode & stat.S_IWOTH:
        found = f"{where}: everybody on this machine may delete the leads that wait there"
        yield error("outbox", found, f"chmod 700 {directory}")
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
            return "" if may_write(directory) else "this user may not list its files"
        nearest = next(folder for folder in directory.absolute().parents if os.path.lexists(folder))
        if not nearest.is_dir():
            return f"{nearest} is not a directory"
        return "" if os.access(nearest, os.W_OK | os.X_OK) else f"this user may not write to {nearest}"
    except OSError as fault:
        return fault.strerror or type(fault).__name__


def _waiting() -> Iterator[Finding]:
    counts = census(settings.OUTBOX_DIRECTORIES)
    age_s = counts.age_s(time.time())
    pending = f"leads that wait for Postgres: {counts.pending}" + (
        f", the oldest for {age_s:.0f} s" if counts.pending else ""
    )
    if age_s > WORRYING_S:
        yield error("outbox", pending, "Repair the database (see below), then run `python manage.py outbox flush`.")
    else:
        yield ok("outbox", pending)
    yield from _closed(counts)
    if counts.quarantined:
        cure = "`python manage.py outbox list` says why; correct the table, then run `outbox flush --quarantined`."
        yield error("outbox", f"leads that Postgres refused, in quarantine: {counts.quarantined}", cure)
    if counts.damaged:
        cure = "`python manage.py outbox verify` counts the records; damaged/ keeps every byte (docs/reliability.md)."
        yield error("outbox", f"damaged segments, set aside: {counts.damaged}", cure)


def _closed(counts: Census) -> Iterator[Finding]:
    """Yield which files cannot be read, and which records cannot be opened."""
    directories = settings.OUTBOX_DIRECTORIES
    locked = missing_keys(directories)
    if others := [path for path in counts.inaccessible if path not in {*directories, *locked}]:
        named = ", ".join(map(str, others[:MOST_NAMED])) + (" ..." if len(others) > MOST_NAMED else "")
        found = f"files of the outbox that {this_user()} cannot read, in no count and no list: {len(others)}: {named}"
        folders = " ".join(str(directory) for directory in directories if os.path.exists(directory))
        cure = f"sudo chown -R {this_user()}: {folders}; what is no file, or cannot be read then, belongs elsewhere."
        yield error("outbox", found, cure)
    if keys := sum(locked.values(), Counter()):
        needed = ", ".join(f"{mark} ({count})" for mark, count in keys.items())
        found = (
            f"leads on this disk that are sealed with a key that is not in use: {needed}; "
            f"in use are {', '.join(sealing.marks())}, the first of them SECRET_KEY"
        )
        cure = (
            "Put the key of that time into SECRET_KEY_FALLBACKS and restart the site: it delivers them. Nothing is "
            "deleted before (docs/operations.md, A key is missing)."
        )
        yield error("outbox", found, cure)
