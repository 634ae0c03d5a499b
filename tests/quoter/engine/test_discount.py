"""A seller's discount: what it comes to, and that its quote recomputes it from its own prices."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quoter import token
from quoter.engine import discount, lint, pricing
from quoter.engine.discount import Discount, with_discount
from quoter.engine.pricebook import as_data
from quoter.engine.text import Text
from tests.support.quotes import A_FOLIO, A_MOMENT, CONCRETE, TURF, ZONE, concrete, turf
from tests.support.small_books import IVA, a_book, quoted, things, with_rules

REGULAR = Text(es="Cliente frecuente", en="Regular customer")
CENT = Decimal("0.01")


def off(rate: str) -> Discount:
    return Discount.of(Decimal(rate), REGULAR)


def figures(quote) -> tuple[str, ...]:
    return tuple(map(str, (quote.discounts[-1].amount, quote.subtotal, quote.tax.amount, quote.total)))


@pytest.mark.parametrize(
    ("book", "rate", "line", "expected"),
    [
        # 6 m³ at 2,569.46 are 15,416.76: 5 % is 770.838, and 8 % of 14,645.92 is 1,171.6736.
        (CONCRETE, "0.05", concrete("6"), ("-770.84", "14645.92", "1171.67", "15817.59")),
        (CONCRETE, "0.075", concrete("6"), ("-1156.26", "14260.50", "1140.84", "15401.34")),
        # A price of 100.00 with the tax inside it: 90.00 are left, of which 90 ÷ 1.16 = 77.586 without tax.
        (a_book(book="prices_include_tax = true\n" + IVA), "0.1", things(), ("-10.00", "77.59", "12.41", "90.00")),
        (a_book(book=""), "0.9999", things(), ("-99.99", "0.01", "0.00", "0.01")),
        (a_book(book="rounding = { to = 1 }\n"), "0.005", things(3), ("-2.00", "298.00", "0.00", "298.00")),
    ],
)  # fmt: skip
def test_a_discount_is_rounded_as_the_book_says_and_taxed_after(book, rate, line, expected):
    assert figures(quoted(with_discount(book, off(rate)), line)) == expected


def test_it_comes_after_all_that_the_book_itself_charges_and_takes_off():
    rules = (
        '[[fees]]\ncode = "trip"\nlabel = "Trip"\nprice = 50\n[[fees]]\ncode = "cash"\nlabel = "Cash"\nrate = -0.1\n'
    )
    quote = quoted(with_discount(with_rules(rules), off("0.1")), things())
    assert [str(part.amount) for part in (*quote.fees, *quote.discounts)] == ["50.00", "-15.00", "-13.50"]
    assert str(quote.total) == "121.50"


def test_its_line_says_why_and_how_it_came_about():
    [line] = quoted(with_discount(CONCRETE, off("0.05")), concrete("6")).discounts
    assert (line.code, line.description, line.explanation) == (
        discount.CODE,
        "Discount: Regular customer",
        "5 % of $15,416.76.",
    )


@given(
    m3=st.integers(6, 200).map(lambda halves: str(Decimal(halves) / 2)),
    m2=st.integers(1, 9000).map(lambda tenths: str(Decimal(tenths) / 10)),
    ten_thousandths=st.integers(1, 9999),
    language=st.sampled_from(["es", "en"]),
)
@settings(deadline=None, max_examples=60)
def test_every_discounted_quote_adds_up_and_gives_itself_again_from_its_own_prices(m3, m2, ten_thousandths, language):
    rate = Decimal(ten_thousandths) / 10_000
    for own, line in ((CONCRETE, concrete(m3)), (TURF, turf(m2))):
        book = with_discount(own, Discount.of(rate, REGULAR))
        try:
            plain = quoted(own, line, language=language)
        except pricing.QuoteRefused:
            continue
        quote = quoted(book, line, language=language)
        before = plain.lines[0].amount + sum(part.amount for part in (*plain.fees, *plain.discounts))
        taken_off = before - quote.subtotal
        assert taken_off == (before * rate).quantize(CENT, rounding=ROUND_HALF_UP)
        assert quote.total == quote.subtotal + quote.tax.amount
        assert quote.tax.amount == (quote.subtotal * quote.tax.rate).quantize(CENT, rounding=ROUND_HALF_UP)
        issued = token.issue(book, quote)
        for write in (token.dumps, token.short):
            assert token.loads(write(issued), zone=ZONE) == issued
        if taken_off:
            assert issued.discount is not None
            assert issued.discount.rate == rate


@pytest.mark.parametrize("write", [token.dumps, token.short])
def test_a_token_carries_the_discount_the_seller_and_what_was_replaced(write):
    book = with_discount(CONCRETE, off("0.05"))
    about = {"seller": "Ana Ruiz", "replaces": "261101-AAAA-BBBB-C"}
    quote = quoted(book, concrete("6"), language="es").model_copy(update=about)
    read = token.loads(write(token.issue(book, quote)), zone=ZONE)
    assert (read.quote.seller, read.quote.replaces, str(read.quote.total)) == (*about.values(), "15817.59")
    assert read.discount == Discount(Decimal("0.05"), Text.model_validate("Descuento: Cliente frecuente"))
    assert read.discount.percent == "5"


def test_a_quote_without_one_says_nothing_of_sellers_and_discounts():
    quote = pricing.price(CONCRETE, [concrete("6")], folio=A_FOLIO, issued_at=A_MOMENT, zone=ZONE, language="es")
    issued = token.issue(CONCRETE, quote)
    assert issued.discount is None
    assert b"seller" not in issued.text
    assert with_discount(CONCRETE, None) is CONCRETE


def test_a_price_book_may_not_use_its_code():
    taken = with_rules(f'[[fees]]\ncode = "{discount.CODE}"\nlabel = "Mine"\nprice = 5\n')
    [finding] = lint.check(taken)
    assert finding.place == "fees[0]"
    assert "discounts by sellers" in str(finding)


def test_the_part_of_the_book_that_was_used_has_the_discount_alone_of_the_rules_that_were_not_charged():
    book = with_discount(CONCRETE, off("0.05"))
    prices = as_data(pricing.excerpt(book, quoted(book, concrete("6"))), "es")
    assert [fee["code"] for fee in prices["fees"]] == [discount.CODE]


# --- An amount in place of a part -------------------------------------------------------------------------------------


def money_off(amount: str) -> Discount:
    return Discount.of(Decimal(0), REGULAR, amount=Decimal(amount))


@pytest.mark.parametrize(
    ("book", "amount", "line", "expected"),
    [
        # 15,416.76 less 500 are 14,916.76, of which 8 % are 1,193.3408.
        (CONCRETE, "500", concrete("6"), ("-500.00", "14916.76", "1193.34", "16110.10")),
        (CONCRETE, "0.01", concrete("6"), ("-0.01", "15416.75", "1233.34", "16650.09")),
        # 100.00 with the tax inside it, less 10: 90 ÷ 1.16 = 77.586 without tax.
        (a_book(book="prices_include_tax = true\n" + IVA), "10", things(), ("-10.00", "77.59", "12.41", "90.00")),
        (a_book(book="rounding = { to = 1 }\n"), "1.50", things(3), ("-2.00", "298.00", "0.00", "298.00")),
        (a_book(book=""), "500", things(), ("-100.00", "0.00", "0.00", "0.00")),  # never more than there is
    ],
)  # fmt: skip
def test_an_amount_is_taken_off_before_taxes(book, amount, line, expected):
    assert figures(quoted(with_discount(book, money_off(amount)), line)) == expected


@given(
    m3=st.integers(6, 200).map(lambda halves: str(Decimal(halves) / 2)),
    cents=st.integers(1, 500_000),
    language=st.sampled_from(["es", "en"]),
)
@settings(deadline=None, max_examples=40)
def test_a_quote_with_an_amount_off_adds_up_and_gives_itself_again(m3, cents, language):
    amount = Decimal(cents) / 100
    given_off = money_off(str(amount))
    quote = quoted(with_discount(CONCRETE, given_off), concrete(m3), language=language)
    before = quoted(CONCRETE, concrete(m3), language=language).subtotal
    assert discount.charged(quote) == before
    assert quote.subtotal == max(before - amount, Decimal(0))
    assert quote.total == quote.subtotal + quote.tax.amount
    issued = token.issue(with_discount(CONCRETE, given_off), quote)
    for write in (token.dumps, token.short):
        assert token.loads(write(issued), zone=ZONE) == issued
    assert issued.discount is not None
    assert issued.discount.says(given_off) or issued.discount.label.es.startswith("Discount")
    assert (issued.discount.amount, issued.discount.rate, issued.discount.percent) == (amount, 0, "")


def test_an_amount_and_a_part_do_not_say_the_same():
    assert not money_off("5").says(off("0.05"))
    assert not money_off("5").says(money_off("6"))
    assert money_off("1234.5").written("MXN") == "$1,234.50"
    assert off("0.075").written("MXN") == "7.5\N{NO-BREAK SPACE}%"
