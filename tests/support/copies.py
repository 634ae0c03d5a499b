"""Leads that are copied and delivered, and the rows that they become."""

import json
from datetime import timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from leads.delivery.copy.copier import row
from leads.delivery.copy.rest_api import RestApi
from leads.delivery.journal.outbox import Outbox
from leads.delivery.journal.segment import Item
from leads.delivery.record import LeadRecord, lead_record
from leads.delivery.upsert import upsert
from tests.support.factories import a_contact, an_issued_quote

ASKED_AT = timezone.now() - timedelta(days=1)


def sql(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []


def a_lead(issued: Any = None, *, minutes: int = 0, **changes: Any) -> LeadRecord:
    return lead_record(
        issued or an_issued_quote(), a_contact(submitted_at=ASKED_AT + timedelta(minutes=minutes), **changes)
    )


def journaled(journal: Outbox, *leads: LeadRecord) -> None:
    for lead in leads:
        journal.append(lead.folio, lead.as_json())


def copy(api: RestApi, *leads: LeadRecord) -> None:
    for lead in leads:
        assert api.insert(row(Item(lead.folio, 0.0, lead.as_json()))) == (201, b"")


def deliver(*leads: LeadRecord) -> None:
    """Write leads as the relay does from the journal."""
    for lead in leads:
        upsert([lead.as_json()])


def rows() -> list[dict[str, Any]]:
    """Return every column of all leads except the id, with the events of each."""
    found = sql(
        "SELECT to_jsonb(leads) - 'id' || jsonb_build_object('events', ARRAY(SELECT to_jsonb(e) - 'id' - 'lead_id' "
        "FROM lead_events AS e WHERE lead_id = leads.id ORDER BY at)) FROM leads ORDER BY folio, phone"
    )
    return [json.loads(row) if isinstance(row, str) else row for (row,) in found]
