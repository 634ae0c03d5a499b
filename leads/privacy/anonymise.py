"""Remove the person from a lead. The folio, the amounts and the events stay."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import connection

from leads import snapshot
from leads.models import LeadEvent

# One statement, so that no row is changed without its event. A row without a person is not touched.
#
# submitted_at is set to now, because the upsert keeps the newest contact details. So a journal that is delivered late,
# or a link from a chat, does not bring the person back, but a new checkout does.
_ANONYMISE = """
WITH kept AS (
    SELECT id, %(nobody)s::jsonb || CASE jsonb_typeof(quote_data::jsonb) WHEN 'object' THEN coalesce(
        (SELECT jsonb_object_agg(key, value) FROM jsonb_each(quote_data::jsonb) WHERE key = ANY(%(stays)s)), '{}'
    ) ELSE '{}' END AS quote_data
    FROM leads WHERE id = ANY(%(ids)s)
), gone AS (
    UPDATE leads SET
        name = '',
        phone = '',
        visitor_id = '',
        notes = '',
        quote_data = kept.quote_data,
        submitted_at = CASE WHEN submitted_at IS NOT NULL THEN greatest(submitted_at, %(now)s) END
    FROM kept
    WHERE leads.id = kept.id
    AND (leads.name, leads.phone, leads.visitor_id, leads.notes, leads.quote_data::jsonb)
        IS DISTINCT FROM ('', '', '', '', kept.quote_data)
    RETURNING leads.id
)
INSERT INTO lead_events (lead_id, at, actor_id, kind, detail)
SELECT id, %(now)s, %(by)s, %(kind)s, %(detail)s FROM gone
"""


def anonymise(lead_ids: Sequence[int], *, by: User | None, now: datetime, detail: str) -> int:
    """Remove the person from leads, and add an event to each; return how many leads had a person.

    detail: of the event, the reason; nothing about the person.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _ANONYMISE,
            {
                "nobody": json.dumps(snapshot.EMPTY_PERSON),
                "stays": sorted(snapshot.KEPT_KEYS),
                "ids": list(lead_ids),
                "now": now,
                "by": by.pk if by else None,
                "kind": LeadEvent.Kind.ANONYMISED,
                "detail": detail,
            },
        )
        return int(cursor.rowcount)


def without_person(record: object) -> dict[str, Any]:
    """Return a journal's record without its person, as `anonymise` leaves a row; {} when it is no JSON object."""
    if not isinstance(record, dict):
        return {}
    quote = snapshot.without_person(record.get("quote_data"))
    return {**record, "name": "", "phone": "", "visitor_id": "", "quote_data": quote}
