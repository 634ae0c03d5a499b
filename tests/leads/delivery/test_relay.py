"""The relay in one process, with a real Postgres. test_faults.py tests the faults of a running site."""

import json
import time

import pytest
from django.db import connection

from leads.delivery import postgres_writer, relay
from leads.delivery.breaker import Breaker, Fault
from leads.delivery.journal import census, quarantine
from leads.delivery.journal.outbox import Outbox
from leads.delivery.journal.segment import Item, encode
from leads.delivery.record import Outcome, lead_record, quote_record, record
from leads.delivery.relay import Relay
from leads.delivery.upsert import UPSERT
from leads.models import Lead
from tests.support.eventually import eventually
from tests.support.factories import a_contact, an_issued_quote

pytestmark = [pytest.mark.quiet, pytest.mark.django_db(transaction=True)]


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def pending(directories) -> int:
    return census.census(directories).pending


@pytest.fixture
def refuses_red():
    """A constraint that refuses every lead called Red."""
    sql("ALTER TABLE leads ADD CONSTRAINT no_red CHECK (name <> 'Red')")
    yield
    sql("ALTER TABLE leads DROP CONSTRAINT IF EXISTS no_red")


@pytest.fixture
def without_table():
    sql("ALTER TABLE leads RENAME TO leads_away")
    yield
    sql("ALTER TABLE IF EXISTS leads_away RENAME TO leads")


def a_lead(**contact):
    return lead_record(an_issued_quote(), a_contact(**contact))


@pytest.mark.pooler
def test_a_lead_is_stored_while_its_customer_waits(outbox_directories):
    lead = a_lead()
    assert record(lead) is Outcome.STORED
    assert Lead.objects.get().folio == lead.folio
    eventually(lambda: pending(outbox_directories) == 0)


def test_a_quote_is_not_waited_for_and_arrives():
    quote = quote_record(an_issued_quote(), visitor_id="")
    assert record(quote) is Outcome.QUEUED
    eventually(Lead.objects.filter(folio=quote.folio).exists)


def test_the_request_thread_never_queries_postgres(django_assert_num_queries):
    record(a_lead())
    with django_assert_num_queries(0):
        assert record(a_lead()) is Outcome.STORED


@pytest.mark.pooler
def test_without_the_table_leads_wait_and_arrive_later(outbox_directories, without_table):
    leads = [a_lead() for _ in range(3)]
    assert {record(lead) for lead in leads} == {Outcome.QUEUED}
    assert pending(outbox_directories) == 3
    assert relay.of_this_process().database_state == "down"

    sql("ALTER TABLE leads_away RENAME TO leads")

    eventually(lambda: pending(outbox_directories) == 0)
    assert set(Lead.objects.values_list("folio", flat=True)) == {lead.folio for lead in leads}
    assert relay.of_this_process().database_state == "up"


def test_nobody_waits_while_the_breaker_is_open(without_table, settings):
    record(a_lead())
    assert eventually(lambda: relay.of_this_process().breaker.is_open)
    started = time.monotonic()
    for _ in range(5):
        record(a_lead())
    assert time.monotonic() - started < settings.LEAD_WAIT_MS / 2000  # a single wait would take twice this time


@pytest.mark.pooler
def test_a_lead_that_postgres_refuses_is_quarantined_and_others_are_stored(outbox_directories, refuses_red):
    leads = [a_lead(name=name) for name in ("Ana", "Red", "Luz")]
    assert [record(lead) for lead in leads] == [Outcome.STORED, Outcome.QUEUED, Outcome.STORED]
    ((_path, refused),) = quarantine.quarantined(outbox_directories)
    assert (refused["record"]["folio"], refused["reason"]) == (leads[1].folio, "IntegrityError 23514")
    assert not relay.of_this_process().breaker.is_open


def test_a_refused_lead_is_retried_on_request(admin_client, outbox_directories, refuses_red):
    lead = a_lead(name="Red")
    record(lead)
    page = admin_client.get("/admin/leads/lead/quarantine/").content.decode()
    assert lead.folio in page
    assert "23514" in page
    assert "quarantine" in admin_client.get("/admin/").content.decode()

    admin_client.post("/admin/leads/lead/quarantine/")
    eventually(lambda: census.census(outbox_directories).quarantined == 1)  # refused again, and kept again
    sql("ALTER TABLE leads DROP CONSTRAINT no_red")
    admin_client.post("/admin/leads/lead/quarantine/")

    eventually(Lead.objects.filter(folio=lead.folio).exists)
    assert census.census(outbox_directories).quarantined == 0


def test_without_any_disk_a_lead_is_still_stored_in_postgres(outbox_directories):
    for directory in outbox_directories:
        directory.write_text("a file in its place")
    lead = a_lead()
    assert record(lead) is Outcome.STORED
    assert Lead.objects.get().folio == lead.folio


def test_without_disk_and_postgres_the_message_carries_the_lead(outbox_directories, without_table):
    for directory in outbox_directories:
        directory.write_text("a file in its place")
    assert record(a_lead()) is Outcome.CARRIED


def test_leads_in_memory_only_arrive_when_postgres_is_back(outbox_directories, without_table):
    for directory in outbox_directories:
        directory.write_text("a file in its place")
    leads = [a_lead() for _ in range(3)]
    assert {record(lead) for lead in leads} == {Outcome.CARRIED}
    sql("ALTER TABLE leads_away RENAME TO leads")
    assert eventually(lambda: Lead.objects.count() == 3)


def test_a_lead_that_is_journaled_and_in_memory_is_sent_once(monkeypatch, outbox_directories):
    seen: list[bytes] = []
    monkeypatch.setattr(postgres_writer, "upsert", lambda texts, **options: seen.extend(texts))
    slow = Relay(Outbox(outbox_directories), Breaker(clock=time.monotonic))
    slow.journal_writer.start()
    lead = a_lead()
    entry = slow.send(lead.folio, lead.as_json())
    assert slow.journal_writer.wait_for(entry)

    slow._deliver_backlog()
    assert slow.wait_for(entry, timeout_s=0)
    slow._deliver_new()
    slow._deliver_backlog()

    assert seen == [lead.as_json()]
    slow.stop()


def test_new_leads_and_a_backlog_are_delivered_at_the_same_time(outbox_directories):
    died = Outbox(outbox_directories)
    lead = a_lead()
    texts = {f"OLD-{number}": lead.as_json().replace(lead.folio.encode(), b"OLD-%d" % number) for number in range(2000)}
    died.append_lines([encode(Item(folio, 1.0, text)) for folio, text in texts.items()])
    died.close()
    backlog = Lead.objects.filter(folio__startswith="OLD-")
    answers, deadline = [], time.monotonic() + 60
    while backlog.count() < 2000 and time.monotonic() < deadline:
        answers.append(record(a_lead()))
    assert backlog.count() == 2000
    assert set(answers) == {Outcome.STORED}
    assert Lead.objects.count() == 2000 + len(answers)


def test_a_zero_wait_never_waits(settings):
    settings.LEAD_WAIT_MS = 0
    lead = a_lead()
    assert record(lead) is Outcome.QUEUED
    eventually(Lead.objects.filter(folio=lead.folio).exists)


def test_the_upsert_has_the_columns_of_the_record_and_of_the_model():
    written = set(json.loads(a_lead().as_json()))
    named = UPSERT.split(" AS a (")[1].split(")")[0].replace("\n", " ").split(",")
    assert {name.split()[0] for name in named} == written
    staff_only = {"id", "status", "contacted_at", "contacted_by", "notes", "is_first", "asked_again_at", "alert_stage"}
    assert {field.column for field in Lead._meta.fields} - staff_only == written


# --- Staff pages during an outage -----------------------------------------------------------------------------------


def test_staff_see_the_waiting_leads_when_postgres_is_down(admin_client, client, without_table):
    admin_client.get("/admin/leads/lead/restore/")  # sets the cookie that admits to the outage page
    lead = a_lead(name="Ana Ruiz", phone="+526560000001")
    record(lead)

    page = admin_client.get("/admin/leads/lead/")
    assert page.status_code == 503
    for expected in (lead.folio, "Ana Ruiz", "tel:+526560000001"):
        assert expected in page.content.decode()

    client.cookies.clear()
    stranger = client.get("/admin/leads/lead/")
    assert stranger.status_code == 503
    for personal in ("Ana Ruiz", "+526560000001", lead.folio):
        assert personal not in stranger.content.decode()


def test_a_quote_page_does_not_query_a_database_that_is_down(client, without_table):
    lead = a_lead()
    record(lead)
    page = client.get(f"/q/{lead.folio}/")
    assert page.status_code == 503
    assert "https://wa.me/" in page.content.decode()


def test_retry_now_ends_the_wait_after_a_wrong_password(admin_client, client):
    record(a_lead())
    admin_client.get("/admin/")
    running = relay.of_this_process()
    running.turns.block(is_password=False)  # what gets nobody banned is tried as soon as a person asks
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'folio' "
            "AND datname = current_database() AND pid <> pg_backend_pid()"
        )
    eventually(lambda: running.breaker.fault is Fault.AUTH)

    client.cookies.clear()
    client.post("/admin/", {"retry-now": "1"})  # ignored, because no staff have sent it
    time.sleep(1.2)
    assert running.breaker.is_open

    admin_client.post("/admin/", {"retry-now": "1"})
    eventually(lambda: not running.breaker.is_open)
