"""The trigger by which leads that come through the API are written, as PostgREST inserts them: as the service role."""

import psycopg
import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.utils import timezone

from leads.alerts.creation import create_alerts
from leads.delivery.erasures import HASH, keys, persons
from leads.delivery.record import LeadRecord, quote_record
from leads.models import Lead
from leads.ops import copy_trigger, supabase
from leads.privacy.anonymise import anonymise
from tests.support.copies import a_lead, copy, deliver, rows, sql
from tests.support.factories import an_issued_quote
from tests.support.supabase import PUBLIC_ROLES, as_role

# --- What the trigger writes ----------------------------------------------------------------------------------------


def versions() -> list[LeadRecord]:
    """Return a quote, two people who asked for it, what the first has corrected, and a lead that was set aside."""
    issued = an_issued_quote()
    return [
        quote_record(issued, visitor_id="a-visitor"),
        a_lead(issued, minutes=1, name="Maria"),
        a_lead(issued, minutes=5, name="María Peña"),
        a_lead(issued, minutes=3, name="Zoila Vaca", phone="+526567654321", visitor_id="another"),
        a_lead(minutes=2, flags=("too_fast",)),
    ]


def test_what_was_copied_and_then_delivered_is_as_if_it_had_only_been_delivered(api):
    """The copier sends the journal's leads in their order, as far as it comes before the outage ends."""
    leads = versions()
    deliver(*leads)
    delivered = rows()
    assert sorted((row["name"], row["set_aside"]) for row in delivered) == [
        ("María Peña", ""),
        ("María Peña", "too_fast"),
        ("Zoila Vaca", ""),
    ]
    for copied in range(1, len(leads) + 1):
        sql("TRUNCATE leads CASCADE")
        copy(api, *leads[:copied])
        copy(api, *leads[:copied])
        deliver(*leads)
        assert rows() == delivered


def test_a_quote_from_before_the_outage_becomes_the_lead(api):
    issued = an_issued_quote()
    deliver(quote_record(issued, visitor_id="a-visitor"))
    copy(api, a_lead(issued))
    assert [(row["name"], row["is_first"]) for row in rows()] == [("María Peña", True)]


def test_a_copy_takes_nobody_s_row_and_is_a_row_of_its_own(api):
    issued = an_issued_quote()
    deliver(a_lead(issued, minutes=1))
    [first] = rows()
    copy(api, a_lead(issued, minutes=2, name="Zoila Vaca", phone="+526567654321", visitor_id="another"))
    assert [row["name"] for row in rows()] == ["María Peña", "Zoila Vaca"]
    assert rows()[0] == first


def test_what_staff_did_meanwhile_stays(api):
    lead = a_lead()
    copy(api, lead)
    seller = User.objects.create(username="ana")
    assert Lead.objects.contact(Lead.objects.get().pk, by=seller, now=timezone.now())
    copy(api, lead)
    deliver(lead)
    assert Lead.objects.get().status == "contacted"
    Lead.objects.all().delete()
    seller.delete()


def test_a_copied_lead_is_announced_once(api):
    lead = a_lead()
    sql("INSERT INTO lead_alerts (kind, subject, at) VALUES ('alive', to_char(now(), 'YYYY-MM-DD'), now())")
    copy(api, lead)
    came = sql("SELECT count(*) FROM lead_alerts WHERE kind = 'came'")
    create_alerts(timezone.now())
    deliver(lead)
    create_alerts(timezone.now())
    assert (came, sql("SELECT count(*) FROM lead_alerts WHERE kind = 'came'")) == ([(0,)], [(1,)])


def test_an_erased_person_is_not_brought_back_by_a_copy_that_comes_again(api):
    issued = an_issued_quote()
    first = a_lead(issued)
    second = a_lead(issued, name="Zoila Vaca", phone="+526567654321", visitor_id="another")
    copy(api, first, second)
    ids = list(Lead.objects.values_list("pk", flat=True))
    assert anonymise(ids, by=None, now=timezone.now(), detail="request") == 2
    copy(api, first, second)
    deliver(first, second)
    assert [(row["name"], row["phone"]) for row in rows()] == [("", ""), ("", "")]


@pytest.mark.parametrize(
    ("target", "refusal"),
    [("(folio)", psycopg.errors.InvalidColumnReference), ("(id)", psycopg.errors.UniqueViolation)],
    ids=["on_conflict=folio", "without on_conflict"],
)
def test_the_insert_of_the_api_alone_would_not_do(postgres, target, refusal):
    """What PostgREST makes of `POST /leads` with `Prefer: resolution=ignore-duplicates`: a second person is refused."""
    issued = an_issued_quote()
    deliver(a_lead(issued))
    insert = "INSERT INTO leads (folio, name, phone, quote_data) VALUES (%s, 'Zoila', '+526567654321', '{}')"
    with as_role(postgres, "postgres", "service_role") as tool, pytest.raises(refusal):
        tool.execute(f"{insert} ON CONFLICT {target} DO NOTHING", [issued.quote.folio])


# --- Whom it concerns, and when it is created -----------------------------------------------------------------------


def test_nothing_of_the_copy_stays_in_the_row(api):
    copy(api, a_lead())
    assert "copied_persons" not in str(rows())


def test_what_other_tools_insert_is_inserted_as_it_is(postgres):
    with as_role(postgres, "postgres", "service_role") as tool:
        tool.execute("INSERT INTO leads (folio, name, phone, quote_data) VALUES ('T-1', 'Ana', '+526561112233', '{}')")
    assert [(row["folio"], row["name"]) for row in rows()] == [("T-1", "Ana")]


def test_hashes_of_python_and_of_postgres_are_the_same():
    for phone in ("+526561234567", "(656) 123-4567", "7", ""):
        expression = HASH.format(key="%s::text", phone="%s::text")
        assert sql(f"SELECT {expression}", keys()[0], phone) == [(persons(phone)[0],)]


@pytest.mark.parametrize("role", [*PUBLIC_ROLES, "service_role"])
def test_no_role_may_call_its_function(postgres, role):
    with as_role(postgres, "postgres", role) as public, pytest.raises(psycopg.errors.InsufficientPrivilege):
        public.execute(f"SELECT {copy_trigger.NAME}()")


def test_the_doctor_finds_nothing_open_because_of_it():
    assert supabase.exposures() == []


def test_migrate_creates_it_and_replaces_that_of_another_release(postgres):
    def state():
        return sql("SELECT prosrc, prosecdef, xmin::text FROM pg_proc WHERE proname = %s", copy_trigger.NAME)

    sql(f"DROP FUNCTION {copy_trigger.NAME} CASCADE")
    assert not copy_trigger.is_current("default")
    call_command("migrate", verbosity=0)
    [(body, is_definer, version)] = state()
    assert (body, is_definer) == (copy_trigger.BODY, True)
    call_command("migrate", verbosity=0)
    assert state() == [(body, True, version)]
    sql(f"CREATE OR REPLACE FUNCTION {copy_trigger.NAME}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
    assert not copy_trigger.is_current("default")
    sql(f"ALTER TABLE leads DISABLE TRIGGER {copy_trigger.NAME}")
    call_command("migrate", verbosity=0)
    assert [row[:2] for row in state()] == [(copy_trigger.BODY, True)]
    assert copy_trigger.is_current("default")


def test_nothing_is_created_without_supabase_s_role(postgres):
    sql(f"DROP FUNCTION {copy_trigger.NAME} CASCADE")
    sql("ALTER ROLE service_role RENAME TO no_role")
    try:
        assert not copy_trigger.create("default")
    finally:
        sql("ALTER ROLE no_role RENAME TO service_role")
    assert not copy_trigger.is_current("default")
