"""The shop's settings by the owner: what each accepts, and that customers and staff see what is in force."""

import base64
import json
from decimal import Decimal

import pytest

from leads.business_hours import Hours
from quoter.engine.finding import PriceBookInvalid
from quoter.shop import carrying, details, publishing, served
from quoter.shop.publishing import CannotPublish
from quoter.shop.values import shop
from tests.support.customers import A_LINE

SVG = "data:image/svg+xml;base64," + base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg'/>").decode()


def publish(**texts: str) -> None:
    publishing.publish(served.DETAILS, details.document(texts), by="ana")
    carrying.carry()
    served.look()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("WHATSAPP_NUMBER", "+52 656"),
        ("WHATSAPP_NUMBER", ""),
        ("BUSINESS_NAME", "  "),
        ("BUSINESS_NAME", "x" * 61),
        ("BUSINESS_NAME", "Uno\x00"),
        ("BRAND_COLOR", "azul"),
        ("ANSWER_PROMISE", "0"),
        ("BUSINESS_HOURS", "Lunes 8-18"),
        ("BUSINESS_HOURS", "Mon 18:00-8:00"),
        ("HOLIDAYS", "2026-02-30"),
        ("GREETING_ES", "Hola {nombre}"),
        ("GREETING_EN", ""),
        ("ALERT_EMAILS", "ana@example.com, ana"),
        ("LOGO", "data:image/gif;base64,R0lGODlh"),
        ("LOGO", "data:image/png;base64," + base64.b64encode(b"GIF89a").decode()),
        ("LOGO", "data:image/svg+xml;base64," + base64.b64encode(b"<svg>" + b" " * 20_000).decode()),
        ("MAP_URL", "javascript:alert(1)"),
        ("PRIVACY_NOTICE_ES", "Somos {empresa}"),
        ("QUESTIONS_ES", "¿Sin respuesta?"),
        ("QUESTIONS_ES", "\n\n".join(f"¿{number}?\nSí." for number in range(5))),
        ("ADDRESS_ES", "x" * 1_201),
        ("SELLER_DISCOUNT", "100"),
        ("MANAGER_DISCOUNT", "-1"),
        ("MANAGER_DISCOUNT", "mucho"),
        ("DISCOUNT_REASONS", "x" * 41),
    ],
)
def test_what_customers_must_not_see_wrong_is_refused_beside_its_name(name, text):
    with pytest.raises(PriceBookInvalid) as refused:
        details.meaning(json.dumps({name: text, "AREA_ES": "Juárez"}))
    assert [finding.place for finding in refused.value.findings] == [name]


def test_all_that_is_wrong_is_named_at_once():
    with pytest.raises(PriceBookInvalid) as refused:
        details.meaning(json.dumps({"BRAND_COLOR": "azul", "HOLIDAYS": "mañana", "LOGO": "x"}))
    assert {finding.place for finding in refused.value.findings} == {"BRAND_COLOR", "HOLIDAYS", "LOGO"}


@pytest.mark.parametrize("content", ["[]", '{"AREA_ES": 1}', "{", "null"])
@pytest.mark.django_db
def test_what_is_no_object_of_texts_is_never_published(content):
    with pytest.raises(CannotPublish):
        publishing.publish(served.DETAILS, content, by="ana")


def test_a_setting_of_a_newer_release_is_left_out():
    assert details.meaning(json.dumps({"FUTURE": "x", "AREA_ES": "Juárez"})) == {"AREA_ES": "Juárez"}


@pytest.mark.django_db
def test_customers_and_staff_see_what_the_owner_has_set(client, settings):
    settings.BUSINESS_NAME, settings.BRAND_COLOR = "Antes", "#0b5d4a"
    publish(
        BUSINESS_NAME="Concretos <Río>",
        WHATSAPP_NUMBER="+52 656 765 4321",
        BRAND_COLOR="#123",
        BUSINESS_HOURS="Sun 9:00-10:00",
        GREETING_ES="¡Hola! Somos {business}",
        ALERT_EMAILS="ana@example.com,leo@example.com",
        LOGO=SVG,
        ADDRESS_ES="Av. 1",
        MAP_URL="https://maps.example.com/1",
        QUESTIONS_ES="¿Llegan hoy?\nSí, antes de las 12.",
    )
    page = client.get("/").content.decode()
    assert "Concretos &lt;Río&gt;" in page
    assert "https://wa.me/526567654321" in page
    assert "¿Llegan hoy?" in page
    assert 'href="https://maps.example.com/1"' in page
    assert shop.BRAND_COLOR == "#112233"
    hours: Hours = shop.BUSINESS_HOURS
    assert (len(hours[6]), hours[:6]) == (1, ((),) * 6)
    assert shop.GREETINGS["es"] == "¡Hola! Somos {business}"
    assert shop.GREETINGS["en"] == settings.GREETINGS["en"]
    assert shop.ALERT_EMAILS == ["ana@example.com", "leo@example.com"]
    assert shop.ANSWER_PROMISE == settings.ANSWER_PROMISE
    [logo] = {part for part in page.split('"') if part.startswith("/brand/") and part.endswith(".svg")}
    assert client.get(logo).content.startswith(b"<svg")


@pytest.mark.django_db
def test_what_is_not_set_leaves_no_hole(client):
    assert 'class="about"' not in client.get("/").content.decode()


@pytest.mark.django_db
def test_the_page_for_a_fault_has_the_number_that_is_in_force(client, settings):
    from settings.preload import answer_to_a_fault

    answer_to_a_fault()
    publish(WHATSAPP_NUMBER="526567654321")
    assert "wa.me/526567654321" in answer_to_a_fault().content.decode()


@pytest.mark.django_db(transaction=True)  # the relay writes the quote on a connection of its own
def test_a_consent_is_stored_with_the_version_of_the_owner_s_notice(client):
    publish(PRIVACY_NOTICE_ES="Somos {business}.", PRIVACY_NOTICE_VERSION="2026-11-30")
    assert "Somos Folio." in client.get("/privacy/?lang=es").content.decode()
    quote = client.post("/quote/", {"lines": [A_LINE]}, content_type="application/json").json()
    assert "2026-11-30" in client.get(f"/q/{quote['token']}/").content.decode()


@pytest.mark.django_db
def test_nobody_but_the_owner_gives_a_discount_until_the_owner_allows_it():
    assert (shop.SELLER_DISCOUNT, shop.MANAGER_DISCOUNT) == (0, 0)
    assert [reason.en for reason in shop.DISCOUNT_REASONS][:2] == ["Regular customer", "Cash payment"]
    publish(SELLER_DISCOUNT="5 %", MANAGER_DISCOUNT="12.5", DISCOUNT_REASONS="Obra pública\nVecino")
    assert (Decimal("0.05"), Decimal("0.125")) == (shop.SELLER_DISCOUNT, shop.MANAGER_DISCOUNT)
    assert [(reason.es, reason.en) for reason in shop.DISCOUNT_REASONS] == [("Obra pública",) * 2, ("Vecino",) * 2]
    publish(SELLER_DISCOUNT="")
    assert shop.SELLER_DISCOUNT == 0


def test_ready_texts_are_the_owners_or_else_those_of_the_site():
    own = {"REMINDER_ES": "Hola {name}: {folio}"}
    assert details.meaning(details.document(own)) == own
    texts = details.ready(own)
    assert texts["REMINDER_ES"] == "Hola {name}: {folio}"
    assert "{total}" in texts["REMINDER_EN"]
    for name, text in texts.items():
        assert details.value_of(name, text) == text
    with pytest.raises(ValueError, match="no other braces"):
        details.value_of("RENEWAL_EN", "{phone}")
