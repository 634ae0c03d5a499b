"""The person's page and the taps on a card: who may, what is offered, what is said, and how it is taken back."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone

from leads.delivery.record import lead_record
from leads.inbox import greeting
from leads.inbox.person import arrange, correct, steps
from leads.inbox.person.arrange import Step
from leads.inbox.person.page import ACTIONS
from leads.models import FollowUp, Lead, LeadEvent, LeadOutcome
from tests.support.factories import a_contact, an_issued_quote, store

pytestmark = pytest.mark.django_db

LIST = "/admin/leads/lead/"
JUAREZ = ZoneInfo("America/Ciudad_Juarez")
IN_PLACE = {"X-Requested-With": "rows"}


def asks(phone: str = "+526565550118", *, name: str = "María Peña", **contact) -> Lead:
    issued = an_issued_quote()
    given = {"name": name, "phone": phone, "submitted_at": timezone.now(), **contact}
    store(lead_record(issued, a_contact(**given)))
    return Lead.objects.get(folio=issued.quote.folio)


def a_seller(name: str, *permissions: str) -> User:
    seller = User.objects.create_user(name, first_name=name.title(), is_staff=True)
    seller.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return seller


def text(answer) -> str:
    return answer.content.decode()


@pytest.mark.parametrize("action", ACTIONS)
def test_only_who_may_contact_customers_arranges_something_and_only_by_a_form(client, admin_client, action):
    lead = asks()
    client.force_login(a_seller("luis", "view_lead", "change_lead"))
    assert client.post(f"{LIST}{lead.pk}/{action}/").status_code == 403
    assert admin_client.get(f"{LIST}{lead.pk}/{action}/").url == f"{LIST}{lead.pk}/change/"
    assert admin_client.post(f"{LIST}999999/{action}/").status_code in (302, 404)
    assert not LeadEvent.objects.exists()


@pytest.mark.parametrize(
    ("action", "sent", "said", "back"),
    [
        ("plan", {"at": "2027-01-12T09:00:00-07:00", "step": "Llamar"}, "12 ene 9:00", ("plan", {"at": ""})),
        ("sold", {"amount": "$130,663.53"}, "vendido en $130,663.53", ("reopen", {"undo": "1"})),
        ("lost", {"reason": "Precio"}, "perdido: Precio", ("reopen", {"undo": "1"})),
        ("aside", {"reason": "spam"}, "apartado: spam", ("back", {})),
    ],
)
def test_a_tap_on_a_card_says_what_it_did_and_its_undo_takes_it_back(admin_client, action, sent, said, back):
    lead = asks()
    done = admin_client.post(f"{LIST}{lead.pk}/{action}/", sent, headers=IN_PLACE)
    assert (done.status_code, "no-store" in done["Cache-Control"]) == (200, True)
    assert said in text(done)
    undo, fields = back
    assert f'formaction="{LIST}{lead.pk}/{undo}/"' in text(done)
    admin_client.post(f"{LIST}{lead.pk}/{undo}/", fields, headers=IN_PLACE)
    assert not LeadOutcome.objects.exists()
    assert not Lead.objects.put_aside().exists()
    assert not FollowUp.objects.filter(step_at__isnull=False).exists()
    assert Lead.objects.waiting().get() == lead  # as before
    as_page = admin_client.post(f"{LIST}{lead.pk}/{action}/", sent, follow=True)
    assert said in text(as_page)
    assert "Deshacer" in text(as_page)


@pytest.mark.parametrize(
    ("action", "sent", "said"),
    [
        ("sold", {"amount": "treinta mil"}, "Escribe el monto así"),
        ("sold", {"amount": "-5"}, "Escribe el monto así"),
        ("sold", {"amount": "0"}, "Escribe el monto así"),
        ("sold", {"amount": "1.999"}, "Escribe el monto así"),
        ("sold", {"amount": "9" * 30}, "Escribe el monto así"),
        ("sold", {"amount": ""}, "Escribe el monto."),
        ("lost", {"reason": "Porque no"}, "Ese motivo ya no está en la lista"),
        ("plan", {"day": "ayer", "save": "1"}, "Elige un día y una hora."),
        ("plan", {"day": "", "save": "1"}, "Elige un día y una hora."),
        ("plan", {"day": "2020-01-01T09:00", "save": "1"}, "que no hayan pasado"),
        ("plan", {"day": "9999-01-01T09:00", "save": "1"}, "que no hayan pasado"),
        ("plan", {"day": "2027-01-12T09:00", "step": "x" * 201}, "Caben 200 caracteres"),
        ("hand", {"to": "999"}, "Elige a un colega"),
        ("join", {"other": "656 999 9999"}, "Nadie tiene ese folio o teléfono"),
    ],
)
def test_what_is_wrong_stands_beside_its_field_as_it_was_typed_and_the_note_is_kept(admin_client, action, sent, said):
    lead = asks()
    page = admin_client.post(f"{LIST}{lead.pk}/{action}/", {**sent, "notes": "Pide factura"})
    assert page.status_code == 422
    assert said in text(page)
    typed = next(iter(sent.values()))
    assert not typed or len(typed) < 5 or typed in text(page) or action in ("lost", "hand", "plan")
    assert [note.text for note in lead.kept_notes.all()] == ["Pide factura"]
    assert not LeadOutcome.objects.exists()


def test_a_colleague_s_person_is_said_before_the_tap_and_asked_about_when_it_was_not(admin_client):
    lead = asks()
    beto = a_seller("beto", "view_lead", "contact_lead")
    Lead.objects.contact(lead.pk, by=beto, now=timezone.now())
    again = asks()
    assert "Beto le escribe" in text(admin_client.get(LIST))
    warned = admin_client.post(f"{LIST}{again.pk}/whatsapp/")
    assert warned.status_code == 409
    assert "Beto ya le escribe a esta persona." in text(warned)
    assert Lead.objects.waiting().get() == again
    known = admin_client.post(f"{LIST}{again.pk}/whatsapp/", {"knows": str(beto.pk)})
    assert known.status_code == 200
    arrange.lost(again.pk, "Precio", by=beto, now=timezone.now())
    third = asks()
    assert admin_client.post(f"{LIST}{third.pk}/whatsapp/").status_code == 200  # nothing is open with them any more


def test_the_text_that_comes_next_is_no_greeting_again_and_never_an_expired_total(admin_client):
    lead = asks()

    def message(**sent: str) -> str:
        page = text(admin_client.post(f"{LIST}{lead.pk}/whatsapp/", sent))
        return unquote(page.partition("?text=")[2].partition('"')[0])

    assert message().startswith("Hola María Peña")
    assert "¿pudiste ver tu cotización" in message()
    assert "ya venció" in message(ready="renewal")
    assert message(ready="empty") == ""
    data = {**lead.quote_data, "valid_until": (timezone.now() - timedelta(days=2)).isoformat()}
    Lead.objects.filter(pk=lead.pk).update(quote_data=data)
    expired = message()
    assert "ya venció" in expired
    assert "$" not in expired
    arrange.sold(lead.pk, 1000, by=User.objects.get(username="admin"), now=timezone.now())
    assert "gracias por tu compra" in message()


def test_today_and_mine_list_people_in_the_order_of_what_comes_next(admin_client, admin_user):
    now = timezone.now()
    first, second, third = asks("+526565550001"), asks("+526565550002"), asks("+526565550003")
    for lead in (first, second, third):
        Lead.objects.contact(lead.pk, by=admin_user, now=now)
    arrange.plan(second.pk, Step(now - timedelta(days=1), "Llamar"), by=admin_user, now=now)
    arrange.plan(first.pk, Step(now - timedelta(hours=1)), by=admin_user, now=now)

    def listed(tab: str) -> list[Lead]:
        return [row.lead for row in admin_client.get(LIST, {"status": tab}).context["cl"].rows]

    assert listed("today") == [second, first]
    assert listed("mine") == [second, first, third]
    assert "ayer" in text(admin_client.get(LIST, {"status": "today"}))
    arrange.sold(second.pk, 10, by=admin_user, now=now)
    assert listed("today") == [first]
    assert listed("mine") == [first, third]
    assert "Vendido $10.00" in text(admin_client.get(LIST, {"status": "contacted"}))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-11-24 10:10", ["hoy 11:30", "mañana 9:00", "jueves 9:00", "lunes 9:00"]),
        ("2026-11-24 17:45", ["mañana 9:00", "jueves 9:00", "lunes 9:00"]),  # the shop closes at 18:00
        ("2026-11-27 23:30", ["mañana 9:00", "lunes 9:00"]),  # a Friday
        ("2026-12-24 12:00", ["hoy 13:00", "sábado 9:00", "lunes 9:00"]),  # Christmas is a holiday
    ],
)
def test_the_times_to_choose_are_those_at_which_the_shop_is_open(settings, now, expected):
    week = ((timedelta(hours=8), timedelta(hours=18)),)
    settings.BUSINESS_HOURS = (*(week,) * 5, ((timedelta(hours=8), timedelta(hours=14)),), ())
    settings.HOLIDAYS = ("12-25",)
    at = datetime.fromisoformat(now).replace(tzinfo=JUAREZ).astimezone(UTC)
    assert [choice.label for choice in steps.choices(at, JUAREZ)] == expected


def test_a_shop_that_never_opens_offers_no_time(settings):
    settings.BUSINESS_HOURS = ((),) * 7
    assert steps.choices(timezone.now(), JUAREZ) == []


def test_the_page_of_a_person_has_the_quotes_notes_and_history_of_all_their_phones(admin_client, admin_user):
    first, second = asks(), asks("656 555 0118")
    Lead.objects.contact(first.pk, by=admin_user, now=timezone.now())
    arrange.sold(second.pk, 1234, by=admin_user, now=timezone.now())
    page = text(admin_client.get(f"{LIST}{first.pk}/change/"))
    assert second.folio in page
    assert "Vendido" in page
    assert "$1,234.00" in page


def test_a_name_with_a_link_in_it_goes_into_no_text(admin_client):
    lead = asks(name="Gana en evil.example/hola")
    for value, _label in greeting.TEXTS:
        assert "evil" not in greeting.greeting(lead, value)


def test_the_history_says_in_words_what_was_done_when_and_to_whom(admin_client, admin_user):
    lead, now, beto = asks(), timezone.now(), a_seller("beto", "contact_lead")
    arrange.plan(lead.pk, Step(datetime(2027, 1, 12, 9, tzinfo=JUAREZ)), by=beto, now=now)
    arrange.plan(lead.pk, Step(None), by=beto, now=now)
    arrange.hand(lead.pk, admin_user, by=beto, now=now)
    arrange.hand(lead.pk, beto, by=admin_user, now=now)
    arrange.hand(lead.pk, None, by=admin_user, now=now)
    arrange.sold(lead.pk, Decimal("1234.5"), by=beto, now=now)
    arrange.lost(lead.pk, "Precio", by=beto, now=now)
    arrange.put_aside(lead.pk, "wrong_number", by=beto, now=now)
    correct.correct(lead.pk, "Mario", lead.phone, by=beto, now=now)
    correct.take_back(lead.pk, by=beto, now=now)
    LeadEvent.objects.create(lead=lead, kind="planned", at=now, detail="of another program")
    own = " ".join(text(admin_client.get(f"{LIST}{lead.pk}/history/", follow=True)).split())
    listed = " ".join(text(admin_client.get("/admin/leads/leadevent/")).split())
    for page, begins, ends in ((own, "(", ")"), (listed, ">", "<")):
        assert f"{begins}12/01/2027 09:00{ends}" in page
        for said in ("sin siguiente paso", "admin", "Beto", "a nadie", "$1,234.50", "Precio", "número equivocado"):
            assert f"{begins}{said}{ends}" in page, said
        for said in ("nombre", "deshecho", "of another program"):
            assert f"{begins}{said}{ends}" in page, said
