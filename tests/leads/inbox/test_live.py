"""Open inboxes poll who waits, at the cost of one query a second for all of them, at all machines."""

import time
from collections.abc import Iterator
from datetime import UTC, timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from leads.delivery.record import lead_record, quote_record
from leads.inbox import live as live_inbox
from leads.models import Lead, WaitingCount
from tests.support.factories import a_contact, an_issued_quote, fill_leads, store

POLL = "/admin/leads/lead/live/"


@pytest.fixture(autouse=True)
def empty_caches() -> Iterator[None]:
    live_inbox.forget()
    yield
    live_inbox.forget()


def a_second_passes() -> None:
    WaitingCount.objects.update(asked_at=F("asked_at") - timedelta(seconds=1.1), at=F("at") - 1.1)
    live_inbox.forget()


def queries_of_leads(captured: CaptureQueriesContext) -> list[str]:
    return [query["sql"] for query in captured if 'FROM "leads"' in query["sql"]]


def a_lead(*, minutes_ago: float = 0) -> Lead:
    issued = an_issued_quote()
    phone = f"+52656{Lead.objects.count():07}"
    store(lead_record(issued, a_contact(phone=phone, submitted_at=timezone.now() - timedelta(minutes=minutes_ago))))
    return Lead.objects.get(folio=issued.quote.folio)


@pytest.mark.django_db
def test_an_inbox_gets_the_state_once_and_then_304_until_it_changes(admin_client):
    lead = a_lead()
    first = admin_client.get(POLL)
    state = first.json()
    assert time.time() - 5 < state.pop("at") <= time.time()
    assert state == {"waiting": 1, "newest": lead.arrived_at.astimezone(UTC).isoformat(timespec="microseconds")}
    again = admin_client.get(POLL, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])


@pytest.mark.django_db
def test_the_state_when_nobody_waits(admin_client):
    store(quote_record(an_issued_quote(), visitor_id=""))
    assert admin_client.get(POLL).json() | {"at": 0} == {"waiting": 0, "newest": "", "at": 0}


def replace_a_lead(lead: Lead, by: User) -> None:
    """Contact a waiting lead and add an older one: neither the count nor the newest time changes."""
    a_lead(minutes_ago=60)
    Lead.objects.contact(second_oldest().pk, by=by, now=timezone.now())


def second_oldest() -> Lead:
    return Lead.objects.waiting().order_by("submitted_at")[1]


@pytest.mark.parametrize(
    "change",
    [
        lambda lead, user: a_lead(),
        lambda lead, user: a_lead(minutes_ago=600),
        lambda lead, user: Lead.objects.contact(lead.pk, by=user, now=timezone.now()),
        replace_a_lead,
    ],
)
@pytest.mark.django_db
def test_every_lead_that_begins_or_stops_waiting_changes_the_etag(admin_client, admin_user, change):
    a_lead(minutes_ago=30)
    lead = a_lead()
    known = admin_client.get(POLL)["ETag"]
    change(lead, admin_user)
    a_second_passes()
    assert admin_client.get(POLL, headers={"If-None-Match": known}).status_code == 200


@pytest.mark.django_db
def test_polling_needs_the_permission_to_see_leads_and_a_get(client, admin_client):
    assert client.get(POLL).status_code == 302
    client.force_login(User.objects.create_user("nobody", is_staff=True))
    assert client.get(POLL).status_code == 403
    assert admin_client.post(POLL).status_code == 405


@pytest.mark.django_db
def test_twenty_inboxes_query_leads_once_a_second(client, monkeypatch):
    monkeypatch.setattr(live_inbox, "STATE_CACHE_S", 60.0)  # however slow this machine is
    seller = User.objects.create_user("seller", is_staff=True)
    seller.user_permissions.add(Permission.objects.get(codename="view_lead"))
    client.force_login(seller)
    a_lead()
    known = client.get(POLL)["ETag"]
    with CaptureQueriesContext(connection) as captured:
        for _ in range(20):
            assert client.get(POLL, headers={"If-None-Match": known}).status_code == 304
    assert queries_of_leads(captured) == []
    assert len(captured) == 20 * 2  # the session and the user, for each


@pytest.mark.django_db
def test_forty_processes_of_twenty_machines_query_leads_once_a_second(admin_client, monkeypatch):
    a_lead()
    known = admin_client.get(POLL)["ETag"]
    a_second_passes()
    monkeypatch.setattr(live_inbox, "STATE_CACHE_S", 60.0)  # however slow this machine is
    a_lead()
    WaitingCount.objects.update(asked_at=F("asked_at") - timedelta(minutes=2), at=F("at") - 120)
    states = set()
    with CaptureQueriesContext(connection) as captured:
        for _ in range(40):
            live_inbox.forget()  # what another process has cached
            states.add(live_inbox.state())
    assert len(queries_of_leads(captured)) == 1
    assert len(captured) == 40 + 3  # each reads the row; one asks for the turn, counts and writes
    [state] = states
    assert (state.waiting, state.etag != known) == (2, True)


@pytest.mark.django_db
def test_while_another_process_counts_its_last_state_does_and_for_no_longer_than_seconds(admin_client):
    a_lead()
    before = live_inbox.state()
    a_lead()
    a_second_passes()
    WaitingCount.objects.update(asked_at=timezone.now())  # a process has just begun to count, and dies
    assert live_inbox.state().waiting == before.waiting
    WaitingCount.objects.update(at=F("at") - live_inbox.COUNTING_S)
    live_inbox.forget()
    assert live_inbox.state().waiting == 2


@pytest.mark.django_db(transaction=True)
def test_a_read_only_database_counts_for_each_process():
    a_lead()
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
        try:
            assert live_inbox.state().waiting == 1
        finally:
            cursor.execute("SET default_transaction_read_only = off")


@pytest.mark.django_db
def test_the_query_uses_the_index_of_waiting_leads(admin_client):
    fill_leads()
    with CaptureQueriesContext(connection) as captured:
        live_inbox.state()
    [sql] = queries_of_leads(captured)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN " + sql)
        assert "lead_queue" in str(cursor.fetchall())
    assert "LIMIT 1001" in sql
