"""Delete old leads, or remove only the person from them, in Postgres and on this machine's disk."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from leads import snapshot
from leads.delivery.journal import census, erase, kept, quarantine
from leads.delivery.journal.segment import Item
from leads.models import FollowUp, Lead
from leads.paging import pages
from leads.privacy import columns
from leads.privacy.anonymise import anonymise, item_without_person, without_person


class Purged(NamedTuple):
    """The progress of a purge. leads: how many were counted, deleted or anonymised so far; fraction: from 0 to 1.

    held: in how many of the leads so far each column of other programs still holds something.
    """

    leads: int
    fraction: float
    held: Counter[str] = Counter()


class OlderOnDisk(NamedTuple):
    """How many old records this machine's disk has.

    waiting: not in Postgres yet; journaled: in a journal that is in use, including those that wait; refused: in
    quarantine.
    """

    waiting: int
    journaled: int
    refused: int


def count_on_disk(cutoff: datetime, directories: Sequence[Path]) -> OlderOnDisk:
    """Return how many records on this disk are of quotes made before `cutoff`."""
    waiting = (item for path in census.segment_paths(directories) for item in census.waiting(path))
    return OlderOnDisk(
        waiting=sum(_is_older(item, cutoff) for item in waiting),
        journaled=sum(_is_older(item, cutoff) for item in census.journaled(directories)),
        refused=sum(
            _was_quoted_before(cutoff, refused["record"]) for _, refused in quarantine.quarantined(directories)
        ),
    )


def count(cutoff: datetime) -> Iterator[Purged]:
    """Count the leads quoted before `cutoff`, a page at a time, and change nothing."""
    found = 0
    for page in pages(Lead.objects.filter(created_at__lt=cutoff)):
        found += page.leads.count()
        yield Purged(found, page.fraction)


def delete(cutoff: datetime, *, directories: Sequence[Path]) -> Iterator[Purged]:
    """Delete the leads quoted before `cutoff`, with all that belongs to them, a page at a time.

    A lead whose record is in a journal stays: if that process is killed, the relay delivers the record again.
    """
    still_journaled = {item.folio for item in census.journaled(directories)}
    deleted = 0
    for page in pages(Lead.objects.filter(created_at__lt=cutoff)):
        keys = page.leads.values_list("pk", "folio")
        ids = [pk for pk, folio in keys if folio not in still_journaled]
        deleted += Lead.objects.filter(pk__in=ids).delete()[1].get("leads.Lead", 0)
        yield Purged(deleted, page.fraction)
    FollowUp.objects.sweep()


def forget_people(cutoff: datetime, *, now: datetime) -> Iterator[Purged]:
    """Remove the person from every lead quoted before `cutoff`, a page at a time."""
    anonymised, held, others = 0, Counter[str](), columns.of_others()
    for page in pages(Lead.objects.filter(created_at__lt=cutoff)):
        ids = list(page.leads.values_list("pk", flat=True))
        anonymised += anonymise(ids, by=None, now=now, detail="age")
        held += columns.held(ids, others)
        yield Purged(anonymised, page.fraction, held)


def clear_disk(cutoff: datetime, *, directories: Sequence[Path], keeps_amounts: bool) -> int:
    """Clear refused, kept and damaged records that are older than `cutoff`; return how many.

    keeps_amounts: remove only the person from a refused or kept record, and not the record.
    """
    copies = kept.clear(
        directories,
        lambda item: _is_older(item, cutoff),
        replace=item_without_person if keeps_amounts else None,
    )
    refused = erase.clear_quarantine(
        directories,
        lambda record: _was_quoted_before(cutoff, record),
        replace=without_person if keeps_amounts else None,
    )
    return copies + refused + erase.clear_damaged(directories, lambda item: _is_older(item, cutoff))


def _is_older(item: Item, cutoff: datetime) -> bool:
    quoted_at = snapshot.journal_record(snapshot.loads(item.text)).created_at
    return (quoted_at or datetime.fromtimestamp(item.at, UTC)) < cutoff  # of a damaged record, the time of its file


def _was_quoted_before(cutoff: datetime, record: object) -> bool:
    quoted_at = snapshot.journal_record(record).created_at
    return quoted_at is not None and quoted_at < cutoff
