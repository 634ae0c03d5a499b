"""What refuses every row is the fault of the table: leads wait, and arrive by themselves. Else the row is set aside.

The relay in one process, with a real Postgres.
"""

from contextlib import contextmanager
from threading import Thread

import pytest
from django.db import DatabaseError, connection
from django.utils import timezone

from leads.delivery import relay
from leads.delivery.breaker import Breaker, Fault
from leads.delivery.journal import census
from leads.delivery.journal.outbox import Outbox
from leads.delivery.journal.segment import Item
from leads.delivery.postgres_writer import MOST_REFUSED, PostgresWriter
from leads.delivery.record import Outcome, lead_record, quote_record, record
from leads.delivery.turns import ConnectionTurns
from leads.delivery.upsert import upsert
from leads.models import Lead
from leads.ops.doctor import writing
from tests.support.eventually import eventually
from tests.support.factories import a_contact, an_issued_quote

pytestmark = [pytest.mark.quiet, pytest.mark.django_db(transaction=True)]

TRIGGER = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {does} RETURN NEW; END $$;
CREATE {constraint} TRIGGER refuses {when} INSERT ON leads {how} FOR EACH ROW EXECUTE FUNCTION refuse()
"""
RAISES = "RAISE EXCEPTION 'no' {using};"


def trigger(does: str, *, constraint: str = "", when: str = "BEFORE", how: str = "") -> tuple[str, str]:
    made = TRIGGER.format(does=does, constraint=constraint, when=when, how=how)
    return made, "DROP TRIGGER refuses ON leads; DROP FUNCTION refuse"


# Each refuses every row: what breaks the table, what mends it, and what the doctor says.
EVERY_ROW = {
    "no more ids": (
        "ALTER TABLE leads ALTER id SET MAXVALUE 2 RESTART; SELECT setval(pg_get_serial_sequence('leads', 'id'), 2)",
        "ALTER TABLE leads ALTER id SET NO MAXVALUE",
        "has no more",
    ),
    "a trigger that raises": (*trigger(RAISES.format(using="")), "its triggers: refuses"),
    "a trigger with a code of its own": (*trigger(RAISES.format(using="USING ERRCODE = 'S0001'")), "refuses"),
    "a trigger that raises at the end of the transaction": (
        *trigger(RAISES.format(using=""), constraint="CONSTRAINT", when="AFTER", how="INITIALLY DEFERRED"),
        "refuses",
    ),
    "a trigger whose table is gone": (
        *trigger("INSERT INTO gone VALUES (1);"),
        "something that it, or one of its triggers",
    ),
    "a trigger whose function is gone": (*trigger("PERFORM gone();"), "its triggers: refuses"),
    "a column of others without a default": (
        "ALTER TABLE leads ADD shop text CHECK (shop <> ''); ALTER TABLE leads ALTER shop SET NOT NULL",
        "ALTER TABLE leads DROP shop",
        "its column shop must not be empty",
    ),
    "a default that is gone": (
        "ALTER TABLE leads ALTER status DROP DEFAULT",
        "ALTER TABLE leads ALTER status SET DEFAULT 'new'",
        "its column status must not be empty",
    ),
    "a constraint that nothing passes": (
        "ALTER TABLE leads ADD CONSTRAINT never CHECK (false)",
        "ALTER TABLE leads DROP CONSTRAINT never",
        "the constraint never refuses every one",
    ),
    "a unique index that is gone": (
        "ALTER TABLE leads DROP CONSTRAINT IF EXISTS lead_first; DROP INDEX IF EXISTS lead_first",
        "CREATE UNIQUE INDEX lead_first ON leads (folio) WHERE is_first",
        "a unique index of leads is gone",
    ),
}


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@contextmanager
def broken(breaks: str, mends: str):
    sql(breaks)
    try:
        yield
    finally:
        sql(mends)


def a_lead(name="Ana", **contact):
    return lead_record(an_issued_quote(), a_contact(name=name, **contact))


@pytest.mark.parametrize("what", EVERY_ROW)
def test_a_table_that_refuses_every_row_sets_none_aside_and_the_doctor_says_why(what, outbox_directories):
    breaks, mends, said = EVERY_ROW[what]
    writer = a_writer(outbox_directories)
    items = [item(lead) for lead in (a_lead(), quote_record(an_issued_quote(), visitor_id=""), a_lead("Luz"))]
    with broken(breaks, mends):
        for _ in range(2):
            assert writer.deliver(items) == ([], Fault.SCHEMA)
        [finding] = list(writing.examine())
        assert (finding.level, said in finding.found) == ("error", True), finding
    assert writer.deliver(items) == ([True] * 3, None)
    assert census.census(outbox_directories).quarantined == 0


def test_leads_wait_for_such_a_table_and_arrive_by_themselves(outbox_directories, settings, admin_client):
    settings.LEAD_WAIT_MS = 0
    leads = [a_lead(), quote_record(an_issued_quote(), visitor_id=""), a_lead("Luz")]
    with broken(*EVERY_ROW["a trigger that raises"][:2]):
        assert [record(lead) for lead in leads] == [Outcome.QUEUED] * 3
        eventually(lambda: relay.of_this_process().breaker.fault is Fault.SCHEMA)
        assert eventually(lambda: census.census(outbox_directories).pending == 3)
        assert relay.of_this_process().database_state == "down"
    assert eventually(lambda: Lead.objects.filter(folio__in=[lead.folio for lead in leads]).count() == 3)
    assert census.census(outbox_directories).quarantined == 0


def test_a_table_that_begins_to_refuse_every_row_in_the_middle_of_a_batch_loses_nobody(outbox_directories):
    makes_room_for_two = """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF (SELECT count(*) FROM leads) >= 2 THEN RAISE EXCEPTION 'full'; END IF; RETURN NEW; END $$;
        CREATE TRIGGER refuses BEFORE INSERT ON leads FOR EACH ROW EXECUTE FUNCTION refuse()
    """
    writer, items = a_writer(outbox_directories), [item(a_lead(name)) for name in ("Ana", "Luz", "Eva", "Sol")]
    with broken(makes_room_for_two, "DROP TRIGGER refuses ON leads; DROP FUNCTION refuse"):
        assert writer.deliver(items) == ([True, True], Fault.SCHEMA)
    assert writer.deliver(items[2:]) == ([True, True], None)
    assert census.census(outbox_directories).quarantined == 0


def test_an_id_that_was_already_used_sets_nobody_aside(outbox_directories):
    """As after a restore. The statement and the lead alone meet the last two used ids; the probe gets a new one."""
    writer, known = a_writer(outbox_directories), [item(a_lead(name)) for name in ("Ana", "Luz", "Eva")]
    assert writer.deliver(known) == ([True] * 3, None)
    newest = Lead.objects.latest("id").pk
    sql(f"SELECT setval(pg_get_serial_sequence('leads', 'id'), {newest - 2})")
    late = item(a_lead("Sol"))
    assert writer.deliver([late]) == ([True], None)
    assert census.census(outbox_directories).quarantined == 0
    assert Lead.objects.filter(folio=late.folio).exists()


def test_a_second_person_who_sends_again_after_the_first_was_deleted_is_delivered(outbox_directories):
    writer, issued = a_writer(outbox_directories), an_issued_quote()
    first = lead_record(issued, a_contact(name="Ana", phone="+526560000001"))
    second = lead_record(issued, a_contact(name="Luz", phone="+526560000002"))
    for lead in (first, second):
        assert writer.deliver([item(lead)]) == ([True], None)
    Lead.objects.filter(name="Ana").delete()
    again = lead_record(issued, a_contact(name="Luz Sol", phone="+526560000002", submitted_at=timezone.now()))
    assert writer.deliver([item(again)]) == ([True], None)
    assert list(Lead.objects.values_list("name", "is_first")) == [("Luz Sol", False)]
    assert census.census(outbox_directories).quarantined == 0


def test_a_table_that_is_mended_before_the_probe_sets_nobody_aside(outbox_directories, monkeypatch):
    writer, waiting = a_writer(outbox_directories), [item(a_lead(name)) for name in ("Ana", "Luz")]
    breaks, mends, _said = EVERY_ROW["a trigger that raises"]
    probe_all = writer._probe_all

    def mend_and_probe() -> Fault | None:
        sql(mends)
        return probe_all()

    monkeypatch.setattr(writer, "_probe_all", mend_and_probe)
    sql(breaks)
    assert writer.deliver(waiting) == ([True, True], None)
    assert census.census(outbox_directories).quarantined == 0


@pytest.mark.parametrize("is_quick", [True, False])
def test_processes_that_write_the_same_folios_in_another_order_do_not_wait_for_each_other(is_quick):
    """One has the quotes, as after an outage, and another their leads. Each row takes a while."""
    issued = [an_issued_quote() for _ in range(3)]
    quotes = [quote_record(each, visitor_id="").as_json() for each in issued]
    leads = [lead_record(each, a_contact(submitted_at=timezone.now())).as_json() for each in reversed(issued)]
    faults = []

    def write(texts: list[bytes]) -> None:
        try:
            upsert(texts, is_quick=is_quick)
        except DatabaseError as error:
            faults.append(error)
        finally:
            connection.close()

    with broken(*trigger("PERFORM pg_sleep(0.1);")):
        threads = [Thread(target=write, args=[texts]) for texts in (quotes, leads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert faults == []
    assert Lead.objects.exclude(phone="").count() == 3


# --- Rules that refuse some rows, and the probes with them ----------------------------------------------------------


def item(lead) -> Item:
    return Item(lead.folio, 1.0, lead.as_json())


def a_writer(directories) -> PostgresWriter:
    return PostgresWriter(Outbox(directories), Breaker(clock=lambda: 0.0), ConnectionTurns(directories))


KNOWS_ONLY_ANA = ("ALTER TABLE leads ADD CONSTRAINT ana CHECK (name = 'Ana')", "ALTER TABLE leads DROP CONSTRAINT ana")


def test_a_row_is_set_aside_when_another_of_its_batch_is_accepted(outbox_directories):
    writer = a_writer(outbox_directories)
    with broken(*KNOWS_ONLY_ANA):
        items = [item(a_lead(name)) for name in ("Red", "Blue", "Ana", "Red")]
        assert writer.deliver(items) == ([False, False, True], Fault.SCHEMA)
    assert census.census(outbox_directories).quarantined == 2


def test_a_suspect_is_set_aside_when_it_is_refused_after_another_row_was_accepted(outbox_directories):
    writer = a_writer(outbox_directories)
    with broken(*KNOWS_ONLY_ANA):
        suspects = [item(a_lead("Red")) for _ in range(MOST_REFUSED)]
        behind = item(a_lead("Ana"))
        assert writer.deliver([*suspects, behind]) == ([], Fault.SCHEMA)
        assert writer.deliver([item(a_lead("Ana"))]) == ([True], None)
        assert writer.deliver([*suspects, behind]) == ([False] * MOST_REFUSED + [True], None)
    assert census.census(outbox_directories).quarantined == MOST_REFUSED


@pytest.mark.parametrize(
    ("breaks", "mends"),
    [
        ("ALTER TABLE leads RENAME TO leads_away", "ALTER TABLE leads_away RENAME TO leads"),
        ("SET default_transaction_read_only = on", "SET default_transaction_read_only = off"),
    ],
)
def test_a_suspect_is_not_set_aside_because_the_table_is_gone_or_read_only(outbox_directories, breaks, mends):
    writer, suspect = a_writer(outbox_directories), item(a_lead("Luz"))
    with broken(*EVERY_ROW["a trigger that raises"][:2]):
        assert writer.deliver([suspect]) == ([], Fault.SCHEMA)
    assert writer.deliver([item(a_lead("Ana"))]) == ([True], None)
    with broken(breaks, mends):
        assert writer.deliver([suspect]) == ([], Fault.SCHEMA)
    assert census.census(outbox_directories).quarantined == 0
    assert writer.deliver([suspect]) == ([True], None)


def test_a_trigger_that_fails_for_one_row_holds_up_nobody_else(outbox_directories):
    fails_for_red = trigger("IF NEW.name = 'Red' THEN PERFORM gone(); END IF;")
    with broken(*fails_for_red):
        leads = [a_lead(name) for name in ("Red", "Ana", "Luz")]
        assert [record(lead) for lead in leads] == [Outcome.QUEUED, Outcome.STORED, Outcome.STORED]
        assert not relay.of_this_process().breaker.is_open
    assert census.census(outbox_directories).quarantined == 1


def test_a_refused_quote_is_set_aside_when_leads_with_a_person_are_accepted(outbox_directories):
    with broken("ALTER TABLE leads ADD CONSTRAINT named CHECK (name > '')", "ALTER TABLE leads DROP CONSTRAINT named"):
        record(quote_record(an_issued_quote(), visitor_id=""))
        assert eventually(lambda: census.census(outbox_directories).quarantined == 1)
        assert record(a_lead()) is Outcome.STORED
        [finding] = list(writing.examine())
        assert (finding.level, "refuses some rows" in finding.found) == ("warning", True)


def test_leads_wait_for_a_table_that_only_the_whole_statement_needs(outbox_directories):
    writer, issued = a_writer(outbox_directories), an_issued_quote()
    assert writer.deliver([item(lead_record(issued, a_contact()))]) == ([True], None)
    batch = [item(lead_record(issued, a_contact(phone="+526560000002"))), item(a_lead("Ana"))]
    with broken("ALTER TABLE lead_events RENAME TO away", "ALTER TABLE away RENAME TO lead_events"):
        assert writer.deliver(batch) == ([], Fault.SCHEMA)
    assert writer.deliver(batch) == ([True, True], None)
    assert census.census(outbox_directories).quarantined == 0
    assert Lead.objects.count() == 3
