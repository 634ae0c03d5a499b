"""Exporting leads as CSV and as JSON lines: in constant memory, and with an event for each."""

import csv
import json
import os
import tracemalloc
from datetime import UTC, datetime, timedelta
from io import StringIO
from itertools import count
from random import Random
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Q
from django.utils import timezone

from leads import paging
from leads.delivery.record import lead_record, quote_record
from leads.models import Lead, LeadEvent
from leads.ops import demo
from leads.privacy.export import ExportFormat, escape_formula, export
from quoter import site
from tests.support.factories import NAME, PHONE_E164, a_contact, a_line, an_issued_quote, store

pytestmark = pytest.mark.django_db

JUAREZ = ZoneInfo("America/Ciudad_Juarez")


def a_lead(*lines, quoted_at: datetime | None = None, notes: str = "", **contact) -> Lead:
    issued = an_issued_quote(*lines)
    store(lead_record(issued, a_contact(**contact)))
    changes = {"notes": notes} | ({"created_at": quoted_at} if quoted_at else {})
    Lead.objects.filter(folio=issued.quote.folio).update(**changes)
    return Lead.objects.get(folio=issued.quote.folio)


@pytest.fixture
def run_export(capsys):
    """A function that runs the command and returns its standard output."""

    def run(*arguments: str) -> str:
        capsys.readouterr()
        call_command("export_leads", *arguments)
        return capsys.readouterr().out

    return run


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text)))


def folios(text: str) -> list[str]:
    return [row["folio"] for row in rows(text)]


# --- Formats --------------------------------------------------------------------------------------------------------


def test_a_spreadsheet_has_one_row_for_each_lead(run_export, admin_user):
    lead = a_lead(a_line(), a_line(extras=[]), notes="Llamar\nmañana")
    Lead.objects.contact(lead.pk, by=admin_user, now=datetime(2026, 11, 22, 20, 0, tzinfo=UTC))

    (row,) = rows(run_export())

    assert row == {
        "folio": lead.folio,
        "created_at": lead.created_at.astimezone(JUAREZ).isoformat(),
        "submitted_at": "2026-11-22T12:30:00-07:00",
        "status": "contacted",
        "name": NAME,
        "phone": f"'{PHONE_E164}",
        "lines": "; ".join(f"{line['description']}: 6 m³" for line in lead.quote_data["lines"]),
        "subtotal": "31733.52",  # 2 x 6 x 2,569.46 and 900.00 of fibre
        "tax": "2538.68",
        "total": "34272.20",
        "currency": "MXN",
        "contacted_at": "2026-11-22T13:00:00-07:00",
        "contacted_by": "admin",
        "notes": "Llamar\nmañana",
    }


def test_json_lines_have_the_whole_row(run_export):
    lead = a_lead()
    (line,) = run_export("--format", "jsonl").splitlines()
    assert json.loads(line) == {
        "folio": lead.folio,
        "name": NAME,
        "phone": PHONE_E164,
        "status": "new",
        "visitor_id": "a-visitor",
        "created_at": lead.created_at.astimezone(JUAREZ).isoformat(),
        "submitted_at": "2026-11-22T12:30:00-07:00",
        "contacted_at": None,
        "contacted_by": None,
        "notes": "",
        "quote_data": lead.quote_data,
    }


def test_a_lead_of_an_adopted_table_is_exported_with_the_values_it_has(run_export):
    Lead.objects.create(folio="OLD-1", name="Ana", quote_data={"total": "100.00", "lines": "6 m³", "tax": "8.00"})
    (row,) = rows(run_export())
    assert (row["folio"], row["total"], row["tax"], row["lines"], row["subtotal"]) == (
        "OLD-1",
        "100.00",
        "8.00",
        "",
        "",
    )


@pytest.mark.parametrize(
    "typed", ["=1+1", "+52 656", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠x"]
)
def test_a_cell_that_looks_like_a_formula_is_escaped(typed):
    assert escape_formula(typed) == f"'{typed}"


@pytest.mark.parametrize("typed", ["María", "15417.76", "", "a=1", "'tis"])
def test_other_cells_stay_as_they_are(typed):
    assert escape_formula(typed) == typed


def test_a_formula_for_a_name_or_a_note_is_text_in_the_spreadsheet_only(run_export):
    a_lead(name='=HYPERLINK("http://evil.example","x")', notes="+cmd|' /C calc'!A1")
    (row,) = rows(run_export())
    assert row["name"] == '\'=HYPERLINK("http://evil.example","x")'
    assert row["notes"] == "'+cmd|' /C calc'!A1"
    assert json.loads(run_export("--format", "jsonl"))["name"] == '=HYPERLINK("http://evil.example","x")'


def test_a_byte_order_mark_is_written_on_request(run_export):
    assert run_export("--bom").startswith("\ufefffolio,")
    assert run_export().startswith("folio,")


# --- Which leads ----------------------------------------------------------------------------------------------------


def test_since_and_until_are_days_of_the_business_and_both_are_included(run_export):
    late, early = datetime(2026, 5, 31, 23, 59, tzinfo=JUAREZ), datetime(2026, 6, 1, 0, 0, tzinfo=JUAREZ)
    may, june = a_lead(quoted_at=late), a_lead(quoted_at=early)
    assert folios(run_export("--until", "2026-05-31")) == [may.folio]
    assert folios(run_export("--since", "2026-06-01")) == [june.folio]
    assert folios(run_export("--since", "2026-05-31", "--until", "2026-06-01")) == [may.folio, june.folio]


def test_leads_can_be_filtered_by_status_and_phone(run_export, admin_user):
    waiting, done = a_lead(), a_lead()
    Lead.objects.contact(done.pk, by=admin_user, now=timezone.now())
    issued = an_issued_quote()
    store(quote_record(issued, visitor_id=""))

    assert folios(run_export("--status", "contacted")) == [done.folio]
    assert set(folios(run_export("--with-phone"))) == {waiting.folio, done.folio}
    assert folios(run_export("--without-phone")) == [issued.quote.folio]
    assert folios(run_export("--status", "new", "--with-phone")) == [waiting.folio]


def test_no_leads_make_a_spreadsheet_without_rows(run_export):
    assert run_export().splitlines() == [
        "folio,created_at,submitted_at,status,name,phone,lines,subtotal,tax,total,currency,contacted_at,contacted_by,notes"
    ]
    assert run_export("--format", "jsonl") == ""


# --- The file -------------------------------------------------------------------------------------------------------


def test_a_file_is_readable_by_its_owner_only_and_replaces_an_older_one(tmp_path, capsys):
    lead, file = a_lead(), tmp_path / "leads.csv"
    file.write_text("older")
    file.chmod(0o644)

    call_command("export_leads", "--output", str(file))

    assert folios(file.read_text()) == [lead.folio]
    assert os.stat(file).st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["leads.csv"]
    assert capsys.readouterr().out == "1 leads exported\n"


def test_when_events_cannot_be_written_the_older_file_stays(tmp_path):
    file = tmp_path / "leads.csv"
    file.write_text("older")
    a_lead()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE lead_events ADD CHECK (kind <> 'exported')")

    with pytest.raises(CommandError, match=r"IntegrityError 23514\) after 0 leads"):
        call_command("export_leads", "--output", str(file))

    assert os.listdir(tmp_path) == ["leads.csv"]
    assert file.read_text() == "older"


def test_a_missing_directory_is_reported(tmp_path):
    with pytest.raises(CommandError, match="does not take the leads: No such file or directory"):
        call_command("export_leads", "--output", str(tmp_path / "nowhere" / "leads.csv"))


# --- Events, queries and memory -------------------------------------------------------------------------------------


def test_each_exported_lead_gets_an_event_and_no_other_does(run_export, admin_user):
    done, waiting = a_lead(), a_lead()
    Lead.objects.contact(done.pk, by=admin_user, now=timezone.now())
    run_export("--status", "new")
    (event,) = LeadEvent.objects.filter(kind="exported")
    assert (event.lead, event.actor, event.detail) == (waiting, None, "csv")


def test_a_page_takes_three_queries_however_many_leads_it_has(monkeypatch, django_assert_num_queries, admin_user):
    monkeypatch.setattr(paging, "PAGE", 2)
    leads = [a_lead() for _ in range(5)]
    seconds = count()

    def clock() -> datetime:
        return datetime(2026, 11, 23, tzinfo=UTC) + timedelta(seconds=next(seconds))

    with django_assert_num_queries(2 + 3 * 3):  # the first and last lead; for each page its end, its leads, its events
        steps = list(
            export(StringIO(), Lead.objects.all(), only=Q(), form=ExportFormat.CSV, by=admin_user, clock=clock),
        )

    assert [written for written, _ in steps] == [2, 4, 5]
    assert steps[-1][1] == 1
    noted = LeadEvent.objects.filter(kind="exported", actor=admin_user).order_by("at", "lead_id")
    assert [(event.lead_id, event.at.second) for event in noted] == [
        (lead.pk, page) for lead, page in zip(leads, [0, 0, 1, 1, 2], strict=True)
    ]


@pytest.mark.parametrize("form", ExportFormat)
def test_memory_stays_the_same_however_many_leads_there_are(monkeypatch, form):
    monkeypatch.setattr(paging, "PAGE", 50)

    def peak() -> int:
        with open(os.devnull, "w") as out:
            tracemalloc.start()
            for _ in export(out, Lead.objects.all(), only=Q(), form=form, by=None, clock=timezone.now):
                pass
            most = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return most

    add_demo_leads(100)
    peak()  # warms up the caches
    few = peak()
    add_demo_leads(400)
    assert peak() < 1.3 * few


def add_demo_leads(number: int) -> None:
    book, zone, now = site.price_book(), site.zone(), timezone.now()
    for _ in demo.add_leads(number, book=book, zone=zone, language="es", by=None, now=now, chance=Random(number)):
        pass
