"""The rules that the rate cards do not show: several taxes, rounding, tiers across lines, days, limits."""

from decimal import Decimal

import pytest

from quoter.engine import lint
from quoter.engine.numbers import money
from quoter.engine.pricebook import parse
from quoter.engine.quote import LineRequest
from tests.support.small_books import BOOK, IVA, ONE_PRICE, a_book, quoted, refused, things, with_rules

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
        "answers.day": "Choose a day for “Day”."
    }


def test_a_group_of_extras_asks_for_exactly_one():
    extras = 'groups = [{ code = "way", label = "Delivery", choose = "one" }]\n'
    extras += 'extras = [{ code = "van", label = "Van", price = 5, group = "way", per = "line" }, '
    extras += '{ code = "bike", label = "Bike", price = 2, group = "way", per = "line" }]\n'
    book = a_book(book="", product=extras + ONE_PRICE)
    assert str(quoted(book, things(2, extras=["bike"])).total) == "202.00"
    assert refused(book, things()) == {"lines.0.extras": "Choose exactly one option for “Delivery”."}
    assert refused(book, things(extras=["bike", "van"])) == {
        "lines.0.extras": "Choose exactly one option for “Delivery”."
    }


def test_a_limit_on_the_whole_order_refuses_it_with_its_own_words():
    book = with_rules('[[limits]]\nwhen = [{ name = "billed", below = 10 }]\nmessage = "At least ten in all."\n')
    assert refused(book, things(4), things(5)) == {"lines": "At least ten in all."}
    assert quoted(book, things(4), things(6)).total == 1000


@pytest.mark.parametrize(
    ("rule", "count", "sentence"),
    [
        ('quantity = "billed"\nrate = 0.35', 2, "2 × 35 % of $200.00."),
        ('quantity = "billed"\nunit = "day"\nrate = 0.5\nprice = 4', 1, "1 day × ($4.00 plus 50 % of $100.00)."),
        ('quantity = "billed"\nprice = -3', 2, "2 × $3.00."),
        (
            'quantity = "billed"\npricing = "graduated"\ntiers = [{ to = 2, price = 9 }, { above = 2, price = 4 }]',
            5,
            "5: 2 × $9.00 + 3 × $4.00.",
        ),
        ('quantity = "billed"\nprice = 75\nfurther = 0.8', 1, "1 × $75.00."),
        (
            'quantity = "billed"\nprice = 75\nfurther = 0.8',
            2,
            "2: the first at $75.00, each additional one at 80 % of that.",
        ),
    ],
)
def test_a_fee_says_how_often_and_at_which_price_it_is_charged(rule, count, sentence):
    quote = quoted(with_rules(f'[[fees]]\ncode = "fee"\nlabel = "Fee"\n{rule}\n'), things(count))
    [fee] = (*quote.fees, *quote.discounts)
    assert fee.explanation == sentence


def test_a_cheaper_tier_is_named_at_the_price_with_what_the_options_add():
    tiers = "prices = [{ tiers = [{ from = 1, to = 9, price = 10 }, { from = 10, price = 9 }] }]\n"
    options = 'options = [{ code = "use", label = "Use", choices = [{ code = "x", label = "X", rate = -0.1 }] }]\n'
    line = LineRequest(product="thing", options={"use": "x"}, measure={"kind": "pieces", "amount": "9"})
    assert quoted(a_book(product=tiers + options), line).lines[0].explanation == (
        "Price for 1 to 9 pieces: $9.00 per piece. "
        "Order 10 pieces or more and it drops to $8.10: 10 pieces would cost $81.00 plus tax."
    )
    fees = 'fees = [{ code = "fast", label = "Fast", rate = 0.5 }]\n'  # which would change with the base
    assert quoted(a_book(product=tiers + options + fees), line).lines[0].explanation == (
        "Price for 1 to 9 pieces: $9.00 per piece. Order 10 pieces or more and it drops to $8.10."
    )


def test_what_comes_to_nothing_is_left_out_of_the_calculation():
    helper = 'asks = [{ code = "m", label = "M", unit = "m" }, { code = "gates", label = "G", default = 0 }], '
    helper += 'quantities = [{ code = "net", add = [["m", 2]], subtract = ["gates"] }]'
    book = parse(BOOK.replace("{book}", "").replace("{product}", ONE_PRICE).replace('formula = "known"', helper))
    line = LineRequest(product="thing", measure={"kind": "pieces", "m": "5"})
    assert quoted(book, line).lines[0].explanation == "Measured: 5 m × 2 = 10 pieces."


def test_a_fee_explains_itself_and_what_would_avoid_it():
    rule = (
        '[[fees]]\ncode = "delivery"\nlabel = "Delivery"\nprice = 50\nwhen = [{ amount_of = "thing", below = 500 }]\n'
    )
    quote = quoted(with_rules(rule), things(2))
    assert quote.fees[0].explanation == "Free from $500.00: $300.00 to go."


def test_what_rounds_to_nothing_is_refused():
    prices = "prices = [{ tiers = [{ from = 1, price = 0.004 }] }]"
    assert refused(a_book(product=prices), things(1)) == {
        "lines.0.measure.amount": "That is too little to be charged. Enter a larger quantity."
    }
    assert str(quoted(a_book(product=prices), things(2)).lines[0].base) == "0.01"


def test_lines_that_come_to_more_than_the_last_tier_together_are_refused():
    tiers = 'tiers_across = "product"\nprices = [{ tiers = [{ from = 1, to = 9, price = 10 }] }]'
    assert refused(a_book(product=tiers), things(5), things(5)).keys() == {"lines.0.product", "lines.1.product"}
