"""Checks what a price book fills in beforehand and writes beside inputs: usual values, defaults and hints."""

from collections.abc import Iterator, Mapping

from quoter.engine.finding import BookFinding
from quoter.engine.measure import Coefficients, Measure
from quoter.engine.pricebook import Preset, PriceBook, Product
from quoter.engine.questions import Input, Refused
from quoter.engine.text import Text

Findings = Iterator[BookFinding]


def findings(book: PriceBook) -> Findings:
    """Yield the usual values that an input would refuse, and hints and values of inputs that do not exist."""
    for number, sold in enumerate(book.products):
        for row, measure in enumerate(sold.measures):
            place = f"products[{number}].measures[{row}]"
            named = _asked(measure, sold)
            yield from _values(measure.usual, named, measure.coefficients, f"{place}.usual")
            yield from _hints(measure.hints, [*named], f"{place}.hints")
            if (table := measure.coefficients) and table.default and not table.chosen({}):
                yield BookFinding(
                    f"{place}.coefficients.default",
                    "%(of)s has no choice %(choice)s",
                    of=table.name,
                    choice=table.default,
                )
    for number, preset in enumerate(book.presets):
        if sold_by := book.product(preset.product):
            yield from _preset(preset, sold_by, f"presets[{number}]")


def _preset(preset: Preset, sold: Product, place: str) -> Findings:
    measure = sold.measure(preset.measure)
    named = {asked.code: asked for asked in sold.inputs} | (_asked(measure, sold) if measure else {})
    table = measure.coefficients if measure else None
    yield from _values(preset.inputs, named, table, f"{place}.inputs")
    yield from _hints(preset.hints, [*named], f"{place}.hints")


def _asked(measure: Measure, sold: Product) -> dict[str, Input]:
    return {name: measure.asked(name, sold.unit) for name in measure.inputs(sold.unit)}


def _values(values: Mapping[str, str], named: Mapping[str, Input], table: Coefficients | None, place: str) -> Findings:
    for name, value in values.items():
        here = f"{place}.{name}"
        if table and name == table.name:
            if not any(row.code == value for row in table.choices):
                yield BookFinding(here, "%(of)s has no choice %(choice)s", of=name, choice=value)
        elif name not in named:
            yield BookFinding(place, "there is no input %(name)s here", name=name)
        else:
            try:
                named[name].read(value, unit=Text.model_validate(named[name].unit))
            except Refused as refused:
                yield BookFinding(here, "%(value)s is refused: %(reason)s", value=value, reason=refused)


def _hints(hints: Mapping[str, Text], names: list[str], place: str) -> Findings:
    for name in hints:
        if name not in names:
            yield BookFinding(place, "there is no input %(name)s here", name=name)
