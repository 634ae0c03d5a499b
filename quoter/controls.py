"""Prepares the calculator's controls for the template: lines and questions with what was typed and what is wrong.

The controls follow the price book; nothing here depends on a trade.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from quoter.conversation import is_beyond
from quoter.engine.explain_fees import percent
from quoter.engine.measure import AMOUNT, INPUTS_OF, QUANTITIES, Measure
from quoter.engine.numbers import canonical, money
from quoter.engine.pricebook import Choice, Extra, Preset, PriceBook, Product
from quoter.engine.questions import Input, Question
from quoter.engine.quote import QuoteLine
from quoter.engine.refusal import FieldError
from quoter.engine.text import Language, Text
from quoter.forms import ANSWER, TypedLine


@dataclass(frozen=True)
class Field:
    """One control, for the template.

    errors: messages beside it; unit: written after it; help: a sentence below it; placeholder: what counts while it is
    empty; kind: of what is typed, as `Question` has it.
    """

    name: str
    label: str
    value: str = ""
    errors: tuple[str, ...] = ()
    unit: str = ""
    hint: str = ""
    help: str = ""
    placeholder: str = ""
    kind: str = "number"

    @property
    def id(self) -> str:
        return self.name.replace(".", "-")


@dataclass(frozen=True)
class ChoiceField(Field):
    """A control with fixed choices, each a code, a label and a difference in price or "".

    value: the chosen one; suggested: the preset's; reason: why, as the preset says.
    """

    choices: tuple[tuple[str, str, str], ...] = ()
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
    chosen helper, or the first one; other_measures: the rest; can_switch: whether another product can be chosen for it.
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
    inputs: tuple[Field, ...]
    kind_errors: tuple[str, ...]
    measure: MeasureField
    other_measures: tuple[MeasureField, ...]
    extras: tuple[ExtraField, ...]
    extras_errors: tuple[str, ...]
    errors: tuple[str, ...]
    can_switch: bool = False

    @property
    def ordinal(self) -> int:
        return self.number + 1

    def wrong_fields(self) -> Iterator[Field]:
        """Yield the controls that have errors, in the order of the page."""
        yield from (control for control in (*self.options, *self.inputs) if control.errors)
        for measure in (self.measure, *self.other_measures):
            for control in (*measure.inputs, *filter(None, [measure.table])):
                if control.errors or measure.errors:
                    yield control


def _hint(asked: Input, language: Language) -> str:
    """Return the hint beside an input: its own, or its bounds."""
    if asked.hint:
        return asked.hint.in_(language)
    return f"{canonical(asked.min)} – {canonical(asked.max)}" if asked.max is not None else ""


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
                    choices=tuple(
                        (choice.code, self._words(choice.label), self._difference(choice)) for choice in option.choices
                    ),
                    help=self._words(option.help) if option.help else "",
                    errors=self._at(f"{path}.options.{option.code}"),
                    suggested=chosen.options.get(option.code, "") if chosen else "",
                    reason=self._reason(chosen, option.code),
                )
                for option in product.options
            ),
            inputs=tuple(
                self._input(f"{path}.inputs.{asked.code}", asked, line.inputs.get(asked.code, ""))
                for asked in product.inputs
            ),
            kind_errors=self._at(f"{path}.measure.kind"),
            measure=shown,
            other_measures=tuple(measure for measure in measures if measure is not shown),
            extras=tuple(
                ExtraField(
                    code=extra.code,
                    label=self._words(extra.label),
                    hint=self._words(extra.help) if extra.help else "",
                    price=self._extra_price(extra, product),
                    is_chosen=extra.code in line.extras,
                )
                for extra in product.extras
            ),
            extras_errors=self._at(f"{path}.extras"),
            errors=(*self._at(path), *self._at(f"{path}.product")),
            can_switch=is_untouched and not presets and len(self._book.products) > 1,
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
        quantity_errors = errors(QUANTITIES.get(product.unit, AMOUNT))
        for name in measure.inputs(product.unit):
            asked = measure.asked(name, product.unit)
            control = self._input(f"{path}.measure.{measure.kind}.{name}", asked, value(name))
            more = errors(name) + (quantity_errors if measure.formula == "known" else ())
            inputs.append(replace(control, errors=more))
        table = None
        if rows := measure.coefficients:
            table = ChoiceField(
                name=f"{path}.measure.{measure.kind}.{rows.name}",
                label=self._words(rows.label),
                value=value(rows.name),
                choices=tuple((row.code, self._words(row.label), "") for row in rows.choices),
                errors=errors(rows.name),
            )
        return MeasureField(
            kind=measure.kind,
            label=self._words(measure.label),
            is_chosen=is_chosen,
            is_known=measure.formula == "known",
            drawing=f"quoter/drawings/{measure.formula}.svg" if measure.formula in INPUTS_OF else "",
            lengths={field.name.rpartition(".")[2]: field.label for field in inputs},
            inputs=tuple(inputs),
            table=table,
            errors=() if measure.formula == "known" else quantity_errors,
        )

    def answers(self, typed: Mapping[str, str]) -> list[Field]:
        """Return the questions about the whole order."""
        return [self._question(question, typed.get(question.code, "")) for question in self._book.priced_questions]

    def _question(self, question: Question, typed: str) -> Field:
        control = self._input(f"{ANSWER}{question.code}", question, typed)
        if question.kind != "choice":
            return control
        return ChoiceField(
            name=control.name,
            label=control.label,
            value=typed or question.default_choice,
            errors=control.errors,
            help=control.help,
            choices=tuple((choice.code, self._words(choice.label), "") for choice in question.choices),
            kind="choice",
        )

    def _input(self, name: str, asked: Input, typed: str) -> Field:
        return Field(
            name=name,
            label=self._words(asked.label),
            value=typed,
            unit=self._words(self._book.unit_text(asked.unit)) if asked.unit else "",
            hint=_hint(asked, self._language),
            help=self._words(asked.help) if asked.help else "",
            placeholder="" if asked.default is None else canonical(asked.default),
            kind=asked.kind if isinstance(asked, Question) else "number",
            errors=self._at(name),
        )

    def _difference(self, choice: Choice) -> str:
        """Return what a choice adds to the unit price by itself."""
        if choice.rate:
            return f"{choice.rate * 100:+.4g} %"
        return f"{'+' if choice.add > 0 else ''}{self._money(choice.add)}" if choice.add else ""

    def _extra_price(self, extra: Extra, product: Product) -> str:
        if extra.rate:
            return percent(extra.rate)
        counted = extra.unit if extra.quantity else product.unit if extra.per == "unit" else ""
        unit = self._words(self._book.unit_text(counted, Decimal(1))) if counted else ""
        return f"{self._money(extra.price)}/{unit}" if unit else self._money(extra.price)

    def _money(self, amount: Decimal) -> str:
        return money(amount, self._book.currency)

    def _at(self, path: str) -> tuple[str, ...]:
        return tuple(self._errors.get(path, ()))

    def _words(self, text: Text) -> str:
        return text.in_(self._language)
