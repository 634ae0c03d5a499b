"""A database that has a table `leads` already: Folio adopts it without changing a byte of its values."""

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from io import StringIO
from itertools import count
from typing import Any, NamedTuple

import psycopg
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client, override_settings
from django.utils import timezone

from leads.delivery.record import lead_record, quote_record
from leads.models import Lead, LeadEvent
from leads.ops import adopted_folios
from leads.ops.doctor import tables
from leads.ops.doctor.finding import Level
from quoter.engine import folio
from tests.support import mark
from tests.support.adopted import (
    EMPTY,
    IN_CAPITALS,
    PLAYBOOK,
    SHORT_AND_OLD,
    SUPABASE_S_OWN_WAY,
    TABLES,
    columns,
    every_byte,
    sql,
)
from tests.support.factories import NAME, a_contact, an_issued_quote, store
from tests.support.live import Postgres
from tests.support.supabase import database, django_on, server

pytestmark = pytest.mark.long

LIST = "/admin/leads/lead/"
AS_PRINTED = "the statement that migrate prints"
# First those that every run adopts.
EACH = {name: TABLES[name] for name in ("the playbook's", "supabase's own way", "with folios", "empty")} | TABLES


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with server() as running:
        yield running


@pytest.fixture(scope="module")
def others_migrated(postgres: Postgres, django_db_blocker: Any) -> Iterator[str]:
    """A database with the tables of all apps but `leads`. It is only copied, never changed."""
    with database(postgres, name="without_leads") as name, django_db_blocker.unblock():
        with django_on(postgres, name):
            executor = MigrationExecutor(connection)
            others = ("auth", "admin", "sessions", "account", "mfa", "staff")
            executor.migrate([node for node in executor.loader.graph.leaf_nodes() if node[0] in others])
            call_command("migrate", "staff", verbosity=0)  # for what follows migrations
        yield name


@pytest.fixture
def shop(postgres: Postgres, others_migrated: str, django_db_blocker: Any) -> Iterator[str]:
    """A copy of `others_migrated`, to which Django connects as the owner."""
    with database(postgres, template=others_migrated) as name, django_db_blocker.unblock(), django_on(postgres, name):
        yield name


class Adopted(NamedTuple):
    """An existing table after the migrations. database: is only copied; columns: those that it had, without a folio;
    before: their bytes before the migrations.
    """

    database: str
    columns: list[str]
    before: bytes


@pytest.fixture(scope="module", params=mark.by_hand_but(2, EACH.values()), ids=EACH)
def adopted(request: Any, postgres: Postgres, others_migrated: str, django_db_blocker: Any) -> Iterator[Adopted]:
    with database(postgres, name="adopted", template=others_migrated) as name, django_db_blocker.unblock():
        with django_on(postgres, name):
            sql(request.param)
            original = [name for name in columns() if name != "folio"]
            before, rows = every_byte(original), sql("SELECT count(*) FROM leads")
            migrate()
            assert sql("SELECT count(*) FROM leads") == rows
        yield Adopted(name, original, before)


@pytest.fixture
def existing(postgres: Postgres, adopted: Adopted, django_db_blocker: Any) -> Iterator[Adopted]:
    """One of the existing tables after the migrations, in a database of the test's own to which Django connects."""
    with database(postgres, template=adopted.database) as name, django_db_blocker.unblock(), django_on(postgres, name):
        yield adopted


@pytest.fixture(scope="module")
def migrated_playbook(postgres: Postgres, others_migrated: str, django_db_blocker: Any) -> Iterator[tuple[str, str]]:
    """The playbook's table after the migrations, and what these printed. It is only copied."""
    with database(postgres, name="playbook", template=others_migrated) as name, django_db_blocker.unblock():
        with django_on(postgres, name), override_settings(TIME_ZONE="America/Ciudad_Juarez"):
            sql(PLAYBOOK)
            printed = migrate()
        yield name, printed


@pytest.fixture
def playbook(
    postgres: Postgres, migrated_playbook: tuple[str, str], settings: Any, django_db_blocker: Any
) -> Iterator[str]:
    """A copy of `migrated_playbook`, to which Django connects as the owner; what migrate printed."""
    template, printed = migrated_playbook
    settings.TIME_ZONE = "America/Ciudad_Juarez"
    with database(postgres, template=template) as name, django_db_blocker.unblock(), django_on(postgres, name):
        yield printed


def migrate() -> str:
    out = StringIO()
    call_command("migrate", stdout=out)
    return out.getvalue()


def folios() -> list[Any]:
    return [name for (name,) in sql("SELECT folio FROM leads ORDER BY id")]


def everything() -> list[list[tuple[Any, ...]]]:
    """Return the catalog's rows on all tables, columns and constraints, and the applied migrations."""
    return [
        sql("SELECT oid, relname FROM pg_class ORDER BY 1"),
        sql("SELECT attname, atttypid, atttypmod, attnotnull, atthasdef FROM pg_attribute ORDER BY attrelid, attnum"),
        sql("SELECT * FROM pg_constraint ORDER BY oid"),
        sql("SELECT app, name FROM django_migrations ORDER BY id"),
    ]


# --- Tables that are adopted -----------------------------------------------------------------------------------------


def test_no_byte_of_an_existing_value_changes_and_every_lead_gets_a_folio(existing):
    assert every_byte(existing.columns) == existing.before
    assert all(folios())
    assert len(set(folios())) == len(folios())

    assert [finding for finding in tables.examine() if finding.level is not Level.OK] == []

    whole = every_byte(columns())
    assert "No migrations to apply" in migrate()
    assert every_byte(columns()) == whole


def test_a_checkout_arrives_in_an_adopted_table_and_staff_can_work_with_it(existing):
    issued = an_issued_quote()
    store(quote_record(issued, visitor_id="a-visitor-with-a-long-name"))
    store(lead_record(issued, a_contact(name="María Guadalupe " + "de la Peña " * 9)))
    store(lead_record(issued, a_contact(name="Too late", submitted_at=datetime(2026, 1, 1, tzinfo=UTC))))
    lead = Lead.objects.get(folio=issued.quote.folio)
    assert (lead.name[:5], lead.status, lead.created_at) == ("María", "new", issued.quote.issued_at)
    assert lead.quote_data["total"] == str(issued.quote.total)

    seller = User.objects.create_superuser("seller", password="x")
    client = Client()
    client.force_login(seller)
    page = client.get(LIST, {"status": "all"})
    assert page.status_code == 200
    for each in Lead.objects.all():
        assert each.folio in page.content.decode()
        assert client.get(f"{LIST}{each.pk}/change/").status_code == 200
    assert client.get(LIST, {"q": lead.folio}).content.decode().count(f'data-lead="{lead.pk}"') == 1
    assert client.post(f"{LIST}{lead.pk}/contact/").status_code == 302
    assert client.post(f"{LIST}{lead.pk}/change/", {"notes": "Llamar"}).status_code == 302
    lead.refresh_from_db()
    assert (lead.status, lead.contacted_by) == ("contacted", seller)
    assert lead.kept_notes.get().text == "Llamar"
    assert lead.folio in client.get(LIST, {"q": "llamar"}).content.decode()
    assert LeadEvent.objects.filter(kind="contacted", lead=lead).count() == 1


def test_a_purge_leaves_nobody_in_an_adopted_table(existing):
    sql("UPDATE leads SET created_at = '2025-01-01'")
    arguments = ["purge_leads", "--older-than", "30d", "--anonymise", "--apply"]
    for _ in range(2):
        with suppress(CommandError):  # of columns that still hold something
            call_command(*arguments, stdout=StringIO(), stderr=StringIO())
    assert not [row for row in sql("SELECT name, phone FROM leads") if row != ("", "")]


def test_an_existing_lead_is_found_by_its_folio_and_has_no_page_for_customers(playbook):
    client = Client()
    client.force_login(User.objects.create_superuser("seller", password="x"))
    page = client.get(LIST, {"q": "COT-0001"}).content.decode()
    assert [each in page for each in folios()] == [True, False, False, False]
    assert client.get(f"/q/{folios()[1]}/").status_code == 404


def test_other_programs_can_write_as_before(playbook):
    sql("INSERT INTO leads (name, phone, quote_data, status) VALUES ('Cruz', '3', '{\"folio\": \"COT-9\"}', 'lost')")
    sql("UPDATE leads SET status = 'contacted' WHERE name = 'Ana'")
    assert folios()[-1] is None
    assert "Folios: 1 taken from quote_data, 0 new." in migrate()
    assert folios()[-1] == "COT-9"


def test_a_folio_is_the_quote_s_own_unless_an_older_lead_has_it(playbook):
    assert "Folios: 1 taken from quote_data, 3 new." in playbook
    own, *minted = folios()
    assert own == "COT-0001"
    assert [folio.parse(each)[:6] for each in minted] == ["260302", "260303", "260304"]


def test_a_new_folio_that_is_already_used_is_replaced_by_another(shop, monkeypatch):
    sql(PLAYBOOK.replace("2026-03-02", "2026-03-04").replace("2026-03-03", "2026-03-04"))
    numbers = (number // 3 for number in count())
    monkeypatch.setattr(adopted_folios.secrets, "randbits", lambda bits: next(numbers))
    migrate()
    assert len(set(folios())) == 4


def test_the_table_s_own_triggers_do_not_run_while_folios_are_filled_in(shop):
    sql(SUPABASE_S_OWN_WAY)
    states = "SELECT tgname, tgenabled::text FROM pg_trigger "
    states += "WHERE NOT tgisinternal AND tgrelid = 'leads'::regclass AND tgname <> 'folio_copied' ORDER BY 1"
    before = sql(states)
    migrate()
    assert sql("SELECT * FROM sent") == []
    assert sql(states) == before == [("disabled", "D"), ("send", "O"), ("touch", "A")]


def test_migrate_prints_what_it_did_to_the_table(shop, capsys):
    sql(IN_CAPITALS)
    migrate()
    printed = capsys.readouterr().out
    assert "leads exists already: its 2 rows stay as they are." in printed
    assert "Added: folio, submitted_at, contacted_at, contacted_by, notes, indexes." in printed
    assert "status of a new row is 'new' unless given; it was 'NEW'::text." in printed
    assert re.search(r"not listed as waiting: 1 '(NEW|Won)', 1 '(NEW|Won)'\.", printed)
    assert "created_at of a new row is now() unless given." in printed


def test_a_timestamp_without_zone_is_read_in_the_zone_it_is_written_in(shop):
    sql(f"ALTER DATABASE {shop} SET TimeZone = 'America/Ojinaga'")
    connection.close()
    sql(SHORT_AND_OLD)
    migrate()
    assert Lead.objects.get().created_at == datetime(2026, 3, 2, 5, 30, 0, 123456, tzinfo=UTC)
    issued = an_issued_quote()
    store(lead_record(issued, a_contact()))
    assert Lead.objects.get(folio=issued.quote.folio).created_at == issued.quote.issued_at
    assert Lead.objects.filter(created_at__lte=timezone.now()).count() == 2


def test_a_migrate_that_was_interrupted_goes_on_where_it_stopped(shop, monkeypatch):
    sql(EMPTY)
    sql("INSERT INTO leads (name, phone, quote_data) SELECT 'Ana', '1', '{}' FROM generate_series(1, 10)")
    monkeypatch.setattr(adopted_folios, "BATCH", 4)
    assigned, calls = adopted_folios._assigned, count()

    def interrupted(*arguments: Any) -> Any:
        if next(calls):
            raise KeyboardInterrupt
        return assigned(*arguments)

    monkeypatch.setattr(adopted_folios, "_assigned", interrupted)
    with pytest.raises(CommandError, match="Run it again"):
        migrate()
    first_batch = folios()
    assert [bool(each) for each in first_batch] == [True] * 4 + [False] * 6
    monkeypatch.setattr(adopted_folios, "_assigned", assigned)
    migrate()
    assert folios()[:4] == first_batch[:4]
    assert all(folios())


@pytest.mark.by_hand
def test_undoing_the_migration_is_refused_while_there_are_leads(shop):
    sql(PLAYBOOK)
    migrate()
    with pytest.raises(CommandError, match="leads has rows"):
        call_command("migrate", "leads", "zero", verbosity=0)
    assert len(folios()) == 4


@pytest.mark.by_hand
def test_folio_makes_its_own_table_when_there_is_none(shop):
    migrate()
    store(lead_record(an_issued_quote(), a_contact()))
    assert Lead.objects.get().name == NAME
    rules = "SELECT conname FROM pg_constraint WHERE conrelid = 'leads'::regclass AND contype = 'c' ORDER BY 1"
    assert sql(rules) == [("lead_contacted_by_someone",), ("lead_status_known",)]
    sql("TRUNCATE leads CASCADE")
    call_command("migrate", "leads", "zero", verbosity=0)
    migrate()


# --- Tables that are refused -----------------------------------------------------------------------------------------


REFUSED = [
    ("ALTER TABLE leads DROP quote_data, DROP visitor_id", "It has no quote_data, visitor_id", None),
    ("ALTER TABLE leads RENAME TO people; CREATE VIEW leads AS TABLE people", "leads is not an ordinary", None),
    (
        "ALTER TABLE leads ALTER quote_data TYPE text",
        "quote_data is text; Folio reads and writes jsonb or json",
        AS_PRINTED,
    ),
    ("ALTER TABLE leads ALTER visitor_id TYPE uuid USING NULL", "visitor_id is uuid", AS_PRINTED),
    (
        "ALTER TABLE leads ADD email text NOT NULL DEFAULT ''; ALTER TABLE leads ALTER email DROP DEFAULT",
        "email is required",
        AS_PRINTED,
    ),
    ("ALTER TABLE leads DROP CONSTRAINT leads_pkey", "id is not its primary key", AS_PRINTED),
    ("DROP SEQUENCE leads_id_seq CASCADE", "id has no default", AS_PRINTED),
    ("ALTER TABLE leads ADD contacted_by text", "contacted_by is text", AS_PRINTED),
    (
        "CREATE TYPE state AS ENUM ('new', 'done'); ALTER TABLE leads ALTER status DROP DEFAULT; "
        "ALTER TABLE leads ALTER status TYPE state USING 'new'",
        "status has no value contacted",
        AS_PRINTED,
    ),
    (
        "ALTER TABLE leads ALTER created_at DROP NOT NULL; UPDATE leads SET created_at = NULL WHERE id = 1",
        "Rows have no created_at",
        "UPDATE leads SET created_at = now() WHERE created_at IS NULL",
    ),
    (
        "ALTER TABLE leads ADD CONSTRAINT says_who CHECK (name <> '') NOT VALID",
        'violates check constraint "says_who"',
        "ALTER TABLE leads DROP CONSTRAINT says_who",
    ),
    (
        "ALTER TABLE leads ADD folio text; UPDATE leads SET folio = 'same'",
        'could not create unique index "leads_folio_key"',
        "UPDATE leads SET folio = NULL",
    ),
    ("CREATE INDEX lead_created ON leads (status)", '"lead_created" already exists', "DROP INDEX lead_created"),
    (
        "ALTER TABLE leads ALTER phone TYPE varchar(20); CREATE VIEW phones AS SELECT phone FROM leads",
        "cannot alter type of a column used by a view",
        "DROP VIEW phones",
    ),
]


@pytest.mark.parametrize(
    ("change", "because", "cure"), mark.by_hand_but(5, REFUSED), ids=[because for _, because, _ in REFUSED]
)
def test_a_table_that_cannot_be_adopted_stops_migrate_and_is_not_touched(shop, change, because, cure):
    sql(PLAYBOOK)
    sql(change)
    before = everything()
    with pytest.raises(CommandError) as stopped:
        migrate()
    assert because in str(stopped.value)
    assert everything() == before

    if cure:
        printed = str(stopped.value).splitlines()[-1].partition(": ")[2]
        sql(printed if cure is AS_PRINTED else cure)
        call_command("migrate", "leads", "0001", verbosity=0)  # which adopts the table; the later ones take a second
        assert all(folios())


def test_a_table_that_belongs_to_another_role_is_not_touched(postgres, shop):
    sql(PLAYBOOK)
    with psycopg.connect(postgres.url, dbname=shop, autocommit=True) as admin:
        admin.execute("ALTER TABLE leads OWNER TO postgres")
        with pytest.raises(CommandError) as stopped:
            migrate()
        assert "It belongs to postgres, and Django connects as shop_owner" in str(stopped.value)
        admin.execute(str(stopped.value).rpartition(": ")[2])
    migrate()
    assert all(folios())
