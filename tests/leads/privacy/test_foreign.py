"""Which parts of another program's quote are the person. Its amounts and products stay, whatever its shape."""

import json

import pytest
from hypothesis import given

from leads.privacy import exact_json
from leads.privacy.foreign import Person, is_of_person, without_person
from tests.support import stored

JUAN = Person("Juan Pérez", "(656) 123-4567", "v-123456", {"correo": "Juan@Example.com"})


OF_THE_PERSON = """
    name nombre fullName full_name first_name apellidos phone phoneNumber phone_raw tel telefono Teléfono celular
    whatsapp email e_mail correo customer customerName cliente_id client contact address deliveryAddress direccion
    Dirección visitor_id visitorId gclid fbclid utm_source attribution referrer ip IP clientIp ip_address userAgent
    user_agent fb_event_id fbp session_id rfc notes comentarios lat location
"""
OF_THE_QUOTE = """
    items product productName plant_name total subtotal amount price unitPrice volume currency folio status created_at
    confirmado confirmation recommended description label options tax shipping zipped telescopic celebration type
    source version strength delivery_date breakdownLines quantity unit
"""


@pytest.mark.parametrize("key", OF_THE_PERSON.split())
def test_a_key_says_that_its_value_is_about_the_person(key):
    assert is_of_person(key)


@pytest.mark.parametrize("key", OF_THE_QUOTE.split())
def test_a_key_says_nothing_of_the_person(key):
    assert not is_of_person(key)


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ("Juan Pérez", ""),
        ("  juan   perez ", ""),
        ("Pedido de Juan Pérez, 6 m³", ""),
        ("JUAN PÉREZ", ""),
        ("+52 656 123 45 67", ""),
        ("https://wa.me/5216561234567?text=x", ""),
        ("escríbeme a juan@example.com", ""),
        ("v-123456", ""),
        ("Juan", "Juan"),
        ("Juanita Pérezosa", "Juanita Pérezosa"),
        ("656 123", "656 123"),
        ("16524.54", "16524.54"),
    ],
)
def test_a_text_that_contains_the_person_becomes_empty(value, left):
    assert without_person({"a": [{"b": value}], "total": "1.00"}, JUAN) == {"a": [{"b": left}], "total": "1.00"}
    assert without_person(value, JUAN) == left


def test_the_name_of_a_thing_stays_unless_it_is_the_person():
    quote = {
        "items": [{"name": "Bomba"}, {"nombre": "Fibra", "seller": {"name": "Norte"}}],
        "product": {"name": "C200"},
    }
    assert without_person(quote, JUAN) == quote
    assert without_person({"items": [{"name": "Juan Pérez", "customerName": "Ana", "price": 1}]}, JUAN) == {
        "items": [{"name": "", "price": 1}]
    }


def test_what_the_quote_says_of_the_customer_is_found_in_its_other_texts():
    quote = {"cliente": {"nombre": "Ana Ruiz", "telefono": "614 555 0101", "mail": "ana@x.mx"}, "a": "ANA RUIZ"}
    others = {"b": "6145550101", "c": "ana@x.mx", "d": "Ana"}
    assert without_person(quote | others, Person("", "", "", {})) == {"a": "", "b": "", "c": "", "d": "Ana"}


def test_a_short_name_is_looked_for_only_as_a_whole():
    assert without_person({"a": "Al", "b": "Al contado"}, Person("Al", "", "", {})) == {"a": "", "b": "Al contado"}


@given(stored.values())
def test_removing_the_person_twice_is_the_same_as_once(value):
    once = without_person(exact_json.loads(json.dumps(value)), JUAN)
    assert without_person(once, JUAN) == once


@given(stored.values())
def test_json_is_written_as_it_was_read(value):
    text = json.dumps(value)
    assert json.loads(exact_json.dumps(exact_json.loads(text))) == value


def test_numbers_keep_every_digit():
    text = '{"a":12.50,"b":1E+400,"c":' + "9" * 6000 + ',"d":-0.0,"e":[true,false,null]}'
    assert exact_json.dumps(exact_json.loads(text)) == text


@pytest.mark.parametrize("text", ["NaN", "[1,", "", "{'a': 1}", "Infinity"])
def test_what_is_not_json_is_refused(text):
    with pytest.raises(ValueError, match="is not JSON|line 1 column"):
        exact_json.loads(text)
