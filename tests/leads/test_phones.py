import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leads.phones import dialled, normalise, region_of


@pytest.mark.parametrize(
    "typed",
    [
        "6561234567",
        "656 123 4567",
        "(656) 123-4567",
        "656.123.4567",
        "656\u00a0123\u00a04567",
        "+526561234567",
        "+52 656 123 4567",
        "(+52) 656 123 4567",
        "Tel: +52 656 123 4567",
        "526561234567",
        "00 52 656 123 4567",
        # Old prefixes, which no longer connect.
        "+52 1 656 123 4567",
        "5216561234567",
        "0052 1 656 123 4567",
        "044 656 123 4567",
        "045 656 123 4567",
        "01 656 123 4567",
        "+52 044 656 123 4567",
        "52 01 656 123 4567",
        # Digits of other scripts.
        "６５６１２３４５６７",
        "٦٥٦١٢٣٤٥٦٧",
        "६५६ १२३ ४५६७",
    ],
)
def test_every_way_of_writing_a_mexican_number_gives_the_same_one(typed):
    assert normalise(typed, region="MX") == "+526561234567"


@pytest.mark.parametrize("typed", ["+1 915 555 0123", "+1 (915) 555-0123", "(+1) 915-555-0123", "001 915 555 0123"])
def test_a_number_from_across_the_border_keeps_its_country(typed):
    assert normalise(typed, region="MX") == "+19155550123"


@pytest.mark.parametrize(
    ("typed", "region", "number"),
    [
        ("(915) 555-0123", "US", "+19155550123"),
        ("1 915 555 0123", "US", "+19155550123"),
        ("+52 1 656 123 4567", "US", "+526561234567"),
        ("612 345 678", "ES", "+34612345678"),
    ],
)
def test_a_number_without_country_code_is_of_the_business_s_country(typed, region, number):
    assert normalise(typed, region=region) == number


@pytest.mark.parametrize(
    "typed",
    [
        "0000000000",
        "1234567890",
        "12345678901234567890",
        "6561234567 ext 12",
        "656 123 4567 / 656 765 4321",
        "656 123 4567 + 1",
        # Ambiguous: the 1 may be the US country code or not.
        "1 656 223 4567",
        "call me: 12 34",
        "+",
        "",
    ],
)
def test_text_that_is_not_a_valid_number_stays_as_typed(typed):
    assert normalise(typed, region="MX") == typed


@pytest.mark.parametrize(
    ("number", "region"),
    [
        ("526561234567", "MX"),
        ("5216561234567", "MX"),
        ("19155550123", "US"),
        ("34612345678", "ES"),
        # The demo number, and numbers that are not in use.
        ("520000000000", "MX"),
        ("10000000000", "MX"),
        ("999999999999", "MX"),
        ("", "MX"),
    ],
)
def test_the_region_of_a_number_follows_from_its_country_code(number, region):
    assert region_of(number) == region


@given(region=st.sampled_from(["MX", "US", "CA"]), typed=st.from_regex(r"[0-9]{10}", fullmatch=True))
def test_ten_digits_give_the_same_number_as_the_library(region, typed):
    try:
        parsed = phonenumbers.parse(typed, region)
        is_valid = phonenumbers.is_valid_number(parsed)
    except phonenumbers.NumberParseException:
        is_valid = False
    assert normalise(typed, region=region) == (
        phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164) if is_valid else typed
    )


@pytest.mark.parametrize(
    ("phone", "expected"),
    [("+526561234567", "526561234567"), ("656 123-4567", "526561234567"), ("0034 600 111 222", "0034600111222")],
)
def test_a_dialled_phone_has_a_country_code(phone, expected):
    assert dialled(phone, shop="526561234567") == expected
