"""Exporting leads as CSV and as JSON lines, for programs: in constant memory, and with an event for each."""

import csv
import errno
import json
import os
import re
import tracemalloc
from datetime import UTC, datetime
from io import StringIO
from random import Random
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Q
from django.utils import timezone
from hypothesis import example, given
from hypothesis import strategies as st

from leads import paging
from leads.delivery.record import lead_record, quote_record
from leads.models import Lead, LeadEvent
from leads.ops import demo
from leads.privacy.export import Csv, JsonLines, csv_text, export
from leads.privacy.unfinished import PREFIX
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


def test_csv_has_one_row_for_each_lead(run_export, admin_user):
    about = {"attribution": {"utm_source": "facebook"}, "flags": ("late", "honeypot")}
    about["answers"] = {"date": "2026-12-05"}
    lead = a_lead(a_line(), a_line(extras=[]), notes="Llamar\nmañana", **about)
    Lead.objects.contact(lead.pk, by=admin_user, now=datetime(2026, 11, 22, 20, 0, tzinfo=UTC))

    (row,) = rows(run_export())

    assert row == {
        "folio": lead.folio,
        "created_at": lead.created_at.astimezone(JUAREZ).isoformat(),
        "submitted_at": "2026-11-22T12:30:00-07:00",
        "status": "contacted",
        "name": NAME,
        "phone": PHONE_E164,
        "lines": "; ".join(f"{line['description']}: 6 m³" for line in lead.quote_data["lines"]),
        "subtotal": "31733.52",  # 2 x 6 x 2,569.46 and 900.00 of fibre
        "tax": "2538.68",
        "total": "34272.20",
        "currency": "MXN",
        "contacted_at": "2026-11-22T13:00:00-07:00",
        "contacted_by": "admin",
        "notes": "Llamar\nmañana",
        "valid_until": lead.quote_data["valid_until"],
        "source": "facebook",
        "flags": "late honeypot",
        "discount": "",
        "seller": "",
        "next_step_at": "",
        "next_step": "",
        "customer_of": "admin",
        "outcome": "",
        "outcome_amount": "",
        "outcome_reason": "",
        "outcome_at": "",
        "outcome_by": "",
        "answers.date": "2026-12-05",
        "answers.address": "",
        "answers.notes": "",
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
        "set_aside": "",
        "arrived_at": lead.arrived_at.astimezone(JUAREZ).isoformat(),
        "quote_data": lead.quote_data,
        "outcome": None,
        "follow_up": None,
        "corrections": [],
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


# With each of these, a spreadsheet somewhere separates cells or rows.
SEPARATORS = [",", ";", "\t", "|"]


@pytest.mark.parametrize(
    "typed", ["=1+1", "+52 656", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠x", " =1", '"=1"']
)
def test_a_sign_that_begins_a_formula_gets_an_apostrophe(typed):
    escaped = csv_text(typed)
    assert escaped.replace("'", "") == typed
    assert re.search(r"'[=+\-@＝＋－＠]", escaped)


@pytest.mark.parametrize("typed", ["María", "15417.76", "", "a=1", "'tis", PHONE_E164, "3 m³, -10%", "x@y.mx", "a - b"])
def test_other_cells_stay_as_they_are(typed):
    assert csv_text(typed) == typed


@pytest.mark.parametrize("separator", SEPARATORS)
@example(["+1"])
@given(st.lists(st.text("=+-@;,|\t\r\n\"' a1", max_size=7), min_size=1, max_size=3))  # a phone has eight letters
def test_no_cell_runs_whatever_the_spreadsheet_takes_for_a_separator(separator, texts):
    out = StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerow([csv_text(text) for text in texts])
    for row in csv.reader(StringIO(out.getvalue(), newline=""), delimiter=separator):
        for cell in row:
            begins = cell.lstrip(' \t\r\n"')[:1]
            assert begins not in tuple("=+-@"), (texts, row)


def test_a_formula_for_a_name_or_a_note_is_text_in_csv_and_unchanged_in_json_lines(run_export):
    a_lead(name='=HYPERLINK("http://evil.example","x")', notes="Ana;=1+1;\n+cmd|' /C calc'!A1")
    (row,) = rows(run_export())
    assert row["name"] == '\'=HYPERLINK("http://evil.example","x")'
    assert row["notes"] == "Ana;'=1+1;\n'+cmd|' /C calc'!A1"
    assert json.loads(run_export("--format", "jsonl"))["name"] == '=HYPERLINK("http://evil.example","x")'


def test_a_byte_order_mark_is_written_on_request(run_export):
    assert run_export("--bom").startswith('\ufeff"folio",')
    assert run_export().startswith('"folio",')


# --- Which leads ----------------------------------------------------------------------------------------------------


def test_since_and_until_are_days_of_the_business_and_both_are_included(run_export):
    late, early = datetime(2026, 5, 31, 23, 59, tzinfo=JUAREZ), datetime(2026, 6, 1, 0, 0, tzinfo=JUAREZ)
    may, june = a_lead(quoted_at=late), a_lead(quoted_at=early)
    assert folios(run_export("--until", "2026-05-31")) == [may.folio]
    assert folios(run_export("--since", "2026-06-01")) == [june.folio]
    assert folios(run_export("--since", "2026-05-31", "--until", "2026-06-01")) == [may.folio, june.folio]


def test_leads_can_be_filtered_by_status_and_phone(run_export, admin_user):
    waiting, done = a_lead(), a_lead(phone="+526561234568")
    Lead.objects.contact(done.pk, by=admin_user, now=timezone.now())
    issued = an_issued_quote()
    store(quote_record(issued, visitor_id=""))

    assert folios(run_export("--status", "contacted")) == [done.folio]
    assert set(folios(run_export("--with-phone"))) == {waiting.folio, done.folio}
    assert folios(run_export("--without-phone")) == [issued.quote.folio]
    assert folios(run_export("--status", "new", "--with-phone")) == [waiting.folio]


def test_no_leads_make_csv_without_rows(run_export):
    assert run_export().splitlines() == [
        '"folio","created_at","submitted_at","status","name","phone","lines","subtotal","tax","total","currency",'
        '"contacted_at","contacted_by","notes","valid_until","source","flags","discount","seller",'
        '"next_step_at","next_step","customer_of",'
        '"outcome","outcome_amount","outcome_reason","outcome_at","outcome_by",'
        '"answers.date","answers.address","answers.notes"'
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

    with pytest.raises(CommandError, match=r"IntegrityError 23514\) after 1 leads. No file"):
        call_command("export_leads", "--output", str(file))

    assert os.listdir(tmp_path) == ["leads.csv"]
    assert file.read_text() == "older"


@pytest.mark.parametrize("output", [".", "", "/dev/null"])
def test_a_path_that_is_no_file_is_refused_before_a_lead_is_read(output, django_assert_num_queries):
    a_lead()
    with django_assert_num_queries(0), pytest.raises(CommandError, match=r"does not take the leads: it is (a dir|not)"):
        call_command("export_leads", "--output", output)
    assert not LeadEvent.objects.exists()


@pytest.mark.parametrize("lacking", ["O_TMPFILE", "/proc"])
def test_where_a_file_needs_a_name_it_is_private_and_removed_after_a_fault(tmp_path, monkeypatch, lacking):
    if lacking == "O_TMPFILE":
        open_file = os.open

        def refuse_unnamed(path, flags, *arguments, **options):
            if flags & os.O_TMPFILE == os.O_TMPFILE:
                raise OSError(errno.EOPNOTSUPP, "Operation not supported")
            return open_file(path, flags, *arguments, **options)

        monkeypatch.setattr(os, "open", refuse_unnamed)
    else:
        monkeypatch.setattr("os.path.exists", lambda path: not str(path).startswith("/proc"))
    lead, file = a_lead(), tmp_path / "leads.csv"
    left = tmp_path / f"{PREFIX}of-a-killed-export"
    left.write_text(NAME)
    call_command("export_leads", "--output", str(file))
    assert os.listdir(tmp_path) == ["leads.csv"]
    assert folios(file.read_text()) == [lead.folio]
    assert os.stat(file).st_mode & 0o777 == 0o600

    seen = []
    monkeypatch.setattr(Csv, "write", lambda *_rows: seen.extend(os.listdir(tmp_path)) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        call_command("export_leads", "--output", str(file))
    assert len(seen) == 2
    assert os.listdir(tmp_path) == ["leads.csv"]


def test_a_link_stays_and_its_file_is_replaced(tmp_path):
    lead, link = a_lead(), tmp_path / "latest.csv"
    link.symlink_to(tmp_path / "leads.csv")
    call_command("export_leads", "--output", str(link))
    assert link.is_symlink()
    assert folios((tmp_path / "leads.csv").read_text()) == [lead.folio]


@pytest.mark.parametrize("days", [["--since", "2026-13-01"], ["--until", "yesterday"], ["--since", ""]])
def test_a_wrong_day_is_named(days):
    with pytest.raises(CommandError, match=r"is not a day of the calendar, written as 2026-11-28"):
        call_command("export_leads", *days)


def test_days_in_the_wrong_order_are_refused(run_export):
    with pytest.raises(CommandError, match="--since 2026-06-02 is after --until 2026-06-01"):
        run_export("--since", "2026-06-02", "--until", "2026-06-01")


def test_a_missing_directory_is_reported(tmp_path):
    with pytest.raises(CommandError, match="does not take the leads: No such file or directory"):
        call_command("export_leads", "--output", str(tmp_path / "nowhere" / "leads.csv"))


# --- Events, queries and memory -------------------------------------------------------------------------------------


def test_each_exported_lead_gets_an_event_and_no_other_does(run_export, admin_user):
    done, waiting = a_lead(), a_lead(phone="+526561234568")
    Lead.objects.contact(done.pk, by=admin_user, now=timezone.now())
    run_export("--status", "new")
    (event,) = LeadEvent.objects.filter(kind="exported")
    assert (event.lead, event.actor, event.detail) == (waiting, None, "csv")


def test_an_export_reads_each_lead_once_and_notes_it_when_the_file_is_complete(
    monkeypatch, django_assert_num_queries, tmp_path
):
    monkeypatch.setattr(paging, "PAGE", 2)
    leads = [a_lead() for _ in range(5)]
    # The first and last lead; for each page its end, its leads, and what was arranged, corrected and became of them; a
    # savepoint, the events, and its release.
    with django_assert_num_queries(2 + 3 * 5 + 3):
        call_command("export_leads", "--output", str(tmp_path / "leads.csv"))
    noted = LeadEvent.objects.filter(kind="exported", actor=None, detail="csv").order_by("lead_id")
    assert [event.lead_id for event in noted] == [lead.pk for lead in leads]
    assert len({event.at for event in noted}) == 1


def test_what_is_printed_has_its_event_before_it_leaves(monkeypatch):
    monkeypatch.setattr(paging, "PAGE", 2)
    for _ in range(3):
        a_lead()
    steps = []

    def note(ids):
        steps.append(("noted", len(ids)))

    def write(rows):
        steps.append(("written", len(rows)))

    list(export(write, Lead.objects.all(), only=Q(), note=note))
    assert steps == [("noted", 2), ("written", 2), ("noted", 1), ("written", 1)]


@pytest.mark.parametrize("kind", [Csv, JsonLines])
@pytest.mark.by_hand
def test_memory_stays_the_same_however_many_leads_there_are(monkeypatch, kind):
    monkeypatch.setattr(paging, "PAGE", 50)

    def peak() -> int:
        with open(os.devnull, "w") as out:
            tracemalloc.start()
            for _ in export(kind(out).write, Lead.objects.all(), only=Q(), note=len):
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


def test_many_exports_do_not_hide_what_was_done_with_a_lead(admin_client, admin_user, run_export):
    lead = a_lead()
    run_export()
    Lead.objects.contact(lead.pk, by=admin_user, now=timezone.now())
    for _ in range(2):
        run_export()
    page = admin_client.get(f"/admin/leads/lead/{lead.pk}/change/").content.decode()
    assert page.count("Exportado") == 1
    assert "Exportado × 3" in page
    assert page.index("Contactado") < page.index("Exportado")

    events = admin_client.get("/admin/leads/leadevent/").content.decode()
    assert "Todos menos las exportaciones" in events
    assert (events.count('class="field-of_lead'), events.count("csv</td>")) == (1, 0)
    exports = admin_client.get("/admin/leads/leadevent/?kind=exported").content.decode()
    assert exports.count("csv</td>") == 3
