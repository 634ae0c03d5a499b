"""Requests that wait for Postgres write what waits themselves; the relay has what is slow or wrong."""

import threading

import psycopg
import pytest
from django.db import connection

from leads.delivery import postgres_writer, relay
from leads.delivery.record import Outcome, lead_record, record
from leads.delivery.upsert import upsert
from leads.models import Lead
from tests.support.copies import sql
from tests.support.eventually import eventually
from tests.support.factories import a_contact, an_issued_quote

pytestmark = [pytest.mark.quiet, pytest.mark.django_db(transaction=True)]


def a_lead(**contact):
    return lead_record(an_issued_quote(), a_contact(**contact))


def at_once(leads):
    """Record leads on a thread each; return the outcomes."""
    outcomes = []
    threads = [threading.Thread(target=lambda lead=lead: outcomes.append(record(lead))) for lead in leads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.fixture
def statements(monkeypatch):
    """Of each statement, the name of the thread that sent it, and how many leads it had."""
    seen: list[tuple[str, int]] = []

    def watched(texts, **options):
        upsert(texts, **options)
        if options.get("keep", True):
            seen.append((threading.current_thread().name, len(texts)))

    record(a_lead())
    running = relay.of_this_process()
    eventually(lambda: running._group._postgres.is_quick and not running._group.is_left)  # it has connected
    monkeypatch.setattr(postgres_writer, "upsert", watched)
    return seen


@pytest.fixture
def slow_table():
    """Each row takes a quarter of a second."""
    sql("CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.25); RETURN NEW; END'")
    sql("CREATE TRIGGER dawdle BEFORE INSERT ON leads FOR EACH ROW EXECUTE FUNCTION dawdle()")
    yield
    sql("DROP FUNCTION dawdle CASCADE")


@pytest.mark.pooler
def test_a_lone_request_writes_its_lead_itself(statements):
    assert record(a_lead()) is Outcome.STORED
    assert statements == [(threading.current_thread().name, 1)]


@pytest.mark.pooler
def test_many_requests_share_statements_and_hand_nothing_to_the_relay(statements):
    assert at_once([a_lead() for _ in range(64)]) == [Outcome.STORED] * 64
    assert Lead.objects.count() == 65
    assert sum(count for _, count in statements) == 64
    assert len(statements) < 64
    assert "relay" not in {name for name, _ in statements}


@pytest.mark.pooler
def test_a_person_who_corrects_a_name_is_written_by_the_request(statements):
    issued = an_issued_quote()
    assert record(lead_record(issued, a_contact())) is Outcome.STORED
    assert record(lead_record(issued, a_contact(name="Ana"))) is Outcome.STORED
    assert {name for name, _ in statements} == {threading.current_thread().name}


def test_a_slow_postgres_is_left_to_the_relay(statements, slow_table):
    leads = [a_lead() for _ in range(3)]
    assert [record(lead) for lead in leads] == [Outcome.STORED] * 3
    assert statements[0][0] == threading.current_thread().name
    assert {name for name, _ in statements[1:]} == {"relay"}
    assert relay.of_this_process().database_state == "up"


def test_a_statement_that_a_request_has_given_up_is_cancelled(statements):
    lead = a_lead()
    with psycopg.connect(**connection.get_connection_params()) as holder:
        holder.execute("LOCK TABLE leads IN ACCESS EXCLUSIVE MODE")
        assert record(lead) is Outcome.QUEUED
        assert relay.of_this_process().breaker.is_open
        waits = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'folio'"
        [(given_up,)] = holder.execute(waits).fetchall() or [(None,)]
        eventually(lambda: given_up not in {pid for (pid,) in holder.execute(waits).fetchall()})
    assert eventually(Lead.objects.filter(folio=lead.folio).exists)


def test_a_request_finds_a_dead_connection_and_the_relay_makes_another(statements):
    sql(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = %s",
        connection.settings_dict["NAME"],
    )
    assert record(a_lead()) is Outcome.STORED
    assert [name for name, _ in statements] == ["relay"]
