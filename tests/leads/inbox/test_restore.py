"""Restoring a lead from its WhatsApp message, when neither Postgres nor a disk has it."""

from datetime import timedelta
from urllib.parse import quote as percent_encode

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import DatabaseError

from checkout.whatsapp import chat_url, message
from leads.delivery.record import lead_record, quote_record
from leads.delivery.sealed import seal
from leads.inbox.restore import NothingToRestore, RestoreEffect, restore
from leads.models import Lead, LeadEvent
from quoter import token
from tests.support.factories import NAME, PHONE_E164, a_contact, a_line, an_issued_quote, store

pytestmark = pytest.mark.django_db

EVERY_COLUMN = [field.name for field in Lead._meta.fields if field.name != "id"]


def a_message(issued, contact=None) -> str:
    """Return the message of a checkout that could not be stored: its link carries the quote and the contact."""
    link = f"https://shop.example/q/{token.short(issued)}/"
    if contact:
        link += f"#{seal(contact, folio=issued.quote.folio)}"
    return message(issued.quote, language="es", link=link, name=NAME, shown=1)


def test_a_restored_lead_equals_the_stored_one_in_every_column():
    issued = an_issued_quote(a_line(), a_line(measure={"kind": "solid_area", "area_m2": "40", "thickness_cm": "12"}))
    contact = a_contact(attribution={"utm_source": "fb"}, flags=("too_fast",))
    store(lead_record(issued, contact))
    stored = Lead.objects.values(*EVERY_COLUMN).get()
    Lead.objects.all().delete()

    restored = restore(a_message(issued, contact), by=None)

    assert restored.effect is RestoreEffect.CREATED
    again = Lead.objects.values(*EVERY_COLUMN).get()
    unlike = {"arrived_at": None, "set_aside": ""}
    assert again | unlike == stored | unlike
    assert (stored["name"], stored["phone"]) == (NAME, PHONE_E164)


@pytest.mark.parametrize(
    "pasted",
    [
        lambda text: text,
        lambda text: f"[22/11/26 12:01] +52 656 123 4567: {text}\nEnviado desde mi teléfono",
        lambda text: text.splitlines()[-1],
        lambda text: text.split("/q/")[1],
        lambda text: text.split("/q/")[1].replace("/#", "#"),
        lambda text: chat_url("526560000000", text),
        lambda text: percent_encode(text),
    ],
    ids=["message", "with other text around", "link", "token and seal", "no slash", "wa.me link", "encoded"],
)
def test_a_lead_is_restored_from_any_text_with_its_link(pasted):
    text = a_message(an_issued_quote(), a_contact())
    assert restore(pasted(text), by=None).lead.phone == PHONE_E164


def test_a_quote_without_a_person_is_restored_too():
    restored = restore(a_message(an_issued_quote()), by=None)
    assert (restored.effect, restored.lead.name, restored.lead.submitted_at) == (RestoreEffect.CREATED, "", None)


def test_restoring_twice_is_idempotent():
    text = a_message(an_issued_quote(), a_contact())
    assert [restore(text, by=None).effect for _ in range(2)] == [RestoreEffect.CREATED, RestoreEffect.UNCHANGED]
    assert list(LeadEvent.objects.values_list("kind", "detail")) == [("restored", "created")]


def test_a_quote_without_its_person_is_completed():
    issued = an_issued_quote()
    store(quote_record(issued, visitor_id=""))
    assert restore(a_message(issued, a_contact()), by=None).effect is RestoreEffect.COMPLETED


def test_an_old_message_does_not_undo_newer_details():
    issued = an_issued_quote()
    later = a_contact().submitted_at + timedelta(hours=1)
    store(lead_record(issued, a_contact(name="María", submitted_at=later)))
    assert restore(a_message(issued, a_contact(name="María")), by=None).effect is RestoreEffect.UNCHANGED
    assert Lead.objects.get().submitted_at == later


def test_a_message_of_another_person_is_another_lead():
    issued = an_issued_quote()
    store(lead_record(issued, a_contact(phone="+526560000001", name="Ana")))
    assert restore(a_message(issued, a_contact()), by=None).effect is RestoreEffect.CREATED
    assert set(Lead.objects.values_list("phone", flat=True)) == {"+526560000001", PHONE_E164}


@pytest.mark.parametrize(
    "damaged",
    [
        lambda text: "",
        lambda text: "Hola",
        lambda text: text[:-1],
        lambda text: text.replace("/q/1", "/q/2"),
        lambda text: text.split("#")[0][:-3],
    ],
    ids=["empty", "no link", "seal cut", "forged", "token cut"],
)
def test_a_damaged_link_restores_nothing(damaged):
    with pytest.raises(NothingToRestore):
        restore(damaged(a_message(an_issued_quote(), a_contact())), by=None)
    assert not Lead.objects.exists()


def test_a_damaged_message_still_names_its_folio():
    issued = an_issued_quote()
    with pytest.raises(NothingToRestore) as nothing:
        restore(a_message(issued, a_contact())[:-1], by=None)
    assert nothing.value.folio == issued.quote.folio


def test_a_seal_of_another_lead_is_refused():
    mine, other = an_issued_quote(), an_issued_quote()
    text = a_message(mine) + "#" + seal(a_contact(), folio=other.quote.folio)
    with pytest.raises(NothingToRestore):
        restore(text, by=None)


def test_the_command_prints_its_effect(capsys):
    issued = an_issued_quote()
    text = a_message(issued, a_contact())
    call_command("restore_lead", text)
    call_command("restore_lead", text)
    assert capsys.readouterr().out.splitlines() == [
        f"{issued.quote.folio}: created",
        f"{issued.quote.folio}: unchanged",
    ]
    with pytest.raises(CommandError, match=issued.quote.folio):
        call_command("restore_lead", text[:-1])


# --- In the admin ---------------------------------------------------------------------------------------------------


def test_staff_restore_a_lead_from_a_pasted_message(admin_client, admin_user):
    issued = an_issued_quote()
    page = admin_client.post("/admin/leads/lead/restore/", {"text": a_message(issued, a_contact())}, follow=True)
    assert issued.quote.folio in page.content.decode()
    assert Lead.objects.get().phone == PHONE_E164
    assert LeadEvent.objects.get().actor == admin_user


def test_a_text_without_a_link_stays_in_the_form_next_to_the_error(admin_client):
    page = admin_client.post("/admin/leads/lead/restore/", {"text": "Hola, buenas tardes"})
    assert 'role="alert"' in page.content.decode()
    assert "Hola, buenas tardes" in page.content.decode()


def test_a_short_link_of_a_stored_lead_links_to_it(admin_client):
    issued = an_issued_quote()
    store(lead_record(issued, a_contact()))
    text = f"Me interesa *{issued.quote.folio}* https://shop.example/q/{issued.quote.folio}/"
    page = admin_client.post("/admin/leads/lead/restore/", {"text": text}).content.decode()
    assert f"/admin/leads/lead/{Lead.objects.get().pk}/change/" in page


@pytest.mark.django_db(transaction=True)
def test_when_the_database_fails_the_pasted_text_stays_in_the_form(admin_client, monkeypatch):
    def fails(*args, **kwargs):
        raise DatabaseError

    monkeypatch.setattr("leads.inbox.restore.upsert", fails)
    text = a_message(an_issued_quote(), a_contact())
    page = admin_client.post("/admin/leads/lead/restore/", {"text": text}).content.decode()
    assert 'role="alert"' in page
    assert text.split("#")[1] in page


def test_staff_without_the_permission_cannot_restore(client):
    client.force_login(User.objects.create_user("new", is_staff=True))
    assert client.get("/admin/leads/lead/restore/").status_code == 403
    assert client.post("/admin/leads/lead/restore/", {"text": a_message(an_issued_quote())}).status_code == 403
    assert not Lead.objects.exists()
