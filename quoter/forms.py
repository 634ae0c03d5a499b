"""The calculator's form: what was typed, line by line, and what to say beside each field.

A field is named by the path that the contract uses for it: lines.0.options.strength. The inputs of every measuring
helper are in the form at once (only the chosen one's show), so theirs carry the helper too:
lines.0.measure.solid_area.area_m2. Whatever the book offers, the form follows; nothing here knows a trade.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from django.http import QueryDict
from pydantic import ValidationError

from quoter.measure import INPUTS, QUANTITIES, Measure
from quoter.numbers import canonical, money
from quoter.pricebook import PriceBook, Product
from quoter.pricing import FieldError
from quoter.quote import LineRequest
from quoter.text import Language, Text

_FIELD = re.compile(r"lines\.(\d{1,4})\.([a-z_]+)(?:\.(.+))?", re.DOTALL)
# What is echoed of a field: nobody types a longer quantity, and a page must not grow with an attack.
_KEPT = 200

WRONG_SHAPE = Text(es="Este dato no tiene la forma esperada.", en="This value has not the expected shape.")


@dataclass
class TypedLine:
    """One line of the form as it was typed. measures: by helper and input, the chosen helper's and the others'."""

    product: str = ""
    options: dict[str, str] = field(default_factory=dict)
    kind: str = ""
    measures: dict[str, str] = field(default_factory=dict)
    extras: list[str] = field(default_factory=list)

    @classmethod
    def fresh(cls, product: Product) -> Self:
        return cls(product=product.code, kind=product.measures[0].kind)

    def request(self) -> LineRequest:
        chosen = f"{self.kind}."
        typed = {name.removeprefix(chosen): text for name, text in self.measures.items() if name.startswith(chosen)}
        return LineRequest(
            product=self.product,
            options=self.options,
            measure={"kind": self.kind, **typed},
            extras=tuple(self.extras),
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
        )


def typed_lines(form: QueryDict) -> list[TypedLine]:
    """Return the lines of a posted form, in their order; gaps in the numbering close."""
    lines: dict[int, TypedLine] = {}
    for name, values in form.lists():
        match = _FIELD.fullmatch(name)
        if not match or not values:
            continue
        line = lines.setdefault(int(match[1]), TypedLine())
        part, rest, text = match[2], match[3], str(values[-1])[:_KEPT]
        if part == "product" and not rest:
            line.product = text
        elif part == "options" and rest:
            line.options[rest] = text
        elif part == "measure" and rest == "kind":
            line.kind = text
        elif part == "measure" and rest:
            line.measures[rest] = text
        elif part == "extras" and not rest:
            line.extras = [str(value)[:_KEPT] for value in values]
    return [lines[number] for number in sorted(lines)]


def json_lines(data: Mapping[str, Any]) -> tuple[list[LineRequest], list[FieldError]]:
    """Return the lines of a JSON request, and an error for each value that has not the contract's shape."""
    listed = data.get("lines")
    if not isinstance(listed, list):
        return [], [FieldError("lines", WRONG_SHAPE)]
    lines, errors = [], []
    for number, line in enumerate(listed):
        try:
            lines.append(LineRequest.model_validate(line))
        except ValidationError as invalid:
            paths = {".".join(map(str, ("lines", number, *fault["loc"]))) for fault in invalid.errors()}
            errors += [FieldError(path, WRONG_SHAPE) for path in sorted(paths)]
    return lines, errors


def edited(lines: list[TypedLine], edit: str, book: PriceBook) -> list[TypedLine]:
    """Return the lines after one edit button: add:<product>, copy:<line>, remove:<line>, preset:<line>:<preset>."""
    match edit.split(":"):
        case ["add", code] if product := book.product(code):
            return [*lines, TypedLine.fresh(product)]
        case ["copy", number] if line := _at(lines, number):
            return [*lines, TypedLine.of_request(line.request())]
        case ["remove", number] if line := _at(lines, number):
            return [other for other in lines if other is not line]
        case ["preset", number, code] if line := _at(lines, number):
            for preset in (preset for preset in book.presets if preset.code == code):
                line.product = preset.product
                line.options |= preset.options
                line.kind = preset.measure or line.kind
    return lines


def _at(lines: Sequence[TypedLine], number: str) -> TypedLine | None:
    return lines[int(number)] if number.isascii() and number.isdigit() and int(number) < len(lines) else None


def hidden_fields(lines: Iterable[LineRequest]) -> list[tuple[str, str]]:
    """Return names and values that open the calculator with these lines."""
    fields = []
    for number, line in enumerate(lines):
        kind = line.measure.get("kind", "")
        fields += [(f"lines.{number}.product", line.product), (f"lines.{number}.measure.kind", kind)]
        fields += [(f"lines.{number}.options.{code}", choice) for code, choice in line.options.items()]
        fields += [
            (f"lines.{number}.measure.{kind}.{name}", text) for name, text in line.measure.items() if name != "kind"
        ]
        fields += [(f"lines.{number}.extras", code) for code in line.extras]
    return fields


@dataclass(frozen=True)
class Field:
    """One control, for the template. errors: messages beside it; unit: written after it."""

    name: str
    label: str
    value: str = ""
    errors: tuple[str, ...] = ()
    unit: str = ""
    hint: str = ""

    @property
    def id(self) -> str:
        return self.name.replace(".", "-")


@dataclass(frozen=True)
class ChoiceField(Field):
    """A control with fixed answers; `value` is the chosen one."""

    choices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class MeasureField:
    """One measuring helper: a radio button, and its inputs."""

    kind: str
    label: str
    is_chosen: bool
    inputs: tuple[Field, ...]
    table: ChoiceField | None
    errors: tuple[str, ...]


@dataclass(frozen=True)
class ExtraField:
    code: str
    label: str
    hint: str
    price: str
    is_chosen: bool


@dataclass(frozen=True)
class LineView:
    """A line as the template shows it. path: what the names of its fields begin with."""

    number: int
    path: str
    product: Product
    label: str
    options: tuple[ChoiceField, ...]
    kind_errors: tuple[str, ...]
    measures: tuple[MeasureField, ...]
    extras: tuple[ExtraField, ...]
    extras_errors: tuple[str, ...]
    presets: tuple[tuple[str, str], ...]
    errors: tuple[str, ...]


class LineViews:
    """Makes the lines of the page from what was typed and what is wrong with it."""

    def __init__(self, book: PriceBook, errors: Iterable[FieldError], language: Language) -> None:
        self._book, self._language = book, language
        self._errors: dict[str, list[str]] = {}
        for error in errors:
            self._errors.setdefault(error.field, []).append(error.message.in_(language))

    def general(self) -> list[str]:
        """Return what is wrong with the request as a whole."""
        return [*self._errors.get("", []), *self._errors.get("lines", [])]

    def of(self, lines: Iterable[TypedLine]) -> list[LineView]:
        return [self._line(number, line) for number, line in enumerate(lines)]

    def _line(self, number: int, line: TypedLine) -> LineView:
        product = self._book.product(line.product) or self._book.products[0]
        path = f"lines.{number}"
        return LineView(
            number=number,
            path=path,
            product=product,
            label=self._words(product.label),
            options=tuple(
                ChoiceField(
                    name=f"{path}.options.{option.code}",
                    label=self._words(option.label),
                    value=line.options.get(option.code, ""),
                    choices=tuple((choice.code, self._words(choice.label)) for choice in option.choices),
                    errors=self._at(f"{path}.options.{option.code}"),
                )
                for option in product.options
            ),
            kind_errors=self._at(f"{path}.measure.kind"),
            measures=tuple(self._measure(path, product, measure, line) for measure in product.measures),
            extras=tuple(
                ExtraField(
                    code=extra.code,
                    label=self._words(extra.label),
                    hint=self._words(extra.help) if extra.help else "",
                    price=f"{money(extra.price)}/{product.unit}" if extra.per == "unit" else money(extra.price),
                    is_chosen=extra.code in line.extras,
                )
                for extra in product.extras
            ),
            extras_errors=self._at(f"{path}.extras"),
            presets=tuple(
                (preset.code, self._words(preset.label))
                for preset in self._book.presets
                if preset.product == product.code
            ),
            errors=(*self._at(path), *self._at(f"{path}.product")),
        )

    def _measure(self, path: str, product: Product, measure: Measure, line: TypedLine) -> MeasureField:
        is_chosen = measure.kind == line.kind

        def errors(name: str) -> tuple[str, ...]:
            return self._at(f"{path}.measure.{name}") if is_chosen else ()

        def value(name: str) -> str:
            return line.measures.get(f"{measure.kind}.{name}", "")

        inputs = []
        of_the_quantity = errors(QUANTITIES[product.unit])
        for name in measure.inputs(product.unit):
            bounds = measure.bounds.get(name)
            inputs.append(
                Field(
                    name=f"{path}.measure.{measure.kind}.{name}",
                    label=self._words(INPUTS[name].label),
                    value=value(name),
                    unit=INPUTS[name].unit,
                    hint=f"{canonical(bounds.min)} – {canonical(bounds.max)}" if bounds else "",
                    errors=errors(name) + (of_the_quantity if measure.formula == "known" else ()),
                )
            )
        table = None
        if rows := measure.coefficients:
            table = ChoiceField(
                name=f"{path}.measure.{measure.kind}.{rows.name}",
                label=self._words(rows.label),
                value=value(rows.name),
                choices=tuple((row.code, self._words(row.label)) for row in rows.choices),
                errors=errors(rows.name),
            )
        return MeasureField(
            kind=measure.kind,
            label=self._words(measure.label),
            is_chosen=is_chosen,
            inputs=tuple(inputs),
            table=table,
            errors=() if measure.formula == "known" else of_the_quantity,
        )

    def _at(self, path: str) -> tuple[str, ...]:
        return tuple(self._errors.get(path, ()))

    def _words(self, text: Text) -> str:
        return text.in_(self._language)
