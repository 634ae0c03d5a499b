"""Quotes that sellers make for customers: as a customer's, in their name, with a discount within a limit."""

import re
from datetime import timedelta
from decimal import Decimal
from html import unescape
from io import StringIO
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from leads.delivery.record import Outcome, lead_record
from leads.desk import counting
from leads.models import FollowUp, Lead, LeadEvent
from leads.ops import audit
from leads.staff import sessions
from leads.staff.roles import ensure_roles
from quoter import site, token
from quoter.engine.discount import Discount
from quoter.engine.text import Text
from quoter.shop.values import _Values
from tests.support.factories import NAME, PHONE, a_contact, a_line, an_issued_quote, as_form, store

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/leads/lead/"
JOB, OFFER = f"{LIST}quote/", f"{LIST}offer/"
# 6 m³ at 2,569.46 with 900.00 of fibre, and 8 % of tax.
TOTAL, LESS_5 = "17622.10", "16740.99"
REGULAR = "Cliente frecuente"


@pytest.fixture(autouse=True)
def roles():
    ensure_roles()


@pytest.fixture
def limits(monkeypatch):
    """Let sellers take off 5 %, and managers 10 %."""
    monkeypatch.setattr(_Values, "SELLER_DISCOUNT", Decimal("0.05"))
    monkeypatch.setattr(_Values, "MANAGER_DISCOUNT", Decimal("0.1"))


def member(role: str = "Sales", name: str = "Ana Ruiz") -> Client:
    first, _space, last = name.partition(" ")
    user = User.objects.create_user(first.lower(), is_staff=True, first_name=first, last_name=last)
    user.groups.set(Group.objects.filter(name=role))
    browser = Client()
    browser.force_login(user)
    browser.user = user
    return browser


def page_of(response) -> str:
    return " ".join(unescape(response.content.decode()).split())


def hidden(response) -> dict[str, str]:
    """Return the hidden fields of a page."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', response.content.decode())
    return {name: unescape(value) for name, value in found}


def offered(browser: Client, **more: str):
    return browser.post(JOB, {**as_form(a_line()), **more})


def sent(browser: Client, **more: str):
    page = offered(browser)
    return browser.post(OFFER, {**hidden(page), "name": NAME, "phone": PHONE, **more})


def chat_of(response) -> str:
    """Return the message of the chat that a page opens."""
    url = unescape(re.search(r'http-equiv="refresh" content="0;url=([^"]+)"', response.content.decode())[1])
    return parse_qs(urlsplit(url).query)["text"][0]


def a_stored_lead(**changes) -> Lead:
    issued = changes.pop("issued", None) or an_issued_quote()
    store(lead_record(issued, a_contact(**changes)))
    return Lead.objects.get(folio=issued.quote.folio)


def expire(lead: Lead) -> None:
    lead.quote_data["valid_until"] = (timezone.now() - timedelta(days=2)).isoformat(timespec="seconds")
    lead.save()


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
    assert ana.get(LIST).status_code == 503


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


# --- Discounts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "allowed", "refused"), [("Sales", "5", "5.01"), ("Sales manager", "10", "10.5"), ("Owner", "60", "99.5")]
)
def test_a_discount_has_the_limit_of_the_role(limits, role, allowed, refused):
    browser = member(role)
    answer = sent(browser, percent=refused, reason=REGULAR)
    assert (answer.status_code, Lead.objects.exists()) == (422, False)
    assert "Puedes descontar hasta" in page_of(answer)
    assert sent(browser, percent=allowed, reason=REGULAR).status_code == 200
    [part] = Lead.objects.get().quote_data["discounts"]
    assert Decimal(part["amount"]) == -(Decimal("16316.76") * Decimal(allowed) / 100).quantize(Decimal("0.01"))


def test_by_default_only_the_owner_gives_discounts():
    for number, role in enumerate(["Sales", "Sales manager"]):
        browser = member(role, f"Ana{number}")
        assert 'name="percent"' not in page_of(offered(browser))
        assert sent(browser, percent="1", reason=REGULAR).status_code == 422
    assert 'name="percent"' in page_of(offered(member("Owner", "Olga")))


def test_a_discount_is_seen_before_it_is_given_and_on_everything_after(limits):
    ana = member()
    offer = offered(ana)
    shown = ana.post(OFFER, {**hidden(offer), "percent": "5 %", "reason": REGULAR, "show": "1"})
    assert "$16,740.99" in page_of(shown)
    assert not Lead.objects.exists()
    answer = ana.post(OFFER, {**hidden(shown), "name": NAME, "phone": PHONE, "percent": "5", "reason": REGULAR})
    lead = Lead.objects.get()
    assert (str(lead.snapshot.total), str(lead.snapshot.discount)) == (LESS_5, "-815.84")
    assert "$16,740.99 MXN" in chat_of(answer)
    assert audit.findings_in(lead.folio, lead.quote_data, zone=site.zone()) == []
    exported = b"".join(member("Owner", "Olga").post(f"{LIST}export/?status=all", {"format": "csv"})).decode()
    assert '"-815.84","Ana Ruiz"' in exported
    customer = page_of(Client().get(f"/q/{lead.folio}/"))
    assert f"Descuento: {REGULAR}</td><td" in customer
    assert "−$815.84" in customer or "-$815.84" in customer


def test_a_reason_is_needed_and_must_be_one_of_the_shop_s(limits):
    ana = member()
    for reason in ("", "porque sí"):
        answer = sent(ana, percent="5", reason=reason)
        assert (answer.status_code, "Elige un motivo" in page_of(answer)) == (422, True)


@pytest.mark.parametrize("percent", ["-5", "cinco", "1e1", "5.001", "NaN", "5" * 50])
def test_what_is_no_discount_is_refused(limits, percent):
    answer = sent(member("Owner"), percent=percent, reason=REGULAR)
    assert (answer.status_code, Lead.objects.exists()) == (422, False)


def a_discounted_quote(rate: str) -> token.IssuedQuote:
    line = [each for each in token.pricing.requests(an_issued_quote().quote)]
    return site.issue(line, discount=Discount.of(Decimal(rate), Text(es=REGULAR, en="Regular customer")))


def test_a_quote_again_keeps_the_discount_of_whoever_may_give_it(limits):
    lead = a_stored_lead(issued=a_discounted_quote("0.08"))
    ana, boss = member(), member("Sales manager", "Mario")
    page = page_of(ana.get(f"{LIST}{lead.pk}/requote/"))
    assert "tenía 8 % de descuento, que no puedes dar" in page.replace("\xa0", " ")
    assert "$17,622.10" in page
    page = page_of(boss.get(f"{LIST}{lead.pk}/requote/"))
    assert 'name="percent" type="text" inputmode="decimal" autocomplete="off" value="8"' in page
    assert f'<option value="{REGULAR}" selected>' in page


def test_no_customer_can_make_a_discount_or_quote_in_the_name_of_a_seller(client):
    discounted = token.short(a_discounted_quote("0.5"))
    more = {"percent": "50", "reason": REGULAR, "discount": "0.5", "seller": "Ana", "lines.0.discount": "0.5"}
    answer = client.post(
        "/quote/", {**as_form(a_line(measure={"kind": "volume", "m3": "9"})), **more, "before": discounted}
    )
    new = token.loads(answer.url.split("/")[2], zone=site.zone())
    assert (new.quote.discounts, new.quote.seller, str(new.quote.subtotal)) == ((), "", "24475.14")
    for address in (JOB, OFFER):
        assert client.post(address, {**as_form(a_line()), **more}).status_code in (302, 403)
    assert not Lead.objects.filter(quote_data__has_key="discounts").exists()


def test_a_customer_who_checks_out_on_a_seller_s_quote_keeps_the_discount_and_the_seller(limits, client):
    sent(member(), percent="5", reason=REGULAR)
    lead = Lead.objects.get()
    signed = hidden(client.get(f"/q/{lead.folio}/"))["token"]
    client.post("/checkout/", {"token": signed, "name": "Otra Persona", "phone": "656 765 4321"})
    other = Lead.objects.exclude(pk=lead.pk).get()
    assert (str(other.snapshot.total), other.snapshot.seller, other.folio) == (LESS_5, "Ana Ruiz", lead.folio)


def test_erasing_a_customer_finds_every_quote_that_sellers_made(limits):
    ana = member()
    sent(ana, percent="5", reason=REGULAR)
    lead = Lead.objects.get()
    offer = ana.post(JOB, {**hidden(ana.get(JOB, {"lead": lead.pk})), **as_form(a_line(extras=[]))})
    ana.post(OFFER, {**hidden(offer), "name": NAME, "phone": "(656) 123-4567"})
    assert Lead.objects.count() == 2
    # The journal of this very process is only erased at its next start.
    with pytest.raises(CommandError, match="2 records are still in the journal"):
        call_command("privacy", "erase", PHONE, "--yes", stdout=StringIO(), stderr=StringIO())
    held = str([*Lead.objects.values(), *LeadEvent.objects.values(), *FollowUp.objects.values()])
    assert [text for text in (NAME, "6561234567", PHONE, "123-4567") if text in held] == []
    assert {stored.snapshot.seller for stored in Lead.objects.all()} == {"Ana Ruiz"}


def test_the_desk_counts_what_sellers_took_off_and_no_answer_that_nobody_waited_for(limits):
    sent(member(), percent="5", reason=REGULAR)
    day = counting.count(timezone.localdate(), zone=site.zone())
    [tally] = day.sellers.values()
    assert (tally.people, tally.quoted, tally.discounts, day.minutes) == (1, 1674099, 81584, {})
    assert "descuentos $816" in page_of(member("Owner", "Olga").get("/admin/"))


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
