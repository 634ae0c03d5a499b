"""The one door to storage: a quote that was given out, or a lead, is journaled and then carried to Postgres."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from django.conf import settings
from pydantic_core import to_json

from leads.courier import of_this_process
from leads.notices import notice
from quoter.token import IssuedQuote, as_stored


class Outcome(StrEnum):
    """Where a lead is: in Postgres, in this machine's outbox, or only in the customer's WhatsApp message."""

    STORED = "stored"
    QUEUED = "queued"
    CARRIED = "carried"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Who asked: everything about a lead that its quote does not say. Times are aware; flags: why it may be a bot."""

    name: str
    phone: str  # +E.164 where it parses, else as typed
    phone_raw: str
    submitted_at: datetime
    visitor_id: str = ""
    privacy_accepted_at: datetime | None = None
    privacy_notice_version: str = ""
    attribution: dict[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    marketing_accepted_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadRecord:
    """A row of `leads` as it is written; the rest of the row belongs to the staff."""

    folio: str
    name: str
    phone: str
    quote_data: dict[str, Any]
    visitor_id: str
    created_at: str
    submitted_at: str | None

    def as_json(self) -> bytes:
        # Not asdict, which copies every value of the quote: that alone took an eighth of a checkout.
        row = {column.name: getattr(self, column.name) for column in fields(self)}
        return to_json(row)


def quote_record(
    issued: IssuedQuote, *, visitor_id: str, attribution: Mapping[str, str] = MappingProxyType({})
) -> LeadRecord:
    """Return the row of a quote that nobody has put a name to yet. attribution: as `quoter.origin.read` returns it."""
    return _record(issued, contact=None, visitor_id=visitor_id, attribution=attribution)


def lead_record(issued: IssuedQuote, contact: Contact) -> LeadRecord:
    """Return the row of a quote with the person who asked for it."""
    return _record(issued, contact=contact, visitor_id=contact.visitor_id, attribution=contact.attribution)


def record(lead: LeadRecord) -> Outcome:
    """Journal a lead, hand it to the courier, and say where it is.

    Only a lead with its contact details waits for Postgres, up to LEAD_WAIT_MS, unless the courier is backing off.
    """
    courier = of_this_process()
    wait_s, has_person = settings.LEAD_WAIT_MS / 1000, lead.submitted_at is not None
    entry = courier.scribe.write(lead.folio, lead.as_json())
    if has_person and not courier.scribe.is_stuck and courier.wait_for(entry, wait_s):
        return Outcome.STORED
    if courier.scribe.wait_for(entry):
        if has_person:
            notice("queued", folio=lead.folio, fault=courier.breaker.fault)
        return Outcome.QUEUED
    # No disk takes it. Postgres still may, while we are here; after that, only the customer's link has it.
    unjournaled = courier.carry_unjournaled(entry.item)
    if has_person and courier.wait_for(unjournaled, wait_s):
        return Outcome.STORED
    if has_person:
        notice("carried", folio=lead.folio)
    return Outcome.CARRIED


def _record(
    issued: IssuedQuote, *, contact: Contact | None, visitor_id: str, attribution: Mapping[str, str]
) -> LeadRecord:
    quote = as_stored(issued)
    return LeadRecord(
        folio=issued.quote.folio,
        name=contact.name if contact else "",
        phone=contact.phone if contact else "",
        quote_data={
            **quote,
            "customer": {
                "name": contact.name if contact else "",
                "phone": contact.phone if contact else "",
                "phone_raw": contact.phone_raw if contact else "",
            },
            "visitor_id": visitor_id,
            "attribution": dict(attribution),
            "privacy": {
                "accepted_at": _iso(contact.privacy_accepted_at) if contact else None,
                "marketing_accepted_at": _iso(contact.marketing_accepted_at) if contact else None,
                "notice_version": contact.privacy_notice_version if contact else "",
            },
            "flags": list(contact.flags) if contact else [],
        },
        visitor_id=visitor_id,
        created_at=quote["issued_at"],
        submitted_at=_iso(contact.submitted_at) if contact else None,
    )


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
