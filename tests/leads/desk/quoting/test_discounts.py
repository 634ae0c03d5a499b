"""Discounts that sellers give: within the limit of their role, frozen in the quote, and nobody else's."""

from contextlib import suppress
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from leads.desk import counting
from leads.models import FollowUp, Lead, LeadEvent
from leads.ops import audit
from quoter import site, token
from quoter.engine.discount import Discount
from quoter.engine.text import Text
from tests.leads.desk.quoting.conftest import (
    JOB,
    LESS_5,
    LIST,
    OFFER,
    REGULAR,
    a_stored_lead,
    chat_of,
    hidden,
    member,
    offered,
    page_of,
    sent,
)
from tests.support.factories import NAME, PHONE, a_line, an_issued_quote, as_form

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("roles")]


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


@pytest.mark.parametrize(
    ("role", "allowed", "refused", "most"),
    [
        ("Sales", "815.84", "815.85", "$815.84, que es el 5 %"),
        ("Sales manager", "$1,631.68", "1,631.69", "$1,631.68, que es el 10 %"),
        ("Owner", "16,000", "16,316.76", "$16,153.59, que es el 99 %"),
    ],
)
def test_an_amount_has_the_same_limit_as_per_cent(limits, role, allowed, refused, most):
    browser = member(role)
    answer = sent(browser, amount=refused, reason=REGULAR)
    assert (answer.status_code, Lead.objects.exists()) == (422, False)
    assert f"Puedes descontar hasta {most}" in page_of(answer).replace("\xa0", " ")
    assert sent(browser, amount=allowed, reason=REGULAR).status_code == 200
    lead = Lead.objects.get()
    amount = Decimal(allowed.replace("$", "").replace(",", ""))
    [part] = lead.quote_data["discounts"]
    assert Decimal(part["amount"]) == -amount
    subtotal = Decimal("16316.76") - amount
    assert Decimal(lead.quote_data["subtotal"]) == subtotal
    assert lead.snapshot.total == subtotal + (subtotal * Decimal("0.08")).quantize(Decimal("0.01"))
    assert audit.findings_in(lead.folio, lead.quote_data, zone=site.zone()) == []


def test_an_amount_is_on_everything_that_a_quote_is(limits):
    ana = member("Sales manager", "Mario")
    offer = offered(ana)
    typed = {"name": NAME, "phone": PHONE, "amount": "500", "reason": REGULAR}
    shown = ana.post(OFFER, {**hidden(offer), **typed, "show": "1"})
    assert "$17,082.10" in page_of(shown)  # 15,816.76 and 8 %
    assert 'name="amount" type="text" inputmode="decimal" autocomplete="off" value="500"' in page_of(shown)
    chat = chat_of(ana.post(OFFER, {**hidden(shown), **typed}))
    assert "$17,082.10 MXN" in chat
    lead = Lead.objects.get()
    customer = Client().get(f"/q/{lead.folio}/")
    for said in (f"Descuento: {REGULAR}", "$500.00", "$17,082.10"):
        assert said in page_of(customer)
    assert Client().get(f"/q/{lead.folio}/pdf").status_code == 200
    assert lead.snapshot.discount == -500
    again = page_of(ana.get(f"{LIST}{lead.pk}/requote/"))
    assert 'value="500.00"' in again or 'value="500"' in again
    assert "tenía $500.00 de descuento, que no puedes dar" not in again
    limits_of = member()
    more = page_of(limits_of.get(f"{LIST}{lead.pk}/requote/"))
    assert 'value="500' in more  # 500 of 16,316.76 is 3 %
    sent(ana, amount="1600", reason=REGULAR, name="Otra", phone="656 765 4321")
    other = Lead.objects.get(name="Otra")
    more = page_of(limits_of.get(f"{LIST}{other.pk}/requote/"))
    assert "tenía $1,600.00 de descuento, que no puedes dar" in more


def test_per_cent_and_an_amount_are_not_given_together(limits):
    answer = sent(member(), percent="1", amount="5", reason=REGULAR)
    assert (answer.status_code, Lead.objects.exists()) == (422, False)
    assert "Escribe el porcentaje o el monto" in page_of(answer)


@pytest.mark.parametrize("amount", ["-5", "cinco", "1e1", "5.001", "NaN", "5" * 50])
def test_what_is_no_amount_is_refused(limits, amount):
    answer = sent(member("Owner"), amount=amount, reason=REGULAR)
    assert (answer.status_code, Lead.objects.exists()) == (422, False)
    assert "Escribe el monto así: 1,234.50." in page_of(answer)


def test_by_default_only_the_owner_gives_discounts():
    for number, role in enumerate(["Sales", "Sales manager"]):
        browser = member(role, f"Ana{number}")
        assert 'name="percent"' not in page_of(offered(browser))
        assert 'name="amount"' not in page_of(offered(browser))
        assert sent(browser, percent="1", reason=REGULAR).status_code == 422
        assert sent(browser, amount="0.01", reason=REGULAR).status_code == 422
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
    with suppress(CommandError):  # what is still in the journal of this very process is only erased at its next start
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
