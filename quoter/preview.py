"""Prices the calculator's form while it is being filled in: the bill so far, and what is still missing."""

from collections.abc import Iterable, Sequence
from itertools import compress
from typing import NamedTuple

from django.conf import settings

from quoter import conversation, site
from quoter.engine import numbers
from quoter.engine.measure import INPUTS
from quoter.engine.pricing import FieldError, QuoteRefused
from quoter.engine.quote import LineRequest, Quote, QuoteLine
from quoter.engine.text import Text
from quoter.forms import TypedLine

MISSING = Text(es="Falta: {label}", en="Still missing: {label}")


class Preview(NamedTuple):
    """The price of a form that may be unfinished.

    quote: of the lines that are complete, None without any; quoted: each line priced, None for an incomplete one;
    hints: what is wrong with the values typed so far; missing: the next value to enter, when nothing is wrong;
    conversation_url: a chat that asks for these lines, when they are above what is quoted online.
    """

    quote: Quote | None
    quoted: list[QuoteLine | None]
    hints: Sequence[str] = ()
    missing: str = ""
    conversation_url: str = ""


def of(lines: Sequence[TypedLine], errors: Iterable[FieldError] = ()) -> Preview:
    """Return the preview of the form's lines, complete or not.

    errors: of the form as a whole; with one, nothing is priced.
    """
    if wrong := [error.message.in_(site.language()) for error in errors]:
        return Preview(None, [None] * len(lines), wrong)
    requests = [line.request() for line in lines]
    try:
        quote = site.preview(requests)
        return Preview(quote, list(quote.lines))
    except QuoteRefused as refused:
        refusals = refused.errors
    typed = [error for error in refusals if error.message != numbers.EMPTY and _is_typed(error, lines)]
    hints = list(dict.fromkeys(error.message.in_(site.language()) for error in typed))
    missing = "" if hints else _missing(refusals, lines)
    chat = ""
    if any(conversation.is_beyond(site.price_book(), line) for line in requests):
        text = conversation.request(site.price_book(), requests, language=site.language())
        chat = conversation.chat_url(settings.WHATSAPP_NUMBER, text)
    is_complete = [_is_complete(request) for request in requests]
    if not any(is_complete):
        return Preview(None, [None] * len(lines), hints, missing, chat)
    quote = site.preview(list(compress(requests, is_complete)))
    costs = iter(quote.lines)
    return Preview(quote, [next(costs) if complete else None for complete in is_complete], hints, missing, chat)


def _missing(errors: Sequence[FieldError], lines: Sequence[TypedLine]) -> str:
    """Return which value is missing first, in the first line that was begun."""
    for error in errors:
        match error.field.split("."):
            case ["lines", number, part, name] if lines[int(number)].is_begun:
                if label := _label(lines[int(number)], part, name):
                    return MISSING.fill(label=label).in_(site.language())
    return ""


def _label(line: TypedLine, part: str, name: str) -> Text | None:
    product = site.price_book().product(line.product)
    if not product:
        return None
    if part == "options":
        return next((option.label for option in product.options if option.code == name), None)
    measure = product.measure(line.kind)
    if measure and measure.coefficients and measure.coefficients.name == name:
        return measure.coefficients.label
    return INPUTS[name].label if name in INPUTS else None


def _is_complete(line: LineRequest) -> bool:
    try:
        site.preview([line])
    except QuoteRefused:
        return False
    return True


def _is_typed(error: FieldError, lines: Sequence[TypedLine]) -> bool:
    """Return whether the error is about a typed value, and not about one that the customer has yet to enter."""
    match error.field.split("."):
        case ["lines", number, "options", code]:
            return bool(lines[int(number)].options.get(code))
        case ["lines", number, "measure", name] if name != "kind":
            line = lines[int(number)]
            return bool(line.measures.get(f"{line.kind}.{name}", "")) or not _is_input(name, line)
        case _:
            return True


def _is_input(name: str, line: TypedLine) -> bool:
    return f"{line.kind}.{name}" in line.measures
