"""Prices the calculator's form while it is being filled in: the bill so far, and what is still missing."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import compress
from typing import NamedTuple

from quoter import conversation, site
from quoter.engine.pricing import NO_ANSWERS, FieldError, QuoteRefused
from quoter.engine.quote import LineRequest, Quote, QuoteLine
from quoter.engine.text import Text
from quoter.engine.units import unbroken
from quoter.forms import TypedLine, touched
from quoter.shop.values import shop

MISSING = Text(es="Falta: {label}", en="Still missing: {label}")
CHOOSE = Text(es="Falta elegir: {label}", en="Still to choose: {label}")


class Preview(NamedTuple):
    """The price of a form that may be unfinished.

    quote: of the lines that are complete, None without any; quoted: each line priced, None for an incomplete one;
    hints: what is wrong with the values typed so far; missing: the next value to enter, when nothing is wrong;
    conversation_url: a chat that asks for these lines, when they are above what is quoted online; errors: all that
    keeps the lines that were begun from being quoted, what is still missing included; wrong: those of them that are
    about a typed value.
    """

    quote: Quote | None
    quoted: list[QuoteLine | None]
    hints: Sequence[str] = ()
    missing: str = ""
    conversation_url: str = ""
    errors: Sequence[FieldError] = ()
    wrong: Sequence[FieldError] = ()


def of(
    lines: Sequence[TypedLine], errors: Iterable[FieldError] = (), *, answers: Mapping[str, str] = NO_ANSWERS
) -> Preview:
    """Return the preview of the form's lines, complete or not.

    errors: of the form as a whole; with one, nothing is priced. answers: about the whole order, as typed.
    """
    if wrong := [error.message.in_(site.language()) for error in errors]:
        return Preview(None, [None] * len(lines), wrong)
    requests = [line.request() for line in lines]
    try:
        quote = site.preview(requests, answers)
        return Preview(quote, list(quote.lines))
    except QuoteRefused as refused:
        refusals = _of_touched(refused.errors, lines)
    typed = [error for error in refusals if _is_typed(error, lines, answers)]
    hints = list(dict.fromkeys(unbroken(error.message.in_(site.language())) for error in typed))
    missing = "" if hints else _missing(refusals, lines)
    chat = ""
    if any(conversation.is_beyond(site.price_book(), line) for line in requests):
        text = conversation.request(site.price_book(), requests, language=site.language())
        chat = conversation.chat_url(shop.WHATSAPP_NUMBER, text)
    is_complete = [_is_complete(request, answers) for request in requests]
    complete = _of_complete(list(compress(requests, is_complete)), answers)
    if complete is None:
        return Preview(None, [None] * len(lines), hints, missing, chat, refusals, typed)
    costs = iter(complete.lines)
    quoted = [next(costs) if complete else None for complete in is_complete]
    return Preview(complete, quoted, hints, missing, chat, refusals, typed)


def _of_touched(errors: Sequence[FieldError], lines: Sequence[TypedLine]) -> list[FieldError]:
    """Return the errors without those of lines that do not count, because nothing was entered in them."""
    counts = touched(lines, site.price_book())
    if not any(counts):
        counts[:1] = [True]  # so that errors have a place
    kept = []
    for error in errors:
        place = error.field.split(".")
        if place[0] != "lines" or len(place) == 1 or counts[int(place[1])]:
            kept.append(error)
    return kept


def _of_complete(lines: Sequence[LineRequest], answers: Mapping[str, str]) -> Quote | None:
    """Return what the complete lines cost together; None without any, or when the order as a whole is refused."""
    try:
        return site.preview(lines, answers)
    except QuoteRefused:
        return None


def _missing(errors: Sequence[FieldError], lines: Sequence[TypedLine]) -> str:
    """Return which value is missing first, in the first line that was begun."""
    for error in errors:
        match error.field.split("."):
            case ["lines", number, part, name]:
                line = lines[int(number)]
                product = site.price_book().product(line.product)
                if product and line.is_begun(product) and (label := _label(line, part, name)):
                    return (CHOOSE if part == "options" else MISSING).fill(label=label).in_(site.language())
            case ["lines", _number, "product"]:
                return error.message.in_(site.language())
            case ["answers", code]:
                asked = next(question for question in site.price_book().questions if question.code == code)
                return MISSING.fill(label=asked.label).in_(site.language())
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
    if part == "inputs":
        return next((asked.label for asked in product.inputs if asked.code == name), None)
    is_asked = measure and name in measure.inputs(product.unit)
    return measure.asked(name, product.unit).label if measure and is_asked else None


def _is_complete(line: LineRequest, answers: Mapping[str, str]) -> bool:
    """Return whether a line has all that it needs, whatever is wrong with the order as a whole."""
    try:
        site.preview([line], answers)
    except QuoteRefused as refused:
        return all(error.field == "lines" for error in refused.errors)
    return True


def _is_typed(error: FieldError, lines: Sequence[TypedLine], answers: Mapping[str, str]) -> bool:
    """Return whether the error is about a typed value, and not about one that the customer has yet to enter."""
    match error.field.split("."):
        case ["lines", number, "options", code]:
            return bool(lines[int(number)].options.get(code))
        case ["lines", number, "inputs", name]:
            return bool(lines[int(number)].inputs.get(name, "").strip())
        case ["answers", code]:
            return bool(answers.get(code, "").strip())
        case ["lines", number, "product"]:
            return bool(lines[int(number)].product)
        case ["lines", number, "measure", name] if name != "kind":
            line = lines[int(number)]
            # An error of what is not asked is of the quantity that the answers give.
            return bool(line.measures.get(f"{line.kind}.{name}", "").strip()) or not _label(line, "measure", name)
        case _:
            return True
