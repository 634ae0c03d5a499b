"""A number that customers cannot reach stops the release with the reason, before anybody is sent to a stranger."""

import pytest
from django.core import checks

from leads.ops import shop_number
from leads.ops.checks import host_names_before_a_deploy, whatsapp_number_before_a_deploy
from leads.ops.doctor import shop
from leads.ops.doctor.finding import Level

JUAREZ = "America/Ciudad_Juarez"


def fault(number: str, zone: str = JUAREZ, *, has_plus: bool = False) -> shop_number.NumberFault | None:
    return shop_number.fault(number, has_plus=has_plus, zone=zone)


@pytest.mark.parametrize(
    ("number", "zone", "meant", "read_as"),
    [
        ("6565550123", JUAREZ, "526565550123", "+65 6555 0123 (SG)"),
        ("8155501234", "America/Mexico_City", "528155501234", "nobody's"),
        ("3312345678", "America/Mexico_City", "523312345678", "nobody's"),
        ("5512345678", "America/Mexico_City", "525512345678", "nobody's"),
        ("6141234567", "America/Chihuahua", "526141234567", "nobody's"),
        ("9155550123", JUAREZ, "19155550123", "nobody's"),  # across the border
        ("9876543210", "Asia/Kolkata", "919876543210", "nobody's"),
        ("11987654321", "America/Sao_Paulo", "5511987654321", "nobody's"),
    ],
)
def test_a_number_without_its_country_code_is_read_out_with_the_one_that_is_meant(number, zone, meant, read_as):
    found = fault(number, zone)
    assert found is not None
    assert found.is_certain
    assert read_as in found.found
    assert found.cure.startswith(f"Set WHATSAPP_NUMBER={meant},")
    assert fault(meant, zone) is None


@pytest.mark.parametrize(
    ("number", "zone"),
    [
        ("526565550123", JUAREZ),
        ("19155550123", JUAREZ),
        ("6565550123", "Asia/Singapore"),
        ("4740612345", "Europe/Oslo"),
        ("34612345678", "Europe/Madrid"),
        ("34612345678", JUAREZ),
        ("526565550123", "Etc/UTC"),  # a zone of no country
        ("6565550123", "Etc/UTC"),
    ],
)
def test_a_number_that_reaches_somebody_of_that_country_is_in_order(number, zone):
    assert fault(number, zone) is None


def test_a_plus_says_that_the_country_is_meant():
    assert fault("6565550123", has_plus=True) is None


@pytest.mark.parametrize(("number", "is_certain"), [("52656123456", True), ("520000000000", False)])
def test_a_number_of_no_possible_length_is_certainly_wrong_and_one_of_an_unknown_area_perhaps(number, is_certain):
    found = fault(number)
    assert found is not None
    assert "does not exist" in found.found
    assert found.is_certain is is_certain


@pytest.mark.parametrize(
    ("number", "level", "message"),
    [
        ("6565550123", Level.ERROR, "leads.E004"),
        ("52656123456", Level.ERROR, "leads.E004"),
        ("520000000000", Level.ERROR, "leads.W006"),
        ("526565550123", Level.OK, None),
    ],
)
def test_the_release_stops_and_the_doctor_says_the_same(settings, number, level, message):
    settings.WHATSAPP_NUMBER, settings.WHATSAPP_HAS_PLUS, settings.TIME_ZONE = number, False, JUAREZ
    settings.DEBUG = False
    found = whatsapp_number_before_a_deploy(None)
    assert [each.id for each in found] == ([message] if message else [])
    assert all((each.level >= checks.ERROR) == (message == "leads.E004") for each in found)
    (finding,) = [each for each in shop.examine() if each.subject == "whatsapp"]
    assert finding.level is level


@pytest.mark.parametrize(
    ("written", "corrected"),
    [
        ("https://quotes.example.com", "quotes.example.com"),
        ("https:quotes.example.com", "quotes.example.com"),
        ("quotes.example.com/", "quotes.example.com"),
        ("quotes.example.com:8000", "quotes.example.com"),
        ("quotes.example.com/shop", "quotes.example.com"),
        ("a.example.com b.example.com", "a.example.com,b.example.com"),
        ("a.example.com;b.example.com", "a.example.com,b.example.com"),
        ("*.example.com", ".example.com"),
        ("quotes.*.com", "quotes.example.com"),  # cannot be mended: the example
        ("*:8000", "quotes.example.com"),
        ("http://", "quotes.example.com"),
        (".", "quotes.example.com"),
    ],
)
def test_a_host_that_can_never_match_stops_the_release_with_what_to_write(settings, written, corrected):
    settings.DEBUG, settings.ALLOWED_HOSTS = False, [written]
    (found,) = host_names_before_a_deploy(None)
    assert found.level >= checks.ERROR
    assert found.hint == f"Set ALLOWED_HOSTS={corrected}"
    settings.ALLOWED_HOSTS = corrected.split(",")
    assert host_names_before_a_deploy(None) == []
