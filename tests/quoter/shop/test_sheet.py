"""Cells of a price book: every number once, and a document that means the same after it was written."""

import tomllib
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quoter.engine import lint, pricebook
from quoter.shop import sheet, toml
from tests.support.quotes import BOOKS

KEYS = st.text(min_size=1, max_size=8)
SCALARS = (
    st.text()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.decimals(allow_nan=False, allow_infinity=False, places=4)
    | st.dates(min_value=date(1000, 1, 1))
)
VALUES = st.recursive(
    SCALARS, lambda inside: st.lists(inside, max_size=3) | st.dictionaries(KEYS, inside, max_size=3), max_leaves=12
)


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_what_is_written_is_read_back(data):
    assert tomllib.loads(toml.dumps(data), parse_float=Decimal) == data


@pytest.mark.parametrize("file", sorted(BOOKS.glob("*.toml")), ids=lambda file: file.stem)
def test_a_book_means_the_same_after_it_was_written(file):
    content = file.read_text()
    assert pricebook.parse(sheet.dumps(sheet.parse(content))) == pricebook.parse(content)


@pytest.mark.parametrize("file", sorted(BOOKS.glob("*.toml")), ids=lambda file: file.stem)
def test_every_cell_can_be_changed_and_changes_only_itself(file):
    data = sheet.parse(file.read_text())
    cells = [cell for section in sheet.sections(data, "es") for cell in section.cells]
    assert len({cell.path for cell in cells}) == len(cells) > 10
    for cell in cells[:40]:
        after = sheet.changed(data, {cell.path: "7"})
        assert [(each.path, each.text, old) for each, old in sheet.differences(data, after, "es")] == (
            [(cell.path, "7", cell.text)] if cell.text != "7" else []
        )


def test_cells_have_the_words_of_the_book():
    section = sheet.sections(sheet.parse((BOOKS / "concrete.toml").read_text()), "en")[0]
    words = {" · ".join(cell.words) for cell in section.cells}
    assert section.title == "Ready-mix concrete"
    assert any("300" in each and "4 – 4.5" in each for each in words)
    assert any("Reinforcing fibre" in each for each in words)


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("1890", "1890"),
        (" $1,890.00 ", "1890.00"),
        ("1 890.5", "1890.5"),
        ("12,345,678.9", "12345678.9"),
        ("0.08", "0.08"),
    ],
)
def test_numbers_are_read_as_people_write_them(typed, number):
    assert sheet.number(typed) == number


@given(st.text(max_size=12))
def test_what_is_read_as_a_number_is_one_in_toml(typed):
    try:
        number = sheet.number(typed)
    except sheet.NotANumber:
        return
    assert Decimal(str(tomllib.loads(f"x = {number.lstrip('0') or '0'}" if "." not in number else "x = 0.0")["x"])) >= 0
    assert Decimal(number) >= 0


def test_a_changed_price_passes_the_check():
    data = sheet.parse((BOOKS / "concrete.toml").read_text())
    after = pricebook.parse(sheet.dumps(sheet.changed(data, {"products[0].prices[0].tiers[0].price": "2000.00"})))
    assert lint.check(after) == ()
    assert after.products[0].prices[0].tiers[0].price == Decimal("2000.00")
