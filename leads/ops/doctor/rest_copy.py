"""Checks the copy through Supabase's REST API, if it is switched on, by asking the API."""

from collections.abc import Iterator
from contextlib import suppress

from django.conf import settings
from django.db import DatabaseError

from leads.delivery.copy.rest_api import LEADS, NoAnswer, RestApi
from leads.delivery.journal.copied import count_copied
from leads.ops import copy_trigger
from leads.ops.doctor.finding import Finding, error, ok

A_LEAD = f"{LEADS}?select=id&limit=1"


def examine() -> Iterator[Finding]:
    if not settings.SUPABASE_REST_COPY:
        return
    api = RestApi(settings.SUPABASE_URL, settings.SUPABASE_SERVICE_ROLE_KEY)
    try:
        table, copying = api.read(A_LEAD), api.insert(b"[]")  # of no lead, which changes nothing
    except NoAnswer as fault:
        cure = "Check SUPABASE_URL, and that the host may reach https://; a paused project answers nothing."
        yield error("rest copy", f"Supabase's REST API does not answer: {fault}", cure)
        return
    if table.status in (401, 403):
        cure = "Copy the secret key (Supabase: Project settings, API keys) to SUPABASE_SERVICE_ROLE_KEY."
        yield error("rest copy", f"Supabase's REST API refuses the key: {table.status}", cure)
    elif table.status != 200 or not table.body.startswith(b"["):
        cure = "Let the API serve the schema of `leads` (Supabase: Project settings, Data API), and see its log."
        yield error("rest copy", f"Supabase's REST API does not show the table leads: {table.status}", cure)
    elif not copying.is_taken:
        cure = "Grant the service role INSERT on `leads`, as `python manage.py migrate` does."
        yield error("rest copy", f"Supabase's REST API does not insert into leads: {copying.status}", cure)
    elif _lacks_trigger():
        yield error("rest copy", f"leads has no trigger {copy_trigger.NAME}", "Run `python manage.py migrate`.")
    else:
        waiting = count_copied(settings.OUTBOX_DIRECTORIES)
        found = f"Supabase's REST API takes copies of leads in an outage; copied, of those that wait: {waiting}"
        yield ok("rest copy", found)


def _lacks_trigger() -> bool:
    """Whether Postgres answers, and has no trigger of this release: a copy of an erased person would stay."""
    with suppress(DatabaseError):
        return not copy_trigger.is_current("default")
    return False
