import json
from datetime import date
from decimal import Decimal

import pytest

from quoter.engine import pricing
from quoter.engine.finding import PriceBookInvalid, place_of
from quoter.engine.pricebook import PriceBook, as_data, parse, read
from tests.support.quotes import BOOKS, CONCRETE, TURF, concrete, edging, priced, turf

CONCRETE_TOML = (BOOKS / "concrete.toml").read_text(encoding="utf-8")


def places(toml: str) -> list[str]:
    with pytest.raises(PriceBookInvalid) as invalid:
        parse(toml)
    return [finding.place for finding in invalid.value.findings]


def test_prices_are_exact_decimals_quoted_or_not():
    unquoted = parse(CONCRETE_TOML)
    quoted = parse(CONCRETE_TOML.replace("price = 2569.46", 'price = "2569.46"'))
    assert unquoted.products[0].prices[2].tiers[0].price == Decimal("2569.46")
    assert unquoted.taxes[0].rate == Decimal("0.08")
    assert quoted == unquoted


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("validity_days = 7", 'validity_days = "a week"', "validity_days"),
        ("validity_days = 7", "validity_days = -1", "validity_days"),
        ("validity_days = 7", "validity_days = 9999999", "validity_days"),
        ("price = 2569.46", "prize = 2569.46", "products[0].prices[2].tiers[0].prize"),
        ("price = 2569.46", 'price = "2,569.46"', "products[0].prices[2].tiers[0].price"),
        ("price = 2569.46", "price = nan", "products[0].prices[2].tiers[0].price"),
        ("price = 2569.46", "price = 2569.460000000001", "products[0].prices[2].tiers[0].price"),
        ("maximum = 500", "maximum = 1e12", "products[0].maximum"),
        ('per = "unit"', 'per = "day"', "products[0].extras[0].per"),
        ('formula = "known"', 'formula = "length * width"', "products[0].measures[0].formula"),
        ("factor = 0.98", "factor = 0", "products[0].measures[1].factor"),
        ("from = 2026-01-01", 'from = "January"', "taxes[0].from"),
        ('title = { es = "Concreto premezclado", en = ', 'title = { es = "", fr = ', "title.en"),
    ],
)
def test_a_wrong_shape_is_named_by_its_place(old, new, place):
    assert place in places(CONCRETE_TOML.replace(old, new, 1))


@pytest.mark.parametrize(
    ("new", "message"),
    [
        ('validity_days = "a week"', "validity_days: is no number"),
        ("prize = 7", "validity_days: is missing; prize: there is no such field here"),
        ("validity_days = 7\nfees = 3", "fees: is no list: lists stand in brackets, [ ]"),
        ("validity_days = 7\ndeposit = 3", "deposit: is no table: tables stand in braces, { }"),
        (
            'validity_days = 7\nrounding = { mode = "off" }',
            "rounding.mode: is none of these: 'half_up', 'half_even', 'up', 'down', 'nearest'",
        ),
        ("validity_days = 7\nrounding = { to = 0 }", "rounding.to: is not above 0"),
    ],
)
def test_a_wrong_shape_is_named_in_plain_words(new, message):
    with pytest.raises(PriceBookInvalid) as invalid:
        parse(CONCRETE_TOML.replace("validity_days = 7", new, 1))
    assert str(invalid.value) == message


def test_a_price_that_is_missing_is_named_by_its_place():
    book = CONCRETE_TOML.replace("{ from = 3, price = 2569.46 }", "{ from = 3 }")
    assert places(book) == ["products[0].prices[2].tiers[0].price"]


def test_a_text_that_is_not_toml_is_refused():
    with pytest.raises(PriceBookInvalid, match="not TOML"):
        parse("name = concrete")


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    latin = tmp_path / "latin.toml"
    latin.write_bytes('name = "piña"'.encode("latin-1"))
    for path in (tmp_path / "none.toml", tmp_path, latin):
        with pytest.raises(PriceBookInvalid, match="cannot be read"):
            read(path)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_byte_order_mark_does_not_count(tmp_path, newline):
    book = tmp_path / "book.toml"
    book.write_text(CONCRETE_TOML.replace("\n", newline), encoding="utf-8-sig", newline="")
    assert read(book) == CONCRETE


def test_another_encoding_is_refused_with_what_to_do(tmp_path):
    book = tmp_path / "book.toml"
    book.write_text(CONCRETE_TOML, encoding="utf-16")
    with pytest.raises(PriceBookInvalid, match=r"not saved as UTF-8\. In Notepad: Save as, encoding UTF-8\."):
        read(book)


@pytest.mark.parametrize(
    ("old", "new", "advice"),
    [
        ("validity_days = 7", "validity_days = 7\nprice = 189,00", "decimal point and no comma: 189.00"),
        ("price = 2569.46 }", "price = 2569,46 }", "decimal point and no comma"),
        ("price = 2569.46 }", "price = 2,569.46 }", "decimal point and no comma"),
        ("price = 2569.46 }", 'price = "2569,46" }', "decimal point and no comma"),
        ('name = "concrete"', "name = “concrete”", "straight quotes"),
    ],
)
def test_a_number_with_a_comma_and_a_curly_quote_are_refused_with_what_to_write(old, new, advice):
    assert old in CONCRETE_TOML
    with pytest.raises(PriceBookInvalid, match=advice):
        parse(CONCRETE_TOML.replace(old, new, 1))


@pytest.mark.parametrize("book", [CONCRETE, TURF])
def test_a_book_survives_json(book):
    assert PriceBook.model_validate(json.loads(json.dumps(as_data(book)))) == book


QUOTES = [
    (CONCRETE, [concrete("5.6")]),
    (CONCRETE, [concrete("3.5", service="pumped", extras=("fiber",)), concrete("9", strength="300")]),
    (TURF, [turf("47", extras=("travel", "infill")), edging("28.2", extras=("travel",)), turf("300", pile_mm="40")]),
]


@pytest.mark.parametrize(("book", "lines"), QUOTES)
@pytest.mark.parametrize("language", ["es", "en"])
def test_the_excerpt_of_a_quote_prices_the_same_quote(book, lines, language):
    quote = priced(book, *lines, language=language)
    part = PriceBook.model_validate(as_data(pricing.excerpt(book, quote), language))
    assert priced(part, *pricing.requests(quote), at=quote.issued_at, language=language) == quote


def test_the_excerpt_of_a_quote_holds_only_what_the_quote_used():
    quote = priced(TURF, turf(pile_mm="40", extras=("infill",)), edging())
    part = PriceBook.model_validate(as_data(pricing.excerpt(TURF, quote), "en"))
    used_turf, used_edging = part.products
    assert [[choice.code for choice in option.choices] for option in used_turf.options] == [["40"], ["soil"]]
    assert [listed.options for listed in used_turf.prices] == [{"pile_mm": "40", "base": "soil"}]
    assert [extra.code for extra in used_turf.extras] == ["infill"]
    assert [measure.kind for measure in used_turf.measures] == ["area"]
    assert used_turf.label.es == used_turf.label.en == "Artificial turf"
    assert [listed.options for listed in used_edging.prices] == [{"material": "pvc"}]
    assert used_edging.extras == ()
    assert len(part.taxes) == 1
    assert part.presets == ()


@pytest.mark.parametrize(
    ("day", "first_day_of_tax"),
    [
        (date(2025, 6, 1), date(2026, 1, 1)),  # before the first: the first
        (date(2026, 1, 1), date(2026, 1, 1)),
        (date(2026, 12, 31), date(2026, 1, 1)),
        (date(2027, 1, 1), date(2027, 1, 1)),
        (date(2040, 1, 1), date(2027, 1, 1)),
    ],
)
def test_the_tax_is_the_one_in_force_on_the_day(day, first_day_of_tax):
    assert TURF.tax_on(day).start == first_day_of_tax


def test_a_tax_that_has_ended_goes_on_applying():
    lapsed = TURF.model_copy(update={"taxes": TURF.taxes[:1]})
    assert lapsed.tax_on(date(2027, 5, 1)) == TURF.taxes[0]


def test_a_place_is_written_as_a_path():
    assert place_of(["products", 0, "prices", 3, "tiers", 1]) == "products[0].prices[3].tiers[1]"
