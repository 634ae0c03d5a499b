"""The spreadsheet for people: typed cells, in the staff's language, whatever the leads contain."""

import json
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.utils import timezone, translation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leads.inbox import download, spreadsheet
from leads.models import Lead, LeadEvent
from leads.privacy import unfinished
from tests.leads.privacy.test_export import a_lead
from tests.support import stored, xlsx
from tests.support.factories import NAME, PHONE_E164, a_line

pytestmark = pytest.mark.django_db

JUAREZ = ZoneInfo("America/Ciudad_Juarez")
DOWNLOAD = "/admin/leads/lead/export/"
HEADINGS = [
    *["Folio", "Cotizado", "Solicitado", "Vigente hasta el", "Estado", "Nombre", "Teléfono", "Cotización", "Descuento"],
    *["Subtotal", "Impuesto", "Total", "Moneda", "Origen", "Cotizó", "Observaciones", "Contactado", "Contactado por"],
    *["Siguiente paso el", "Siguiente paso", "Cliente de", "Resultado", "Importe del resultado", "Motivo"],
    *["Fecha del resultado", "Anotó el resultado", "Notas"],
    *["¿Para qué día?", "Colonia o dirección de la obra", "Hora, acceso o algo más"],
]


@pytest.fixture
def exported(tmp_path):
    """A function that runs the command and returns the sheets of its file."""

    def run(*arguments: str) -> list[xlsx.Sheet]:
        file = tmp_path / "leads.xlsx"
        call_command("export_leads", "--output", str(file), *arguments)
        return xlsx.read(file.read_bytes())

    return run


def downloaded(client, query: str = "", form: str = "xlsx") -> list[xlsx.Sheet]:
    answer = client.post(f"{DOWNLOAD}?{query}", {"format": form})
    assert answer.status_code == 200
    return xlsx.read(b"".join(answer))


def test_a_row_has_dates_amounts_and_a_phone_that_can_be_dialled(exported):
    seller = User.objects.create_user("bety", first_name="Beatriz", last_name="Ríos")
    about = {"attribution": {"utm_source": "facebook"}, "flags": ("late", "honeypot")}
    about["answers"] = {"date": "2026-12-05"}
    lead = a_lead(a_line(), a_line(extras=[]), notes="Llamar\nmañana", **about)
    Lead.objects.contact(lead.pk, by=seller, now=datetime(2026, 11, 22, 20, 0, tzinfo=UTC))

    [sheet] = exported()

    [row] = sheet.records()
    local = lead.created_at.astimezone(JUAREZ).replace(tzinfo=None, microsecond=0)
    assert abs((row.pop("Cotizado") - local).total_seconds()) <= 1
    valid_until = datetime.fromisoformat(lead.quote_data["valid_until"])
    assert row.pop("Vigente hasta el") == valid_until.astimezone(JUAREZ).replace(tzinfo=None, microsecond=0)
    assert row == {
        "Folio": lead.folio,
        "Solicitado": datetime.fromisoformat("2026-11-22T12:30"),
        "Estado": "Contactado",
        "Nombre": NAME,
        "Teléfono": PHONE_E164,
        "Cotización": "; ".join(f"{line['description']}: 6 m³" for line in lead.quote_data["lines"]),
        "Descuento": None,
        "Subtotal": 31733.52,
        "Impuesto": 2538.68,
        "Total": 34272.20,
        "Moneda": "MXN",
        "Origen": "facebook",
        "Cotizó": None,
        "Observaciones": "llegó tarde, quizá un bot",
        "Contactado": datetime.fromisoformat("2026-11-22T13:00"),
        "Contactado por": "Beatriz Ríos",
        "Siguiente paso el": None,
        "Siguiente paso": None,
        "Cliente de": "Beatriz Ríos",
        "Resultado": None,
        "Importe del resultado": None,
        "Motivo": None,
        "Fecha del resultado": None,
        "Anotó el resultado": None,
        "Notas": "Llamar\nmañana",
        "¿Para qué día?": "sábado 5 de diciembre de 2026",
        "Colonia o dirección de la obra": None,
        "Hora, acceso o algo más": None,
    }


def test_the_headings_stay_in_view_and_the_columns_can_be_filtered(exported):
    a_lead()
    a_lead()
    [sheet] = exported()
    assert (sheet.title, sheet.rows[0]) == ("Clientes", HEADINGS)
    assert '<pane ySplit="1"' in sheet.xml
    assert '<autoFilter ref="A1:AD3"/>' in sheet.xml
    assert '<col min="8" max="8" width="44.7' in sheet.xml


def test_the_words_are_in_the_language_of_the_staff(admin_client):
    a_lead()
    admin_client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    [sheet] = downloaded(admin_client)
    assert sheet.title == "Leads"
    [row] = sheet.records()
    assert (row["Status"], row["Phone"], row["Valid until"].date()) == (
        "New",
        PHONE_E164,
        datetime.fromisoformat(Lead.objects.get().quote_data["valid_until"]).astimezone(JUAREZ).date(),
    )


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("=1+1", "=1+1"),
        ("+52 656", "+52 656"),
        ("{=1+1}", "{=1+1}"),
        ("http://x.mx", "http://x.mx"),
        ("<r><t>x</t></r>", "<r><t>x</t></r> "),
        ("<r></f><f>1+1</f></r>", "<r></f><f>1+1</f></r> "),
        ("_x0041_", "_x0041_"),
        ("a\x01b\ufffe\x0b", "a\ufffdb\ufffd\ufffd"),
        (" two\tlines\n ", " two\tlines\n "),
        ("x" * 40_000, "x" * 32_767),
        ("😀" * 20_000, "😀" * 16_383),
    ],
)
def test_every_text_is_a_text(exported, typed, shown):
    Lead.objects.create(folio="A", name=typed, notes="next", quote_data={"currency": typed})
    [row] = exported()[0].records()
    assert (row["Nombre"], row["Notas"]) == (shown, "next")


@settings(suppress_health_check=list(HealthCheck))
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30), stored.texts())
def test_no_lead_breaks_the_file(exported, text, quote):
    Lead.objects.all().delete()
    Lead.objects.create(folio="A", name=text, status="new", notes=text, quote_data=json.loads(quote) or {})
    Lead.objects.create(folio="B", quote_data={})
    folios = {row["Folio"] for row in exported()[0].records()}
    assert folios == {"A", "B"}


def test_a_time_before_a_spreadsheet_s_calendar_is_a_text(exported):
    Lead.objects.create(folio="A", quote_data={}, created_at=datetime(1850, 1, 1, tzinfo=UTC))
    [row] = exported()[0].records()
    assert row["Cotizado"].startswith("1849-12-31")


def test_after_the_last_row_of_a_sheet_another_begins(monkeypatch, exported):
    monkeypatch.setattr(spreadsheet, "MOST_ROWS", 3)
    folios = [a_lead().folio for _ in range(5)]
    sheets = exported()
    assert [sheet.title for sheet in sheets] == ["Clientes", "Clientes 2", "Clientes 3"]
    assert [[row["Folio"] for row in sheet.records()] for sheet in sheets] == [folios[:2], folios[2:4], folios[4:]]
    assert all("<autoFilter" in sheet.xml and "<pane" in sheet.xml for sheet in sheets)


def test_no_leads_make_a_sheet_with_headings(exported):
    [sheet] = exported()
    assert sheet.rows == [HEADINGS]


def test_the_ending_of_the_file_chooses_the_format(tmp_path):
    a_lead()
    for name, begins in [("a.XLSX", b"PK"), ("a.jsonl", b"{"), ("a.csv", b'"folio"'), ("a", b'"folio"')]:
        call_command("export_leads", "--output", str(tmp_path / name))
        assert (tmp_path / name).read_bytes().startswith(begins)
    with pytest.raises(CommandError, match="A spreadsheet needs --output FILE"):
        call_command("export_leads", "--format", "xlsx")


# --- The download of the list ---------------------------------------------------------------------------------------


def test_the_list_offers_the_spreadsheet_first_and_csv_second(admin_client):
    page = admin_client.get("/admin/leads/lead/").content.decode()
    assert page.index('value="xlsx"') < page.index('value="csv"')
    assert "hasta 10,000 clientes" in page


def test_a_download_has_the_leads_of_the_list_in_its_order_and_their_events(admin_client, admin_user):
    first, second = a_lead(), a_lead()
    [sheet] = downloaded(admin_client, "status=all")
    assert [row["Folio"] for row in sheet.records()] == [second.folio, first.folio]
    events = LeadEvent.objects.filter(kind="exported", actor=admin_user, detail="xlsx")
    assert {event.lead_id for event in events} == {first.pk, second.pk}


@pytest.mark.parametrize("form", ["xlsx", "csv"])
def test_a_longer_list_is_cut_and_the_file_says_so(monkeypatch, admin_client, form):
    monkeypatch.setattr(download, "MOST_LEADS", 2)
    folios = [a_lead().folio for _ in range(3)]
    answer = admin_client.post(DOWNLOAD, {"format": form})
    assert answer["Content-Disposition"].endswith(f'leads-{timezone.localdate()}-first-2.{form}"')
    content = b"".join(answer)
    assert LeadEvent.objects.count() == 2
    if form == "xlsx":
        *rows, last = [row["Folio"] for row in xlsx.read(content)[0].records()]
        assert (rows, last) == (folios[:2], "Este archivo solo tiene los primeros 2 clientes de la lista.")
    else:
        assert content.count(b"\r\n") == 3


def test_while_a_file_is_written_the_next_one_waits(admin_client):
    a_lead()
    with download._turn:
        answer = admin_client.post(f"{DOWNLOAD}?status=all", {"format": "xlsx"}, follow=True)
    assert answer.redirect_chain == [("/admin/leads/lead/?status=all", 302)]
    assert "Se está escribiendo el archivo de otra persona" in answer.content.decode()
    assert not LeadEvent.objects.exists()
    assert downloaded(admin_client)


def test_a_download_that_fails_leaves_neither_events_nor_files(monkeypatch, admin_client, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    a_lead()

    def fail(*_arguments, **_options):
        raise DatabaseError("gone")

    monkeypatch.setattr(download, "note_exported", fail)
    with pytest.raises(DatabaseError):
        admin_client.post(DOWNLOAD, {"format": "xlsx"})
    assert not LeadEvent.objects.exists()
    assert not list(Path(tmp_path).glob(f"{unfinished.PREFIX}*"))
    monkeypatch.undo()
    assert downloaded(admin_client)


def test_a_full_disk_is_told_on_the_list(monkeypatch, admin_client):
    a_lead()

    def fail(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkdtemp", fail)
    answer = admin_client.post(DOWNLOAD, {"format": "xlsx"}, follow=True)
    assert "No hay espacio para el archivo en el disco del servidor." in answer.content.decode()
    assert not LeadEvent.objects.exists()


def test_the_command_uses_the_language_of_the_site(exported):
    a_lead()
    with translation.override("en"):
        assert exported()[0].rows[0] == HEADINGS
