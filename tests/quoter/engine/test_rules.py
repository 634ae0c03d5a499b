"""The rules that the rate cards do not show: several taxes, rounding, tiers across lines, days, limits; the check."""

from decimal import Decimal

import pytest

from quoter.engine import lint, pricing
from quoter.engine.numbers import money
from quoter.engine.pricebook import PriceBook, PriceBookInvalid, parse
from quoter.engine.quote import LineRequest
from tests.support.quotes import A_FOLIO, A_MOMENT, ZONE

BOOK = """
name = "shop"
version = "1"
title = "Shop"
currency = "MXN"
validity_days = 7
{book}
[[products]]
code = "thing"
label = "Thing"
unit = "piece"
step = 1
minimum = 1
maximum = 1000
{product}
measures = [{ kind = "pieces", label = "Pieces", formula = "known" }]
"""
ONE_PRICE = "prices = [{ tiers = [{ from = 1, price = 100.00 }] }]"
IVA = '[[taxes]]\nname = "IVA"\nrate = 0.16\nfrom = 2026-01-01\n'


def a_book(*, book: str = IVA, product: str = ONE_PRICE) -> PriceBook:
    return parse(BOOK.replace("{book}", book).replace("{product}", product))


def things(count="1", extras=(), **inputs):
    return LineRequest(
        product="thing", measure={"kind": "pieces", "amount": str(count)}, extras=tuple(extras), inputs=inputs
    )


def quoted(book, *lines, answers=pricing.NO_ANSWERS, language="en"):
    return pricing.price(book, lines, answers=answers, folio=A_FOLIO, issued_at=A_MOMENT, zone=ZONE, language=language)


def refused(book, *lines, answers=pricing.NO_ANSWERS):
    with pytest.raises(pricing.QuoteRefused) as refusal:
        quoted(book, *lines, answers=answers)
    return {error.field: error.message.en for error in refusal.value.errors}


# --- Taxes and money --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "count", "total"),
    [("24900.00", 1, "24900.00"), ("6.99", 1, "6.99"), ("0.99", 10, "9.90"), ("100", 100, "10000.00")],
)
def test_tag_prices_with_tax_inside_add_up_to_the_cent(price, count, total):
    prices = f"prices = [{{ tiers = [{{ from = 1, price = {price} }}] }}]"
    quote = quoted(a_book(book="prices_include_tax = true\n" + IVA, product=prices), things(count))
    assert str(quote.total) == total
    assert quote.tax.included
    assert quote.subtotal + quote.tax.amount == quote.total


def test_a_book_without_taxes_charges_none_and_says_none():
    quote = quoted(a_book(book=""), things())
    assert (quote.subtotal, quote.tax.amount, quote.total) == (Decimal(100), 0, Decimal(100))
    assert not quote.is_taxed


def test_several_taxes_and_a_retention_apply_at_once():
    more = '[[taxes]]\nname = "IEPS"\nrate = 0.08\nfrom = 2026-01-01\nbeside = true\n'
    more += '[[taxes]]\nname = "ISR"\nrate = 0.0125\nfrom = 2026-01-01\nretained = true\n'
    quote = quoted(a_book(book=IVA + more), things())
    assert [(tax.name, str(tax.amount)) for tax in quote.taxes] == [
        ("IVA", "16.00"),
        ("IEPS", "8.00"),
        ("ISR", "-1.25"),
    ]
    assert (quote.tax.name, quote.tax.amount, quote.total) == ("IVA + IEPS + ISR", Decimal("22.75"), Decimal("122.75"))


def test_a_unit_price_finer_than_a_cent_is_rounded_once_in_the_amount():
    quote = quoted(a_book(product="prices = [{ tiers = [{ from = 1, price = 0.0273 }] }]"), things(50))
    assert str(quote.lines[0].base) == "1.37"  # 1.365
    assert quote.model_dump(mode="json")["lines"][0]["unit_price"] == "0.0273"


@pytest.mark.parametrize(
    ("to", "mode", "base"), [("0.05", "half_up", "33.35"), ("1", "down", "33.00"), ("1", "up", "34.00")]
)
def test_amounts_are_rounded_as_the_book_says(to, mode, base):
    rounding = f'rounding = {{ to = {to}, mode = "{mode}" }}\n'
    prices = "prices = [{ tiers = [{ from = 1, price = 11.11 }] }]"
    assert str(quoted(a_book(book=rounding, product=prices), things(3)).lines[0].base) == base


@pytest.mark.parametrize(
    ("currency", "written"),
    [("MXN", "$1,234.50"), ("USD", "$1,234.50"), ("EUR", "€1,234.50"), ("GBP", "£1,234.50"), ("NOK", "1,234.50")],
)
def test_an_amount_is_written_in_its_currency(currency, written):
    assert money(Decimal("1234.5"), currency) == written


def test_a_currency_without_decimals_is_written_without_them():
    assert money(Decimal("45855.00"), "COP") == "45,855"
    assert money(Decimal("1234.00"), "JPY") == "¥1,234"


# --- Quantities -------------------------------------------------------------------------------------------------------


def test_a_tier_can_be_chosen_by_all_lines_of_the_product():
    tiers = 'tiers_across = "product"\nfalls = true\n'
    tiers += "prices = [{ tiers = [{ from = 1, to = 9, price = 10 }, { from = 10, price = 9 }] }]"
    quote = quoted(a_book(product=tiers), things(4), things(6))
    assert [str(line.base) for line in quote.lines] == ["36.00", "54.00"]


def test_a_division_is_exact_where_a_factor_is_not():
    helper = '{ kind = "area", label = "Area", asks = [{ code = "m2", label = "Area", unit = "m²" }], '
    helper += 'quantities = [{ code = "boxes", add = ["m2"], divide = [1.44] }] }'
    book = parse(
        BOOK.replace("{book}", "")
        .replace("{product}", ONE_PRICE)
        .replace('{ kind = "pieces", label = "Pieces", formula = "known" }', helper)
    )
    for boxes in range(1, 200):
        line = LineRequest(product="thing", measure={"kind": "area", "m2": f"{Decimal('1.44') * boxes}"})
        assert quoted(book, line).lines[0].billed == boxes


@pytest.mark.parametrize(("people", "word"), [("1", "person"), ("2", "people")])
def test_a_unit_is_written_in_the_singular_and_the_plural(people, word):
    book = parse(
        BOOK.replace("{book}", "").replace("{product}", ONE_PRICE).replace('unit = "piece"', 'unit = "person"')
    )
    assert quoted(book, things(people)).lines[0].billed_in("en") == f"{people} {word}"


def test_a_book_names_units_of_its_own():
    named = '[[units]]\ncode = "pallet"\none = { es = "tarima", en = "pallet" }\n'
    named += 'many = { es = "tarimas", en = "pallets" }\n'
    book = parse(
        BOOK.replace("{book}", named).replace("{product}", ONE_PRICE).replace('unit = "piece"', 'unit = "pallet"')
    )
    assert lint.check(book) == ()
    assert quoted(book, things(3), language="es").lines[0].billed_in("es") == "3 tarimas"


# --- Fees, discounts, groups, limits ----------------------------------------------------------------------------------


def with_rules(rules: str) -> PriceBook:
    return parse(BOOK.replace("{book}", "").replace("{product}", ONE_PRICE) + rules)


def test_an_order_is_raised_to_its_least_amount():
    book = with_rules('[[fees]]\ncode = "least"\nlabel = "Minimum order"\nup_to = 250\n')
    assert str(quoted(book, things(1), things(1)).total) == "250.00"
    assert str(quoted(book, things(3)).total) == "300.00"
    assert quoted(book, things(3)).fees == ()


def test_a_discount_has_a_reason_a_limit_and_a_last_day():
    rule = '[[fees]]\ncode = "spring"\nlabel = "Spring discount"\nrate = -0.10\nminimum = -50\nuntil = {day}\n'
    quote = quoted(with_rules(rule.replace("{day}", "2026-11-22")), things(2))
    assert [(fee.code, str(fee.amount)) for fee in quote.discounts] == [("spring", "-20.00")]
    assert str(quoted(with_rules(rule.replace("{day}", "2026-11-22")), things(9)).discounts[0].amount) == "-50.00"
    assert quoted(with_rules(rule.replace("{day}", "2026-11-21")), things(2)).discounts == ()


def test_a_discount_never_takes_off_more_than_was_charged():
    book = with_rules('[[fees]]\ncode = "coupon"\nlabel = "Coupon"\nprice = -500\n')
    assert quoted(book, things(2)).total == 0


def test_fees_by_weekday_hour_and_date_of_the_answer():
    book = with_rules(
        '[[questions]]\ncode = "day"\nlabel = "Day"\nkind = "date"\n'
        '[[questions]]\ncode = "hour"\nlabel = "Hour"\nkind = "time"\n'
        '[[fees]]\ncode = "weekend"\nlabel = "Weekend"\nprice = 65\n'
        'when = [{ name = "day", weekdays = ["sat", "sun"] }]\n'
        '[[fees]]\ncode = "night"\nlabel = "Night"\nprice = 500\n'
        'when = [{ name = "hour", from_hour = 22:00:00, to_hour = 05:00:00 }]\n'
        '[[fees]]\ncode = "holiday"\nlabel = "Holiday"\nprice = 30\nwhen = [{ name = "day", dates = [2026-12-25] }]\n'
    )
    assert lint.check(book) == ()

    def codes(day, hour):
        return [fee.code for fee in quoted(book, things(), answers={"day": day, "hour": hour}).fees]

    assert codes("2026-11-28", "12:00") == ["weekend"]
    assert codes("2026-11-27", "23:30") == ["night"]
    assert codes("2026-11-27", "04:59") == ["night"]
    assert codes("2026-12-25", "05:00") == ["holiday"]
    assert refused(book, things(), answers={"day": "tomorrow", "hour": "12:00"}) == {
        "answers.day": "Day: choose a day."
    }


def test_a_group_of_extras_asks_for_exactly_one():
    extras = 'groups = [{ code = "way", label = "Delivery", choose = "one" }]\n'
    extras += 'extras = [{ code = "van", label = "Van", price = 5, group = "way", per = "line" }, '
    extras += '{ code = "bike", label = "Bike", price = 2, group = "way", per = "line" }]\n'
    book = a_book(book="", product=extras + ONE_PRICE)
    assert str(quoted(book, things(2, extras=["bike"])).total) == "202.00"
    assert refused(book, things()) == {"lines.0.extras": "Choose exactly one: Delivery."}
    assert refused(book, things(extras=["bike", "van"])) == {"lines.0.extras": "Choose exactly one: Delivery."}


def test_a_limit_on_the_whole_order_refuses_it_with_its_own_words():
    book = with_rules('[[limits]]\nwhen = [{ name = "billed", below = 10 }]\nmessage = "At least ten in all."\n')
    assert refused(book, things(4), things(5)) == {"lines": "At least ten in all."}
    assert quoted(book, things(4), things(6)).total == 1000


def test_a_fee_explains_itself_and_what_would_avoid_it():
    rule = (
        '[[fees]]\ncode = "delivery"\nlabel = "Delivery"\nprice = 50\nwhen = [{ amount_of = "thing", below = 500 }]\n'
    )
    quote = quoted(with_rules(rule), things(2))
    assert quote.fees[0].explanation == "From $500.00 on it is free: $300.00 to go."


# --- The check --------------------------------------------------------------------------------------------------------

MILES = '[[questions]]\ncode = "miles"\nlabel = "Miles"\nmax = 30\n'
ZONES = '[[questions]]\ncode = "zone"\nlabel = "Zone"\nkind = "choice"\n'
ZONES += 'choices = [{ code = "a", label = "A" }, { code = "b", label = "B" }]\n'
EXAMPLE = '[[examples]]\nsay = "one"\nlines = [{ product = "thing", measure = { kind = "pieces", amount = 1 } }]\n'
FEE = '[[fees]]\ncode = "fee"\nlabel = "Fee"\n'
FAULTS = {
    "a zone without a price": (
        ZONES + FEE + 'prices = [{ options = { zone = "a" }, price = 5 }]\n',
        "fees[0].prices",
        "zone b has no price",
    ),
    "a distance without a price": (
        MILES + FEE + 'by = "miles"\ntiers = [{ to = 10, price = 5 }, { above = 12, to = 30, price = 9 }]\n',
        "fees[0].tiers[1]",
        "a gap",
    ),
    "a last band below the maximum": (
        MILES + FEE + 'by = "miles"\ntiers = [{ to = 25, price = 5 }]\n',
        "fees[0].tiers[0]",
        "below the maximum, 30",
    ),
    "two prices for one distance": (
        MILES + FEE + 'by = "miles"\ntiers = [{ to = 10, price = 5 }, { from = 10, to = 30, price = 9 }]\n',
        "fees[0].tiers[1]",
        "two prices",
    ),
    "a name that nobody gives": (FEE + 'quantity = "kilometres"\nprice = 5\n', "fees[0]", "no number kilometres"),
    "a part of nothing": (FEE + 'rate = 0.1\nof = "extras"\n', "fees[0]", "nothing with the code extras"),
    "a fee without a price": (FEE, "fees[0]", "needs one of"),
    "a rule that can never apply": (
        ZONES + FEE + 'price = 5\nwhen = [{ name = "zone", is = "c" }]\n',
        "fees[0].when[0]",
        "no choice c",
    ),
    "a condition that can never hold": (
        FEE + 'price = 5\nwhen = [{ name = "billed", above = 10, below = 5 }]\n',
        "fees[0].when[0]",
        "can never hold",
    ),
    "a fee that ends before it begins": (
        FEE + "price = 5\nfrom = 2026-05-01\nuntil = 2026-04-01\n",
        "fees[0].until",
        "before it begins",
    ),
    "a question without choices": (
        '[[questions]]\ncode = "zone"\nlabel = "Zone"\nkind = "choice"\n',
        "questions[0].choices",
        "no choices",
    ),
    "a division by what can be zero": (
        MILES + '[[quantities]]\ncode = "half"\nadd = ["lines"]\ndivide = ["miles"]\n',
        "quantities[0].divide",
        "can be zero",
    ),
    "an example that is wrong by a cent": (
        EXAMPLE + "total = 100.01\n",
        "examples[0].total",
        "is 100.00, the example says 100.01",
    ),
    "an example that should be refused": (
        EXAMPLE + 'refused = "lines"\n',
        "examples[0].refused",
        "is priced at 100.00",
    ),
}


@pytest.mark.parametrize(("rules", "place", "words"), FAULTS.values(), ids=FAULTS)
def test_a_fault_in_a_rule_is_found_at_its_place(rules, place, words):
    [finding] = lint.check(with_rules(rules))
    assert finding.place == place
    assert words in finding.message


def test_more_that_costs_less_is_a_doubt_unless_the_book_says_so():
    tiers = "prices = [{ tiers = [{ from = 1, to = 9, price = 10 }, { from = 10, price = 8 }] }]"
    [doubt] = lint.warnings(a_book(product=tiers))
    assert doubt.place == "products[0].prices[0].tiers[1]"
    assert "10 costs $80.00, but 9 costs $90.00" in doubt.message
    assert lint.warnings(a_book(product="falls = true\n" + tiers)) == ()


def test_a_factor_that_stands_for_a_division_is_a_doubt():
    helper = '{ kind = "boxes", label = "Boxes", formula = "area", factor = 0.6945 }'
    book = parse(
        BOOK.replace("{book}", "")
        .replace("{product}", ONE_PRICE)
        .replace('unit = "piece"', 'unit = "pza"')
        .replace('{ kind = "pieces", label = "Pieces", formula = "known" }', helper)
    )
    [doubt] = lint.warnings(book)
    assert "divide = [1.44]" in doubt.message


def test_a_field_that_does_not_exist_is_named():
    with pytest.raises(PriceBookInvalid, match=r"fees\[0\]\.prize"):
        with_rules(FEE + "prize = 5\n")
