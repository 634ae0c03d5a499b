"""The one door to storage: a quote that was given out, or a lead, becomes a row of `leads`.

One statement, one round trip. In any order of arrival and any number of times: a quote never overwrites a lead, newer
contact details win over older ones, and status, contacted_*, notes and created_at are never touched.
"""

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db import InterfaceError, OperationalError, connection

from leads import health
from quoter.pricebook import as_data
from quoter.token import IssuedQuote


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


def quote_record(issued: IssuedQuote, *, visitor_id: str) -> LeadRecord:
    """Return the row of a quote that nobody has put a name to yet."""
    return _record(issued, contact=None, visitor_id=visitor_id)


def lead_record(issued: IssuedQuote, contact: Contact) -> LeadRecord:
    """Return the row of a quote with the person who asked for it."""
    return _record(issued, contact=contact, visitor_id=contact.visitor_id)


def record(lead: LeadRecord) -> Outcome:
    """Write a lead to Postgres; any exception of the database means that it is not there.

    The outbox will stand before this statement; until then a lead that fails here is carried by the chat message.
    """
    try:
        _execute(UPSERT, [json.dumps([asdict(lead)])])
    except Exception:
        health.note_database(up=False)
        raise
    health.note_database(up=True)
    return Outcome.STORED


UPSERT = """
INSERT INTO leads (folio, name, phone, quote_data, visitor_id, created_at, submitted_at)
SELECT folio, name, phone, quote_data, visitor_id, created_at, submitted_at
FROM jsonb_to_recordset(%s::jsonb) AS arrived (
    folio text, name text, phone text, quote_data jsonb, visitor_id text,
    created_at timestamptz, submitted_at timestamptz
)
ON CONFLICT (folio) DO UPDATE SET
    name = excluded.name,
    phone = excluded.phone,
    quote_data = excluded.quote_data,
    visitor_id = excluded.visitor_id,
    submitted_at = excluded.submitted_at
WHERE excluded.submitted_at > coalesce(leads.submitted_at, '-infinity')
"""


def _record(issued: IssuedQuote, *, contact: Contact | None, visitor_id: str) -> LeadRecord:
    quote = issued.quote.model_dump(mode="json")
    return LeadRecord(
        folio=issued.quote.folio,
        name=contact.name if contact else "",
        phone=contact.phone if contact else "",
        quote_data={
            **quote,
            "language": issued.language,
            "customer": {
                "name": contact.name if contact else "",
                "phone": contact.phone if contact else "",
                "phone_raw": contact.phone_raw if contact else "",
            },
            "visitor_id": visitor_id,
            "attribution": contact.attribution if contact else {},
            "privacy": {
                "accepted_at": _iso(contact.privacy_accepted_at) if contact else None,
                "notice_version": contact.privacy_notice_version if contact else "",
            },
            "flags": list(contact.flags) if contact else [],
            "prices": as_data(issued.prices),
        },
        visitor_id=visitor_id,
        created_at=quote["issued_at"],
        submitted_at=_iso(contact.submitted_at) if contact else None,
    )


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _execute(statement: str, parameters: list[str]) -> None:
    was_open = connection.connection is not None
    try:
        _execute_once(statement, parameters)
    except (OperationalError, InterfaceError):
        if not was_open:
            raise
        # Most likely a connection that died while it was idle, such as by a restart of Postgres: one fresh try.
        connection.close()
        _execute_once(statement, parameters)


def _execute_once(statement: str, parameters: list[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
