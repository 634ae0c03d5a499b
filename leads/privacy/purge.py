"""Delete old leads, or remove only the person from them, in Postgres and on this machine's disk."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from leads import snapshot
from leads.delivery.journal import census, erase, kept, quarantine
from leads.delivery.journal.segment import Item
from leads.models import Erasure, FollowUp, Lead
from leads.paging import pages
from leads.privacy import columns
from leads.privacy.anonymise import anonymise, item_without_person, without_person

# A journal is kept from when it is finished, which may be a while after its first record.
_FINISHED_WITHIN = timedelta(days=2)


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

    A lead whose record is in a journal stays: if that process is killed, the relay delivers the record again. Of those
    that another machine may still keep, the folio is noted, so that no replay there brings them back.
    """
    still_journaled = {item.folio for item in census.journaled(directories)}
    kept_since = timezone.now() - timedelta(days=settings.OUTBOX_KEEP_DAYS) - _FINISHED_WITHIN
    deleted = 0
    for page in pages(Lead.objects.filter(created_at__lt=cutoff)):
        rows = page.leads.values_list("pk", "folio", "arrived_at")
        gone = [row for row in rows if row[1] not in still_journaled]
        with transaction.atomic():
            _note(folio for _, folio, arrived_at in gone if folio and arrived_at and arrived_at > kept_since)
            deleted += Lead.objects.filter(pk__in=[row[0] for row in gone]).delete()[1].get("leads.Lead", 0)
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


def _note(folios: Iterable[str]) -> None:
    """Let whoever had asked for these quotes by now count as erased."""
    Erasure.objects.bulk_create(
        [Erasure(folio=folio, person="", at=Now()) for folio in sorted(set(folios))],
        update_conflicts=True,
        unique_fields=["folio", "person"],
        update_fields=["at"],
    )


def _is_older(item: Item, cutoff: datetime) -> bool:
    quoted_at = snapshot.journal_record(snapshot.loads(item.text)).created_at
    return (quoted_at or datetime.fromtimestamp(item.at, UTC)) < cutoff  # of a damaged record, the time of its file


def _was_quoted_before(cutoff: datetime, record: object) -> bool:
    quoted_at = snapshot.journal_record(record).created_at
    return quoted_at is not None and quoted_at < cutoff
