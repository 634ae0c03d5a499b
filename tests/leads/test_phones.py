import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leads.phones import Doubt, Reading, dialled, normalise, read, read_stored, region_of

SHOP = "526561234567"
HERE, THERE, OTHER = "+526565550123", "+19155550123", "+526565550124"


@pytest.mark.parametrize(
    "typed",
    [
        "6565550123",
        "656 555 0123",
        "(656) 555-0123",
        "656.555.0123",
        "656/555/0123",
        "656\u00a0555\u00a00123",
        "+526565550123",
        "+52 656 555 0123",
        "(+52) 656 555 0123",
        "(52)(656)5550123",
        "526565550123",
        # Old prefixes, which no longer connect.
        "+52 1 656 555 0123",
        "5216565550123",
        "0052 1 656 555 0123",
        "044 656 555 0123",
        "045 656 555 0123",
        "01 656 555 0123",
        "+52 044 656 555 0123",
        "52 01 656 555 0123",
        "0 656 555 0123",
        # Exit prefixes.
        "00 52 656 555 0123",
        "011 52 656 555 0123",
        "001 52 656 555 0123",
        "+011 52 656 555 0123",
        "+00 52 656 555 0123",
        "+1 52 656 555 0123",
        # The country code twice.
        "+52 52 656 555 0123",
        "+52 +52 656 555 0123",
        "+52+52 656 555 0123",
        "5252 656 555 0123",
        "0052 52 656 555 0123",
        # Extensions.
        "656 555 0123 ext 102",
        "656 555 0123 ext. 102 (oficina)",
        "656 555 0123 x102",
        "656 555 0123 extensión 12",
        "656 555 0123 extensio\u0301n 12",
        "656 555 0123 #12",
        "656 555 0123 int. 3",
        "6565550123 int 3",
        "+52 656 555 0123 anexo 4",
        "044 656 555 0123 ext 12",
        "tel:6565550123;ext=12",
        # Words around it.
        "mi cel es 656 555 0123",
        "mi cel es 044 656 555 0123",
        "WhatsApp: 656 555 0123",
        "6565550123cel",
        "521 656 555 0123 (WhatsApp)",
        "casa 2: 656 555 0123",
        "656 555 0123 lo antes posible",
        "656 555 0123 despues de las 5",
        # Other digits, and what looks like digits.
        "６５６ ５５５ ０１２３",
        "٦٥٦ ٥٥٥ ٠١٢٣",
        "६५६ ५५५ ०१२३",
        "656 555 O123",
        "656 555 ol23",
        "656 555 0I23",
        "6️⃣5️⃣6️⃣5️⃣5️⃣5️⃣0️⃣1️⃣2️⃣3️⃣",
        "656\ufe0f 555\ufe0d 0123",
        "⁶⁵⁶ ⁵⁵⁵ ⁰¹²³",
        "\u202a+52 656 555 0123\u202c",
        "6\u200b565550123",
        # Dashes.
        "656-555-0123",
        "656\u2010555\u20110123",
        "656–555—0123",
        "656−555−0123",
        # A plus too many.
        "+656 555 0123",
        "+656-555-0123",
        "+656 5550123",
        "+(656) 555 0123",
        "00 656 555 0123",
    ],
)
def test_every_way_of_writing_a_mexican_number_gives_the_same_one(typed):
    assert normalise(typed, region="MX") == HERE
    assert dialled(typed, shop=SHOP) == HERE[1:]


@pytest.mark.parametrize(
    "typed",
    [
        "+1 915 555 0123",
        "+1 (915) 555-0123",
        "(+1) 915-555-0123",
        "001 915 555 0123",
        "011 1 915 555 0123",
        "1 915 555 0123",
        # 915 is no Mexican area code.
        "915 555 0123",
        "(915) 555-0123",
        "(915) 555-0123 ext 4",
        "mi cel es (915) 555-0123",
        "+52 915 555 0123",
        "521 915 555 0123",
    ],
)
def test_a_number_from_across_the_border_keeps_its_country(typed):
    assert normalise(typed, region="MX") == THERE
    assert dialled(typed, shop=SHOP) == THERE[1:]


@pytest.mark.parametrize(
    ("typed", "region", "number"),
    [
        ("(915) 555-0123", "US", "+19155550123"),
        ("1 915 555 0123", "US", "+19155550123"),
        ("+915 555 0123", "US", "+19155550123"),
        ("+52 1 656 123 4567", "US", "+526561234567"),
        ("011 52 656 555 0123", "US", HERE),
        ("614 123 4567", "US", "+526141234567"),  # 123 is no exchange in the United States
        ("+614 123 4567", "MX", "+526141234567"),  # too short for Australia, +61
        ("+65 6555 0123", "MX", "+6565550123"),
        ("(+65) 6555-0123", "MX", "+6565550123"),
        ("0065 6555 0123", "MX", "+6565550123"),
        ("34 600 111 222", "MX", "+34600111222"),
        ("0034 600 111 222", "MX", "+34600111222"),
        ("612 345 678", "ES", "+34612345678"),
        ("011 4123 4567", "AR", "+541141234567"),  # 011 is an area code there
        ("0113 496 0123", "GB", "+441134960123"),
        ("+54 9 11 4123 4567", "MX", "+5491141234567"),
    ],
)
def test_a_number_belongs_to_the_country_where_it_is_valid(typed, region, number):
    assert normalise(typed, region=region) == number


@pytest.mark.parametrize(
    "between", [" / ", "/", " o ", " ó ", " y ", ", ", "; ", " or ", "  ", " ", "-", " | ", " cel "]
)
def test_of_two_numbers_the_first_is_dialled_and_staff_read_both(between):
    typed = f"656 555 0123{between}656 555 0124"
    assert read(typed, region="MX") == Reading((HERE, OTHER), Doubt.SEVERAL)
    assert normalise(typed, region="MX") == HERE
    assert dialled(typed, shop=SHOP) == HERE[1:]


def test_two_numbers_may_be_of_two_countries():
    assert read("+52 656 555 0123 o (915) 555-0123", region="MX") == Reading((HERE, THERE), Doubt.SEVERAL)


@pytest.mark.parametrize("typed", ["656 555 0123 / 24", "656 555 0123 ext 102 / 104", "656 555 0123 / 656 555 0123"])
def test_a_second_extension_or_the_same_number_again_is_no_second_number(typed):
    assert read(typed, region="MX") == Reading((HERE,))


@pytest.mark.parametrize(
    ("typed", "numbers"),
    [
        ("1 656 223 4567", ("+526562234567", "+16562234567")),
        ("+6565550123", (HERE, "+6565550123")),
        ("006565550123", (HERE, "+6565550123")),
    ],
)
def test_a_number_of_two_countries_stays_as_typed_and_that_of_the_shop_s_is_dialled(typed, numbers):
    assert read(typed, region="MX") == Reading(numbers, Doubt.COUNTRY)
    assert normalise(typed, region="MX") == typed
    assert dialled(typed, typed, shop=SHOP) == numbers[0][1:]


@pytest.mark.parametrize(
    "typed", ["0000000000", "1234567890", "12345678901234567890", "6S6 555 0123", "call me: 12 34", "+", ""]
)
def test_text_that_is_not_a_valid_number_stays_as_typed(typed):
    assert read(typed, region="MX") == Reading((), Doubt.INVALID)
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


def as_the_library_reads(typed: str, region: str) -> str:
    try:
        parsed = phonenumbers.parse(typed, region)
    except phonenumbers.NumberParseException:
        return ""
    is_valid = phonenumbers.is_valid_number(parsed)
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164) if is_valid else ""


@given(region=st.sampled_from(["MX", "US", "CA"]), typed=st.from_regex(r"[1-9][0-9]{9}", fullmatch=True))
def test_ten_digits_that_are_valid_here_give_the_same_number_as_the_library(region, typed):
    if number := as_the_library_reads(typed, region):
        assert normalise(typed, region=region) == number


@given(typed=st.text(alphabet="0123456789+-()./ oOlI#xext", max_size=30))
def test_whatever_is_typed_a_reading_names_only_valid_numbers_and_reads_the_same_again(typed):
    numbers, doubt = read(typed, region="MX")
    assert all(as_the_library_reads(number, "ZZ") == number for number in numbers)
    assert bool(numbers) is (doubt is not Doubt.INVALID)
    assert dialled(typed, typed, shop=SHOP).strip("0123456789") == ""
    stored = normalise(typed, region="MX")
    assert read_stored(stored, typed, shop=SHOP).numbers == numbers


# --- Stored phones ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phone", "typed", "expected"),
    [
        ("+526561234567", "", "526561234567"),
        ("656 123-4567", "", "526561234567"),
        ("(656) 120-4500", "", "526561204500"),
        ("6561230000", "", "526561230000"),
        ("656 555 0123 ext 102", "656 555 0123 ext 102", "526565550123"),
        ("(915) 555-0123", "", "19155550123"),
        ("0034 600 111 222", "", "34600111222"),
        ("+6565550123", "+65 6555 0123", "6565550123"),
        ("+6565550123", "", "6565550123"),
        # As releases before 0.3 stored it.
        ("+6565550123", "+656 555 0123", "526565550123"),
        # Corrected by another program.
        ("+526561234567", "656 555 0123", "526561234567"),
        ("656 123 4567", "656 555 0123", "526561234567"),
        # Not valid: its digits.
        ("656 000 0000 ext 5", "", "526560000000"),
        ("+999 000 000 0000", "", "9990000000000"),
    ],
)
def test_the_phone_of_any_row_is_dialled_with_its_country_code(phone, typed, expected):
    assert dialled(phone, typed, shop=SHOP) == expected
