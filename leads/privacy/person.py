"""Export or erase everything that is stored about one person, found by phone.

A phone matches by its last ten digits, however it was written: with or without country code, spaces, an extension.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.db.models import F, Func, Q, TextField
from django.db.models.fields.json import KT
from django.utils import timezone

from leads import phones, snapshot
from leads.delivery.journal import census, quarantine
from leads.delivery.journal.erase import clear_damaged, clear_quarantine
from leads.delivery.journal.segment import Item
from leads.models import Lead, LeadEvent, LeadNote
from leads.paging import pages
from leads.privacy import columns
from leads.privacy.anonymise import anonymise, without_person
from leads.privacy.export import FIELDS, as_data
from quoter.engine.numbers import digits

# Larger than usual: only the keys of matching leads are fetched.
_PAGE = 10_000


class Digits(Func):
    """The digits of a text, without everything else."""

    template = "regexp_replace(%(expressions)s, '[^0-9]', '', 'g')"
    output_field = TextField()


class NotAPhone(ValueError):
    """The text has fewer than ten digits, so it could match many people."""


class Phone:
    """A phone to search for."""

    def __init__(self, typed: str) -> None:
        self._digits = phones.ending(typed)
        if len(self._digits) < phones.ENDING:
            raise NotAPhone(f"a phone has at least {phones.ENDING} digits")

    def is_in(self, record: object) -> bool:
        """Return whether a journal's record has this phone, as typed or as normalised."""
        return any(self._digits in digits(text) for text in _phones_in(record))

    def is_in_item(self, item: Item) -> bool:
        """Return whether a journal's item has this phone. Of a damaged one, whether its bytes contain the digits."""
        record = snapshot.loads(item.text)
        return self.is_in(record) if any(_phones_in(record)) else self._digits.encode() in item.text

    def lead_ids(self) -> Iterator[tuple[list[int], float]]:
        """Read all leads, a page at a time; yield the ids found so far, and the progress from 0 to 1.

        The index on phones is not enough: a phone that was stored as typed may have other characters among its digits.
        """
        found: list[int] = []
        for page in pages(Lead.objects.all(), size=_PAGE):
            matching = page.leads.alias(stored=Digits(F("phone")), typed=Digits(KT(snapshot.PHONE_RAW))).filter(
                Q(stored__contains=self._digits) | Q(typed__contains=self._digits)
            )
            found += matching.values_list("pk", flat=True)
            yield found, page.fraction


def _phones_in(record: object) -> tuple[str, str]:
    stored = snapshot.journal_record(record)
    return stored.phone, stored.snapshot.customer.phone_raw


class PersonOnDisk(NamedTuple):
    """A person's records on this machine's disk. waiting: for Postgres; refused: in quarantine."""

    waiting: list[Any]
    refused: list[Any]


def records_on_disk(phone: Phone, directories: Sequence[Path]) -> PersonOnDisk:
    """Return a person's records that wait in the outbox or are in quarantine."""
    items = (item for path in census.segment_paths(directories) for item in census.waiting(path))
    refused = (content["record"] for _, content in quarantine.quarantined(directories))
    return PersonOnDisk(
        waiting=[snapshot.loads(item.text) for item in items if phone.is_in_item(item)],
        refused=[record for record in refused if phone.is_in(record)],
    )


def count_journaled(phone: Phone, directories: Sequence[Path]) -> int:
    """Return the number of a person's records in journals that are in use, delivered or not."""
    return sum(phone.is_in_item(item) for item in census.journaled(directories))


def leads_with_events(lead_ids: Sequence[int]) -> list[dict[str, Any]]:
    """Return whole leads as JSON values, oldest first, each with its events and notes, in the business's zone."""
    rows = Lead.objects.filter(pk__in=lead_ids).order_by("created_at", "id").values_list("pk", *FIELDS.values())
    events: dict[int, list[dict[str, str]]] = {pk: [] for pk in lead_ids}
    for event in LeadEvent.objects.filter(lead__in=lead_ids).order_by("at", "id"):
        events[event.lead_id].append(
            {"at": timezone.localtime(event.at).isoformat(), "kind": event.kind, "detail": event.detail}
        )
    notes: dict[int, list[dict[str, str]]] = {pk: [] for pk in lead_ids}
    for note in LeadNote.objects.filter(lead__in=lead_ids).order_by("at", "id"):
        notes[note.lead_id].append({"at": timezone.localtime(note.at).isoformat(), "text": note.text})
    return [{**as_data(values), "kept_notes": notes[pk], "events": events[pk]} for pk, *values in rows]


class Erased(NamedTuple):
    """leads: how many lost their person; records: how many refused or damaged records on this disk were cleared.

    held: in how many of these leads each column of other programs still holds something.
    """

    leads: int
    records: int
    held: Counter[str]


def erase(
    phone: Phone, lead_ids: Sequence[int], *, directories: Sequence[Path], by: User | None, now: datetime
) -> Erased:
    """Remove the person from these leads and from refused records, whose folios and amounts stay.

    Their records in damaged journals are removed whole.
    Deliver first what waits in the outbox, and include it in `lead_ids`: journals are never rewritten.
    """
    leads = anonymise(lead_ids, by=by, now=now, detail="request")
    refused = clear_quarantine(directories, phone.is_in, replace=without_person)
    records = refused + clear_damaged(directories, phone.is_in_item)
    return Erased(leads, records, columns.held(lead_ids, columns.of_others()))
