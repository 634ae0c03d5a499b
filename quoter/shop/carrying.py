"""Carries published versions from Postgres to this machine's disk, from where every process serves them."""

import logging
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from django.db.models import Count, Max, Q

from quoter.shop import shelf
from quoter.shop.models import Published
from quoter.shop.served import KINDS
from quoter.shop.shelf import Mark
from quoter.shop.version import Version

# How many versions that have been in force stay on the disk: should the last one be damaged, the one before serves.
KEPT = 3
# The most that are planned at once.
MOST_TO_COME = 50

logger = logging.getLogger(__name__)


def carry() -> bool:
    """Write to the disk what Postgres has and the disk lacks; return whether something was written.

    One small query when nothing is new. Only one process of a machine calls it. A file that is damaged is written
    again. DatabaseError when Postgres does not answer; a directory that cannot be written is left to the next one.
    """
    counts = Published.objects.values("kind").annotate(
        newest=Max("pk"), withdrawn=Count("pk", filter=Q(withdrawn_at__isnull=False))
    )
    marks = {row["kind"]: Mark(row["newest"], row["withdrawn"]) for row in counts}
    has_written = False
    # A table without a version, as of a new database, takes none off the disk.
    for kind in filter(marks.get, KINDS):
        paths = [shelf.path_of(directory, kind) for directory in settings.OUTBOX_DIRECTORIES]
        if lacking := [path for path in paths if _lacks(path, marks[kind])]:
            has_written |= _write(lacking, versions_to_serve(kind), marks[kind])
    return has_written


def versions_to_serve(kind: str) -> list[Version]:
    """Return the versions that are still to come, the one in force, and those before it in case it is damaged."""
    of_kind = Published.objects.filter(kind=kind)
    to_come, begun = of_kind.to_come()[:MOST_TO_COME], of_kind.begun()[:KEPT]
    return [version_of(row) for row in (*to_come, *begun)]


def version_of(row: Published) -> Version:
    starts_at = row.starts_at.timestamp() if row.starts_at else None
    return Version(row.pk, row.content, row.published_at.timestamp(), starts_at)


def _lacks(path: Path, mark: Mark) -> bool:
    found = shelf.read(path)
    return bool(found.faults) or found.mark != mark


def _write(paths: Iterable[Path], versions: list[Version], mark: Mark) -> bool:
    written = 0
    for path in paths:
        try:
            shelf.write(path, versions, mark)
            written += 1
        except OSError as error:
            logger.warning("published versions cannot be written to %s: %s", path, error.strerror)
    return written > 0
