from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quoter.engine.lengths import converted, parse_quantity
from quoter.engine.numbers import NumberUnclear, canonical


@pytest.mark.parametrize(
    ("typed", "unit", "meant"),
    [
        ("20 ft", "m", "6.096"),
        ("20'", "m", "6.096"),
        ("20’", "m", "6.096"),
        ("20 pies", "m", "6.096"),
        ("20' 6\"", "m", "6.2484"),
        ("20'6", "m", "6.2484"),
        ("5 ft 3 1/2 in", "m", "1.6129"),
        ("5ft. 3in.", "cm", "160.02"),
        ('4"', "cm", "10.16"),
        ("4''", "cm", "10.16"),
        ("4 in", "cm", "10.16"),
        ("4 pulgadas", "cm", "10.16"),
        ("1/2 in", "cm", "1.27"),
        ("½ in", "cm", "1.27"),
        ("5½ in", "cm", "13.97"),
        ("3 1/2", "m", "3.5"),
        ("6.5 m", "m", "6.5"),
        ("6,5 metros", "cm", "650"),
        ("10cm", "m", "0.1"),
        ("10 CENTÍMETROS", "m", "0.1"),
        ("6 m 50 cm", "m", "6.5"),
        ("1,234.5 ft", "m", "376.2756"),
        ("\u200e20\u00a0ft", "m", "6.096"),
        ("2 yd", "m", "1.8288"),
        ("1 km", "m", "1000"),
        ("1.609344 km", "mile", "1"),
        ("3 m", "ft", "9.84252"),
        ("1/3 in", "cm", "0.846667"),  # no decimal can write it
        ("1/3 ft", "cm", "10.16"),  # exactly four inches
    ],
)
def test_a_length_in_any_unit_is_read_in_the_unit_of_the_field(typed, unit, meant):
    assert parse_quantity(typed, unit=unit) == Decimal(meant)


@pytest.mark.parametrize(
    "typed",
    [
        "20 foo", "ft", "'", "6 m 50", "5 6 m", "10 x 4", "1/0 in", "6 in 5 ft", "5 ft 6 ft", "1 ft 2 in 3 mm",
        "5.6 m2", "5.6 m³", "4 /in", "1/2/3 in", "-3 ft", "9" * 21 + " ft", "1e5 ft",
        "20 ft" + " in" * 30, "20 kg",
    ],
)  # fmt: skip
def test_what_cannot_be_a_length_is_refused_with_what_can(typed):
    with pytest.raises(NumberUnclear) as unclear:
        parse_quantity(typed, unit="m")
    assert "6.5 m" in unclear.value.message.en or "not a number" in unclear.value.message.en
    assert len(unclear.value.message.es) < 200


def test_a_comma_that_could_be_two_is_asked_about_in_every_unit():
    with pytest.raises(NumberUnclear, match="4500 or 4.5"):
        parse_quantity("4,500 ft", unit="m")


@pytest.mark.parametrize("unit", ["m³", "m²", "pza", "hour", "kg"])
def test_a_number_that_is_no_length_takes_no_length(unit):
    with pytest.raises(NumberUnclear):
        parse_quantity("20 ft", unit=unit)
    assert converted("20 ft", unit=unit) == ""


def test_only_another_unit_is_shown_back():
    assert converted(" 20  ft ", unit="m") == "20 ft = 6.096 m"
    for typed in ("6.096", "6.096 m", "", "20 foo", "4,500"):
        assert converted(typed, unit="m") == ""


@given(st.text(alphabet="0123456789.,/'\" -ftincm½", max_size=30), st.sampled_from(["m", "cm", "ft"]))
def test_a_length_that_was_read_is_written_so_that_it_reads_the_same_again(typed, unit):
    try:
        number = parse_quantity(typed, unit=unit)
    except NumberUnclear:
        return
    assert parse_quantity(canonical(number), unit=unit) == number


@given(st.integers(0, 400), st.integers(0, 11), st.integers(0, 63))
def test_feet_inches_and_sixty_fourths_are_exact(feet, inches, parts):
    exact = Decimal(feet) * Decimal("0.3048") + (inches + Decimal(parts) / 64) * Decimal("0.0254")
    assert parse_quantity(f"{feet}' {inches} {parts}/64\"", unit="m") == exact
