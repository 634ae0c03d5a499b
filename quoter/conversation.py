"""The chat message of a customer whose job is not priced online: it is too large, or the site cannot be reached.

Plain Python: no Django.
"""

from collections.abc import Iterator, Sequence
from urllib.parse import quote as percent_encode

from quoter.engine.explain import readable
from quoter.engine.measure import Measured, MeasureRefused
from quoter.engine.measure import quantity as measure_quantity
from quoter.engine.numbers import as_decimal
from quoter.engine.pricebook import PriceBook, Product
from quoter.engine.quote import LineRequest
from quoter.engine.text import Language, Text

# As many lines as fit in a link of 2,000 characters, the length that opens everywhere.
MOST_LINES = 8

# How each byte is written in an address. To look it up takes little more than half of `percent_encode` of a message.
_ENCODED = [percent_encode(bytes([byte]), safe="") for byte in range(256)]

# static/quoter/calculator.js adds what was typed below it.
UNPRICED = Text(
    es="Hola. Quiero una cotización. La página no pudo darme el precio, así que está por confirmar.",
    en="Hello. I would like a quote. The page could not give me the price, so it is to be confirmed.",
)
# The same script adds what was typed so far, when somebody writes to the shop from the calculator.
QUESTION = Text(
    es="Hola. Tengo una duda sobre este pedido:",
    en="Hello. I have a question about this order:",
)
HELLO = Text(es="Hola. Quiero cotizar un pedido grande:", en="Hello. I would like a quote for a large order:")
LINE = Text(es="- {amount} de {description}", en="- {amount} of {description}")
UNMEASURED = Text(es="- {description}", en="- {description}")
EXTRAS = Text(es=" (con {extras})", en=" (with {extras})")
MORE = Text(es="- y más partidas", en="- and more lines")


def chat_url(number: str, text: str) -> str:
    """Return the wa.me link. number: digits, country code first. Spaces become %20, which every phone decodes."""
    return f"https://wa.me/{number}?text={''.join(map(_ENCODED.__getitem__, text.encode()))}"


def is_beyond(book: PriceBook, line: LineRequest) -> bool:
    """Return whether a line asks for more than the maximum that is quoted online."""
    product = book.product(line.product)
    measured = product and _measured(product, line)
    return bool(product and measured and measured.quantity > product.maximum)


def request(book: PriceBook, lines: Sequence[LineRequest], *, language: Language) -> str:
    """Return the message that asks for these lines. Lines without a valid quantity are listed without one."""
    texts = list(_line_texts(book, lines, language))
    more = [MORE.in_(language)] if len(texts) > MOST_LINES else []
    return "\n".join([HELLO.in_(language), *texts[:MOST_LINES], *more])


def _line_texts(book: PriceBook, lines: Sequence[LineRequest], language: Language) -> Iterator[str]:
    for line in lines:
        if product := book.product(line.product):
            yield _line_text(book, product, line, language)


def _line_text(book: PriceBook, product: Product, line: LineRequest, language: Language) -> str:
    chosen = [
        choice.label for option in product.options for choice in option.choices
        if line.options.get(option.code) == choice.code
    ]  # fmt: skip
    description = ", ".join(label.in_(language) for label in [product.label, *chosen])
    if measured := _measured(product, line):
        quantity = readable(as_decimal(measured.quantity), at_least=0)
        amount = f"{quantity} {book.unit_text(product.unit, measured.quantity).in_(language)}"
        text = LINE.say(language, amount=amount, description=description)
    else:
        text = UNMEASURED.say(language, description=description)
    extras = [extra.label.in_(language) for extra in product.extras if extra.code in line.extras]
    return text + (EXTRAS.say(language, extras=", ".join(extras)) if extras else "")


def _measured(product: Product, line: LineRequest) -> Measured | None:
    measure = product.measure(line.measure.get("kind"))
    try:
        numbers = product.numbers_of(line.options)
        return measure_quantity(measure, product.unit, line.measure, names=numbers) if measure else None
    except MeasureRefused:
        return None
