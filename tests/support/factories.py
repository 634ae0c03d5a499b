"""Makes requests, quotes and leads. Arguments replace the default values."""

import json
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from leads.delivery.record import Contact, LeadRecord
from leads.delivery.upsert import upsert
from leads.models import Lead
from quoter import site, token
from quoter.engine.quote import LineRequest
from tests.support.eventually import eventually
from tests.support.lines import a_line as a_line
from tests.support.lines import as_form as as_form

JSON = {"content_type": "application/json"}

NAME = "María Peña"
PHONE = "656 123 4567"
PHONE_E164 = "+526561234567"


def post_json(client: Any, path: str, body: Any) -> Any:
    return client.post(path, body if isinstance(body, str) else json.dumps(body), **JSON)


def quoted(client: Any, *lines: dict[str, Any]) -> dict[str, Any]:
    """Price lines over HTTP; return the body of the 201."""
    response = post_json(client, "/quote/", {"lines": list(lines) or [a_line()]})
    assert response.status_code == 201, response.content
    body: dict[str, Any] = response.json()
    return body


def a_submission(client: Any, **changes: str) -> dict[str, str]:
    return {"token": quoted(client)["token"], "name": NAME, "phone": PHONE, **changes}


def an_issued_quote(*lines: dict[str, Any]) -> token.IssuedQuote:
    return site.issue([LineRequest.model_validate(line) for line in lines or [a_line()]])


def a_contact(**changes: Any) -> Contact:
    given = {
        "name": NAME,
        "phone": PHONE_E164,
        "phone_raw": PHONE,
        "submitted_at": datetime(2026, 11, 22, 19, 30, tzinfo=UTC),
        "visitor_id": "a-visitor",
        "privacy_accepted_at": datetime(2026, 11, 22, 19, 30, tzinfo=UTC),
        "privacy_notice_version": "2026-11",
    }
    return Contact(**{**given, **changes})


def the_lead() -> Lead:
    """Return the only lead, after the relay has delivered it."""
    eventually(Lead.objects.exists)
    return Lead.objects.get()


def store(row: LeadRecord) -> None:
    """Write a row as the relay does, on this thread."""
    upsert([row.as_json()], is_quick=True)


def fill_leads(count: int = 500) -> None:
    """Add people who wait and were announced, so that Postgres plans a query as for a table that is in use."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO leads (folio, name, phone, quote_data, submitted_at, alert_stage) "
            "SELECT 'F' || n, 'Zoila ' || n, '+52656' || 1000000 + n, '{}', now(), 2 FROM generate_series(1, %s) AS n",
            [count],
        )
        cursor.execute("ANALYZE leads")
