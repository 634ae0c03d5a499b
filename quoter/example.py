"""The worked example on an empty calculator: a request that the price book itself gives, priced today by the engine."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import NamedTuple

from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString

from quoter import site
from quoter.engine.numbers import canonical
from quoter.engine.pricebook import PriceBook
from quoter.engine.pricing import QuoteRefused
from quoter.engine.text import Language
from quoter.forms import TypedLine, edited


class Example(NamedTuple):
    """lines, answers: as the form holds them; title: what it is for; bill: what it comes to, as HTML."""

    lines: list[TypedLine]
    answers: Mapping[str, str]
    title: str
    bill: SafeString


# For each language the latest one, with the book and the day that it was made for.
_kept: dict[Language, tuple[PriceBook, date, Example | None]] = {}


def worked() -> Example | None:
    """Return the example of the book that this request sees; None when none of its examples has a price today."""
    book, day, language = site.price_book(), timezone.localdate(), site.language()
    kept = _kept.get(language)
    if kept is None or kept[0] is not book or kept[1] != day:
        kept = _kept[language] = (book, day, _made(book, language))
    return kept[2]


def _made(book: PriceBook, language: Language) -> Example | None:
    for lines, answers in _requests(book):
        try:
            quote = site.preview([line.request() for line in lines], answers)
        except QuoteRefused:
            continue
        named = next((each for each in book.presets if each.code == lines[0].preset), None)
        label = named.label if named else next(each.label for each in book.products if each.code == lines[0].product)
        bill = render_to_string("quoter/_bill.html", {"quote": quote})
        return Example(lines, answers, label.in_(language), bill)
    return None


def _requests(book: PriceBook) -> Iterator[tuple[list[TypedLine], Mapping[str, str]]]:
    """Yield the book's examples, then the smallest order of each kind of work, or of each product."""
    for example in book.examples:
        if not example.refused:
            yield [_as_work(TypedLine.of_request(line), book) for line in example.lines], example.answers
    for preset in book.presets:
        line = TypedLine()
        edited([line], f"preset:0:{preset.code}", book)
        yield [_smallest(line, book)], {}
    for product in book.products:
        yield [_smallest(TypedLine.fresh(product), book)], {}


def _as_work(line: TypedLine, book: PriceBook) -> TypedLine:
    """Return the line as the kind of work that leads to it, if there is one."""
    for preset in book.presets:
        is_it = preset.product == line.product and preset.options.items() <= line.options.items()
        if is_it and preset.measure in (None, line.kind):
            line.preset = preset.code
            break
    return line


def _smallest(line: TypedLine, book: PriceBook) -> TypedLine:
    """Return the line with the first choice of each open option and the least quantity that is sold."""
    product = book.product(line.product)
    known = next((each for each in product.measures if each.formula == "known"), None) if product else None
    if product and known:
        line.options = {each.code: each.choices[0].code for each in product.options} | line.options
        line.kind = known.kind
        least = canonical(max(product.minimum, product.step))
        line.measures[f"{known.kind}.{known.inputs(product.unit)[0]}"] = least
    return line
