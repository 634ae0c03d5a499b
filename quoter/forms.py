"""The calculator's form: reads what was typed, and prepares each line with its errors for the template.

A field's name is its path in the HTTP contract, as in lines.0.options.strength. The form holds the inputs of all the
measuring helpers and shows those of the chosen one, so the names of inputs contain the helper:
lines.0.measure.solid_area.area_m2. The form follows the price book; nothing here depends on a trade.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from django.http import QueryDict

from quoter.engine.pricebook import PriceBook, Product
from quoter.engine.pricing import MAX_LINES, TOO_MANY_LINES, FieldError
from quoter.engine.questions import ANSWER as ANSWER
from quoter.engine.quote import LineRequest
from quoter.engine.text import Text

_FIELD = re.compile(r"lines\.(\d{1,4})\.([a-z_]+)(?:\.(.+))?", re.DOTALL)
# So many characters of a field are shown again. Nobody types a longer quantity, and an attack must not grow the page.
_KEPT = 100
# So many extras of a line are read. No price book has as many.
_MOST_EXTRAS = 100

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

    @property
    def is_begun(self) -> bool:
        """Return whether the customer has entered anything yet."""
        return any((self.preset, *self.options.values(), *self.measures.values(), *self.extras, *self.inputs.values()))

    @classmethod
    def fresh(cls, product: Product) -> Self:
        usual = [extra.code for extra in product.extras if extra.is_usual]
        return cls(product=product.code, kind=product.measures[0].kind, extras=usual)

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


def typed_lines(form: QueryDict) -> tuple[list[TypedLine], list[FieldError]]:
    """Return the first MAX_LINES lines of a posted form, in order, and an error when it has more.

    Gaps in their numbers are closed.
    """
    fields = [(match, values) for name, values in form.lists() if values and (match := _FIELD.fullmatch(name))]
    numbers = sorted({int(match[1]) for match, _values in fields})
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
            line.extras = [str(value)[:_KEPT] for value in values[:_MOST_EXTRAS]]
    count = len(numbers) - len(lines)
    left_out = FieldError("", LEFT_OUT.fill(most=str(MAX_LINES), count=str(count)))
    return [*lines.values()], [left_out] if count else []


def typed_answers(form: QueryDict) -> dict[str, str]:
    """Return the answers about the whole order in a posted form, as typed, by the question's code."""
    named = [(name.removeprefix(ANSWER), str(text)[:_KEPT]) for name, text in form.items() if name.startswith(ANSWER)]
    return dict(named[:_MOST_EXTRAS])


def edited(lines: list[TypedLine], edit: str, book: PriceBook) -> tuple[list[TypedLine], list[FieldError]]:
    """Return the lines after one edit button, and an error when there is no room for another line.

    edit: add:<product>, copy:<line>, remove:<line>, product:<line>:<product>, preset:<line>:<preset>.
    """
    after = _edited(lines, edit, book)
    return (after, []) if len(after) <= MAX_LINES else (lines, [FieldError("lines", TOO_MANY_LINES)])


def _edited(lines: list[TypedLine], edit: str, book: PriceBook) -> list[TypedLine]:
    match edit.split(":"):
        case ["add", code] if product := book.product(code):
            return [*lines, replace(TypedLine.fresh(product), is_edited=True)]
        case ["copy", number] if line := _at(lines, number):
            return [*lines, replace(TypedLine.of_request(line.request()), preset=line.preset, is_edited=True)]
        case ["remove", number] if line := _at(lines, number):
            return [other for other in lines if other is not line]
        case ["product", number, code] if (line := _at(lines, number)) and (product := book.product(code)):
            switched = replace(TypedLine.fresh(product), is_edited=True)
            return [switched if other is line else other for other in lines]
        case ["preset", number, code] if line := _at(lines, number):
            for preset in (preset for preset in book.presets if preset.code == code):
                line.product, line.preset, line.is_edited = preset.product, preset.code, True
                line.options |= preset.options
                line.kind = preset.measure or line.kind
    return lines


def begun(lines: list[TypedLine], book: PriceBook) -> list[TypedLine]:
    """Return the lines in which anything was entered; all of them when there is none, so that errors have a place.

    Extras that are on unless they are declined do not count.
    """
    return [line for line in lines if _is_touched(line, book.product(line.product))] or lines


def _is_touched(line: TypedLine, product: Product | None) -> bool:
    usual = {extra.code for extra in product.extras if extra.is_usual} if product else set()
    return replace(line, extras=[]).is_begun or set(line.extras) != usual


def _at(lines: Sequence[TypedLine], number: str) -> TypedLine | None:
    return lines[int(number)] if number.isascii() and number.isdigit() and int(number) < len(lines) else None


def hidden_fields(lines: Iterable[LineRequest], answers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the names and values of form fields that open the calculator with these lines and answers."""
    fields = [(f"{ANSWER}{code}", text) for code, text in answers.items()]
    for number, line in enumerate(lines):
        kind = line.measure.get("kind", "")
        fields += [(f"lines.{number}.product", line.product), (f"lines.{number}.measure.kind", kind)]
        fields += [(f"lines.{number}.options.{code}", choice) for code, choice in line.options.items()]
        fields += [
            (f"lines.{number}.measure.{kind}.{name}", text) for name, text in line.measure.items() if name != "kind"
        ]
        fields += [(f"lines.{number}.extras", code) for code in line.extras]
        fields += [(f"lines.{number}.inputs.{name}", text) for name, text in line.inputs.items()]
    return fields
