"""Quotes that sellers make for customers: as a customer's, in their name, today's price, a changed job."""

from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.utils import timezone

from leads.delivery.record import Outcome
from leads.models import Lead
from leads.ops import audit
from leads.staff import sessions
from quoter import site, token
from tests.leads.desk.quoting.conftest import (
    JOB,
    LIST,
    OFFER,
    REGULAR,
    TOTAL,
    a_stored_lead,
    chat_of,
    expire,
    hidden,
    member,
    offered,
    page_of,
    sent,
)
from tests.support.factories import NAME, PHONE, a_line, as_form

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("roles")]


# --- A quote for who calls --------------------------------------------------------------------------------------------


def test_a_caller_s_quote_is_a_lead_like_any_other_and_the_seller_s():
    ana = member()
    answer = sent(ana)
    lead = Lead.objects.get()
    stored = lead.snapshot
    assert (lead.name, lead.phone, stored.customer.phone_raw) == (NAME, "+526561234567", PHONE)
    assert (stored.seller, stored.source, str(stored.total)) == ("Ana Ruiz", "vendedor", TOTAL)
    assert (lead.status, lead.contacted_by, lead.snapshot.flags) == ("contacted", ana.user, ())
    assert chat_of(answer).startswith(f"Hola {NAME}, esta es tu cotización {lead.folio}: $17,622.10 MXN")
    assert chat_of(answer).endswith(f"http://testserver/q/{lead.folio}/")
    assert audit.findings_in(lead.folio, lead.quote_data, zone=site.zone()) == []


def test_its_pages_say_who_made_it():
    ana = member()
    sent(ana)
    lead = Lead.objects.get()
    assert "cotizó Ana Ruiz" in page_of(ana.get(LIST, {"status": "contacted"}))
    page = page_of(ana.get(f"{LIST}{lead.pk}/change/"))
    assert "cotizó Ana Ruiz" in page
    assert "Cotizado · Ana Ruiz" in page
    assert "<dt>Atendió</dt> <dd>Ana Ruiz</dd>" in page_of(Client().get(f"/q/{lead.folio}/"))


def test_a_second_tap_is_the_same_quote():
    ana = member()
    page = hidden(offered(ana))
    for _again in range(2):
        assert chat_of(ana.post(OFFER, {**page, "name": NAME, "phone": PHONE}))
    assert [event.kind for event in Lead.objects.get().events.all()] == ["contacted"]


def test_the_calculator_is_the_customers_own_and_answers_edits_on_its_own_page():
    ana = member()
    page = page_of(ana.get(JOB))
    assert f'data-edit-url="{JOB}"' in page
    assert f'action="{JOB}"' in page
    assert 'formaction="/"' not in page
    edited = ana.post(JOB, {**as_form(a_line()), "edit": "copy:0"})
    assert 'name="lines.1.measure.volume.m3" value="5.6"' in page_of(edited)
    refused = ana.post(JOB, as_form(a_line(measure={"kind": "volume", "m3": "cinco"})))
    assert refused.status_code == 422
    assert 'name="lines.0.measure.volume.m3" value="cinco"' in page_of(refused)


def test_what_is_wrong_stands_beside_its_field_and_nothing_is_recorded():
    answer = sent(member(), name=" ", phone="123", percent="5", reason=REGULAR)
    page = page_of(answer)
    assert answer.status_code == 422
    for text in (
        "Escribe el nombre del cliente.",
        "Escribe el teléfono con 10 dígitos o más.",
        "No puedes dar descuentos",
    ):
        assert text in page
    assert 'value="123"' in page
    assert not Lead.objects.exists()


def test_a_quote_may_be_in_the_customer_s_language():
    ana = member()
    page = ana.post(f"{JOB}?lang=en", as_form(a_line()))
    answer = ana.post(OFFER, {**hidden(page), "name": NAME, "phone": PHONE})  # on a page in Spanish
    assert "here is your quote" in chat_of(answer)
    assert Lead.objects.get().snapshot.language == "en"


def test_who_is_written_to_by_a_colleague_stays_theirs_and_the_page_says_so():
    beto, ana = member(name="Beto"), member()
    first = a_stored_lead()
    Lead.objects.contact(first.pk, by=beto.user, now=timezone.now())
    page = page_of(sent(ana))
    assert "Beto ya le escribe a esta persona." in page
    assert "http-equiv" not in page
    assert Lead.objects.get(quote_data__seller="Ana Ruiz").contacted_by is None


@pytest.mark.parametrize(
    ("outcome", "words"), [(Outcome.QUEUED, "espera en esta máquina"), (Outcome.CARRIED, "Envíalo ahora")]
)
def test_without_the_database_the_seller_still_has_the_quote_and_the_chat(monkeypatch, outcome, words):
    monkeypatch.setattr("leads.delivery.record.record", lambda lead: outcome)
    answer = sent(member())
    link = chat_of(answer).split()[-1]
    assert words in page_of(answer)
    reference, _hash, seal = link.removeprefix("http://testserver/q/").partition("/#")
    assert (token.loads(reference, zone=site.zone()).quote.seller, bool(seal)) == ("Ana Ruiz", True)
    assert Client().get(urlsplit(link).path).status_code == 200


def test_in_an_outage_the_pages_work_for_whoever_this_machine_knew_and_for_nobody_else(monkeypatch, limits):
    ana, stranger, visitor = member(), Client(), member("Nobody", "Zoe")
    for browser in (ana, visitor):
        browser.get(LIST)
        browser.get("/admin/")
    page = ana.get(JOB)
    relay = type("Down", (), {"is_down": True, "failed": lambda *_: None})
    monkeypatch.setattr("leads.staff.outage.relay.of_this_process", relay)
    monkeypatch.setattr("leads.delivery.record.record", lambda lead: Outcome.QUEUED)
    monkeypatch.setattr("django.db.backends.utils.CursorWrapper.execute", _refuse)
    assert ana.get(JOB).status_code == 200
    assert [browser.get(JOB).status_code for browser in (stranger, visitor)] == [503, 503]
    offer = ana.post(JOB, {**as_form(a_line()), **hidden(page)})
    answer = ana.post(OFFER, {**hidden(offer), "name": NAME, "phone": PHONE, "percent": "5", "reason": REGULAR})
    assert "$16,740.99 MXN" in chat_of(answer)
    assert ana.get(f"{LIST}1/requote/").status_code == 404
    outage = ana.get(LIST)
    assert (outage.status_code, f'href="{JOB}"' in page_of(outage)) == (503, True)
    assert f'href="{JOB}"' not in page_of(stranger.get(LIST))


def _refuse(*_args, **_kwargs):
    raise AssertionError("the database was asked")


def test_in_an_outage_a_form_of_another_site_does_nothing(monkeypatch):
    ana = member()
    checking = Client(enforce_csrf_checks=True)
    checking.cookies = ana.cookies
    checking.get(LIST)
    monkeypatch.setattr("leads.staff.outage.relay.of_this_process", type("Down", (), {"is_down": True}))
    assert checking.post(OFFER, {**as_form(a_line()), "name": NAME, "phone": PHONE}).status_code == 503
    assert not Lead.objects.exists()


# --- Today's price, and a changed job ---------------------------------------------------------------------------------


def test_an_expired_total_is_not_promised_and_today_s_price_is_one_tap_away():
    ana, lead = member(), a_stored_lead()
    expire(lead)
    address = f"{LIST}{lead.pk}/requote/"
    row = page_of(ana.get(LIST))
    assert "<s>$17,622.10 MXN</s>" in row
    assert f'href="{address}"' in row
    page = page_of(ana.get(f"{LIST}{lead.pk}/change/"))
    assert "<s>$17,622.10 MXN</s>" in page
    assert "Cotizar a precio de hoy: $17,622.10" in page
    for text in ("first", "quote", "reminder", "renewal"):
        chat = page_of(ana.post(f"{LIST}{lead.pk}/whatsapp/", {"ready": text}))
        assert "17%2C622" not in chat
    offer = ana.get(address)
    assert f'value="{NAME}"' in page_of(offer)
    assert f"Reemplaza a la {lead.folio}" in page_of(offer)
    ana.post(OFFER, {**hidden(offer), "name": NAME, "phone": PHONE})
    new = Lead.objects.exclude(pk=lead.pk).get()
    assert (new.snapshot.replaces, new.phone) == (lead.folio, lead.phone)
    assert not Lead.objects.get(pk=new.pk).snapshot.issued.quote.is_expired(timezone.now())


def test_revisions_are_a_chain_on_the_person_s_page_and_a_difference_for_the_customer():
    ana, lead = member(), a_stored_lead()
    calculator = ana.get(JOB, {"lead": lead.pk})
    fields = {**hidden(calculator), **as_form(a_line(measure={"kind": "volume", "m3": "9"}))}
    offer = ana.post(JOB, fields)
    assert "6 m³ · $16,316.76 → 9 m³ · $24,475.14" in page_of(offer).replace("\xa0", " ")
    ana.post(OFFER, {**hidden(offer), "name": NAME, "phone": PHONE})
    new = Lead.objects.exclude(pk=lead.pk).get()
    before, after = (page_of(ana.get(f"{LIST}{each.pk}/change/")) for each in (lead, new))
    assert f'Reemplazada por <a href="{LIST}{new.pk}/change/">{new.folio}</a>' in before
    assert f'Reemplaza a <a href="{LIST}{lead.pk}/change/">{lead.folio}</a>' in after
    customer = page_of(Client().get(f"/q/{new.folio}/"))
    assert "Tu cotización con los cambios" in customer
    assert "+$8,811.05" in customer


def test_a_person_may_be_quoted_something_else_which_replaces_nothing():
    ana, lead = member(), a_stored_lead()
    calculator = ana.get(JOB, {"lead": lead.pk, "new": "1"})
    assert 'value="5.6"' not in page_of(calculator)
    offer = ana.post(JOB, {**hidden(calculator), **as_form(a_line(extras=[]))})
    assert f'value="{NAME}"' in page_of(offer)
    ana.post(OFFER, {**hidden(offer), "name": NAME, "phone": PHONE})
    assert Lead.objects.exclude(pk=lead.pk).get().snapshot.replaces == ""


# --- Who may --------------------------------------------------------------------------------------------------------


def test_who_may_not_quote_sees_no_button_and_gets_403():
    zoe, lead = member("Nobody", "Zoe"), a_stored_lead()
    zoe.user.user_permissions.set(Group.objects.get(name="Sales").permissions.exclude(codename="quote_lead"))
    for page in (LIST, f"{LIST}{lead.pk}/change/"):
        assert JOB not in page_of(zoe.get(page))
        assert "requote" not in page_of(zoe.get(page))
    answers = [zoe.get(JOB), zoe.get(f"{LIST}{lead.pk}/requote/"), zoe.post(OFFER, as_form(a_line()))]
    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert "cotizar para un cliente" in page_of(answers[0])
    assert Client().get(JOB).status_code == 302


def test_who_may_quote_and_not_see_leads_gets_an_empty_calculator():
    zoe, lead = member("Nobody", "Zoe"), a_stored_lead()
    zoe.user.user_permissions.set(Permission.objects.filter(codename="quote_lead"))
    assert NAME not in page_of(zoe.get(JOB, {"lead": lead.pk}))
    assert zoe.get(f"{LIST}{lead.pk}/requote/").status_code == 404


def test_a_quote_of_nothing_readable_cannot_be_quoted_again():
    ana = member()
    lead = Lead.objects.create(folio="X-1", phone="+526561110000", quote_data={"total": "5"})
    assert ana.get(f"{LIST}{lead.pk}/requote/").status_code == 404
    assert ana.get(f"{LIST}nothing/requote/").status_code == 404
    assert ana.get(JOB, {"lead": lead.pk}).status_code == 200


def test_what_the_machine_knows_of_a_seller_follows_the_permissions(limits):
    ana = member()
    ana.get(LIST)
    request = type("Request", (), {"COOKIES": {name: each.value for name, each in ana.cookies.items()}})()
    assert sessions.seller_of(request) == ("Ana Ruiz", Decimal("0.05"))
    ana.user.groups.clear()
    sessions.confirm(timezone.now())
    assert sessions.seller_of(request) is None
