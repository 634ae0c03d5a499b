"""The check of a price book's rules: what would charge wrongly, twice, nothing or not at all."""

import pytest

from quoter.engine import lint
from quoter.engine.finding import PriceBookInvalid
from quoter.engine.pricebook import parse
from tests.support.small_books import BOOK, ONE_PRICE, a_book, with_rules

MILES = '[[questions]]\ncode = "miles"\nlabel = "Miles"\nmax = 30\n'
ZONES = '[[questions]]\ncode = "zone"\nlabel = "Zone"\nkind = "choice"\n'
ZONES += 'choices = [{ code = "a", label = "A" }, { code = "b", label = "B" }]\n'
EXAMPLE = '[[examples]]\nsay = "one"\nlines = [{ product = "thing", measure = { kind = "pieces", amount = 1 } }]\n'
FEE = '[[fees]]\ncode = "fee"\nlabel = "Fee"\n'
LATE = '[[fees]]\ncode = "late"\nlabel = "Late"\nprice = 7\n'
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
    "a discount of what is charged later": (
        FEE + 'rate = -0.1\nof = "late"\n' + LATE,
        "fees[0]",
        "nothing with the code late is charged before",
    ),
    "a coupon above the least order": (FEE + "price = -500\n", "fees[0]", "take off everything"),
    "a coupon for each mile": (MILES + FEE + 'quantity = "miles"\nprice = -1\n', "fees[0]", "take off everything"),
    "discounts of the whole together": (
        FEE + "rate = -0.6\n" + LATE.replace("price = 7", "rate = -0.4"),
        "fees[1]",
        "take off everything",
    ),
    "a coupon from too small an amount on": (
        FEE + 'price = -150\nwhen = [{ amount_of = "all", from = 150 }]\n',
        "fees[0]",
        "take off everything",
    ),
    "two fees of one code": (
        ZONES + FEE + "price = 5\n" + FEE + 'price = 7\nwhen = [{ name = "zone", is = "a" }]\n',
        "fees[1]",
        "together with fees[0]",
    ),
    "two fees of one code at one distance": (
        MILES
        + FEE
        + 'price = 5\nwhen = [{ name = "miles", to = 10 }]\n'
        + FEE
        + 'price = 7\nwhen = [{ name = "miles", from = 10 }]\n',
        "fees[1]",
        "together with fees[0]",
    ),
    "a question that no whole number answers": (
        '[[questions]]\ncode = "floors"\nlabel = "Floors"\nmin = 0.2\nmax = 0.8\nwhole = true\n',
        "questions[0]",
        "nobody can answer",
    ),
    "a default above the most": (MILES + "default = 31\n", "questions[0].default", "the default, 31"),
    "a default that is not whole": (MILES + "whole = true\ndefault = 0.5\n", "questions[0].default", "the default"),
    "choices of a number": (MILES + 'default_choice = "a"\n', "questions[0]", "is of the kind number"),
    "a table that an open question does not choose from": (
        ZONES
        + "required = false\n"
        + FEE
        + 'prices = [{ options = { zone = "a" }, price = 5 }, { options = { zone = "b" }, price = 7 }]\n',
        "fees[0].prices",
        "zone has no price while unanswered",
    ),
    "a quantity that is always too much": (
        MILES + '[[quantities]]\ncode = "far"\nadd = ["miles", 40]\nmaximum = 39\n',
        "quantities[0].maximum",
        "is at least 40",
    ),
    "taxes that keep everything back": (
        '[[taxes]]\nname = "A"\nrate = 0.6\nfrom = 2026-01-01\nretained = true\n'
        '[[taxes]]\nname = "B"\nrate = 0.4\nfrom = 2026-02-01\nretained = true\n'
        '[[taxes]]\nname = "B"\nrate = 0.3\nfrom = 2026-03-01\nretained = true\n',
        "taxes[0]",
        "leaves nothing to pay",
    ),
    "a deposit below zero": (
        '[deposit]\nlabel = "Deposit"\nprice = -5\n',
        "deposit",
        "is below zero",
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


EXTRA = '{ code = "van", label = "Van", price = 5, per = "line", group = "way", is_usual = true }'
HELPER = (
    'asks = [{ code = "n", label = "N", min = 5, max = 9 }], quantities = [{ code = "all", add = [["n", FACTOR]] }]'
)
FAULTS_OF_A_PRODUCT = {
    "a group of nothing": (
        'groups = [{ code = "way", label = "Way", choose = "one" }]\n' + ONE_PRICE,
        "products[0].groups[0]",
        "no extra is in this group",
    ),
    "a group with two usual extras": (
        'groups = [{ code = "way", label = "Way", choose = "one" }]\n'
        f"extras = [{EXTRA}, {EXTRA.replace('van', 'bus')}]\n{ONE_PRICE}",
        "products[0].groups[0]",
        "more than one of it is on",
    ),
    "tiers across lines with an end": (
        'tiers_across = "product"\nprices = [{ tiers = [{ from = 1, to = 1000, price = 10 }] }]',
        "products[0].prices[0].tiers[0]",
        "all lines together",
    ),
    "a choice that takes off the whole price": (
        'options = [{ code = "use", label = "Use", choices = [{ code = "old", label = "Old", rate = -1 }] }]\n'
        + ONE_PRICE,
        "products[0].prices[0].tiers[0].price",
        "with what its options take off",
    ),
    "a discount for each piece above the price": (
        ONE_PRICE + '\nfees = [{ code = "off", label = "Off", quantity = "billed", price = -100 }]',
        "products[0].fees[0]",
        "take off everything",
    ),
    "more for free than is bought": (
        "pack = { name = { one = 'box', many = 'boxes' }, size = 2 }\nprices = [{ tiers = [{ price = 10 }] }]\n"
        "quantities = [{ code = 'free', add = ['packs'], step = 1 }]\n"
        "fees = [{ code = 'free', label = 'Free', quantity = 'free', price = -1 }]",
        "products[0].fees[0]",
        "take off everything",  # rounded up, it is not known how many are free
    ),
    "packs beyond the last tier": (
        "pack = { name = { one = 'box', many = 'boxes' }, size = 3 }\n"
        "prices = [{ tiers = [{ from = 0, to = 1000, price = 10 }] }]",
        "products[0].prices[0].tiers[0]",
        "below the maximum, 1002",
    ),
}


@pytest.mark.parametrize(("rules", "place", "words"), FAULTS_OF_A_PRODUCT.values(), ids=FAULTS_OF_A_PRODUCT)
def test_a_fault_in_the_rules_of_a_product_is_found_at_its_place(rules, place, words):
    [finding] = lint.check(a_book(product=rules))
    assert finding.place == place
    assert words in finding.message


@pytest.mark.parametrize(
    ("factor", "rule", "words"),
    [
        ("201", "", "gives at least 1005"),
        ("0", "", "gives at most 0"),
        ("1", 'below_minimum = "refuse"\nminimum = 10\n', "gives at most 9, which is never sold"),
        ("200", "", ""),
        ("2", 'below_minimum = "refuse"\nminimum = 10\n', ""),
    ],
)
def test_a_helper_gives_what_can_be_sold(factor, rule, words):
    prices = ONE_PRICE.replace("from = 1", "from = 10") if rule else ONE_PRICE
    text = BOOK.replace("{book}", "").replace("{product}", prices).replace("minimum = 1\n", rule or "minimum = 1\n")
    found = lint.check(parse(text.replace('formula = "known"', HELPER.replace("FACTOR", factor))))
    assert [words in finding.message for finding in found] == ([True] if words else [])


@pytest.mark.parametrize(
    "rules",
    [
        FEE + "rate = -0.6\n" + LATE.replace("price = 7", "rate = -0.3"),
        FEE + "price = -500\nminimum = -99\n",
        FEE + 'price = -500\nwhen = [{ amount_of = "all", from = 501 }]\n',
        FEE + "rate = -0.3\nuntil = 2026-05-31\n" + FEE + "rate = -0.9\nfrom = 2026-06-01\n",
        ZONES
        + FEE
        + 'price = 5\nwhen = [{ name = "zone", is_not = "a" }]\n'
        + FEE
        + 'price = 7\nwhen = [{ name = "zone", is = "a" }]\n',
        MILES
        + FEE
        + 'price = 5\nwhen = [{ name = "miles", below = 10 }]\n'
        + FEE
        + 'price = 7\nwhen = [{ name = "miles", from = 10 }]\n',
        '[[questions]]\ncode = "at"\nlabel = "At"\nkind = "time"\n'
        + FEE
        + "price = 5\nwhen = [{ name = 'at', from_hour = 22:00:00, to_hour = 05:00:00 }]\n"
        + FEE
        + "price = 7\nwhen = [{ name = 'at', from_hour = 05:00:00, to_hour = 22:00:00 }]\n",
    ],
)
def test_rules_that_leave_something_to_pay_and_exclude_each_other_have_no_findings(rules):
    assert lint.check(with_rules(rules)) == ()


def test_a_number_of_several_helpers_is_as_wide_as_in_all_of_them():
    helper = '{ kind = "KIND", label = "L", asks = [{ code = "n", label = "N", max = MAX }], '
    helper += 'quantities = [{ code = "all", add = ["n"] }] }'
    helpers = ", ".join(helper.replace("KIND", kind).replace("MAX", most) for kind, most in [("a", "10"), ("b", "500")])
    fees = 'fees = [{ code = "way", label = "Way", by = "n", tiers = [{ to = 10, price = 5 }] }]'
    text = BOOK.replace("{book}", "").replace("{product}", f"{ONE_PRICE}\n{fees}")
    [finding] = lint.check(parse(text.replace('{ kind = "pieces", label = "Pieces", formula = "known" }', helpers)))
    assert "below the maximum, 500" in finding.message


def test_rules_without_an_example_are_a_doubt():
    [doubt] = lint.warnings(with_rules(FEE + "price = 5\n"))
    assert doubt.place == "examples"
    assert lint.warnings(with_rules(FEE + "price = 5\n" + EXAMPLE)) == ()
    assert lint.warnings(with_rules("")) == ()


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
