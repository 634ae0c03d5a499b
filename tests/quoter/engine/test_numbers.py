from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quoter.engine.numbers import NumberUnclear, canonical, money, parse_decimal, to_cents


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("5", "5"),
        (" 5.6 ", "5.6"),
        ("5,6", "5.6"),
        ("4,50", "4.5"),
        (".5", "0.5"),
        (",5", "0.5"),
        ("0.085", "0.085"),
        ("0,085", "0.085"),
        ("1.234", "1.234"),
        ("1234.567", "1234.567"),
        ("1,234.5", "1234.5"),
        ("1,234,567", "1234567"),
        ("1,234,567.89", "1234567.89"),
        ("007", "7"),
        ("-3", "-3"),
        ("5.", "5"),
        ("-12. ", "-12"),
        ("\u200e5.6", "5.6"),
        ("5\u200b.6\ufeff", "5.6"),
        ("\u202a\u00a05.6\u2060\u202c", "5.6"),
        ("5\ufe0f.6", "5.6"),
    ],
)
def test_a_number_is_read_as_the_person_meant_it(typed, meant):
    assert parse_decimal(typed) == Decimal(meant)


@pytest.mark.parametrize(
    ("typed", "unit"),
    [
        ("5.6 m3", "m³"),
        ("5.6 m³", "m³"),
        ("5.6m3", "m³"),
        ("5.6 M3.", "m³"),
        ("5.6 m^3", "m³"),
        ("5.6 metros cúbicos", "m³"),
        ("5.6\u00a0m³\u200b", "m³"),
        ("5,6 m2", "m²"),
        ("5.6 m", "m"),
        ("5.6 mts.", "m"),
        ("5.6cm", "cm"),
        ("5.6 pzas", "pza"),
        ("5.6 kg", "kg"),  # a unit that only a shop's price book knows
    ],
)
def test_the_field_s_own_unit_may_follow_the_number(typed, unit):
    assert parse_decimal(typed, unit=unit) == Decimal("5.6")


@pytest.mark.parametrize(
    ("typed", "unit"),
    [
        ("5.6 m3", "m"),
        ("5.6 m3", "m²"),
        ("5.6 m", "m³"),
        ("5.6 m", "cm"),
        ("5.6 kg", "m³"),
        ("5 6 m", "m"),
        ("m3", "m³"),
    ],
)
def test_another_unit_is_refused(typed, unit):
    with pytest.raises(NumberUnclear, match="is not a number"):
        parse_decimal(typed, unit=unit)


@given(
    number=st.decimals("0.01", "9999", places=2),
    marks=st.lists(st.sampled_from("\u200b\u200e\u200f\u202a\u202c\u2060\ufeff\xad\ufe0f"), max_size=4),
    unit=st.sampled_from(["m³", "m²", "m", "cm", "pza"]),
    data=st.data(),
)
def test_invisible_characters_anywhere_change_no_number(number, marks, unit, data):
    typed = data.draw(st.sampled_from([f"{number}", f" {number}\u00a0", f"{number} {unit}", f"{number}{unit}"]))
    for mark in marks:
        at = data.draw(st.integers(0, len(typed)))
        typed = typed[:at] + mark + typed[at:]
    assert parse_decimal(typed, unit=unit) == number


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("4,500", "Is “4,500” 4500 or 4.5?"),
        ("12,345", "Is “12,345” 12345 or 12.345?"),
        ("1.234,5", "Write “1.234,5” with a decimal point and no thousands separator: 1234.5."),
        ("1.234.567", "Write “1.234.567” with a decimal point and no thousands separator: 1234567."),
    ],
)
def test_an_ambiguous_number_is_refused_with_advice(typed, asked):
    with pytest.raises(NumberUnclear) as unclear:
        parse_decimal(typed)
    assert unclear.value.message.en.startswith(asked)


@pytest.mark.parametrize(
    "typed",
    [
        ".",
        ",",
        "-",
        "5..",
        "1e5",
        "1E2",
        "NaN",
        "Infinity",
        "0x10",
        "½",
        "٣",
        "５",
        "5 6",
        "5 m3",
        "1_000",
        "5\x00",
        "--5",
    ]
    + ["1,23,456", "1,2345.6", "1.23.4", "9" * 21, "5\n6"],
)
def test_a_text_that_is_no_number_is_refused_and_shown_again(typed):
    with pytest.raises(NumberUnclear) as unclear:
        parse_decimal(typed)
    assert typed[:20] in unclear.value.message.es


@pytest.mark.parametrize("typed", ["", "  ", "\u00a0"])
def test_an_empty_number_is_asked_for(typed):
    with pytest.raises(NumberUnclear, match=r"^Enter a number\.$"):
        parse_decimal(typed)


def test_a_refusal_repeats_no_more_than_twenty_characters():
    with pytest.raises(NumberUnclear) as unclear:
        parse_decimal("1" * 5000)
    assert unclear.value.message.en.startswith("“" + "1" * 20 + "…” is not a number")


@given(st.text(alphabet="0123456789.,-e ", max_size=22))
def test_a_number_that_was_read_is_written_so_that_it_reads_the_same_again(typed):
    try:
        number = parse_decimal(typed)
    except NumberUnclear:
        return
    assert parse_decimal(canonical(number)) == number


@given(st.text())
def test_any_text_is_a_number_or_refused(typed):
    try:
        number = parse_decimal(typed)
    except NumberUnclear:
        return
    assert number.is_finite()


@pytest.mark.parametrize(
    ("amount", "cents"),
    [
        ("0.005", "0.01"),
        ("0.0049", "0.00"),
        ("1.005", "1.01"),
        ("2.675", "2.68"),
        ("1233.3408", "1233.34"),
        ("7", "7.00"),
    ],
)
def test_half_a_cent_is_rounded_up(amount, cents):
    assert str(to_cents(Decimal(amount))) == cents


@pytest.mark.parametrize(
    ("number", "plain"),
    [
        ("88.0", "88"),
        ("43.50", "43.5"),
        ("0.080", "0.08"),
        ("5E+2", "500"),
        ("0.00", "0"),
        ("-0", "0"),
        ("-1.50", "-1.5"),
    ],
)
def test_a_number_is_written_plainly(number, plain):
    assert canonical(Decimal(number)) == plain


@pytest.mark.parametrize(("amount", "written"), [("1234567.8", "$1,234,567.80"), ("0", "$0.00"), ("-45.5", "-$45.50")])
def test_money_is_written_with_thousands_and_cents(amount, written):
    assert money(Decimal(amount)) == written
