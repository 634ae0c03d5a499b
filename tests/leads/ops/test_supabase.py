"""Supabase's data API is closed, on a Postgres with Supabase's roles and the default privileges of older projects."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.db.models.signals import post_migrate, pre_migrate

from leads.apps import after_migrations, before_migrations
from leads.delivery.record import lead_record
from leads.models import Lead
from leads.ops import supabase
from leads.ops.checks import data_api_and_rights
from tests.support import mark
from tests.support.factories import a_contact, an_issued_quote, store
from tests.support.live import NOBODY_LISTENS, Postgres
from tests.support.supabase import OWNER, PUBLIC_ROLES, as_role, database, django_on, server

A_TABLE_OF_OTHERS = "CREATE TABLE prices (id serial PRIMARY KEY, price numeric)"
SQUATTER = "INSERT INTO auth_user VALUES (99, 'x', now(), true, 'squatter', '', '', '', true, true, now())"


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with server() as running:
        yield running


@pytest.fixture(scope="module")
def migrated(postgres: Postgres, django_db_blocker: Any) -> Iterator[str]:
    """A migrated database that is open to everybody. It is only copied, never changed."""
    with database(postgres, name="open_shop") as name, django_db_blocker.unblock():
        with django_on(postgres, name), without_our_hooks():
            call_command("migrate", verbosity=0)
        yield name


@pytest.fixture
def shop(postgres: Postgres, migrated: str, django_db_blocker: Any) -> Iterator[str]:
    """A copy of `migrated`, to which Django connects as the owner."""
    with database(postgres, template=migrated) as name, django_db_blocker.unblock(), django_on(postgres, name):
        store(lead_record(an_issued_quote(), a_contact()))
        yield name


@contextmanager
def without_our_hooks() -> Iterator[None]:
    sender = apps.get_app_config("leads")
    pre_migrate.disconnect(before_migrations, sender=sender)
    post_migrate.disconnect(after_migrations, sender=sender)
    try:
        yield
    finally:
        pre_migrate.connect(before_migrations, sender=sender)
        post_migrate.connect(after_migrations, sender=sender)


def migrate(**options: Any) -> str:
    out = StringIO()
    call_command("migrate", stdout=out, **options)
    return out.getvalue()


def sql(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []


def tables() -> list[str]:
    return [name for (name,) in sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")]


def attempts(table: str) -> dict[str, str]:
    """Return one statement for each kind of access to a table. None of them changes a row."""
    return {
        "select": f"SELECT * FROM {table}",
        "insert": f"INSERT INTO {table} SELECT * FROM {table} WHERE false",
        "update": f"UPDATE {table} SET {_a_column(table)} = {_a_column(table)} WHERE false",
        "delete": f"DELETE FROM {table} WHERE false",
        "truncate": f"TRUNCATE {table} CASCADE",
    }


def _a_column(table: str) -> str:
    return str(sql("SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum = 1", table)[0][0])


def refusals(role_connection: psycopg.Connection, statements: dict[str, str]) -> dict[str, bool]:
    """Try each statement and roll it back; return whether it was refused for lack of a right."""
    refused = {}
    for name, statement in statements.items():
        try:
            with role_connection.transaction(force_rollback=True):
                role_connection.execute(statement)
        except psycopg.errors.InsufficientPrivilege:
            refused[name] = True
        else:
            refused[name] = False
    return refused


ALL_REFUSED = dict.fromkeys(("select", "insert", "update", "delete", "truncate"), True)
NONE_REFUSED = dict.fromkeys(ALL_REFUSED, False)


@pytest.mark.parametrize("role", PUBLIC_ROLES)
def test_the_public_roles_may_do_everything_before_migrate_and_nothing_after(postgres, shop, role):
    statements = {table: attempts(table) for table in tables()}
    assert {"leads", "lead_events", "auth_user", "django_session", "django_migrations"} <= set(statements)
    with as_role(postgres, shop, role) as public:
        assert {table: refusals(public, tried) for table, tried in statements.items()} == dict.fromkeys(
            statements, NONE_REFUSED
        )
        public.execute(SQUATTER)  # a stranger becomes a superuser
        call_command("migrate", verbosity=0)
        assert {table: refusals(public, tried) for table, tried in statements.items()} == dict.fromkeys(
            statements, ALL_REFUSED
        )
        for (sequence,) in sql("SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'"):
            tried = {"next": f"SELECT nextval('{sequence}')", "read": f"SELECT last_value FROM {sequence}"}
            assert refusals(public, tried) == {"next": True, "read": True}


def test_row_level_security_is_on_for_every_table(shop):
    migrate()
    assert sql("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace "
               "AND NOT relrowsecurity") == []  # fmt: skip


def test_the_service_role_keeps_the_rights_it_needs_on_leads_and_no_other(postgres, shop):
    migrate()
    with as_role(postgres, shop, "service_role") as tool:
        assert tool.execute("SELECT name FROM leads").fetchall() == [("María Peña",)]
        assert refusals(tool, attempts("leads")) == NONE_REFUSED | {"delete": True, "truncate": True}
        with tool.transaction(force_rollback=True):
            tool.execute("INSERT INTO leads (folio, quote_data) VALUES ('from a tool', '{}')")
        others = [table for table in tables() if table != "leads"]
        assert {table: refusals(tool, attempts(table)) for table in others} == dict.fromkeys(others, ALL_REFUSED)


def test_the_service_role_is_granted_its_rights_in_projects_that_grant_it_none(postgres, shop):
    sql("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM service_role")
    migrate()
    with as_role(postgres, shop, "service_role") as tool:
        assert tool.execute("SELECT count(*) FROM leads").fetchone() == (1,)


def test_a_new_database_is_closed_from_its_first_migrate_on(postgres, django_db_blocker):
    with database(postgres) as name, django_db_blocker.unblock(), django_on(postgres, name):
        printed = migrate()
        closed = len(tables()) + len(sql("SELECT 1 FROM pg_sequences"))
        assert f"Closed to the data API: {closed} tables, views and sequences." in printed
        assert supabase.exposures() == []
        with as_role(postgres, name, "anon") as public:
            assert refusals(public, attempts("auth_user")) == ALL_REFUSED


def test_tables_are_never_open_not_even_while_migrations_run(postgres, django_db_blocker):
    with database(postgres) as name, django_db_blocker.unblock(), django_on(postgres, name):
        post_migrate.disconnect(after_migrations, sender=apps.get_app_config("leads"))
        try:
            migrate()
        finally:
            post_migrate.connect(after_migrations, sender=apps.get_app_config("leads"))
        with as_role(postgres, name, "anon") as public:
            assert refusals(public, attempts("auth_user")) == ALL_REFUSED


def test_closing_twice_changes_nothing_the_second_time(shop):
    assert supabase.close_data_api() == len(tables()) + len(sql("SELECT 1 FROM pg_sequences"))
    before = sql("SELECT oid, xmin::text FROM pg_class")
    assert supabase.close_data_api() == 0
    assert sql("SELECT oid, xmin::text FROM pg_class") == before


@pytest.mark.parametrize(
    "reopening",
    mark.by_hand_but(
        2,
        [
            "GRANT SELECT (phone) ON leads TO anon",
            "ALTER TABLE leads DISABLE ROW LEVEL SECURITY",
            "GRANT SELECT ON leads TO anon",
            "GRANT INSERT ON leads TO PUBLIC",
            "GRANT TRUNCATE ON leads TO authenticated",
            "GRANT UPDATE ON SEQUENCE leads_id_seq TO anon",
        ],
    ),
)
def test_a_table_that_somebody_opens_is_found_and_closed_by_the_next_migrate(shop, reopening):
    migrate()
    assert supabase.exposures() == []
    sql(reopening)
    assert [(each.relation, each.cure) for each in supabase.exposures()] == [
        ("public.leads_id_seq" if "SEQUENCE" in reopening else "public.leads", "manage.py migrate")
    ]
    migrate()
    assert supabase.exposures() == []


@pytest.mark.parametrize(
    ("made", "exposed", "kind"),
    mark.by_hand_but(
        2,
        [
            (A_TABLE_OF_OTHERS, "public.prices", "table"),
            ("CREATE TABLE parts (id int) PARTITION BY RANGE (id)", "public.parts", "partitioned table"),
            ("CREATE VIEW people AS SELECT name, phone FROM leads", "public.people", "view"),
            ("CREATE MATERIALIZED VIEW people AS SELECT name FROM leads", "public.people", "materialized view"),
            ("CREATE SEQUENCE tickets", "public.tickets", "sequence"),
            (
                "CREATE SCHEMA shop; ALTER DATABASE shop SET search_path = shop, public; "
                "CREATE TABLE shop.notes (id int); GRANT SELECT ON shop.notes TO anon",
                "shop.notes",
                "table",
            ),
        ],
    ),
)
def test_a_relation_that_django_did_not_make_is_found_and_its_cure_closes_it(postgres, shop, made, exposed, kind):
    migrate()
    sql(f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated; "
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON SEQUENCES TO anon, authenticated; {made}")  # fmt: skip
    connection.close()  # the search path is that of new sessions
    (exposure,) = supabase.exposures()
    assert (exposure.relation, exposure.kind) == (exposed, kind)
    assert "anon may" in exposure.problem
    migrate()
    assert supabase.exposures() == [exposure]  # migrate leaves alone what is not Django's
    sql(exposure.cure)
    assert supabase.exposures() == []


@pytest.mark.parametrize(
    "guarded",
    [
        f"{A_TABLE_OF_OTHERS}; ALTER TABLE prices ENABLE ROW LEVEL SECURITY; "
        "CREATE POLICY all_may_read ON prices FOR SELECT USING (true); GRANT SELECT ON prices TO anon; "
        "GRANT USAGE ON SEQUENCE prices_id_seq TO anon",
        "CREATE VIEW people WITH (security_invoker = on) AS SELECT name FROM leads; GRANT SELECT ON people TO anon",
        A_TABLE_OF_OTHERS,
    ],
)
def test_a_relation_of_others_that_is_guarded_or_granted_to_nobody_is_not_reported(shop, guarded):
    migrate()
    sql(guarded)
    assert supabase.exposures() == []


def test_a_table_that_django_s_role_makes_later_is_granted_to_nobody(postgres, shop):
    migrate()
    sql(A_TABLE_OF_OTHERS)
    with as_role(postgres, shop, "anon") as public:
        assert refusals(public, attempts("prices")) == ALL_REFUSED


def test_tables_in_another_schema_are_closed_too(postgres, shop):
    sql("CREATE SCHEMA hidden; ALTER TABLE leads SET SCHEMA hidden; GRANT USAGE ON SCHEMA hidden TO anon")
    sql("ALTER DATABASE shop SET search_path = hidden, public")
    connection.close()
    assert "hidden.leads" in {each.relation for each in supabase.exposures()}
    migrate()
    assert supabase.exposures() == []
    with as_role(postgres, shop, "anon") as public:
        assert refusals(public, attempts("hidden.leads")) == ALL_REFUSED


def test_a_postgres_without_supabase_s_roles_is_not_changed(db):
    assert sql("SELECT 1 FROM pg_roles WHERE rolname = 'anon'") == []
    assert "There is no data API here" in migrate(verbosity=2)
    assert "data API" not in migrate(verbosity=1)
    assert supabase.exposures() == []
    assert sql("SELECT relrowsecurity FROM pg_class WHERE oid = 'leads'::regclass") == [(False,)]


# --- The role that Django connects with ------------------------------------------------------------------------------


@pytest.fixture
def clerk(postgres: Postgres, shop: str) -> Iterator[str]:
    """A role that owns nothing in a database that is closed."""
    migrate()
    postgres.query("CREATE ROLE clerk LOGIN")
    yield "clerk"
    connection.close()
    with psycopg.connect(postgres.url, dbname=shop, autocommit=True) as admin:
        admin.execute("DROP OWNED BY clerk")
        admin.execute("DROP ROLE clerk")


def test_the_owner_lacks_nothing_and_works(shop):
    migrate()
    assert supabase.missing_rights() == []
    store(lead_record(an_issued_quote(), a_contact()))
    assert Lead.objects.count() == 2


def test_each_right_that_another_role_lacks_is_reported_and_with_them_it_works(postgres, shop, clerk):
    with django_on(postgres, shop, user=clerk):
        missing = supabase.missing_rights()
        assert "clerk may not SELECT, INSERT, UPDATE, DELETE on public.leads: GRANT SELECT, INSERT, UPDATE, DELETE " \
            "ON public.leads TO clerk;" in missing  # fmt: skip
        with pytest.raises(DatabaseError):
            Lead.objects.count()
    run_all(missing)
    with django_on(postgres, shop, user=clerk):
        assert supabase.missing_rights() == []
        store(lead_record(an_issued_quote(), a_contact()))
        assert Lead.objects.count() == 2
        assert "No migrations to apply" in migrate()


def test_a_role_with_rights_but_without_a_policy_is_reported(postgres, shop, clerk):
    sql("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO clerk")
    with django_on(postgres, shop, user=clerk):
        assert Lead.objects.count() == 0  # it looks like an empty shop
        missing = supabase.missing_rights()
        assert len(missing) == len(tables())
        assert (
            "row level security hides every row of public.leads from clerk: "
            "CREATE POLICY folio ON public.leads TO clerk USING (true) WITH CHECK (true);"
        ) in missing


def test_row_level_security_forced_on_the_owner_is_reported(postgres, shop):
    migrate()
    postgres.query(f"ALTER ROLE {OWNER} NOBYPASSRLS")
    try:
        sql("ALTER TABLE leads FORCE ROW LEVEL SECURITY")
        connection.close()
        (missing,) = supabase.missing_rights()
        assert missing.endswith("even from its owner: ALTER TABLE public.leads NO FORCE ROW LEVEL SECURITY;")
        run_all([missing])
        assert supabase.missing_rights() == []
    finally:
        postgres.query(f"ALTER ROLE {OWNER} BYPASSRLS")


def test_a_schema_or_a_sequence_that_may_not_be_used_is_reported(postgres, shop, clerk):
    sql("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    sql("CREATE SEQUENCE numbers OWNED BY leads.id")
    with django_on(postgres, shop, user=clerk):
        (missing,) = supabase.missing_rights()
        assert missing.startswith("clerk may not use the schema public, so it sees no tables: ")
    run_all([missing])
    with django_on(postgres, shop, user=clerk):
        assert "clerk may not use numbers: GRANT USAGE ON SEQUENCE numbers TO clerk;" in supabase.missing_rights()


def test_a_migrate_that_may_not_close_a_table_stops_and_prints_what_to_run(postgres, shop, clerk):
    postgres.query("ALTER ROLE clerk BYPASSRLS")
    sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO clerk")
    sql("ALTER TABLE leads DISABLE ROW LEVEL SECURITY; GRANT SELECT ON leads TO anon")
    with django_on(postgres, shop, user=clerk), pytest.raises(CommandError) as stopped:
        migrate()
    printed = [line.strip() for line in str(stopped.value).splitlines()[1:]]
    assert "ALTER TABLE public.leads ENABLE ROW LEVEL SECURITY;" in printed
    run_all(printed)
    assert supabase.exposures() == []


def run_all(reports: list[str]) -> None:
    """Run, as the owner, the statement at the end of each report."""
    for text in reports:
        sql(text.rpartition(": ")[2])


# --- The check before a deploy ---------------------------------------------------------------------------------------


def test_the_check_before_a_deploy_warns_of_open_tables(shop):
    warnings = data_api_and_rights(None)
    (leads,) = [warning for warning in warnings if warning.msg.startswith("public.leads (table): ")]
    assert "anon may SELECT, INSERT, UPDATE, DELETE, TRUNCATE" in leads.msg
    assert "row level security is off" in leads.msg
    assert {(warning.id, warning.is_serious()) for warning in warnings} == {("leads.W003", False)}
    migrate()
    assert data_api_and_rights(None) == []


def test_the_check_is_silent_when_the_database_is_down(django_db_blocker):
    address = psycopg.conninfo.conninfo_to_dict(NOBODY_LISTENS)
    missing_server = Postgres.__new__(Postgres)
    missing_server.url = psycopg.conninfo.make_conninfo(**address)
    with django_db_blocker.unblock(), django_on(missing_server, "none"):
        assert data_api_and_rights(None) == []
        with pytest.raises(DatabaseError):
            supabase.exposures()
