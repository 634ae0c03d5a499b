"""Notes: none replaces another, taps save what stands in the field, a search finds their words."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from leads.delivery.record import lead_record
from leads.inbox import notes, search
from leads.models import Lead, LeadEvent, LeadNote
from leads.privacy.anonymise import anonymise
from tests.support.factories import a_contact, an_issued_quote, store
from tests.support.live import at_once

pytestmark = pytest.mark.django_db

LIST = "/admin/leads/lead/"


def a_lead(*, old_notes: str = "", **contact) -> Lead:
    issued = an_issued_quote()
    store(lead_record(issued, a_contact(**{"submitted_at": timezone.now(), **contact})))
    Lead.objects.filter(folio=issued.quote.folio).update(notes=old_notes)
    return Lead.objects.get(folio=issued.quote.folio)


def a_seller(name: str) -> Client:
    user = User.objects.create_user(name, is_staff=True, first_name=name.title())
    rights = ["view_lead", "change_lead", "contact_lead"]
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    browser = Client()
    browser.force_login(user)
    return browser


def page_of(lead: Lead) -> str:
    return f"{LIST}{lead.pk}/change/"


def text_of(answer) -> str:
    return answer.content.decode()


def texts(lead: Lead) -> list[str]:
    return list(lead.kept_notes.order_by("pk").values_list("text", flat=True))


# --- Writing ----------------------------------------------------------------------------------------------------------


def test_both_notes_of_two_sellers_with_the_same_page_stay():
    lead, ana, beto = a_lead(), a_seller("ana"), a_seller("beto")
    for browser in (ana, beto):
        browser.get(page_of(lead))
    ana.post(page_of(lead), {"notes": "Entrega martes"})
    beto.post(page_of(lead), {"notes": "No contesta"})
    page = text_of(ana.get(page_of(lead)))
    assert page.index("Beto ·") < page.index("No contesta") < page.index("Ana ·") < page.index("Entrega martes")
    assert LeadEvent.objects.filter(kind="noted").count() == 2


def test_a_note_changes_nothing_else_of_the_lead(admin_client, admin_user):
    lead = a_lead(old_notes="De antes")
    Lead.objects.contact(lead.pk, by=admin_user, now=timezone.now())
    before = Lead.objects.values().get()
    admin_client.post(page_of(lead), {"notes": "Llamar", "status": "new", "phone": "1"})
    assert Lead.objects.values().get() == before
    assert texts(lead) == ["Llamar"]


def test_saving_returns_to_the_list_as_it_was_filtered_or_stays(admin_client):
    page = f"{page_of(a_lead())}?_changelist_filters=status%3Dall%26p%3D1"
    assert admin_client.post(page, {"notes": "Uno", "_save": "1"}).url == f"{LIST}?status=all&p=1"
    assert admin_client.post(page, {"notes": "Dos", "_continue": "1"}).url == page


@pytest.mark.parametrize("typed", ["", "  \r\n "])
def test_an_empty_note_is_not_saved(admin_client, typed):
    lead = a_lead()
    assert "Escribe primero la nota." in text_of(admin_client.post(page_of(lead), {"notes": typed, "_save": "1"}))
    assert not LeadNote.objects.exists()


def test_a_note_that_is_too_long_stays_in_its_field_with_the_reason(admin_client):
    lead, typed = a_lead(), "ñ" * 2001
    for path in (page_of(lead), f"{LIST}{lead.pk}/contact/", f"{LIST}{lead.pk}/whatsapp/"):
        page = text_of(admin_client.post(path, {"notes": typed, "next": page_of(lead)}))
        assert "La nota tiene 2001 caracteres y caben 2000: acórtala." in page
        assert f"{typed}</textarea>" in page
        assert f'formaction="{page_of(lead)}"' in page
    lead.refresh_from_db()
    assert (lead.status, texts(lead)) == ("new", [])
    admin_client.post(page_of(lead), {"notes": "a\r\n" * 1000})  # 1,999 characters, though a browser sends 3,000
    assert texts(lead) == [("a\n" * 1000).strip()]


@pytest.mark.parametrize("tap", ["contact", "whatsapp", "revert"])
def test_a_tap_on_another_button_saves_the_note_too(admin_client, tap):
    lead = a_lead()
    for _ in range(2):  # the page stays open behind the chat, so the next tap sends the same text again
        admin_client.post(f"{LIST}{lead.pk}/{tap}/", {"notes": "Entrega martes", "next": page_of(lead)})
    assert texts(lead) == ["Entrega martes"]


def test_the_same_words_are_a_note_again_later_and_from_a_colleague(admin_client, admin_user):
    lead = a_lead()
    now = timezone.now()
    for minutes, by in ((0, admin_user), (1, admin_user), (1, User.objects.create_user("ana")), (11, admin_user)):
        notes.add(lead, "No contesta", by=by, now=now + timedelta(minutes=minutes))
    assert len(texts(lead)) == 3


@pytest.mark.django_db(transaction=True)
def test_a_note_that_is_sent_several_times_at_once_is_saved_once(admin_user):
    lead = a_lead()

    def add() -> None:
        notes.add(lead, "No contesta", by=admin_user, now=timezone.now())
        connection.close()

    at_once(5, add)
    assert texts(lead) == ["No contesta"]


def test_a_page_of_the_last_release_sends_the_old_notes_back_and_loses_nothing(admin_client):
    lead = a_lead(old_notes="Llamar\nmañana")
    admin_client.post(page_of(lead), {"notes": "Llamar\r\nmañana", "_save": "1"})
    assert texts(lead) == []
    admin_client.post(page_of(lead), {"notes": "Llamar\r\nmañana\r\nPidió factura", "_save": "1"})
    assert texts(lead) == ["Llamar\nmañana\nPidió factura"]
    lead.refresh_from_db()
    assert lead.notes == "Llamar\nmañana"


def test_who_may_not_change_leads_writes_no_note(client):
    lead = a_lead()
    user = User.objects.create_user("ana", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_lead", "contact_lead"]))
    client.force_login(user)
    assert 'name="notes"' not in text_of(client.get(page_of(lead)))
    assert client.post(page_of(lead), {"notes": "x"}).status_code == 403
    client.post(f"{LIST}{lead.pk}/contact/", {"notes": "x"})
    assert not LeadNote.objects.exists()


def test_a_note_is_shown_as_text(admin_client, admin_user):
    lead = a_lead()
    notes.add(lead, "<script>x</script>", by=admin_user, now=timezone.now())
    for path in (page_of(lead), LIST):
        assert "<script>x" not in text_of(admin_client.get(path))


# --- Reading ----------------------------------------------------------------------------------------------------------


def test_the_list_shows_the_beginning_of_the_newest_note(admin_client, admin_user):
    lead, other = a_lead(old_notes="De antes"), a_lead(old_notes="Nota vieja", phone="+526561234568")
    now = timezone.now()
    notes.add(lead, "Primera", by=admin_user, now=now)
    notes.add(lead, "Segunda, " + "con muchas palabras " * 10, by=admin_user, now=now + timedelta(seconds=1))
    page = text_of(admin_client.get(LIST))
    assert "Segunda, con muchas palabras" in page
    assert "Nota vieja" in page
    assert "De antes" not in page
    assert max(map(len, notes.newest([lead, other], {}).values())) == 80


def test_old_notes_are_shown_without_an_author(admin_client):
    page = text_of(admin_client.get(page_of(a_lead(old_notes="De antes"))))
    assert page.index("Nota anterior") < page.index("De antes")


@pytest.mark.parametrize("typed", ["facturación", "FACTURACION peña", "pena facturacion", "factur"])
@pytest.mark.parametrize("is_old", [True, False], ids=["the old column", "a note"])
def test_a_search_finds_words_of_notes_like_those_of_names(admin_user, typed, is_old):
    text = "Facturación a Constructora Peña"
    lead = a_lead(name="Ana Ruiz", old_notes=text if is_old else "")
    a_lead(name="Luis Gómez")
    if not is_old:
        notes.add(lead, text, by=admin_user, now=timezone.now())
    assert list(search.leads(Lead.objects.all(), typed)) == [lead]


def test_a_search_finds_names_and_notes_together_and_keeps_the_tab(admin_client, admin_user):
    rosa, noted = a_lead(name="Rosa"), a_lead(name="Ana")
    done = a_lead(name="Eva", phone="+526561234568")
    for lead in (noted, done):
        notes.add(lead, "Vino por Rosa", by=admin_user, now=timezone.now())
    Lead.objects.contact(done.pk, by=admin_user, now=timezone.now())
    assert set(search.leads(Lead.objects.all(), "rosa")) == {rosa, noted, done}
    page = text_of(admin_client.get(LIST, {"q": "rosa", "status": "contacted"}))
    assert done.folio in page
    assert noted.folio not in page


def test_a_word_in_notes_does_not_hide_names_that_begin_with_it(admin_user):
    rosalia, noted = a_lead(name="Rosalía"), a_lead(name="Ana")
    notes.add(noted, "rosa", by=admin_user, now=timezone.now())
    assert set(search.leads(Lead.objects.all(), "rosa")) == {rosalia, noted}


def test_searches_of_notes_use_their_indexes(admin_user):
    def plan(queryset) -> str:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
        return queryset.explain()

    assert "lead_note_words" in plan(notes.kept_with("martes").order_by())
    assert "lead_old_note_words" in plan(notes.old_with("martes").order_by())


def test_old_notes_of_any_length_can_be_written(admin_user):
    lead = a_lead(old_notes=" ".join(f"palabra{number}" for number in range(200_000)))
    assert list(search.leads(Lead.objects.all(), "palabra7")) == [lead]


# --- Leaving ----------------------------------------------------------------------------------------------------------


def test_an_anonymised_lead_loses_its_notes_also_those_written_after_it(admin_user):
    lead, other = a_lead(), a_lead()
    for _ in range(2):
        now = timezone.now()
        for each in (lead, other):
            notes.add(each, f"Habló María, {now}", by=admin_user, now=now)
        assert anonymise([lead.pk], by=None, now=now, detail="request") == 1
        assert texts(lead) == []
    assert anonymise([lead.pk], by=None, now=timezone.now(), detail="request") == 0
    assert len(texts(other)) == 2


@pytest.mark.django_db(transaction=True)
def test_a_deleted_lead_takes_its_notes_along_whoever_deletes_it(admin_user):
    by_us, by_others = a_lead(), a_lead()
    for lead in (by_us, by_others):
        lead.kept_notes.create(author=admin_user, text="Llamar")
    by_us.delete()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM leads WHERE id = %s", [by_others.pk])
    assert not LeadNote.objects.exists()


def test_exports_have_the_notes(admin_client, admin_user, capsys):
    lead = a_lead(old_notes="De antes")
    notes.add(lead, "Entrega martes", by=admin_user, now=timezone.now())
    sheet = b"".join(admin_client.post(f"{LIST}export/").streaming_content).decode()
    assert "De antes" in sheet
    assert "admin: Entrega martes" in sheet
    call_command("privacy", "export", "656 123 4567")
    assert '"text": "Entrega martes"' in capsys.readouterr().out
