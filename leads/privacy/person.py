"""One person's data, found by phone: everything that is held, to hand out or to erase.

A phone is found by its last ten digits, however it was written: with or without country code, spaces, an extension.
"""

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
from leads.models import Lead, LeadEvent
from leads.paging import pages
from leads.privacy.anonymise import anonymise, without_person
from leads.privacy.export import FIELDS, as_data
from quoter.engine.numbers import digits

# Only the keys of those that match come back.
_PAGE = 10_000


class Digits(Func):
    template = "regexp_replace(%(expressions)s, '[^0-9]', '', 'g')"
    output_field = TextField()


class NotAPhone(ValueError):
    """Fewer than ten digits could be many people's."""


class Phone:
    """Someone's phone, to look for."""

    def __init__(self, typed: str) -> None:
        self._digits = phones.ending(typed)
        if len(self._digits) < phones.ENDING:
            raise NotAPhone(f"a phone has at least {phones.ENDING} digits")

    def is_in(self, record: object) -> bool:
        """Whether a record of the journal has it, as it was typed or as it was read."""
        return any(self._digits in digits(text) for text in _phones_in(record))

    def is_in_item(self, item: Item) -> bool:
        """Whether a record of a journal has it; of a damaged one, whether its bytes hold the digits."""
        record = snapshot.loads(item.text)
        return self.is_in(record) if any(_phones_in(record)) else self._digits.encode() in item.text

    def lead_ids(self) -> Iterator[tuple[list[int], float]]:
        """Look through all leads; yield those found so far, and how far that is, from 0 to 1.

        All of them, and not the index on phones alone: what was kept as it was typed is not in it digit by digit.
        """
        found: list[int] = []
        for page in pages(Lead.objects.all(), size=_PAGE):
            matching = page.leads.alias(read=Digits(F("phone")), typed=Digits(KT(snapshot.PHONE_RAW))).filter(
                Q(read__contains=self._digits) | Q(typed__contains=self._digits)
            )
            found += matching.values_list("pk", flat=True)
            yield found, page.fraction


def _phones_in(record: object) -> tuple[str, str]:
    found = snapshot.journal_record(record)
    return found.phone, found.snapshot.customer.phone_raw


class PersonOnDisk(NamedTuple):
    """A person's records on this machine's disk: those that wait for Postgres, those that it refused."""

    waiting: list[Any]
    refused: list[Any]


def on_disk(phone: Phone, directories: Sequence[Path]) -> PersonOnDisk:
    items = (item for path in census.segment_paths(directories) for item in census.waiting(path))
    refused = (content["record"] for _, content in quarantine.quarantined(directories))
    return PersonOnDisk(
        waiting=[snapshot.loads(item.text) for item in items if phone.is_in_item(item)],
        refused=[record for record in refused if phone.is_in(record)],
    )


def journaled(phone: Phone, directories: Sequence[Path]) -> int:
    """Count a person's records in journals that are in use, delivered or not."""
    return sum(phone.is_in_item(item) for item in census.journaled(directories))


def held(lead_ids: Sequence[int]) -> list[dict[str, Any]]:
    """Return whole leads as JSON values, oldest first, each with what was done with it. Times: the business's zone."""
    rows = Lead.objects.filter(pk__in=lead_ids).order_by("created_at", "id").values_list("pk", *FIELDS.values())
    events: dict[int, list[dict[str, str]]] = {pk: [] for pk in lead_ids}
    for event in LeadEvent.objects.filter(lead__in=lead_ids).order_by("at", "id"):
        events[event.lead_id].append(
            {"at": timezone.localtime(event.at).isoformat(), "kind": event.kind, "detail": event.detail}
        )
    return [{**as_data(values), "events": events[pk]} for pk, *values in rows]


class Erased(NamedTuple):
    """leads: left without their person; records: refused or damaged ones that this machine's disk had."""

    leads: int
    records: int


def erase(
    phone: Phone, lead_ids: Sequence[int], *, directories: Sequence[Path], by: User | None, now: datetime
) -> Erased:
    """Take the person out of their leads and out of what was refused; folios and amounts stay.

    What waits in the outbox has to be delivered before, and to be among `lead_ids`: a journal is never rewritten.
    """
    leads = anonymise(lead_ids, by=by, now=now, detail="request")
    refused = clear_quarantine(directories, phone.is_in, replace=without_person)
    return Erased(leads, refused + clear_damaged(directories, phone.is_in_item))
