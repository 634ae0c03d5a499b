"""Export or erase everything that is stored about one person, found by phone.

A phone matches by its last ten digits, however it was written: with or without country code, spaces, an extension. The
phones that staff joined with it are the same person's.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.db.models.fields.json import KT
from django.utils import timezone

from leads import phones, snapshot
from leads.customer.matching import PhoneDigits, PhoneKey
from leads.delivery.journal import census, kept, quarantine
from leads.delivery.journal.erase import clear_damaged, clear_quarantine
from leads.delivery.journal.segment import Item
from leads.models import FollowUp, Lead, LeadCorrection, LeadEvent, LeadNote, LeadOutcome
from leads.paging import pages
from leads.privacy import arranged, columns
from leads.privacy.anonymise import anonymise, item_without_person, without_person
from leads.privacy.export import FIELDS, as_data
from quoter.engine.numbers import digits

# Larger than usual: only the keys of matching leads are fetched.
_PAGE = 10_000


class NotAPhone(ValueError):
    """The text has fewer than ten digits, so it could match many people."""


class Phone:
    """A phone to search for. keys: of all phones of the person that are known, as `phones.key` returns them.

    corrected: folio and key of each phone that staff corrected into one of these; on other quotes it is somebody's own.
    """

    def __init__(self, typed: str) -> None:
        self._digits = phones.ending(typed)
        if len(self._digits) < phones.ENDING:
            raise NotAPhone(f"a phone has at least {phones.ENDING} digits")
        self.keys = {self._digits}
        self.corrected: set[tuple[str, str]] = set()

    def find_joined(self) -> None:
        """Look up the other phones of the person; from now on, a search for this phone finds them as well."""
        roots = FollowUp.objects.joined(self.keys).values()
        self.keys = set(FollowUp.objects.phones_of({*self.keys, *roots}))
        was_wrong = self._corrections().values_list("folio", "phone")
        self.corrected = {(folio, phones.key(phone)) for folio, phone in was_wrong}

    def is_in(self, record: object) -> bool:
        """Return whether a journal's record has this phone, as typed or as normalised."""
        folio = snapshot.journal_record(record).folio
        return any(
            self._digits in digits(text) or phones.key(text) in self.keys or (folio, phones.key(text)) in self.corrected
            for text in _phones_in(record)
        )

    def is_in_item(self, item: Item) -> bool:
        """Return whether a journal's item has this phone. Of a damaged one, whether its bytes contain the digits."""
        record = snapshot.loads(item.text)
        if any(_phones_in(record)):
            return self.is_in(record)
        return any(key.encode() in item.text for key in self.keys if len(key) == phones.ENDING) or any(
            folio.encode() in item.text and key.encode() in item.text for folio, key in self.corrected
        )

    def lead_ids(self) -> Iterator[tuple[list[int], float]]:
        """Read all leads, a page at a time; yield the ids found so far, and the progress from 0 to 1.

        The index on phones is not enough: a phone that was stored as typed may have other characters among its digits.
        """
        found: list[int] = []
        by_joined = list(Lead.objects.of_keys(self.keys - {self._digits}).values_list("pk", flat=True))
        by_joined += self._corrections().values_list("lead", flat=True)
        for page in pages(Lead.objects.all(), size=_PAGE):
            matching = page.leads.alias(stored=PhoneDigits("phone"), typed=PhoneDigits(KT(snapshot.PHONE_RAW))).filter(
                Q(stored__contains=self._digits) | Q(typed__contains=self._digits) | Q(pk__in=by_joined)
            )
            found += matching.values_list("pk", flat=True)
            yield found, page.fraction

    def _corrections(self) -> QuerySet[LeadCorrection]:
        keyed = LeadCorrection.objects.alias(old_key=PhoneKey("phone"), new_key=PhoneKey("new_phone"))
        return keyed.filter(Q(old_key__in=self.keys) | Q(new_key__in=self.keys))


def _phones_in(record: object) -> tuple[str, str]:
    stored = snapshot.journal_record(record)
    return stored.phone, stored.snapshot.customer.phone_raw


def _is_of(item: Item, phone: Phone, folios: set[str]) -> bool:
    """Return whether an item is of a person, or of a quote of theirs before they left a phone."""
    return phone.is_in_item(item) or item.folio in folios and not any(_phones_in(snapshot.loads(item.text)))


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
    """Return whole leads as JSON values, oldest first, each with its outcome, corrections, events and notes."""
    outcomes = LeadOutcome.objects.select_related("by").in_bulk(list(lead_ids))
    became = {pk: arranged.outcome_data(outcome) for pk, outcome in outcomes.items()}
    rows = Lead.objects.filter(pk__in=lead_ids).order_by("created_at", "id").values_list("pk", *FIELDS.values())
    events: dict[int, list[dict[str, str]]] = {pk: [] for pk in lead_ids}
    for event in LeadEvent.objects.filter(lead__in=lead_ids).order_by("at", "id"):
        events[event.lead_id].append(
            {"at": timezone.localtime(event.at).isoformat(), "kind": event.kind, "detail": event.detail}
        )
    notes: dict[int, list[dict[str, str]]] = {pk: [] for pk in lead_ids}
    for note in LeadNote.objects.filter(lead__in=lead_ids).order_by("at", "id"):
        notes[note.lead_id].append({"at": timezone.localtime(note.at).isoformat(), "text": note.text})
    corrected = arranged.corrections_of(lead_ids)
    return [
        {
            **as_data(values),
            "outcome": became.get(pk),
            "corrections": corrected[pk],
            "kept_notes": notes[pk],
            "events": events[pk],
        }
        for pk, *values in rows
    ]


def follow_ups(phone: Phone, lead_ids: Sequence[int]) -> list[dict[str, Any]]:
    """Return what staff arranged with a person as JSON values, one for each phone. lead_ids: of the person's leads."""
    stored = Lead.objects.filter(pk__in=lead_ids).values_list("phone", flat=True)
    keys = phone.keys | {phones.key(each or "") for each in stored}
    found = FollowUp.objects.filter(key__in=keys).select_related("seller", "step_by").order_by("joined_to", "key")
    return list(map(arranged.follow_up_data, found))


class Erased(NamedTuple):
    """leads: how many lost their person; records: how many refused, kept or damaged ones on this disk were cleared.

    arranged: of how many phones without a lead something was arranged, which is gone. held: in how many of these leads
    each column of other programs still holds something.
    """

    leads: int
    records: int
    arranged: int
    held: Counter[str]


def erase(
    phone: Phone, lead_ids: Sequence[int], *, directories: Sequence[Path], by: User | None, now: datetime
) -> Erased:
    """Remove the person from these leads and from refused and kept records, whose folios and amounts stay.

    Their records in damaged journals are removed whole.
    Deliver first what waits in the outbox, and include it in `lead_ids`: journals are never rewritten.
    """
    leads = anonymise(lead_ids, by=by, now=now, detail="request")
    without_lead = FollowUp.objects.filter(key__in=phone.keys).sweep()  # of leads that other programs deleted
    refused = clear_quarantine(directories, phone.is_in, replace=without_person)
    folios = set(Lead.objects.filter(pk__in=lead_ids).values_list("folio", flat=True))
    copies = kept.clear(directories, lambda item: _is_of(item, phone, folios), replace=item_without_person)
    records = refused + copies + clear_damaged(directories, phone.is_in_item)
    return Erased(leads, records, without_lead, columns.held(lead_ids, columns.of_others()))
