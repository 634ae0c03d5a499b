"""Every book: the shipped ones, and published rate cards of other trades. Each carries examples worked out by hand."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quoter.engine import lint, pricing
from quoter.engine.pricebook import PriceBook, as_data, read
from quoter.engine.quote import LineRequest, Quote
from tests.support.quotes import A_FOLIO, A_MOMENT, BOOKS, ZONE

# Published rate cards, and usual prices of further trades.
CARDS, TRADES = (Path(__file__).parent / folder for folder in ("cards", "trades"))
FILES = [file for folder in (BOOKS, CARDS, TRADES) for file in sorted(folder.glob("*.toml"))]
ALL = [read(file) for file in FILES]
EXAMPLES = [(book, example) for book in ALL for example in book.examples]


def quoted(book: PriceBook, *lines: LineRequest, answers=pricing.NO_ANSWERS, language="es") -> Quote:
    return pricing.price(book, lines, answers=answers, folio=A_FOLIO, issued_at=A_MOMENT, zone=ZONE, language=language)


def test_ten_books_of_ten_trades_are_shipped_and_every_card_is_a_book():
    assert len([book for book in ALL[: len(list(BOOKS.glob("*.toml")))] if book.examples]) >= 10
    assert len([book for book in ALL if book.examples]) >= 41


@pytest.mark.parametrize("book", ALL, ids=lambda book: book.name)
def test_a_book_is_clean_and_its_examples_are_right_to_the_cent(book):
    assert lint.check(book) == ()
    assert lint.warnings(book) == ()


@pytest.mark.parametrize(("book", "example"), EXAMPLES, ids=lambda of: getattr(of, "say", getattr(of, "name", "")))
def test_an_example_says_the_same_in_both_languages_and_from_its_own_prices(book, example):
    if example.refused:
        with pytest.raises(pricing.QuoteRefused):
            quoted(book, *example.lines, answers=example.answers)
        return
    spanish = quoted(book, *example.lines, answers=example.answers)
    english = quoted(book, *example.lines, answers=example.answers, language="en")
    assert (spanish.subtotal, spanish.tax.amount, spanish.total) == (
        english.subtotal,
        english.tax.amount,
        english.total,
    )
    kept = PriceBook.model_validate(as_data(pricing.excerpt(book, spanish), "es"))
    assert quoted(kept, *pricing.requests(spanish), answers=spanish.answers) == spanish


def values_in(node: object):
    if isinstance(node, dict):
        for value in node.values():
            yield from values_in(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from values_in(value)
    else:
        yield node


def numbers_of(asked, draw) -> str:
    most = asked.max if asked.max is not None else Decimal(60)
    places = 0 if asked.whole else draw(st.integers(0, 6))
    return f"{draw(st.decimals(asked.min, min(most, asked.min + 400), places=places)):f}"


@st.composite
def requests_of(draw, book: PriceBook):
    """Draw lines and answers that the form of the book lets through; the book may still refuse them."""
    lines = []
    for _ in range(draw(st.integers(1, 4))):
        sold = draw(st.sampled_from(book.products))
        options = {option.code: draw(st.sampled_from(option.choices)).code for option in sold.options}
        helper = draw(st.sampled_from(sold.measures))
        measure = {"kind": helper.kind}
        for name in helper.inputs(sold.unit):
            measure[name] = numbers_of(helper.asked(name, sold.unit), draw)
        if helper.coefficients:
            measure[helper.coefficients.name] = draw(st.sampled_from(helper.coefficients.choices)).code
        inputs = {asked.code: numbers_of(asked, draw) for asked in sold.inputs if draw(st.booleans())}
        extras = (
            draw(st.lists(st.sampled_from([extra.code for extra in sold.extras]), max_size=2)) if sold.extras else []
        )
        lines.append(
            LineRequest(product=sold.code, options=options, measure=measure, extras=tuple(extras), inputs=inputs)
        )
    answers = {}
    for question in book.priced_questions:
        if question.kind == "choice":
            answers[question.code] = draw(st.sampled_from(question.choices)).code
        elif question.kind == "number":
            answers[question.code] = numbers_of(question, draw)
        else:
            moments = {"date": st.dates(date(2026, 1, 1), date(2026, 12, 31)), "time": st.times()}
            answers[question.code] = draw(moments[question.kind]).isoformat()[:10]
    return lines, answers


ASKED = st.sampled_from(ALL).flatmap(lambda book: st.tuples(st.just(book), requests_of(book)))


@given(ASKED)
@settings(max_examples=2 * settings.default.max_examples)
def test_a_quote_is_the_sum_of_its_parts_without_a_zero_or_a_float_and_is_priced_the_same_again(asked):
    book, (lines, answers) = asked
    try:
        quote = quoted(book, *lines, answers=answers)
    except pricing.QuoteRefused as refused:
        assert refused.errors  # noqa: PT017
        assert all(field and message.es and message.en for field, message in refused.errors)  # noqa: PT017
        return
    for line in quote.lines:
        assert line.base > 0
        assert line.amount == sum(amount for _code, amount in line.parts())
        assert all(fee.amount > 0 for fee in line.fees)
        assert all(fee.amount < 0 for fee in line.discounts)
    parts = sum(line.amount for line in quote.lines) + sum(fee.amount for fee in (*quote.fees, *quote.discounts))
    assert parts == (quote.total if book.prices_include_tax else quote.subtotal)
    assert quote.total == quote.subtotal + quote.tax.amount
    assert quote.tax.amount == sum(tax.amount for tax in quote.taxes or (quote.tax,))
    assert quote.total > 0
    assert not any(isinstance(value, float) for value in values_in(quote.model_dump()))
    # What is stored is priced again from its own prices, to the same text.
    kept = PriceBook.model_validate(as_data(pricing.excerpt(book, quote), "es"))
    assert quoted(kept, *pricing.requests(quote), answers=quote.answers) == quote


@given(ASKED, st.randoms(use_true_random=False))
def test_the_order_of_the_lines_does_not_change_the_total_of_any_book(asked, chance):
    book, (lines, answers) = asked
    try:
        total = quoted(book, *lines, answers=answers).total
    except pricing.QuoteRefused:
        with pytest.raises(pricing.QuoteRefused):
            quoted(book, *chance.sample(lines, len(lines)), answers=answers)
        return
    assert quoted(book, *chance.sample(lines, len(lines)), answers=answers).total == total


# As a client may send them: numbers that are none, of any length and script, and names that no book has.
ODD = st.one_of(
    st.sampled_from(
        ["", "0", "-1", "1e9", "NaN", "Infinity", "9" * 20, "9" * 5000, "0.000001", "1,234", "٣", "\x00", "½"]
    ),
    st.text(max_size=8),
    st.decimals(allow_nan=False, allow_infinity=False, places=9).map(str),
)


@given(ASKED, st.data())
@settings(max_examples=2 * settings.default.max_examples)
def test_no_request_does_anything_but_get_a_quote_or_errors_at_its_fields(asked, data):
    book, (lines, answers) = asked
    places: list[tuple[dict[str, str], str]] = [(answers, code) for code in answers]
    for line in lines:
        places += [(part, name) for part in (line.options, line.measure, line.inputs) for name in part]
    for part, name in data.draw(st.lists(st.sampled_from(places), min_size=1, max_size=3)):
        part[name] = data.draw(ODD)
    try:
        quote = quoted(book, *lines, answers=answers)
    except pricing.QuoteRefused as refused:
        assert refused.errors  # noqa: PT017
        assert all(field and len(message.es) < 400 for field, message in refused.errors)  # noqa: PT017
    else:
        assert quote.total > 0


def test_the_largest_request_takes_no_longer_than_its_lines():
    """Twenty lines with every part a hundred times as long as anybody types are read once each."""
    book = ALL[0]
    digits = {f"{number}": "9" * 20_000 for number in range(100)}
    line = LineRequest(
        product=book.products[0].code, options=digits, measure={"kind": "volume", **digits}, inputs=digits
    )
    with pytest.raises(pricing.QuoteRefused) as refused:
        quoted(book, *[line] * pricing.MAX_LINES, answers=digits)
    assert len(refused.value.errors) <= 10 * pricing.MAX_LINES
