"""The calculator's form: reads what was typed, and prepares each line with its errors for the template.

A field's name is its path in the HTTP contract, as in lines.0.options.strength. The form holds the inputs of all the
measuring helpers and shows those of the chosen one, so the names of inputs contain the helper:
lines.0.measure.solid_area.area_m2. The form follows the price book; nothing here depends on a trade.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from django.http import QueryDict

from quoter.conversation import is_beyond
from quoter.engine.measure import INPUTS, QUANTITIES, Measure, unit_text
from quoter.engine.numbers import canonical, money
from quoter.engine.pricebook import Preset, PriceBook, Product
from quoter.engine.pricing import MAX_LINES, TOO_MANY_LINES, FieldError
from quoter.engine.quote import LineRequest, QuoteLine
from quoter.engine.text import Language, Text

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
    is_edited: bool = False

    @property
    def is_begun(self) -> bool:
        """Return whether the customer has entered anything yet."""
        return any((self.preset, *self.options.values(), *self.measures.values(), *self.extras))

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
        elif part == "extras" and not rest:
            line.extras = [str(value)[:_KEPT] for value in values[:_MOST_EXTRAS]]
    count = len(numbers) - len(lines)
    left_out = FieldError("", LEFT_OUT.fill(most=str(MAX_LINES), count=str(count)))
    return [*lines.values()], [left_out] if count else []


def edited(lines: list[TypedLine], edit: str, book: PriceBook) -> tuple[list[TypedLine], list[FieldError]]:
    """Return the lines after one edit button, and an error when there is no room for another line.

    edit: add:<product>, copy:<line>, remove:<line>, preset:<line>:<preset>.
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
        case ["preset", number, code] if line := _at(lines, number):
            for preset in (preset for preset in book.presets if preset.code == code):
                line.product, line.preset, line.is_edited = preset.product, preset.code, True
                line.options |= preset.options
                line.kind = preset.measure or line.kind
    return lines


def _at(lines: Sequence[TypedLine], number: str) -> TypedLine | None:
    return lines[int(number)] if number.isascii() and number.isdigit() and int(number) < len(lines) else None


def hidden_fields(lines: Iterable[LineRequest]) -> list[tuple[str, str]]:
    """Return the names and values of form fields that open the calculator with these lines."""
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
    """A control with fixed choices. value: the chosen one; suggested: the preset's; reason: why, as the preset says."""

    choices: tuple[tuple[str, str], ...] = ()
    suggested: str = ""
    reason: str = ""


@dataclass(frozen=True)
class MeasureField:
    """One measuring helper: a radio button, a drawing and its inputs. lengths: each input's label in the drawing."""

    kind: str
    label: str
    is_chosen: bool
    is_known: bool
    drawing: str
    lengths: dict[str, str]
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
class PresetField:
    code: str
    label: str
    is_chosen: bool


@dataclass(frozen=True)
class LineView:
    """A line as the template shows it.

    path: the prefix of its fields' names; quoted: the priced line, None while it is incomplete; is_beyond: whether its
    quantity is above what is quoted online; is_open: not folded; is_begun: past the first question; measure: the
    chosen helper, or the first one; other_measures: the rest.
    """

    number: int
    path: str
    product: Product
    label: str
    quoted: QuoteLine | None
    is_beyond: bool
    is_open: bool
    is_begun: bool
    presets: tuple[PresetField, ...]
    preset: PresetField | None
    options: tuple[ChoiceField, ...]
    kind_errors: tuple[str, ...]
    measure: MeasureField
    other_measures: tuple[MeasureField, ...]
    extras: tuple[ExtraField, ...]
    extras_errors: tuple[str, ...]
    errors: tuple[str, ...]

    @property
    def ordinal(self) -> int:
        return self.number + 1

    def wrong_fields(self) -> Iterator[Field]:
        """Yield the controls that have errors, in the order of the page."""
        yield from (option for option in self.options if option.errors)
        for measure in (self.measure, *self.other_measures):
            for control in (*measure.inputs, *filter(None, [measure.table])):
                if control.errors or measure.errors:
                    yield control


class LineViews:
    """Makes the lines of the page from what was typed and from the errors in it."""

    def __init__(self, book: PriceBook, errors: Iterable[FieldError], language: Language) -> None:
        self._book, self._language = book, language
        errors = list(errors)
        self._wrong_lines = {error.field.split(".")[1] for error in errors if error.field.startswith("lines.")}
        self._errors: dict[str, list[str]] = {}
        for error in errors:
            self._errors.setdefault(error.field, []).append(error.message.in_(language))

    def general(self) -> list[str]:
        """Return the errors of the request as a whole."""
        return [*self._errors.get("", []), *self._errors.get("lines", [])]

    def of(self, lines: Sequence[TypedLine], quoted: Iterable[QuoteLine | None]) -> list[LineView]:
        """Return the lines to show. quoted: for each what it costs, or None while it cannot be priced."""
        numbered, is_alone = enumerate(lines), len(lines) == 1
        return [self._line(number, line, cost, is_alone) for (number, line), cost in zip(numbered, quoted, strict=True)]

    def _line(self, number: int, line: TypedLine, quoted: QuoteLine | None, is_alone: bool) -> LineView:
        product = self._book.product(line.product) or self._book.products[0]
        path = f"lines.{number}"
        is_wrong = str(number) in self._wrong_lines
        # The page first asks for the kind of work, so an untouched line offers the presets of every product.
        is_untouched = not (line.is_begun or line.is_edited or is_wrong)
        presets = [preset for preset in self._book.presets if is_untouched or preset.product == product.code]
        chosen = next((preset for preset in presets if preset.code == line.preset), None)
        measures = [self._measure(path, product, measure, line) for measure in product.measures]
        shown = next((measure for measure in measures if measure.is_chosen), measures[0])
        unit = self._words(unit_text(product.unit))
        return LineView(
            number=number,
            path=path,
            product=product,
            label=self._words(product.label),
            quoted=quoted,
            is_beyond=is_wrong and is_beyond(self._book, line.request()),
            is_open=is_alone or line.is_edited or is_wrong or quoted is None,
            is_begun=line.is_begun or is_wrong or not presets,
            presets=tuple(self._preset(preset, chosen) for preset in presets),
            preset=self._preset(chosen, chosen) if chosen else None,
            options=tuple(
                ChoiceField(
                    name=f"{path}.options.{option.code}",
                    label=self._words(option.label),
                    value=line.options.get(option.code, ""),
                    choices=tuple((choice.code, self._words(choice.label)) for choice in option.choices),
                    errors=self._at(f"{path}.options.{option.code}"),
                    suggested=chosen.options.get(option.code, "") if chosen else "",
                    reason=self._reason(chosen, option.code),
                )
                for option in product.options
            ),
            kind_errors=self._at(f"{path}.measure.kind"),
            measure=shown,
            other_measures=tuple(measure for measure in measures if measure is not shown),
            extras=tuple(
                ExtraField(
                    code=extra.code,
                    label=self._words(extra.label),
                    hint=self._words(extra.help) if extra.help else "",
                    price=f"{money(extra.price)}/{unit}" if extra.per == "unit" else money(extra.price),
                    is_chosen=extra.code in line.extras,
                )
                for extra in product.extras
            ),
            extras_errors=self._at(f"{path}.extras"),
            errors=(*self._at(path), *self._at(f"{path}.product")),
        )

    def _preset(self, preset: Preset, chosen: Preset | None) -> PresetField:
        return PresetField(
            code=preset.code,
            label=self._words(preset.label),
            is_chosen=preset is chosen,
        )

    def _reason(self, preset: Preset | None, option: str) -> str:
        """Return the preset's reason beside the last option that it fills in, "" beside the others."""
        is_beside = preset and option in preset.options and option == [*preset.options][-1]
        return self._words(preset.reason) if preset and preset.reason and is_beside else ""

    def _measure(self, path: str, product: Product, measure: Measure, line: TypedLine) -> MeasureField:
        is_chosen = measure.kind == line.kind

        def errors(name: str) -> tuple[str, ...]:
            return self._at(f"{path}.measure.{name}") if is_chosen else ()

        def value(name: str) -> str:
            return line.measures.get(f"{measure.kind}.{name}", "")

        inputs = []
        quantity_errors = errors(QUANTITIES[product.unit])
        for name in measure.inputs(product.unit):
            bounds = measure.bounds.get(name)
            inputs.append(
                Field(
                    name=f"{path}.measure.{measure.kind}.{name}",
                    label=self._words(INPUTS[name].label),
                    value=value(name),
                    unit=self._words(unit_text(INPUTS[name].unit)),
                    hint=f"{canonical(bounds.min)} – {canonical(bounds.max)}" if bounds else "",
                    errors=errors(name) + (quantity_errors if measure.formula == "known" else ()),
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
            is_known=measure.formula == "known",
            drawing="" if measure.formula == "known" else f"quoter/drawings/{measure.formula}.svg",
            lengths={field.name.rpartition(".")[2]: field.label for field in inputs},
            inputs=tuple(inputs),
            table=table,
            errors=() if measure.formula == "known" else quantity_errors,
        )

    def _at(self, path: str) -> tuple[str, ...]:
        return tuple(self._errors.get(path, ()))

    def _words(self, text: Text) -> str:
        return text.in_(self._language)
