"""A table `leads` that becomes a partitioned one: the same rows, rules and rights, and later migrations work on it."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, models, transaction
from django.utils import timezone

from leads.delivery.record import LeadRecord, lead_record, quote_record
from leads.models import Lead, LeadEvent, LeadNote
from leads.ops.doctor import partitions as doctor
from leads.ops.doctor import tables
from leads.ops.doctor.finding import Level
from leads.ops.partitions import conversion, months
from leads.ops.partitions.months import Month
from tests.leads.ops.test_adoption import SUPABASE_S_OWN_WAY
from tests.support import mark
from tests.support.factories import a_contact, an_issued_quote, store
from tests.support.live import ROOT, Postgres
from tests.support.supabase import OWNER, database, django_on, server

pytestmark = pytest.mark.long

NOVEMBER = Month(2026, 11)
LATER = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
PARTITION_OF = "SELECT tableoid::regclass::text FROM leads WHERE id = %s"
STRUCTURE = """
SELECT c.relname, pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class c ON c.oid = indexrelid
WHERE indrelid = 'leads'::regclass AND NOT indisprimary
UNION ALL SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid = 'leads'::regclass AND contype IN ('c', 'f')
UNION ALL SELECT attname, concat(format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated)
FROM pg_attribute WHERE attrelid = 'leads'::regclass AND attnum > 0
UNION ALL SELECT attname, pg_get_expr(adbin, adrelid) FROM pg_attrdef
JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum WHERE adrelid = 'leads'::regclass
UNION ALL SELECT tgname, tgenabled::text FROM pg_trigger
WHERE tgrelid = 'leads'::regclass AND NOT tgisinternal AND tgname NOT LIKE 'references%'
UNION ALL SELECT polname, concat(polcmd, polroles::regrole[]) FROM pg_policy WHERE polrelid = 'leads'::regclass
UNION ALL SELECT 'rights', concat(relacl, relrowsecurity) FROM pg_class WHERE oid = 'leads'::regclass
ORDER BY 1, 2
"""


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with server() as running:
        yield running


@pytest.fixture(scope="module")
def migrated(postgres: Postgres, django_db_blocker: Any) -> Iterator[str]:
    with database(postgres, name="shop_of_before") as name, django_db_blocker.unblock():
        with django_on(postgres, name):
            call_command("migrate", verbosity=0)
        yield name


@pytest.fixture(scope="module")
def partitioned(postgres: Postgres, migrated: str, django_db_blocker: Any) -> Iterator[str]:
    with database(postgres, name="partitioned_shop", template=migrated) as name, django_db_blocker.unblock():
        with django_on(postgres, name):
            convert(NOVEMBER)
        yield name


@pytest.fixture
def before(postgres: Postgres, migrated: str, django_db_blocker: Any) -> Iterator[str]:
    """A migrated database whose table is not partitioned."""
    with database(postgres, template=migrated) as name, django_db_blocker.unblock(), django_on(postgres, name):
        yield name


@pytest.fixture
def shop(postgres: Postgres, partitioned: str, django_db_blocker: Any) -> Iterator[str]:
    """A database whose table has a partition for each month from November 2026 on."""
    with database(postgres, template=partitioned) as name, django_db_blocker.unblock(), django_on(postgres, name):
        yield name


def convert(first: Month | None = None, *, this_month: Month = NOVEMBER) -> conversion.Plan:
    plan = conversion.plan("default", this_month=this_month, first=first)
    conversion.convert("default", plan)
    return plan


def sql(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []


def command(name: str, *arguments: str) -> str:
    out = StringIO()
    call_command(name, *arguments, stdout=out, stderr=out)
    return out.getvalue()


def a_lead(folio: str, **contact: Any) -> Lead:
    """Write a lead as the relay does."""
    record = lead_record(an_issued_quote(), a_contact(**contact))
    store(LeadRecord(**{**{field: getattr(record, field) for field in LeadRecord.__slots__}, "folio": folio}))
    return Lead.objects.get(folio=folio, phone=record.phone)


def partition_of(lead: Lead) -> str:
    return str(sql(PARTITION_OF, lead.pk)[0][0])


# --- The conversion ---------------------------------------------------------------------------------------------------


def test_the_table_keeps_its_rows_rules_and_rights(before):
    sql("CREATE ROLE site; GRANT SELECT, UPDATE ON leads TO site; GRANT SELECT ON leads TO service_role")
    lead = a_lead("261015-0000-0000-0")
    LeadEvent.objects.note(LeadEvent.Kind.NOTED, [lead.pk], by=None, now=LATER, detail="")
    structure, row = sql(STRUCTURE), sql("SELECT leads::text FROM leads")

    convert()

    # Of a partitioned table, an index says ONLY.
    assert [(name, rule.replace("ON ONLY", "ON")) for name, rule in sql(STRUCTURE)] == structure
    assert sql("SELECT leads::text FROM leads") == row
    assert partition_of(lead) == "leads_before_2027_01"
    assert list(tables.examine())[0].level == Level.OK
    assert a_lead("261016-0000-0000-0").pk > lead.pk
    sql("REVOKE ALL ON leads FROM site; DROP ROLE site")


def test_rows_move_only_when_a_month_before_them_is_named(before):
    older, newer, odd = (a_lead(folio) for folio in ("261030-0000-0000-0", "261101-0000-0000-0", "COT-17"))

    assert (conversion.plan("default", this_month=NOVEMBER, first=NOVEMBER).moving) == 2
    plan = convert(NOVEMBER)

    assert not plan.is_proved
    assert [partition_of(lead) for lead in (older, newer, odd)] == [
        "leads_before_2026_11",
        "leads_2026_11",
        "leads_default",
    ]


def test_postgres_reads_the_table_before_it_is_locked_when_no_row_moves(before):
    a_lead("261130-0000-0000-0")

    plan = conversion.plan("default", this_month=NOVEMBER, first=None)
    assert (plan.is_proved, plan.moving, plan.first) == (True, 0, Month(2027, 1))
    conversion.convert("default", plan)

    assert sql("SELECT count(*) FROM pg_constraint WHERE conname = 'leads_end_before'") == [(0,)]
    assert a_lead("270301-0000-0000-0").pk


def test_without_apply_the_command_changes_nothing_and_a_second_time_neither(before):
    first = str(Month.of(timezone.localdate()))
    assert "Nothing was changed" in command("partition_leads", f"--from={first}")
    assert not months.is_partitioned("default")
    assert "leads is partitioned" in command("partition_leads", f"--from={first}", "--apply")
    names = months.partitions("default")
    assert "all months to come have partitions" in command("partition_leads", f"--from={first}", "--apply")
    assert months.partitions("default") == names


def test_a_table_that_others_use_is_refused_with_what_to_do(before):
    sql("CREATE VIEW waiting AS SELECT id FROM leads WHERE status = 'new'")
    sql("CREATE TABLE orders (lead bigint REFERENCES leads)")
    sql("ALTER TABLE leads ADD COLUMN number int UNIQUE")
    sql("CREATE PUBLICATION live FOR TABLE leads")

    with pytest.raises(CommandError) as refused:
        command("partition_leads", "--apply")

    for told in (
        "view waiting uses it",
        "publication live uses it",
        "ALTER TABLE orders DROP CONSTRAINT orders_lead_fkey;",
        "ALTER TABLE leads DROP CONSTRAINT leads_number_key;",
    ):
        assert told in str(refused.value)
    assert not months.is_partitioned("default")


def test_what_a_killed_conversion_left_is_reported_and_removed(before):
    proof = "ALTER TABLE leads ADD CONSTRAINT leads_end_before CHECK (folio < '270101') NOT VALID"
    for remove in (("migrate", "--verbosity=1"), ("daily",), ("partition_leads",)):
        sql(proof)
        assert [finding.level for finding in doctor.examine()] == [Level.ERROR]
        assert "killed" in command(*remove)
        assert list(doctor.examine()) == []


def test_an_open_connection_goes_on_writing_after_the_conversion(before, postgres):
    for folio in ("261101-0000-0000-0", "261102-0000-0000-0"):
        a_lead(folio)  # the statement is prepared now
    with psycopg.connect(postgres.url, dbname=before, user=OWNER, autocommit=True) as another:
        another.execute("SELECT count(*) FROM leads", prepare=True)
        convert(NOVEMBER)
        assert a_lead("261103-0000-0000-0").pk
        assert another.execute("SELECT count(*) FROM leads", prepare=True).fetchone() == (3,)


@pytest.mark.by_hand
def test_an_adopted_table_keeps_its_triggers_policies_and_columns(postgres, django_db_blocker):
    with database(postgres) as name, django_db_blocker.unblock(), django_on(postgres, name):
        sql(SUPABASE_S_OWN_WAY)
        sql("DROP VIEW waiting; DROP TABLE calls; ALTER TABLE leads DROP CONSTRAINT leads_email_key")
        command("migrate")
        sql("INSERT INTO leads (name, quote_data) VALUES ('Carla', '{}')")  # by a program that knows no folios
        structure, rows = sql(STRUCTURE), sql("SELECT leads::text FROM leads ORDER BY id")

        convert(NOVEMBER)

        kept = [(name, rule.replace("ON ONLY", "ON")) for name, rule in sql(STRUCTURE)]
        assert kept == structure
        assert sql("SELECT leads::text FROM leads ORDER BY id") == rows
        carla = Lead.objects.get(name="Carla")
        assert partition_of(carla) == "leads_default"
        LeadNote.objects.create(lead=carla, text="call")
        sent = sql("SELECT count(*) FROM sent")
        command("migrate")  # gives the folio, with which the row moves to its month
        carla.refresh_from_db()
        assert partition_of(carla) == f"leads_20{carla.folio[:2]}_{carla.folio[2:4]}"
        assert [note.text for note in carla.kept_notes.all()] == ["call"]
        assert sql("SELECT count(*) FROM sent") == sent


# --- The rules of before ----------------------------------------------------------------------------------------------


def test_the_upsert_gives_the_same_rows(shop):
    first, second = "261122-0000-0000-0", "261222-0000-0000-0"
    issued = an_issued_quote()
    store(quote_record(issued, visitor_id="a-visitor"))
    for folio in (first, second):
        a_lead(folio, name="Ana")
        a_lead(folio, name="Ana María", submitted_at=LATER)
        a_lead(folio, name="Ana")
        a_lead(folio, name="Beto", phone="+526560000000")

    found = list(
        Lead.objects.filter(folio__in=[first, second]).order_by("folio", "-is_first").values_list("name", "is_first")
    )
    assert found == [("Ana María", True), ("Beto", False)] * 2
    assert {partition_of(lead) for lead in Lead.objects.all()} >= {"leads_2026_11", "leads_2026_12"}
    with pytest.raises(IntegrityError):
        Lead.objects.create(folio=first, quote_data={})


def test_a_reference_to_no_lead_is_refused(shop):
    lead = a_lead("261122-0000-0000-0")
    for table in (LeadEvent, LeadNote):
        with pytest.raises(IntegrityError):
            table.objects.create(lead_id=lead.pk + 1)
        table.objects.create(lead_id=lead.pk)
    with pytest.raises(IntegrityError):
        LeadNote.objects.update(lead_id=lead.pk + 1)
    with transaction.atomic():  # what is deleted again in the same transaction refers to nothing
        another = a_lead("261123-0000-0000-0")
        LeadEvent.objects.create(lead=another)
        another.delete()
    assert LeadEvent.objects.count() == 1


def test_a_lead_goes_with_its_notes_but_not_without_its_events(shop):
    lead = a_lead("261122-0000-0000-0")
    LeadNote.objects.create(lead=lead, text="call")
    event = LeadEvent.objects.create(lead=lead)

    with pytest.raises(IntegrityError):
        sql("DELETE FROM leads")
    assert (Lead.objects.count(), LeadNote.objects.count()) == (1, 1)
    event.delete()
    sql("DELETE FROM leads")
    assert (Lead.objects.count(), LeadNote.objects.count()) == (0, 0)

    again = a_lead("261122-0000-0000-0")
    LeadNote.objects.create(lead=again, text="call")
    LeadEvent.objects.create(lead=again)
    again.delete()  # Django deletes the events itself
    assert (LeadEvent.objects.count(), LeadNote.objects.count()) == (0, 0)


def test_a_lead_that_moves_to_another_partition_keeps_what_refers_to_it(shop):
    lead = a_lead("COT-17")
    LeadNote.objects.create(lead=lead, text="call")
    LeadEvent.objects.create(lead=lead)

    Lead.objects.filter(pk=lead.pk).update(folio="261122-0000-0000-0")

    assert partition_of(lead) == "leads_2026_11"
    assert (lead.kept_notes.count(), lead.events.count()) == (1, 1)


def test_an_emptied_table_leaves_no_notes_behind(shop):
    LeadNote.objects.create(lead=a_lead("261122-0000-0000-0"), text="call")
    sql("TRUNCATE leads CASCADE")
    assert LeadNote.objects.count() == 0


def test_nobody_reaches_a_partition_through_the_data_api(shop):
    reachable = """
    SELECT c.relname, role FROM pg_class c, unnest(ARRAY['anon', 'authenticated', 'service_role']) AS role
    WHERE c.relkind IN ('r', 'p') AND c.relname LIKE 'leads%'
    AND has_any_column_privilege(role, c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
    """
    months.add_missing_months("default", date(2027, 6, 1))

    assert sql(reachable) == [("leads", "service_role")]
    assert sql(
        "SELECT count(*) FROM pg_class WHERE relname LIKE 'leads_2%' AND relkind = 'r' AND NOT relrowsecurity"
    ) == [(0,)]


# --- Months -----------------------------------------------------------------------------------------------------------


def test_a_month_takes_the_rows_that_waited_for_it(shop):
    waiting, odd = a_lead("270515-0000-0000-0"), a_lead("COT-17")
    LeadNote.objects.create(lead=waiting, text="call")
    assert partition_of(waiting) == "leads_default"

    added = months.add_missing_months("default", date(2027, 4, 30))

    assert added == [Month(2027, 4), Month(2027, 5), Month(2027, 6), Month(2027, 7)]
    assert (partition_of(waiting), partition_of(odd)) == ("leads_2027_05", "leads_default")
    assert waiting.kept_notes.count() == 1
    assert a_lead("270515-0000-0000-0", name="Ana", submitted_at=LATER).pk == waiting.pk
    assert months.missing_months("default", date(2027, 4, 30)) == []


@pytest.mark.parametrize("adding", mark.by_hand_but(1, ["daily", "migrate", "partition_leads --apply"]))
def test_months_are_added_ahead_and_the_doctor_says_which_is_lacking(shop, adding):
    today = timezone.localdate()
    command("partition_leads", "--apply")
    next_month = Month.of(today).later(1)
    sql(f"DROP TABLE {next_month.table}")
    [finding] = doctor.examine()
    assert (finding.level, str(next_month) in finding.found) == (Level.WARNING, True)

    assert str(next_month) in command(*adding.split())

    [finding] = doctor.examine()
    assert finding.level == Level.OK


def test_a_month_is_archived_as_the_document_says(shop):
    document = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8").partition("### Archive a month")[2]
    old, new = a_lead("261122-0000-0000-0"), a_lead("261222-0000-0000-0")
    for lead in (old, new):
        LeadNote.objects.create(lead=lead, text="call")
        LeadEvent.objects.create(lead=lead)

    sql(document.partition("```sql\n")[2].partition("```")[0].replace("2026_01", "2026_11"))

    assert [lead.pk for lead in Lead.objects.all()] == [new.pk]
    assert [note.lead_id for note in LeadNote.objects.all()] == [new.pk]
    assert [event.lead_id for event in LeadEvent.objects.all()] == [new.pk]
    assert sql("SELECT folio FROM leads_2026_11") == [(old.folio,)]


@pytest.mark.parametrize(
    ("month", "start", "end"), [(Month(2026, 11), "261101", "261201"), (Month(2026, 12), "261201", "270101")]
)
def test_a_month_has_the_folios_that_begin_with_it(month, start, end):
    assert (month.start, month.later(1).start) == (start, end)
    assert month.later(1).later(-1) == month


# --- Later migrations -------------------------------------------------------------------------------------------------


def test_an_index_is_built_concurrently_on_each_partition_and_goes_on_after_a_stop(shop):
    index = models.Index(models.F("visitor_id"), condition=models.Q(status="new"), name="lead_visitors")
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('lead_visitors')"
    a_lead("261122-0000-0000-0")
    # As an interrupted migration leaves it: the index of the table, one of a partition, and a broken one.
    sql("CREATE INDEX lead_visitors ON ONLY leads (visitor_id) WHERE status = 'new'")
    sql("CREATE INDEX leads_2026_11_lead_visitors ON leads_2026_11 (visitor_id) WHERE status = 'new'")
    sql("ALTER INDEX lead_visitors ATTACH PARTITION leads_2026_11_lead_visitors")
    sql("CREATE INDEX leads_2026_12_lead_visitors ON leads_2026_12 (visitor_id)")
    assert sql(valid) == [(False,)]

    with connection.schema_editor(atomic=False) as editor:
        editor.add_index(Lead, index, concurrently=True)
    assert sql(valid) == [(True,)]
    with connection.schema_editor(atomic=False) as editor:
        editor.remove_index(Lead, index, concurrently=True)
    assert sql(valid) == []


def test_a_later_table_can_refer_to_leads(shop):
    class Call(models.Model):
        lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="+")

        class Meta:
            app_label = "leads"
            db_table = "calls"

        def __str__(self) -> str:
            return "call"

    again = models.ForeignKey(Lead, null=True, on_delete=models.CASCADE, related_name="+")
    again.set_attributes_from_name("again")
    again.model = Call
    try:
        with connection.schema_editor() as editor:
            editor.create_model(Call)
        with connection.schema_editor() as editor:
            editor.add_field(Call, again)
        lead = a_lead("261122-0000-0000-0")
        sql("INSERT INTO calls (lead_id, again_id) VALUES (%s, %s)", lead.pk, lead.pk)
        for column in ("lead_id", "again_id"):
            with pytest.raises(IntegrityError):
                sql(f"UPDATE calls SET {column} = %s", lead.pk + 1)
        with pytest.raises(IntegrityError):
            sql("DELETE FROM leads")
        sql("DROP TABLE calls")
        sql("DELETE FROM leads")
    finally:
        del apps.all_models["leads"]["call"]
        apps.clear_cache()


def test_staff_work_as_before(shop, client):
    boss = User.objects.create_superuser("boss", password="x")
    lead = a_lead("261122-0000-0000-0")
    assert Lead.objects.contact(lead.pk, by=boss, now=LATER)
    assert Lead.objects.revert(lead.pk, by=boss, now=LATER)
    assert [event.kind for event in lead.events.order_by("id")] == ["contacted", "reverted"]
