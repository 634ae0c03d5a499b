"""`restore_leads` brings back what was exported as JSON lines. It only adds rows, and never changes one."""

from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from leads import paging
from leads.delivery.journal import quarantine
from leads.delivery.journal.outbox import Outbox
from leads.delivery.journal.segment import Item
from leads.delivery.record import lead_record, quote_record
from leads.models import Lead, LeadEvent
from tests.leads.privacy.test_export import a_lead
from tests.support import stored
from tests.support.factories import NAME, PHONE, PHONE_E164, a_contact, an_issued_quote, store

pytestmark = pytest.mark.django_db


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "leads.jsonl"


def rows() -> list[tuple[str, str]]:
    """Return every column but the id and what staff were told, and quote_data, as Postgres writes them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (to_jsonb(leads) - 'id' - 'alert_stage')::text, quote_data::text FROM leads ORDER BY folio"
        )
        return cursor.fetchall()


def export_to(file: Path) -> None:
    call_command("export_leads", "--format", "jsonl", "--output", str(file), stdout=StringIO(), stderr=StringIO())


def restore(file: Path, *options: str) -> str:
    out = StringIO()
    call_command("restore_leads", str(file), *options, stdout=out, stderr=StringIO())
    return out.getvalue()


def restore_and_fail(file: Path) -> tuple[list[str], str]:
    out = StringIO()
    with pytest.raises(CommandError) as ended:
        call_command("restore_leads", str(file), stdout=out, stderr=StringIO())
    return out.getvalue().splitlines(), str(ended.value)


def test_a_deleted_lead_comes_back_as_it_was(file, admin_user):
    done, waiting = a_lead(notes="Llamar\nmañana"), a_lead()
    store(quote_record(an_issued_quote(), visitor_id="a-visitor"))
    Lead.objects.contact(done.pk, by=admin_user, now=timezone.now())
    Lead.objects.filter(pk=waiting.pk).update(quote_data={"total": 1, "n": 12.50, "long": "x" * 9000})
    before = rows()
    export_to(file)
    Lead.objects.all().delete()

    assert restore(file) == "3 leads restored, 0 were there already, 0 stay erased\n"
    assert rows() == before
    assert LeadEvent.objects.filter(kind="restored", actor=None, detail="file").count() == 3

    assert restore(file) == "0 leads restored, 3 were there already, 0 stay erased\n"
    assert rows() == before
    assert LeadEvent.objects.count() == 3


@pytest.mark.parametrize("kind", stored.KINDS)
def test_every_stored_quote_comes_back_byte_for_byte(file, kind):
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO leads (folio, quote_data) VALUES ('A', %s::jsonb)", [stored.KINDS[kind]()])
    before = rows()
    export_to(file)
    if kind == "null":  # JSON lines show it as a missing value
        assert "it has no quote_data" in restore_and_fail(file)[0][0]
        return
    Lead.objects.all().delete()
    restore(file)
    assert rows() == before


def test_a_row_that_exists_is_not_changed(file, admin_user):
    lead, deleted = a_lead(notes="before"), a_lead()
    export_to(file)
    deleted.delete()
    Lead.objects.contact(lead.pk, by=admin_user, now=timezone.now())
    Lead.objects.filter(pk=lead.pk).update(notes="after", name="Corrected", phone=PHONE)  # the same, as typed
    before = Lead.objects.filter(pk=lead.pk).values().get()
    assert restore(file).startswith("1 leads restored, 1 were there already")
    assert Lead.objects.filter(pk=lead.pk).values().get() == before


def test_a_trial_says_the_same_and_changes_nothing(file):
    a_lead()
    gone = a_lead()
    export_to(file)
    gone.delete()
    before, events = rows(), LeadEvent.objects.count()
    assert restore(file, "--dry-run") == "1 leads would be restored, 1 were there already, 0 stay erased\n"
    assert (rows(), LeadEvent.objects.count()) == (before, events)
    assert restore(file).startswith("1 leads restored")


def test_the_file_of_the_outbox_is_restored(file, outbox_directories):
    waiting, refused = (lead_record(an_issued_quote(), a_contact()) for _ in range(2))
    journal = Outbox(outbox_directories)
    journal.append(waiting.folio, waiting.as_json())
    item = Item(refused.folio, 1.0, refused.as_json())
    quarantine.put_aside(outbox_directories[0], item, reason="DataError 22021", at=2.0)
    call_command("outbox", "export", str(file), stdout=StringIO(), stderr=StringIO())
    journal.close()

    assert restore(file).startswith("2 leads restored")
    assert set(Lead.objects.values_list("folio", "name", "status")) == {
        (row.folio, NAME, "new") for row in (waiting, refused)
    }
    store(waiting)  # as the relay delivers it later
    assert Lead.objects.count() == 2


def test_an_erased_person_does_not_come_back(file):
    lead, other = a_lead(), a_lead(phone="+526567654321", phone_raw="656 765 4321")
    export_to(file)
    call_command("privacy", "erase", PHONE, "--yes", stdout=StringIO(), stderr=StringIO())
    other.delete()
    assert restore(file) == "1 leads restored, 0 were there already, 1 stay erased\n"
    assert Lead.objects.get(folio=lead.folio).name == ""


def test_another_person_s_row_with_the_same_folio_is_not_changed(file):
    lead = a_lead()
    export_to(file)
    Lead.objects.update(name="Jo Smith", phone="+526567654321")
    before = Lead.objects.filter(pk=lead.pk).values().get()
    assert restore(file).startswith("1 leads restored")
    assert Lead.objects.filter(pk=lead.pk).values().get() == before
    restored = Lead.objects.exclude(pk=lead.pk).get()
    assert (restored.folio, restored.phone, restored.is_first) == (lead.folio, PHONE_E164, False)


def test_a_lead_whose_seller_has_no_login_here_waits_again(file, admin_user):
    bety = User.objects.create_user("bety")
    by_bety, by_admin = a_lead(), a_lead(phone="+526561234568")
    Lead.objects.contact(by_bety.pk, by=bety, now=timezone.now())
    Lead.objects.contact(by_admin.pk, by=admin_user, now=timezone.now())
    export_to(file)
    Lead.objects.all().delete()
    bety.delete()
    assert restore(file).splitlines()[1:] == ["1 of them wait again: who contacted them has no login here"]
    assert set(Lead.objects.values_list("folio", "status", "contacted_by")) == {
        (by_bety.folio, "new", None),
        (by_admin.folio, "contacted", admin_user.pk),
    }


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ('{"folio": NaN}', "it is not JSON"),
        ("[]", "it is no JSON object"),
        ("{}", "it has no folio"),
        ('{"folio": "A", "created_at": "2026-11-22T12:00:00-07:00"}', "it has no quote_data"),
        ('{"folio": "A", "quote_data": {}}', "it has no created_at"),
        ('{"folio": 1, "quote_data": {}, "created_at": "2026-11-22T12:00:00-07:00"}', "its folio is no text"),
        ('{"folio": "A", "quote_data": {}, "created_at": "2026-11-22"}', "its created_at is no time with an offset"),
        ('{"folio": "A", "quote_data": {}, "created_at": "2026-11-22T12:00:00Z", "phone": 5}', "its phone is no text"),
        (
            '{"folio": "A", "quote_data": {}, "created_at": "2026-11-22T12:00:00Z", "status": "lost"}',
            "Postgres refuses it (IntegrityError 23514)",
        ),
        (
            '{"folio": "A", "quote_data": {}, "created_at": "2026-11-22T12:00:00Z", "status": ["new"]}',
            "its status is no text",
        ),
    ],
)
def test_a_line_that_is_no_lead_is_named_and_the_others_are_restored(file, line, reason):
    first, last = a_lead(), a_lead()
    export_to(file)
    one, other = file.read_text().splitlines()
    file.write_text("\n".join([one, "", line, other]))
    Lead.objects.all().delete()
    lines, _why = restore_and_fail(file)
    assert lines[0] == f"line 3: {reason}"
    assert set(Lead.objects.values_list("folio", flat=True)) == {first.folio, last.folio}


def test_the_same_line_twice_makes_one_row(file):
    a_lead()
    export_to(file)
    file.write_text(2 * file.read_text())
    Lead.objects.all().delete()
    assert restore(file).startswith("1 leads restored, 1 were there already")
    assert Lead.objects.count() == 1


def test_many_leads_are_restored_a_batch_at_a_time(monkeypatch, file, django_assert_num_queries):
    for _ in range(5):
        a_lead()
    export_to(file)
    Lead.objects.all().delete()
    monkeypatch.setattr(paging, "PAGE", 2)
    # For each batch: its rows, the corrected, the erased, constraints, the insert, events, and two savepoints with
    # their release.
    with django_assert_num_queries(3 * 10):
        assert restore(file).startswith("5 leads restored")


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(CommandError, match="none.jsonl cannot be read: No such file or directory"):
        restore(tmp_path / "none.jsonl")
    with pytest.raises(CommandError, match="cannot be read: Is a directory"):
        restore(tmp_path)
