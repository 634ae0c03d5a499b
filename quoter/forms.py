"""The calculator's form: reads what was typed, and prepares each line with its errors for the template.

A field's name is its path in the HTTP contract, as in lines.0.options.strength. The form holds the inputs of all the
measuring helpers and shows those of the chosen one, so the names of inputs contain the helper:
lines.0.measure.solid_area.area_m2. The form follows the price book; nothing here depends on a trade.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from django.utils.datastructures import MultiValueDict

from quoter.engine.pricebook import Preset, PriceBook, Product
from quoter.engine.pricing import MAX_LINES, TOO_MANY_LINES, FieldError
from quoter.engine.questions import ANSWER as ANSWER
from quoter.engine.quote import LineRequest
from quoter.engine.text import Text

_FIELD = re.compile(r"lines\.(\d{1,4})\.([a-z_]+)(?:\.(.+))?", re.DOTALL)
# So many characters of a field are shown again. Nobody types a longer quantity, and an attack must not grow the page.
_KEPT = 100
# So many extras of a line are read. No price book has as many.
_MOST_EXTRAS = 100
# With more products than these, one is chosen from a list before the page asks anything else.
MANY = 12

LEFT_OUT = Text(
    es="Una cotización lleva {most} partidas como máximo. Aquí están las primeras; cotiza aparte las demás: {count}.",
    en="A quote has at most {most} lines. Here are the first ones; get another quote for the rest: {count}.",
)


@dataclass
class TypedLine:
    """One line of the form as it was typed.

    preset: the kind of work that was chosen, if any; measures: by helper and input, also of helpers that are not
    chosen; is_edited: whether an edit button has just added the line or filled it in.
    """

    product: str = ""
    preset: str = ""
    options: dict[str, str] = field(default_factory=dict)
    kind: str = ""
    measures: dict[str, str] = field(default_factory=dict)
    extras: list[str] = field(default_factory=list)
    inputs: dict[str, str] = field(default_factory=dict)
    is_edited: bool = False

    def is_begun(self, product: Product) -> bool:
        """Return whether the customer has entered anything yet."""
        return self.said(product) != TypedLine.fresh(product).said(product)

    def said(self, product: Product) -> tuple[object, ...]:
        """Return what the line says, in whichever way a quantity is to be entered."""
        defaults = {
            (f"{measure.kind}.{table.name}", table.default)
            for measure in product.measures
            if (table := measure.coefficients)
        }
        measures = frozenset(pair for pair in self.measures.items() if pair[1] and pair not in defaults)
        options, inputs = (frozenset(pair for pair in each.items() if pair[1]) for each in (self.options, self.inputs))
        return self.preset, options, measures, frozenset(filter(None, self.extras)), inputs

    @classmethod
    def fresh(cls, product: Product) -> Self:
        """Return a line of a product as the page first shows it, with what is usual filled in."""
        extras = [extra.code for extra in product.extras if extra.is_usual]
        usual = {f"{each.kind}.{name}": value for each in product.measures for name, value in each.usual.items()}
        return cls(product=product.code, kind=product.measures[0].kind, extras=extras, measures=usual)

    @classmethod
    def first(cls, book: PriceBook) -> Self:
        """Return the line of an empty calculator: without a product where one is to be chosen from many."""
        products = book.products
        is_to_be_chosen = len(products) > MANY or (len(products) > 1 and not book.presets)
        return cls() if is_to_be_chosen else cls.fresh(products[0])

    def another(self, book: PriceBook) -> Self:
        """Return a further line that keeps what this one says, but for its quantities and extras."""
        product = book.product(self.product)
        if not product:
            return type(self)()
        table = {f"{each.kind}.{each.coefficients.name}" for each in product.measures if each.coefficients}
        line = self.fresh(product)
        line.preset, line.options, line.kind = self.preset, dict(self.options), self.kind
        line.measures |= {name: text for name, text in self.measures.items() if name in table}
        for preset in book.presets:
            if preset.code == self.preset and preset.product == self.product:
                line.fill_in_usual(preset, product, before=None)
        return line

    def fill_in_usual(self, preset: Preset, product: Product, *, before: Preset | None) -> None:
        """Fill in what is usual for a kind of work, where nothing was typed. before: the kind chosen so far."""
        own = {asked.code for asked in product.inputs}
        for name, value in preset.inputs.items():
            values, key = (self.inputs, name) if name in own else (self.measures, f"{preset.measure}.{name}")
            is_old = before is not None and before.inputs.get(name) == values.get(key)
            if is_old or values.get(key, "") in ("", _usual_of(product, key)):
                values[key] = value

    def request(self) -> LineRequest:
        chosen = f"{self.kind}."
        typed = {name.removeprefix(chosen): text for name, text in self.measures.items() if name.startswith(chosen)}
        return LineRequest(
            product=self.product,
            options=self.options,
            measure={"kind": self.kind, **typed},
            extras=tuple(self.extras),
            inputs=self.inputs,
        )

    def fields(self, number: int) -> list[tuple[str, str]]:
        """Return the names and values of the form's fields of this line. number: its place in the form."""
        path = f"lines.{number}"
        named = [("product", self.product), ("preset", self.preset), ("measure.kind", self.kind)]
        named += [(f"options.{code}", choice) for code, choice in self.options.items()]
        named += [(f"measure.{name}", text) for name, text in self.measures.items()]
        named += [("extras", code) for code in self.extras]
        named += [(f"inputs.{code}", text) for code, text in self.inputs.items()]
        return [(f"{path}.{name}", text) for name, text in named if text or name == "product"]

    @classmethod
    def of_request(cls, line: LineRequest) -> Self:
        kind = line.measure.get("kind", "")
        return cls(
            product=line.product,
            options=dict(line.options),
            kind=kind,
            measures={f"{kind}.{name}": text for name, text in line.measure.items() if name != "kind"},
            extras=list(line.extras),
            inputs=dict(line.inputs),
        )


def typed_lines(form: MultiValueDict[str, str]) -> tuple[list[TypedLine], list[FieldError]]:
    """Return the first MAX_LINES lines of a posted form, in order, and an error when it has more.

    Gaps in their numbers are closed.
    """
    fields = [(match, values) for name, values in form.lists() if values and (match := _FIELD.fullmatch(name))]
    numbers = line_numbers(form)
    lines = {number: TypedLine() for number in numbers[:MAX_LINES]}
    for match, values in fields:
        if not (line := lines.get(int(match[1]))):
            continue
        part, rest, text = match[2], match[3], str(values[-1])[:_KEPT]
        if part == "product" and not rest:
            line.product = text
        elif part == "preset" and not rest:
            line.preset = text
        elif part == "options" and rest:
            line.options[rest] = text
        elif part == "measure" and rest == "kind":
            line.kind = text
        elif part == "measure" and rest:
            line.measures[rest] = text
        elif part == "inputs" and rest:
            line.inputs[rest] = text
        elif part == "extras" and not rest:
            line.extras += [str(value)[:_KEPT] for value in values[:_MOST_EXTRAS]]
        elif part == "extras" and text:  # the chosen one of a group
            line.extras.append(text)
    count = len(numbers) - len(lines)
    left_out = FieldError("", LEFT_OUT.fill(most=str(MAX_LINES), count=str(count)))
    return [*lines.values()], [left_out] if count else []


def line_numbers(form: MultiValueDict[str, str]) -> list[int]:
    """Return the numbers of the lines in a posted form, in order; they may have gaps."""
    return sorted({int(match[1]) for name in form if (match := _FIELD.fullmatch(name))})


def typed_answers(form: MultiValueDict[str, str]) -> dict[str, str]:
    """Return the answers about the whole order in a posted form, as typed, by the question's code."""
    named = [(name.removeprefix(ANSWER), str(text)[:_KEPT]) for name, text in form.items() if name.startswith(ANSWER)]
    return dict(named[:_MOST_EXTRAS])


def edited(lines: list[TypedLine], edit: str, book: PriceBook) -> tuple[list[TypedLine], list[FieldError]]:
    """Return the lines after one edit button, and an error when there is no room for another line.

    edit: add:<product>, add: for one that is yet to be chosen, copy:<line>, remove:<line>, product:<line>:<product>,
    switch:<line> to choose another product, preset:<line>:<preset>; anything else changes nothing.
    """
    after = _edited(lines, edit, book)
    return (after, []) if len(after) <= MAX_LINES else (lines, [FieldError("lines", TOO_MANY_LINES)])


def _edited(lines: list[TypedLine], edit: str, book: PriceBook) -> list[TypedLine]:
    match edit.split(":"):
        case ["add", ""]:
            return [*lines, TypedLine(is_edited=True)]
        case ["add", code] if product := book.product(code):
            last = next((line for line in reversed(lines) if line.product == code), TypedLine.fresh(product))
            return [*lines, replace(last.another(book), is_edited=True)]
        case ["copy", number] if line := _at(lines, number):
            return [*lines, replace(TypedLine.of_request(line.request()), preset=line.preset, is_edited=True)]
        case ["remove", number] if line := _at(lines, number):
            return [other for other in lines if other is not line]
        case ["switch", number] if line := _at(lines, number):
            return [TypedLine(is_edited=True) if other is line else other for other in lines]
        case ["product", number, code] if (line := _at(lines, number)) and (product := book.product(code)):
            switched = replace(TypedLine.fresh(product), is_edited=True)
            return [switched if other is line else other for other in lines]
        case ["preset", number, code] if line := _at(lines, number):
            for preset in (preset for preset in book.presets if preset.code == code):
                _choose(line, preset, book)
    return lines


def _choose(line: TypedLine, preset: Preset, book: PriceBook) -> None:
    product = book.product(preset.product)
    if not product:
        return
    if line.product != preset.product:
        fresh = TypedLine.fresh(product)
        line.product, line.kind, line.extras, line.measures = fresh.product, fresh.kind, fresh.extras, fresh.measures
    before = next((each for each in book.presets if each.code == line.preset), None)
    line.preset, line.is_edited = preset.code, True
    line.options |= preset.options
    line.kind = preset.measure or line.kind
    line.fill_in_usual(preset, product, before=before)


def begun(lines: list[TypedLine], book: PriceBook) -> list[TypedLine]:
    """Return the lines in which anything was entered; the first one when there is none, so that errors have a place."""
    are_touched = touched(lines, book)
    return [line for line, is_touched in zip(lines, are_touched, strict=True) if is_touched] or lines[:1]


def touched(lines: Sequence[TypedLine], book: PriceBook) -> list[bool]:
    """Return for each line whether anything was entered in it.

    A line that is still as the page made it does not count: empty, or with what an earlier line says. It does count
    when nothing has to be entered in it.
    """
    are_touched = []
    made: dict[str, set[tuple[object, ...]]] = {}
    for line in lines:
        product = book.product(line.product)
        if not product:
            are_touched.append(bool(line.product))
            continue
        as_made = made.setdefault(product.code, {TypedLine.fresh(product).said(product)})
        are_touched.append(line.said(product) not in as_made or not _asks_for_more(line, product))
        as_made.add(line.another(book).said(product))
    return are_touched


def _asks_for_more(line: TypedLine, product: Product) -> bool:
    measure = product.measure(line.kind) or product.measures[0]
    asked = [(measure.asked(name, product.unit), f"{measure.kind}.{name}") for name in measure.inputs(product.unit)]
    return (
        any(each.default is None and not line.measures.get(key) for each, key in asked)
        or any(each.default is None and not line.inputs.get(each.code) for each in product.inputs)
        or any(not line.options.get(option.code) for option in product.options)
    )


def _usual_of(product: Product, key: str) -> str:
    kind, _dot, name = key.partition(".")
    measure = product.measure(kind)
    return measure.usual.get(name, "") if measure else ""


def _at(lines: Sequence[TypedLine], number: str) -> TypedLine | None:
    return lines[int(number)] if number.isascii() and number.isdigit() and int(number) < len(lines) else None


def hidden_fields(lines: Iterable[LineRequest], answers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the names and values of form fields that open the calculator with these lines and answers."""
    fields = [(f"{ANSWER}{code}", text) for code, text in answers.items()]
    for number, line in enumerate(lines):
        fields += TypedLine.of_request(line).fields(number)
    return fields
