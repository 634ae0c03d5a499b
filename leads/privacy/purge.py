"""Leads of a certain age: deleted, or left without the person. What the machine's disk has of them goes too."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from leads import snapshot
from leads.delivery.journal import census, erase, quarantine
from leads.delivery.journal.segment import Item
from leads.models import Lead
from leads.paging import pages
from leads.privacy.anonymise import anonymise, without_person


class Purged(NamedTuple):
    """So far. leads: deleted, or left without their person; fraction: how far that is, from 0 to 1."""

    leads: int
    fraction: float


class OlderOnDisk(NamedTuple):
    """Records on this machine's disk. waiting: not in Postgres yet; journaled: in a journal that is in use, the waiting
    ones included; refused: in the quarantine.
    """

    waiting: int
    journaled: int
    refused: int


def older_on_disk(cutoff: datetime, directories: Sequence[Path]) -> OlderOnDisk:
    """Count the records of quotes made before `cutoff`."""
    waiting = (item for path in census.segment_paths(directories) for item in census.waiting(path))
    return OlderOnDisk(
        waiting=sum(_is_older(item, cutoff) for item in waiting),
        journaled=sum(_is_older(item, cutoff) for item in census.journaled(directories)),
        refused=sum(
            _was_quoted_before(cutoff, refused["record"]) for _, refused in quarantine.quarantined(directories)
        ),
    )


def count(cutoff: datetime) -> Iterator[Purged]:
    """Yield how many leads were quoted before `cutoff`; nothing is changed."""
    found = 0
    for page in pages(Lead.objects.filter(created_at__lt=cutoff)):
        found += page.leads.count()
        yield Purged(found, page.fraction)


def delete(cutoff: datetime, *, directories: Sequence[Path]) -> Iterator[Purged]:
    """Delete the leads quoted before `cutoff`, with their events; yield how many went so far.

    One whose record is in a journal stays: where its process was killed, the relay would deliver it anew.
    """
    still_journaled = {item.folio for item in census.journaled(directories)}
    gone = 0
    for page in pages(Lead.objects.filter(created_at__lt=cutoff)):
        found = page.leads.values_list("pk", "folio")
        ids = [pk for pk, folio in found if folio not in still_journaled]
        gone += Lead.objects.filter(pk__in=ids).delete()[1].get("leads.Lead", 0)
        yield Purged(gone, page.fraction)


def forget_people(cutoff: datetime, *, now: datetime) -> Iterator[Purged]:
    """Take the person out of every lead quoted before `cutoff`; yield out of how many so far that had one."""
    gone = 0
    for page in pages(Lead.objects.filter(created_at__lt=cutoff)):
        gone += anonymise(list(page.leads.values_list("pk", flat=True)), by=None, now=now, detail="age")
        yield Purged(gone, page.fraction)


def clear_disk(cutoff: datetime, *, directories: Sequence[Path], is_to_stay: bool) -> int:
    """Remove what was refused or damaged and is that old; return how many records.

    is_to_stay: the amounts of a refused record are kept; only the person goes.
    """
    refused = erase.clear_quarantine(
        directories,
        lambda record: _was_quoted_before(cutoff, record),
        replace=without_person if is_to_stay else None,
    )
    return refused + erase.clear_damaged(directories, lambda item: _is_older(item, cutoff))


def _is_older(item: Item, cutoff: datetime) -> bool:
    quoted_at = snapshot.journal_record(snapshot.loads(item.text)).created_at
    return (quoted_at or datetime.fromtimestamp(item.at, UTC)) < cutoff  # a damaged record: as old as its file


def _was_quoted_before(cutoff: datetime, record: object) -> bool:
    quoted_at = snapshot.journal_record(record).created_at
    return quoted_at is not None and quoted_at < cutoff
