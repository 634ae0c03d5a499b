"""What others may do on a migrated database of Supabase's, with the default privileges of before 2026 and of since."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from leads.alerts.creation import create_alerts
from leads.delivery.record import lead_record
from leads.inbox import search
from leads.models import Alert, Lead
from leads.ops import supabase
from leads.ops.checks import data_api_and_rights
from leads.ops.doctor import exposure
from leads.ops.doctor.finding import Level
from quoter.engine import folio
from tests.support import advisor, mark
from tests.support.factories import a_contact, an_issued_quote, store
from tests.support.live import Postgres
from tests.support.processes import ROOT
from tests.support.supabase import LEGACY, OWNER, SINCE_2026, as_role, database, django_on, server

DOCUMENT = (ROOT / "docs" / "supabase.md").read_text()


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with server() as running:
        yield running


@pytest.fixture(scope="module", params=mark.by_hand_but(1, [SINCE_2026, LEGACY]), ids=["since 2026", "legacy"])
def migrated(request: Any, postgres: Postgres, django_db_blocker: Any) -> Iterator[str]:
    """A migrated database. It is only copied, never changed."""
    with database(postgres, name="migrated", privileges=request.param) as name, django_db_blocker.unblock():
        with django_on(postgres, name):
            call_command("migrate", verbosity=0)
        yield name


@pytest.fixture
def shop(postgres: Postgres, migrated: str, django_db_blocker: Any) -> Iterator[str]:
    """A copy of `migrated`, to which Django connects as the owner."""
    with database(postgres, template=migrated) as name, django_db_blocker.unblock(), django_on(postgres, name):
        yield name


def sql(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []


# --- Supabase's advisor ---------------------------------------------------------------------------------------------


def test_the_advisor_finds_no_error_and_no_warning_and_the_document_explains_the_rest(shop):
    found = advisor.advice(sql)
    assert [each for each in found if each.level is not advisor.Level.INFO] == []
    tables = sql("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
    assert {each.about for each in found if each.rule == "rls_enabled_no_policy"} == {name for (name,) in tables}
    assert {each.rule for each in found} == {"rls_enabled_no_policy", "unused_index"}
    unused_for_long = {each.about for each in found if each.about.endswith("_like")}
    assert unused_for_long
    assert not {name for name in unused_for_long if name.startswith(("lead", "alert", "staff"))}
    assert all(rule in DOCUMENT for rule in ("0008", "rls_enabled_no_policy", "0005", "unused_index"))


FAULTS = {
    1: "CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES auth_group)",
    4: "CREATE TABLE b (a int)",
    6: "CREATE POLICY a ON leads USING (id > 1); CREATE POLICY b ON leads USING (id > 2)",
    7: "ALTER TABLE leads DISABLE ROW LEVEL SECURITY; CREATE POLICY a ON leads USING (id > 1)",
    9: "CREATE INDEX first_of_two ON leads (visitor_id); CREATE INDEX second_of_two ON leads (visitor_id)",
    10: "CREATE VIEW b AS SELECT 1 AS a; GRANT SELECT ON b TO anon",
    11: "CREATE FUNCTION b() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    13: "CREATE TABLE b (a int PRIMARY KEY); GRANT SELECT ON b TO authenticated",
    16: "CREATE MATERIALIZED VIEW b AS SELECT 1 AS a; GRANT SELECT ON b TO anon",
    18: "CREATE TABLE b (a regproc)",
    23: "CREATE TABLE b (token text PRIMARY KEY); GRANT SELECT ON b TO anon",
    24: "CREATE POLICY a ON leads FOR INSERT TO anon WITH CHECK (true)",
    28: "CREATE FUNCTION b() RETURNS int SECURITY DEFINER SET search_path = '' LANGUAGE sql AS 'SELECT 1'",
    29: "CREATE PROCEDURE b() SECURITY DEFINER SET search_path = '' LANGUAGE sql AS 'SELECT 1'; "
    "GRANT EXECUTE ON PROCEDURE b() TO authenticated",
    3: "CREATE POLICY a ON leads USING (current_setting('a.b') = name)",
    15: "CREATE POLICY a ON leads USING (name LIKE current_setting('request.jwt.claims') || 'user_metadata')",
}


def test_each_rule_of_the_advisor_finds_its_fault(shop):
    missed = []
    for rule in advisor.RULES:
        if fault := FAULTS.get(rule.number):
            before = advisor.advice(sql, [rule])
            with transaction.atomic():
                sql(fault)
                after = advisor.advice(sql, [rule])
                transaction.set_rollback(True)
            missed += [rule] if not after > before else []
    assert missed == []


# --- Functions and relations of others --------------------------------------------------------------------------------

OF_LEADS = """
CREATE FUNCTION people(since int, "of whom" text DEFAULT '') RETURNS SETOF leads SECURITY DEFINER
SET search_path = public LANGUAGE sql AS 'SELECT * FROM leads'
"""


def found() -> list[tuple[Level, str]]:
    return [(each.level, each.found) for each in exposure.examine() if each.subject == "exposure"]


def test_the_doctor_says_what_it_looked_at(shop):
    assert found() == [
        (
            Level.OK,
            "Supabase's data API opens no table, view or sequence, and no function with its owner's rights, in public",
        )
    ]


def test_a_function_that_reads_leads_for_everybody_is_named_and_its_cure_closes_it(postgres, shop):
    store(lead_record(an_issued_quote(), a_contact()))
    sql(OF_LEADS)
    with as_role(postgres, shop, "anon") as public:
        assert len(public.execute("SELECT phone FROM people(1)").fetchall()) == 1
        ((level, what),) = found()
        assert level is Level.WARNING
        assert what == (
            'function public.people(since integer, "of whom" text): '
            "anon and authenticated may call it with its owner's rights"
        )
        assert [each.id for each in data_api_and_rights(None)] == ["leads.W003"]
        (exposed,) = supabase.exposed_functions()
        sql(exposed.cure)
        assert supabase.exposed_functions() == []
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            public.execute("SELECT phone FROM people(1)")


@pytest.mark.parametrize(
    "harmless",
    [
        OF_LEADS.replace("SECURITY DEFINER", "SECURITY INVOKER"),
        f"{OF_LEADS}; REVOKE EXECUTE ON FUNCTION people FROM PUBLIC, anon, authenticated",
        "CREATE FUNCTION touch() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        f"CREATE SCHEMA hidden; SET search_path = hidden, public; {OF_LEADS}; RESET search_path",
    ],
    ids=["with its caller's rights", "granted to nobody", "a trigger", "in a schema that is not served"],
)
def test_a_function_that_nobody_can_call_or_that_has_no_rights_of_its_own_is_not_named(shop, harmless):
    sql(harmless)
    assert supabase.exposed_functions() == []


def test_the_schemas_that_the_data_api_is_set_to_serve_are_looked_at_too(postgres, shop):
    sql("CREATE SCHEMA api; CREATE TABLE api.prices (id int); GRANT SELECT ON api.prices TO anon")
    sql(OF_LEADS.replace("people(", "api.people("))
    assert supabase.exposures() == []
    postgres.query("ALTER ROLE authenticator SET pgrst.db_schemas = 'public, api,storage'")
    try:
        assert supabase.examined_schemas() == ["api", "public"]
        assert [each.relation for each in supabase.exposures()] == ["api.prices"]
        assert [each.relation.partition("(")[0] for each in supabase.exposed_functions()] == ["api.people"]
    finally:
        postgres.query("ALTER ROLE authenticator RESET pgrst.db_schemas")


def test_a_foreign_table_is_found(postgres, shop):
    with psycopg.connect(postgres.url, dbname=shop, autocommit=True) as admin:
        admin.execute(
            f"CREATE FOREIGN DATA WRAPPER elsewhere; GRANT USAGE ON FOREIGN DATA WRAPPER elsewhere TO {OWNER}"
        )
    sql("CREATE SERVER there FOREIGN DATA WRAPPER elsewhere; CREATE FOREIGN TABLE stock (id int) SERVER there; "
        "GRANT SELECT ON stock TO anon")  # fmt: skip
    (exposed,) = supabase.exposures()
    assert (exposed.relation, exposed.kind) == ("public.stock", "foreign table")


def test_nobody_but_the_service_role_may_draw_a_folio(postgres, shop):
    for role in ("anon", "authenticated"):
        with as_role(postgres, shop, role) as public, pytest.raises(psycopg.errors.InsufficientPrivilege):
            public.execute("SELECT lead_new_folio()")
    with as_role(postgres, shop, "service_role") as tool:
        assert tool.execute("SELECT lead_new_folio() IS NOT NULL").fetchone() == (True,)


# --- Other programs, with the service key -----------------------------------------------------------------------------


A_FOLIO = "261190-7F3K-Q2M9-X"  # the document's


def examples(language: str) -> list[str]:
    """Return the document's examples in a language, such as sql."""
    return [part.partition("```")[0].strip() for part in DOCUMENT.split(f"```{language}\n")[1:]]


INSERT, CONTACT, REVERT = examples("sql")


def bring_in(tool: psycopg.Connection) -> str:
    """Write a lead as the document says; return its folio."""
    (row,) = tool.execute(INSERT).fetchall()
    return str(row[0])


def run(tool: psycopg.Connection, example: str, number: str) -> int:
    assert A_FOLIO in example
    return tool.execute(example.replace(A_FOLIO, number)).rowcount


def test_a_lead_of_another_program_gets_a_folio_that_is_never_one_of_the_site_s(postgres, shop):
    with as_role(postgres, shop, "service_role") as tool:
        folios = {bring_in(tool) for _ in range(200)}
    assert len(folios) == 200
    for each in folios:
        assert folio.parse(each.lower().replace("-", "")) == each  # as people write it
        assert 60 < int(each[4:6]) <= 91  # no day, nor one of a device of earlier releases, which added 40
        assert abs(timezone.now() - _drawn(each)) < timedelta(days=2)


def _drawn(number: str) -> datetime:
    return datetime.strptime(f"{number[:4]}{int(number[4:6]) - 60:02}+0000", "%y%m%d%z")


def test_a_lead_of_another_program_waits_is_found_and_is_announced(postgres, shop):
    with as_role(postgres, shop, "service_role") as tool:
        number = bring_in(tool)
    lead = Lead.objects.waiting().get()
    assert lead.folio == number
    assert lead.snapshot.total_text
    for written in (number, number.lower().replace("-", " "), lead.name, lead.phone[-10:]):
        assert [each.pk for each in search.leads(Lead.objects.all(), written)] == [lead.pk]
    create_alerts(timezone.now())
    assert Alert.objects.filter(kind=Alert.Kind.CAME).values_list("subject", flat=True).get() == str(lead.pk)


def test_another_program_marks_a_lead_contacted_and_takes_it_back(postgres, shop):
    with as_role(postgres, shop, "service_role") as tool:
        number = bring_in(tool)
        assert [run(tool, CONTACT, number), run(tool, CONTACT, number)] == [1, 0]
        lead = Lead.objects.get()
        assert (lead.status, lead.contacted_by, bool(lead.contacted_at)) == ("contacted", None, True)
        assert not Lead.objects.waiting().exists()
        assert run(tool, REVERT, number) == 1
        assert Lead.objects.waiting().get().folio == number
        with tool.transaction(force_rollback=True):
            tool.execute("UPDATE leads SET status = 'contacted'")  # the least that a tool may send
        for wrong in ("status = 'new', contacted_at = now()", "status = 'contacted', contacted_by = 1", "status = 'x'"):
            with pytest.raises(psycopg.errors.CheckViolation):
                tool.execute(f"UPDATE leads SET {wrong}")


def test_whoever_asks_again_after_another_program_s_contact_waits_again(postgres, shop):
    issued = an_issued_quote()
    store(lead_record(issued, a_contact()))
    with as_role(postgres, shop, "service_role") as tool:
        assert run(tool, CONTACT, issued.quote.folio) == 1
    assert not Lead.objects.waiting().exists()
    store(lead_record(issued, a_contact(submitted_at=timezone.now() + timedelta(seconds=3))))
    assert Lead.objects.waiting().count() == 1


def test_the_rest_examples_do_the_same_as_the_data_api_runs_them(postgres, shop):
    (posted, patched) = (json.loads(example.partition("\n\n")[2]) for example in examples("http"))
    columns = ", ".join(posted)
    with as_role(postgres, shop, "service_role") as tool:
        tool.execute(
            f"INSERT INTO leads ({columns}) SELECT {columns} FROM json_populate_recordset(NULL::leads, %s)",
            [json.dumps([posted])],
        )
        lead = Lead.objects.waiting().get()
        assert (lead.name, folio.parse(lead.folio)) == (posted["name"], lead.folio)
        assigned = ", ".join(f"{name} = body.{name}" for name in patched)
        tool.execute(
            f"UPDATE leads SET {assigned} FROM json_populate_record(NULL::leads, %s) AS body WHERE leads.folio = %s",
            [json.dumps(patched), lead.folio],
        )
    lead.refresh_from_db()
    assert lead.status == "contacted"
    assert abs(timezone.now() - lead.contacted_at) < timedelta(minutes=1)


def test_staff_see_that_another_program_was_first(postgres, shop, client):
    with as_role(postgres, shop, "service_role") as tool:
        run(tool, CONTACT, bring_in(tool))
    ana, lead = User.objects.create_superuser("ana"), Lead.objects.get()
    client.force_login(ana)
    for page in ("/admin/leads/lead/?status=contacted", f"/admin/leads/lead/{lead.pk}/change/"):
        text = client.get(page, headers={"Accept-Language": "en"}).text
        assert "answered with another program" in text
        assert "None" not in text
    assert not Lead.objects.contact(lead.pk, by=ana, now=timezone.now())
    assert Lead.objects.revert(lead.pk, by=ana, now=timezone.now())
