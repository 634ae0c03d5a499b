"""What staff arranged with people and what became of their leads: in every export, and gone with the person."""

import csv
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection

from leads import paging
from leads.delivery.journal import quarantine
from leads.delivery.journal.segment import Item
from leads.delivery.record import lead_record
from leads.inbox import notes
from leads.inbox.person import arrange
from leads.inbox.person.arrange import Step
from leads.models import FollowUp, Lead
from tests.leads.privacy.test_export import a_lead
from tests.leads.privacy.test_person import export_person, on_disk, run, run_and_fail
from tests.support import xlsx
from tests.support.factories import a_contact, an_issued_quote

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)
MONDAY = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)
ANA, LUIS, OMAR, EVA = "+526567770101", "+526567770102", "+526567770103", "+526567770104"
STEP = "=Llamar a Ana"


@pytest.fixture
def bety() -> User:
    return User.objects.create_user("bety", first_name="Beatriz", last_name="Ríos")


@pytest.fixture
def shop(bety) -> dict[str, Lead]:
    """Ana with a next step, Luis who bought, and Omar who did not; Eva, whom nobody has answered."""
    leads = {phone: a_lead(phone=phone, phone_raw=phone) for phone in (ANA, LUIS, OMAR, EVA)}
    for phone in (ANA, LUIS, OMAR):
        Lead.objects.contact(leads[phone].pk, by=bety, now=NOW)
    arrange.plan(leads[ANA].pk, Step(MONDAY, STEP, bety), by=bety, now=NOW)
    arrange.plan(leads[LUIS].pk, Step(MONDAY, "cobrar", bety), by=bety, now=NOW)
    arrange.sold(leads[LUIS].pk, Decimal("15000.50"), by=bety, now=NOW)
    arrange.lost(leads[OMAR].pk, "-precio", by=bety, now=NOW)
    return leads


def export_to(path) -> bytes:
    call_command("export_leads", "--output", str(path), stdout=StringIO(), stderr=StringIO())
    return path.read_bytes()


# --- Files ------------------------------------------------------------------------------------------------------------


def test_a_spreadsheet_tells_what_comes_next_and_what_became_of_each_lead(shop, tmp_path, admin_client):
    named = xlsx.read(export_to(tmp_path / "leads.xlsx"))
    downloaded = xlsx.read(b"".join(admin_client.post("/admin/leads/lead/export/?status=all", {"format": "xlsx"})))
    names = ["Siguiente paso el", "Siguiente paso", "Cliente de", "Resultado", "Importe del resultado", "Motivo"]
    names += ["Fecha del resultado", "Anotó el resultado"]
    for [sheet] in (named, downloaded):
        told = {row["Teléfono"]: [row[name] for name in names] for row in sheet.records()}
        noted = datetime.fromisoformat("2026-11-23T10:00")
        assert told == {
            ANA: [datetime.fromisoformat("2026-11-30T09:00"), STEP, "Beatriz Ríos", *[None] * 5],
            LUIS: [None, None, "Beatriz Ríos", "Vendido", 15000.5, None, noted, "Beatriz Ríos"],
            OMAR: [None, None, "Beatriz Ríos", "Perdido", 17622.1, "-precio", noted, "Beatriz Ríos"],
            EVA: [None] * 8,
        }
        assert "<f>" not in sheet.xml


def test_csv_has_the_stored_values_and_nothing_that_runs(shop, tmp_path):
    rows = csv.DictReader(StringIO(export_to(tmp_path / "leads.csv").decode()))
    names = ["next_step_at", "next_step", "customer_of", "outcome", "outcome_amount", "outcome_reason"]
    names += ["outcome_at", "outcome_by"]
    noted = "2026-11-23T10:00:00-07:00"
    assert {row["phone"]: [row[name] for name in names] for row in rows} == {
        ANA: ["2026-11-30T09:00:00-07:00", f"'{STEP}", "bety", *[""] * 5],
        LUIS: ["", "", "bety", "won", "15000.50", "", noted, "bety"],
        OMAR: ["", "", "bety", "lost", "17622.10", "'-precio", noted, "bety"],
        EVA: [""] * 8,
    }


def test_a_step_is_told_with_every_phone_of_two_people_who_are_one(shop, bety, tmp_path):
    arrange.join(shop[ANA].pk, shop[EVA].pk, by=bety, now=NOW)
    rows = csv.DictReader(StringIO(export_to(tmp_path / "leads.csv").decode()))
    assert {row["phone"] for row in rows if row["next_step"] == f"'{STEP}"} == {ANA, EVA}


@pytest.mark.parametrize("form", ["xlsx", "csv", "jsonl"])
def test_a_page_takes_the_same_queries_however_many_people_were_joined(
    shop, bety, tmp_path, monkeypatch, django_assert_num_queries, form
):
    arrange.join(shop[ANA].pk, shop[EVA].pk, by=bety, now=NOW)
    arrange.join(shop[LUIS].pk, shop[OMAR].pk, by=bety, now=NOW)
    monkeypatch.setattr(paging, "PAGE", 2)
    # The first and last lead; for each of two pages its end, its leads, who was written to, their other phones on the
    # second page alone, outcomes and corrections; a savepoint, the events, and its release.
    with django_assert_num_queries(2 + 2 * 5 + 1 + 3):
        export_to(tmp_path / f"leads.{form}")


# --- One person -------------------------------------------------------------------------------------------------------


@pytest.fixture
def person(shop, bety, outbox_directories) -> dict[str, Lead]:
    """Ana, whose other phones are Luis's and Eva's; a note; a refused record of Eva's phone; Omar is somebody else."""
    notes.add(shop[EVA], "Ana, por su esposo", by=bety, now=NOW)
    arrange.join(shop[ANA].pk, shop[EVA].pk, by=bety, now=NOW)
    arrange.join(shop[LUIS].pk, shop[ANA].pk, by=bety, now=NOW)
    refused = lead_record(an_issued_quote(), a_contact(phone=EVA, phone_raw=EVA, name="Eva \0"))
    quarantine.put_aside(outbox_directories[0], Item(refused.folio, 1.0, refused.as_json()), reason="DataError", at=2.0)
    return shop


def stored_anywhere() -> str:
    """Return every row of every table."""
    with connection.cursor() as cursor:
        texts = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT coalesce(json_agg(stored)::text, '') FROM {table} AS stored")
            texts += cursor.fetchone()
    return "".join(texts)


@pytest.mark.parametrize("phone", [LUIS, EVA])
def test_an_export_of_one_person_has_all_phones_and_what_was_arranged_by_any_of_them(person, bety, phone):
    arrange.put_aside(person[EVA].pk, "duplicate", by=bety, now=NOW)
    exported = export_person(phone)
    leads = {lead["phone"]: lead for lead in exported["leads"]}
    assert set(leads) == {ANA, LUIS, EVA}
    at = "2026-11-23T10:00:00-07:00"
    sale = {"kind": "won", "amount": "15000.50", "reason": "", "at": at, "by": "bety"}
    assert {number: lead["outcome"] for number, lead in leads.items()} == {ANA: None, EVA: None, LUIS: sale}
    assert leads[EVA]["set_aside"] == "duplicate"
    assert [note["text"] for note in leads[EVA]["kept_notes"]] == ["Ana, por su esposo"]
    assert {"joined", "set_aside"} <= {event["kind"] for event in leads[EVA]["events"]}
    root, *others = exported["follow_ups"]
    assert (root["phone"], root["joined_to"], root["seller"]) == (LUIS[-10:], "", "bety")
    assert (root["step"], root["step_by"], root["step_at"]) == ("cobrar", "bety", "2026-11-30T09:00:00-07:00")
    assert [(each["phone"], each["joined_to"], each["step"]) for each in others] == [
        (ANA[-10:], LUIS[-10:], STEP),
        (EVA[-10:], LUIS[-10:], ""),
    ]
    assert [record["phone"] for record in exported["refused"]] == [EVA]


@pytest.mark.parametrize("phone", [LUIS, EVA])
def test_nothing_of_an_erased_person_is_left_in_any_table_or_on_the_disk(person, outbox_directories, phone):
    assert run("erase", phone, "--yes") == "3 leads anonymised, 1 records removed from this disk\n"
    left = stored_anywhere() + on_disk(outbox_directories)
    assert [trace for trace in (*(each[-10:] for each in (ANA, LUIS, EVA)), "Llamar", "esposo") if trace in left] == []
    assert OMAR[-10:] in left
    assert [each.key for each in FollowUp.objects.all()] == [OMAR[-10:]]
    assert Lead.objects.get(outcome__kind="won").name == ""  # the sale stays in the figures


def test_what_was_arranged_is_erased_too_when_other_programs_deleted_the_leads(person):
    Lead.objects.filter(phone__in=[ANA, LUIS]).delete()
    assert {each["phone"] for each in export_person(ANA)["follow_ups"]} == {ANA[-10:], LUIS[-10:], EVA[-10:]}
    run("erase", EVA, "--yes")
    assert [each.key for each in FollowUp.objects.all()] == [OMAR[-10:]]
    Lead.objects.filter(phone=OMAR).delete()
    assert run("erase", OMAR, "--yes") == "0 leads anonymised, 0 records removed from this disk\n"
    assert run_and_fail("erase", OMAR, "--yes") == ("", "Nothing is held under this phone.")


def test_a_phone_stays_when_the_one_it_was_joined_with_is_deleted(person):
    Lead.objects.filter(phone=LUIS).delete()
    assert FollowUp.objects.all().sweep() == 1
    assert LUIS[-10:] not in stored_anywhere()
    assert FollowUp.objects.get(key=EVA[-10:]).joined_to == ""
