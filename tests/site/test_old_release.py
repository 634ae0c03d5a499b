"""The release that serves while the next one migrates, and after the way back: its statements on the new tables."""

import time
from threading import Event, Thread

import psycopg
import pytest
from django.core.management import call_command
from django.db import ProgrammingError, connection, migrations, models, transaction
from django.db.migrations.loader import MigrationLoader

from leads.delivery.breaker import Fault, classify
from leads.delivery.record import quote_record
from tests.support.factories import an_issued_quote, store
from tests.support.supabase import django_on

# --- The first release ------------------------------------------------------------------------------------------------

# The statements of the first release, which runs while the next one migrates, and again after a rollback.
FIRST_UPSERT = """
INSERT INTO leads (folio, name, phone, quote_data, visitor_id, created_at, submitted_at)
SELECT folio, name, phone, quote_data, visitor_id, created_at, submitted_at
FROM jsonb_to_recordset(%s::jsonb) AS arrived (
    folio text, name text, phone text, quote_data jsonb, visitor_id text,
    created_at timestamptz, submitted_at timestamptz
)
ON CONFLICT (folio) DO UPDATE SET
    name = excluded.name,
    phone = excluded.phone,
    quote_data = excluded.quote_data,
    visitor_id = excluded.visitor_id,
    submitted_at = excluded.submitted_at
WHERE excluded.submitted_at > coalesce(leads.submitted_at, '-infinity')
"""
FIRST_LEAD = '[{"folio": "261122-7F3K-Q2M9-X", "name": "", "phone": "", "quote_data": {}, "visitor_id": "",'
FIRST_LEAD += ' "created_at": "2026-11-22T12:00:00Z", "submitted_at": null}]'
FIRST_READS = [
    "SELECT id, folio, name, phone, quote_data, status, visitor_id, created_at, submitted_at, contacted_at,"
    " contacted_by, notes FROM leads",
    "SELECT id, lead_id, at, actor_id, kind, detail FROM lead_events",
]


@pytest.mark.django_db
def test_the_statements_of_the_first_release_still_read_and_its_leads_wait_in_the_outbox():
    store(quote_record(an_issued_quote(), visitor_id=""))
    with connection.cursor() as cursor:
        with pytest.raises(ProgrammingError) as refused, transaction.atomic():
            cursor.execute(FIRST_UPSERT, [FIRST_LEAD])
        # The earlier releases have the same rule: what is wrong with the table is not the lead's fault.
        assert classify(refused.value) is Fault.SCHEMA
        cursor.execute(
            "INSERT INTO lead_events (lead_id, at, actor_id, kind, detail)"
            " SELECT id, now(), null, 'contacted', '' FROM leads"
        )
        for statement in FIRST_READS:
            cursor.execute(statement)
            assert len(cursor.fetchall()) == 1


REMOVALS = (
    migrations.RemoveField,
    migrations.RenameField,
    migrations.DeleteModel,
    migrations.RenameModel,
    migrations.AlterModelTable,
)


def breaks_the_old_release(migration: migrations.Migration) -> list[str]:
    """Return the operations that the previous release cannot handle: removals, and required columns."""
    if "_contract" in migration.name:
        return []
    new = {operation.name_lower for operation in migration.operations if isinstance(operation, migrations.CreateModel)}
    faults = []
    for operation in migration.operations:
        is_required = isinstance(operation, migrations.AddField) and not (
            operation.field.null
            or operation.field.has_db_default()
            or isinstance(operation.field, models.ManyToManyField)
        )
        is_new = getattr(operation, "model_name_lower", None) in new
        if isinstance(operation, REMOVALS) or (is_required and not is_new):
            faults.append(f"{migration.app_label}.{migration.name}: {operation.describe()}")
    return faults


def test_no_migration_breaks_the_previous_release():
    own = [m for (app, _), m in MigrationLoader(None).disk_migrations.items() if app in ("quoter", "leads", "checkout")]
    assert len(own) >= 2
    assert [fault for migration in own for fault in breaks_the_old_release(migration)] == []


@pytest.mark.parametrize(
    ("name", "operation", "is_fault"),
    [
        ("0009_source", migrations.AddField("lead", "source", models.TextField(default="")), True),
        ("0009_source", migrations.AddField("lead", "source", models.TextField(db_default="")), False),
        ("0009_source", migrations.AddField("lead", "source", models.TextField(null=True)), False),
        ("0009_source", migrations.RemoveField("lead", "source"), True),
        ("0009_source", migrations.RenameField("lead", "source", "origin"), True),
        ("0010_contract_source", migrations.RemoveField("lead", "source"), False),
    ],
)
def test_a_migration_that_would_break_the_previous_release_is_found(name, operation, is_fault):
    migration = migrations.Migration(name, "leads")
    migration.operations = [operation]
    assert bool(breaks_the_old_release(migration)) == is_fault


# --- The last release, while its tables change ------------------------------------------------------------------------

# Migrations up to this one are of the release before; all later ones are applied while its statements run.
LAST = "0012_machines"
LAST_INSERT = """
INSERT INTO leads (folio, name, phone, quote_data, visitor_id, created_at, submitted_at, arrived_at, set_aside)
SELECT folio, name, phone, quote_data, visitor_id, created_at, submitted_at,
    least(coalesce(arrived_at, now()), now()), coalesce(set_aside, '')
FROM jsonb_to_recordset(jsonb_build_array(jsonb_build_object(
    'folio', %(folio)s::text, 'name', 'Ana', 'phone', '+526567654321', 'quote_data', '{}'::jsonb, 'visitor_id', '',
    'created_at', now(), 'submitted_at', now()
))) AS a (
    folio text, name text, phone text, quote_data jsonb, visitor_id text,
    created_at timestamptz, submitted_at timestamptz, arrived_at timestamptz, set_aside text
)
WHERE (submitted_at > statement_timestamp() + interval '5 seconds') IS NOT TRUE
    AND NOT EXISTS (SELECT FROM lead_erasures AS erased WHERE erased.folio = a.folio)
ON CONFLICT (folio) WHERE is_first DO UPDATE SET name = excluded.name, phone = excluded.phone
WHERE leads.phone = '' AND leads.submitted_at IS NULL AND leads.status = 'new' AND excluded.phone > ''
"""
LAST_CONTACT = """
UPDATE leads SET status = 'contacted', contacted_at = now(), contacted_by = (SELECT min(id) FROM auth_user)
WHERE folio = %(folio)s AND status = 'new'
"""
LAST_EVENT = """
INSERT INTO lead_events (lead_id, at, actor_id, kind, detail)
SELECT id, now(), contacted_by, 'contacted', '' FROM leads WHERE folio = %(folio)s
"""
LAST_LIST = """
SELECT id, folio, name, phone, status, created_at, submitted_at, arrived_at, contacted_at, contacted_by, set_aside
FROM leads WHERE status = 'new' AND phone > '' AND set_aside = '' ORDER BY arrived_at DESC LIMIT 50
"""
LAST_ROW = """
INSERT INTO lead_machines (key, name, place, version, pending, quarantined, damaged, inaccessible, refused, is_durable,
    seen_at, heard_since)
VALUES (%(folio)s, '', '', '0', 0, 0, 0, 0, '[]', true, now(), now())
"""
# A statement waits for a lock no longer than a migration may hold one; the rest is for a busy machine.
LONGEST_WAIT_S = 3.0


def serve(database: psycopg.Connection, folio: str) -> None:
    """Do once what the last release does for a customer and for staff."""
    for statement in (LAST_INSERT, LAST_LIST, LAST_CONTACT, LAST_EVENT, LAST_ROW):
        database.execute(statement, {"folio": folio})


def test_the_last_release_serves_while_the_next_one_migrates_and_after_the_way_back(postgres, django_db_blocker):
    postgres.query("CREATE DATABASE before TEMPLATE postgres")
    waits, errors, is_over = [], [], Event()

    def serve_on() -> None:
        with psycopg.connect(postgres.url, dbname="before", autocommit=True) as database:
            while not is_over.is_set():
                started = time.monotonic()
                try:
                    serve(database, f"during-{len(waits)}")
                except psycopg.Error as error:
                    errors.append(error)
                waits.append(time.monotonic() - started)

    with django_db_blocker.unblock(), django_on(postgres, "before", user="postgres"):
        call_command("migrate", "leads", LAST, verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO auth_user (password, is_superuser, username, first_name, last_name, email, is_staff, "
                "is_active, date_joined) VALUES ('', false, 'ana', '', '', '', true, true, now())"
            )
        old_release = Thread(target=serve_on)
        old_release.start()
        for target in ([], [LAST], []):  # to the next release, back, and there again
            call_command("migrate", "leads", *target, verbosity=0)
        is_over.set()
        old_release.join()
    assert errors == []
    assert len(waits) > 10
    assert max(waits) < LONGEST_WAIT_S
    with psycopg.connect(postgres.url, dbname="before") as database:
        contacted = "SELECT count(*) FROM leads WHERE status = 'contacted'"
        assert database.execute(contacted).fetchone() == (len(waits),)
