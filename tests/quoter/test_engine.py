"""The engine in the browser gives the same quotes and the same messages as the one on the server, to the letter."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import pytest

from quoter import offline
from quoter.engine import folio, pricing
from quoter.engine.pricebook import PriceBook
from quoter.engine.quote import LineRequest
from tests.support.browser import chromium
from tests.support.quotes import CONCRETE, TURF, priced

pytestmark = pytest.mark.needs("chromium")

SOURCE = Path("static/quoter/engine.js")
DAY = "2026-11-22"  # of tests.support.quotes.A_MOMENT
EXAMPLES = json.loads((Path(__file__).parent / "engine" / "data" / "concrete_examples.json").read_text())

PRICE_ALL = """async ([module, kit, requests]) => {
  const { Engine, Refused } = await import(module);
  const engine = new Engine(kit);
  return requests.map((lines) => {
    try {
      return engine.price(lines, "2026-11-22");
    } catch (refused) {
      if (!(refused instanceof Refused)) throw refused;
      return refused.errors.map(({ field, message }) => [field, message]);
    }
  });
}"""

# As people type them, and as they do not.
TYPED = (
    *("5.6", "5,6", "0.5", ".5", ",75", "3", "12", "100", "7.25", "1,5", "2.0000000000000001", "0.333333333333333333"),
    *("", " ", "4,500", "1.234,5", "1,234.5", "-3", "0", "abc", "1e3", "٣", "99999999999999999999", "5.", "1,2,3"),
    *("0,085", "19999.999", "6.000000000000000001", "1.23456789012345678", "000005"),
)


@pytest.fixture(scope="module")
def in_browser() -> Iterator[Callable[..., Any]]:
    module = "data:text/javascript;base64," + b64encode(SOURCE.read_bytes()).decode()
    with chromium() as browser:
        page = browser.new_page()
        yield lambda script, *arguments: page.evaluate(script, [module, *arguments])


@pytest.mark.parametrize("language", ["es", "en"])
@pytest.mark.parametrize("book", [CONCRETE, TURF], ids=["concrete", "turf"])
def test_whatever_is_asked_both_engines_answer_alike(in_browser, book, language):
    chance = Random(f"{book.name} {language}")
    requests = [a_request(book, chance) for _ in range(600)]
    kit = offline.engine_data(book, language=language)
    answers = in_browser(PRICE_ALL, kit, [[line.model_dump(mode="json") for line in lines] for lines in requests])
    expected = [by_the_server(book, lines, language) for lines in requests]
    for lines, answer, right in zip(requests, answers, expected, strict=True):
        assert answer == right, lines
    quotes = sum(isinstance(answer, dict) for answer in answers)
    assert 120 < quotes < 480


def test_the_worked_quotes_come_out_in_the_browser(in_browser):
    requests = [
        {
            "product": "concrete",
            "options": {"strength": example["strength"], "service": example["service"]},
            "measure": example["measure"],
            "extras": example["extras"],
        }
        for example in EXAMPLES
    ]
    kit = offline.engine_data(CONCRETE, language="es")
    answers = in_browser(PRICE_ALL, kit, [[request] for request in requests])
    for example, answer in zip(EXAMPLES, answers, strict=True):
        assert answer["lines"][0]["billed"] == example["billed"]
        assert cents(answer["total"]) == example["total_cents"]
        assert cents(answer["tax"]["amount"]) == example["tax_cents"]


def test_a_device_s_folio_is_one(in_browser):
    mint = "async ([module, day, letters]) => (await import(module)).folio(day, letters)"
    for random_bits in (0, 5, (1 << 40) - 1, 0b00111_01111_00011_10011_10111_00010_10100_01001):
        letters = [random_bits >> shift & 31 for shift in range(35, -1, -5)]
        expected = folio.mint(date(2026, 2, 3), random_bits=random_bits, by_device=True)
        assert in_browser(mint, "2026-02-03", letters) == expected


def cents(amount: str) -> int:
    return int(amount.replace(".", ""))


def by_the_server(book: PriceBook, lines: list[LineRequest], language: Any) -> Any:
    try:
        quote = priced(book, *lines, language=language).model_dump(mode="json")
    except pricing.QuoteRefused as refused:
        return [[error.field, error.message.in_(language)] for error in refused.errors]
    for line in quote["lines"]:
        del line["explanation"]
    return {name: quote[name] for name in ("currency", "price_book", "lines", "subtotal", "tax", "total")}


def a_request(book: PriceBook, chance: Random) -> list[LineRequest]:
    count = chance.choice([1, 1, 1, 1, 2, 2, 3, 0, 21]) if chance.random() < 0.3 else 1
    return [a_line(book, chance) for _ in range(count)]


def a_line(book: PriceBook, chance: Random) -> LineRequest:
    """A line that is often right, and in each part sometimes wrong."""

    def or_wrong(right: list[str]) -> str:
        return chance.choice(right) if right and chance.random() < 0.97 else "none of them"

    product = chance.choice(book.products)
    measure = chance.choice(product.measures)
    typed = {name: a_number(chance) for name in measure.inputs(product.unit)}
    if measure.coefficients:
        typed[measure.coefficients.name] = or_wrong([row.code for row in measure.coefficients.choices])
    return LineRequest(
        product=or_wrong([product.code]),
        options={option.code: or_wrong([choice.code for choice in option.choices]) for option in product.options},
        measure={"kind": or_wrong([measure.kind]), **typed},
        extras=tuple(or_wrong([extra.code for extra in product.extras]) for _ in range(chance.choice([0, 0, 1, 2]))),
    )


def a_number(chance: Random) -> str:
    if chance.random() < 0.08:
        return chance.choice(TYPED)
    return f"{chance.uniform(0.1, 90):.{chance.choice([0, 1, 2, 2, 3, 9, 15])}f}"
