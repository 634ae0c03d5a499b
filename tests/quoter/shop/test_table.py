"""A price book as a table: every cell once, rows that come and go, and a document that means the same."""

import tomllib
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quoter.engine import lint, pricebook
from quoter.shop.table import cells, edits, examples, numbers, pasted, rows, toml
from tests.support import mark
from tests.support.quotes import BOOKS

FILES = sorted(BOOKS.glob("*.toml"))
NAMES = [file.stem for file in FILES]
RULES = ("catering", "tow_truck")  # the books with most rules
# What an owner may remove, but for tiers: what a gap leaves without a price is typed into its neighbours.
REMOVED = {"products", "prices", "choices", "extras", "fees", "limits", "presets"}
# Without it no choice says that the prices do not list its option, so the owner's page does not let it go.
STAYS = "products[call-out].options[yard].choices[none]"
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


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_book_means_the_same_after_it_was_written(file):
    content = file.read_text()
    assert pricebook.parse(rows.dumps(rows.parse(content))) == pricebook.parse(content)


NEW = {"number": "7", "rate": "0.07", "text": "otro", "date": "2031-01-01"}


@pytest.mark.parametrize("of", ["each kind", pytest.param("all", marks=pytest.mark.by_hand)])
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_cell_can_be_changed_and_changes_only_itself(file, of):
    data = rows.parse(file.read_text())
    before = edits.texts_of(data, set())
    known = cells.cells(data, "es")
    assert len({cell.path for cell in known}) == len(known) > 10
    kinds = {(cell.kind, cell.field, *(row.name for row in cell.rows)): cell for cell in known}
    for cell in known if of == "all" else kinds.values():
        text = NEW.get(cell.kind, "true" if cell.text == "false" else "false")
        if cell.kind == "choice" and cell.text not in ("true", "false"):
            text = next(each for each in cells.CHOICES[cell.field] if each != cell.text)
        after = edits.texts_of(edits.changed(data, {cell.path: text}), set())
        assert {path for path in after if after[path] != before[path]} <= {cell.path}
        assert after[cell.path] == text


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_path_is_found_for_the_place_of_every_finding(file):
    data = rows.parse(file.read_text())
    number = len(data["products"]) - 1
    place = f"products[{number}].prices[0].tiers[0].price"
    path = rows.path_of(data, place)
    assert rows.find(data, path) == data["products"][-1]["prices"][0]["tiers"][0]["price"]
    assert rows.path_of(data, f"products[{number}].nothing") == f"products[{data['products'][-1]['code']}].nothing"


def of_concrete() -> rows.Document:
    return rows.parse((BOOKS / "concrete.toml").read_text())


def means(data: rows.Document) -> pricebook.PriceBook:
    book = pricebook.parse(rows.dumps(data))
    assert lint.check(book) == ()
    return book


@pytest.mark.parametrize(
    "path",
    [
        "products[concrete]",
        "products[concrete].options[strength].choices[150]",
        "products[concrete].extras[fiber]",
    ],
)
def test_a_copied_row_is_as_good_as_its_original_and_can_be_removed_again(path):
    data = of_concrete()
    texts = edits.copied(data, path, mark=" (2)")
    after = edits.changed(data, texts)
    assert means(after) != means(data)
    assert means(edits.changed(after, dict.fromkeys(edits.together(after, next(iter(texts))), ""))) == means(data)


def test_a_choice_goes_with_its_prices_and_the_kinds_of_work_that_name_it():
    data = of_concrete()
    gone = edits.together(data, "products[concrete].options[strength].choices[200]")
    after = edits.changed(data, dict.fromkeys(gone, ""))
    after, left_out = examples.as_they_become(after, pricebook.parse(rows.dumps(after)))
    assert left_out == ["a patio of 6 by 4 m, 10 cm thick"]
    book = means(after)
    assert len(book.products[0].prices) == 7
    assert [preset.code for preset in book.presets] == ["interior_floor", "walls"]


def test_a_combination_without_its_price_is_not_offered():
    data = of_concrete()
    row = "products[concrete].prices[service=pumped,strength=150]"
    book = means(edits.changed(data, dict.fromkeys(edits.together(data, row), "")))
    assert {"service": "pumped", "strength": "150"} in book.products[0].not_offered


def removable(data: rows.Document) -> list[cells.Row]:
    """Return the rows that the owner's page lets go, but tiers. A choice of a question or a helper has no button."""
    found = [each for each in cells.walk(data, "es") if isinstance(each, cells.Row) and each.name in REMOVED]
    found = [row for row in found if row.name != "choices" or row.above[-1].name == "options"]
    return [row for row in found if row.path != STAYS and not edits.is_last(data, row.path)]


@pytest.mark.parametrize("name", mark.by_hand_but(2, sorted(NAMES, key=lambda name: name not in RULES)))
def test_what_names_a_removed_row_goes_with_it_and_all_else_costs_what_it_did(name):
    data = rows.parse((BOOKS / f"{name}.toml").read_text())
    totals = {example.say: example.total for example in means(data).examples}
    for row in removable(data):
        after = edits.changed(data, {row.path: ""})
        assert after == edits.changed(data, dict.fromkeys(edits.together(data, row.path), ""))
        book = pricebook.parse(rows.dumps(after))
        after, left_out = examples.as_they_become(after, book)
        found = [rows.path_of(after, each.place) for each in findings(after)]
        assert found == [], row.path
        kept = {example.say: example.total for example in pricebook.parse(rows.dumps(after)).examples}
        assert kept.keys() | set(left_out) == totals.keys()
        if row.name in ("choices", "presets", "limits"):
            assert kept.items() <= totals.items(), row.path


def test_a_rule_goes_with_the_last_choice_that_it_is_for_and_a_sum_loses_only_what_is_gone():
    data = rows.parse((BOOKS / "catering.toml").read_text())
    delivered = "questions[service].choices[delivered]"
    assert edits.together(data, delivered) == [delivered, "fees[delivery]"]
    data["fees"][0]["when"][0]["is"] = ["delivered", "collected"]
    assert edits.together(data, delivered) == [delivered]
    changed = edits.changed(data, {delivered: ""})
    assert changed["fees"][0]["when"][0]["is"] == ["collected"]


@pytest.mark.parametrize(
    ("book", "row", "is_last"),
    [
        ("concrete", "products[concrete]", True),
        ("turf", "products[adhesive].prices[0]", True),
        ("campers", "products[days].prices[season=high].tiers[14]", True),
        ("concrete", "products[concrete].extras[fiber]", False),
    ],
)
def test_the_last_product_price_or_tier_is_known(book, row, is_last):
    assert edits.is_last(rows.parse((BOOKS / f"{book}.toml").read_text()), row) == is_last


def test_a_new_product_needs_only_a_name_and_a_price():
    data = of_concrete()
    ((path, text),) = edits.blank(data, "products").items()
    after, _added = edits.with_rows(data, {path: text})
    found = {rows.path_of(after, each.place) for each in findings(after)}
    assert found == {f"{path}.prices[0].tiers[1].price"}
    filled = edits.changed(after, {f"{path}.prices[0].tiers[1].price": "100.00"})
    assert {rows.path_of(after, each.place) for each in findings(filled)} == {f"{path}.label.es", f"{path}.label.en"}
    means(edits.changed(filled, {f"{path}.label.es": "Arena", f"{path}.label.en": "Sand"}))


def findings(data: rows.Document) -> list[pricebook.BookFinding]:
    try:
        return list(lint.check(pricebook.parse(rows.dumps(data))))
    except pricebook.PriceBookInvalid as invalid:
        return list(invalid.findings)


def test_a_new_row_fits_a_list_that_is_not_there_yet():
    data = rows.parse((BOOKS / "moving.toml").read_text())
    ((path, text),) = edits.blank(data, "products[mileage].extras").items()
    after, added = edits.with_rows(data, {path: text})
    assert added == {path}
    assert edits.with_rows(data, {path.replace("mileage", "gone"): text}) == (data, set())
    assert edits.changed(after, {path: ""}).keys() == data.keys()


def test_examples_become_what_changed_prices_make_of_them():
    data = rows.parse((BOOKS / "party_garden.toml").read_text())
    before = means(data)
    after = edits.changed(data, {"products[people].prices[0].tiers[1].price": "160.00"})
    renewed, left_out = examples.as_they_become(after, pricebook.parse(rows.dumps(after)))
    book = means(renewed)
    assert left_out == []
    assert book.examples[0].total == Decimal("19800.00")
    assert examples.became(before, book, 1) == [
        ("80 guests for the six hours", Decimal("19000.00"), Decimal("19800.00")),
    ]


@pytest.mark.parametrize(
    ("text", "bands"),
    [
        ("3\t9.5\t$2,100.00\n10\t500\t1,999.00", [("3", "9.5", "2100.00"), ("10", "500", "1999.00")]),
        (
            "3-5;2100\n6 a 9;1.999,50\n10+;$ 1,890.00",
            [("3", "5", "2100"), ("6", "9", "1999.50"), ("10", "", "1890.00")],
        ),
        ("3 a 5 2100\n6 9 1999.50\ndesde 10 1890", [("3", "5", "2100"), ("6", "9", "1999.50"), ("10", "", "1890")]),
        ("Volumen\tPrecio\n3\t100\n10\t90", [("3", "9.5", "100"), ("10", "", "90")]),
        ("de 3 m³ hasta 5 m³\tMXN 1,234.50", [("3", "5", "1234.50")]),
        ("hasta 5\t100\n5.5 en adelante\t80", [("", "5", "100"), ("5.5", "", "80")]),
        ("| 3 – 5 | 100 |\n| 6 o más | 90 |", [("3", "5", "100"), ("6", "", "90")]),
        ("desde hasta precio\n3 5 100\n6 + 90", [("3", "5", "100"), ("6", "", "90")]),
    ],
)
def test_tiers_are_read_as_spreadsheets_have_them(text, bands):
    read = pasted.read(text, step=Decimal("0.5"), unit="m³", columns=1)
    assert [(band.start, band.end, *band.prices) for band in read.bands] == bands
    assert read.wrong == ()


@given(st.text("0123456789 .,;\t\n-+|$abdeh", max_size=60), st.integers(1, 3))
def test_every_row_that_is_pasted_is_read_or_named(text, columns):
    read = pasted.read(text, step=Decimal(1), unit="m", columns=columns)
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(read.bands) + len(read.wrong) >= len(lines) - 1
    assert all(text.splitlines()[number - 1].strip() == line for number, line in read.wrong)


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("1890", "1890"),
        (" $1,890.00 ", "1890.00"),
        ("1 890.5", "1890.5"),
        ("12,345,678.9", "12345678.9"),
        ("0.08", "0.08"),
        ("1.890,50", "1890.50"),
        ("1.234.567", "1234567"),
        ("1890,5", "1890.5"),
        ("MXN 1,890", "1890"),
    ],
)
def test_numbers_are_read_as_people_write_them(typed, number):
    assert numbers.number(typed) == number


@given(st.text(max_size=12))
def test_what_is_read_as_a_number_is_one_in_toml(typed):
    try:
        number = numbers.number(typed)
    except numbers.NotANumber:
        return
    assert Decimal(str(tomllib.loads(f"x = {number.lstrip('0') or '0'}" if "." not in number else "x = 0.0")["x"])) >= 0
    assert Decimal(number) >= 0
