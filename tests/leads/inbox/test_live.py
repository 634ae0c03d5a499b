"""An open inbox keeps itself current, and twenty of them cost next to nothing."""

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from leads.delivery.record import lead_record, quote_record
from leads.inbox import live as live_inbox
from leads.models import Lead
from tests.support.factories import a_contact, an_issued_quote, store

POLL = "/admin/leads/lead/live/"


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    live_inbox.forget()
    yield
    live_inbox.forget()


def a_lead(*, minutes_ago: float = 0) -> Lead:
    issued = an_issued_quote()
    store(lead_record(issued, a_contact(submitted_at=timezone.now() - timedelta(minutes=minutes_ago))))
    return Lead.objects.get(folio=issued.quote.folio)


@pytest.mark.django_db
def test_an_inbox_hears_who_waits_and_then_nothing_until_that_changes(admin_client):
    lead = a_lead()
    first = admin_client.get(POLL)
    told = first.json()
    assert time.time() - 5 < told.pop("at") <= time.time()
    assert told == {"waiting": 1, "newest": lead.submitted_at.isoformat(timespec="microseconds")}
    again = admin_client.get(POLL, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])


@pytest.mark.django_db
def test_nobody_waiting_is_an_answer_too(admin_client):
    store(quote_record(an_issued_quote(), visitor_id=""))
    assert admin_client.get(POLL).json() | {"at": 0} == {"waiting": 0, "newest": "", "at": 0}


def swap(lead: Lead, by: User) -> None:
    """One goes, and one comes who had asked before: neither the count nor the newest tells."""
    a_lead(minutes_ago=60)
    Lead.objects.contact(a_lead_of_before().pk, by=by, now=timezone.now())


def a_lead_of_before() -> Lead:
    return Lead.objects.waiting().order_by("submitted_at")[1]


@pytest.mark.parametrize(
    "change",
    [
        lambda lead, user: a_lead(),
        lambda lead, user: a_lead(minutes_ago=600),
        lambda lead, user: Lead.objects.contact(lead.pk, by=user, now=timezone.now()),
        swap,
    ],
)
@pytest.mark.django_db
def test_whoever_comes_or_goes_changes_the_answer(admin_client, admin_user, change):
    a_lead(minutes_ago=30)
    lead = a_lead()
    known = admin_client.get(POLL)["ETag"]
    change(lead, admin_user)
    live_inbox.forget()
    assert admin_client.get(POLL, headers={"If-None-Match": known}).status_code == 200


@pytest.mark.django_db
def test_only_who_may_see_leads_may_ask_and_only_by_get(client, admin_client):
    assert client.get(POLL).status_code == 302
    client.force_login(User.objects.create_user("nobody", is_staff=True))
    assert client.get(POLL).status_code == 403
    assert admin_client.post(POLL).status_code == 405


@pytest.mark.django_db
def test_twenty_inboxes_ask_postgres_once_a_second_about_leads(client, monkeypatch):
    monkeypatch.setattr(live_inbox, "STATE_CACHE_S", 60.0)  # however slow this machine is
    seller = User.objects.create_user("seller", is_staff=True)
    seller.user_permissions.add(Permission.objects.get(codename="view_lead"))
    client.force_login(seller)
    a_lead()
    known = client.get(POLL)["ETag"]
    with CaptureQueriesContext(connection) as captured:
        for _ in range(20):
            assert client.get(POLL, headers={"If-None-Match": known}).status_code == 304
    assert [query["sql"] for query in captured if 'FROM "leads"' in query["sql"]] == []
    assert len(captured) == 20 * 2  # a session and a user each


@pytest.mark.django_db
def test_the_question_is_answered_from_the_index_of_who_waits(admin_client):
    with CaptureQueriesContext(connection) as captured:
        live_inbox.state()
    [question] = [query["sql"] for query in captured]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN " + question)
        assert "lead_unanswered" in str(cursor.fetchall())
    assert "LIMIT 1001" in question
