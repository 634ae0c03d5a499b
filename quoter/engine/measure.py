"""Measuring helpers: turn lengths, areas and thicknesses that a customer knows into the quantity that is sold.

A helper uses one of a fixed set of formulas, with a factor, coefficients and bounds from the price book. These formulas
multiply their inputs, in metres, by the factor and by the chosen coefficient. A helper that is "calculated" asks for
numbers of its own, and its quantities say how they are added, subtracted, multiplied and divided.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from quoter.engine.lengths import parse_quantity
from quoter.engine.numbers import Figure, Number, NumberUnclear, TypedValues, as_decimal, canonical, written
from quoter.engine.quantities import Quantity
from quoter.engine.questions import CHOOSE, Input, Refused, out_of_bounds, unclear_at
from quoter.engine.text import Language, Text, in_a_sentence
from quoter.engine.units import unit_text

Formula = Literal[
    "known",
    "length",
    "area",
    "length_width",
    "length_height",
    "length_width_height",
    "length_width_thickness",
    "area_thickness",
]


class Length(NamedTuple):
    """One number that a fixed formula asks for. in_metres: one of its unit in metres (or m², m³, pieces)."""

    unit: str
    in_metres: Decimal
    label: Text


INPUTS: dict[str, Length] = {
    "m3": Length("m³", Decimal(1), Text(es="Volumen", en="Volume")),
    "m2": Length("m²", Decimal(1), Text(es="Área", en="Area")),
    "m": Length("m", Decimal(1), Text(es="Longitud", en="Length")),
    "pieces": Length("pza", Decimal(1), Text(es="Piezas", en="Pieces")),
    "area_m2": Length("m²", Decimal(1), Text(es="Área", en="Area")),
    "length_m": Length("m", Decimal(1), Text(es="Largo", en="Length")),
    "width_m": Length("m", Decimal(1), Text(es="Ancho", en="Width")),
    "height_m": Length("m", Decimal(1), Text(es="Alto", en="Height")),
    "thickness_cm": Length("cm", Decimal("0.01"), Text(es="Espesor", en="Thickness")),
}

# What each unit measures, and the input for a customer who knows the quantity already. Other units have one word for
# both.
QUANTITIES: dict[str, str] = {"m³": "volume", "m²": "area", "m": "length", "pza": "count"}
KNOWN: dict[str, str] = {"m³": "m3", "m²": "m2", "m": "m", "pza": "pieces"}
AMOUNT = "amount"
AMOUNT_LABEL = Text(es="Cantidad", en="Quantity")

INPUTS_OF: dict[str, tuple[str, ...]] = {
    "length": ("length_m",),
    "area": ("area_m2",),
    "length_width": ("length_m", "width_m"),
    "length_height": ("length_m", "height_m"),
    "length_width_height": ("length_m", "width_m", "height_m"),
    "length_width_thickness": ("length_m", "width_m", "thickness_cm"),
    "area_thickness": ("area_m2", "thickness_cm"),
}

NOTHING = Text.model_validate("")
QUANTITY = Text(es="{number} {unit}", en="{number} {unit}")
NOT_POSITIVE = Text(es="«{label}» debe ser mayor que cero.", en="“{label}” must be more than zero.")


class Bounds(BaseModel):
    """Smallest and largest value that an input takes, in its own unit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min: Figure
    max: Figure


class Coefficient(BaseModel):
    """One choice of a helper's table, such as a block size, and what it multiplies by. help, icon: shown beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    label: Text
    factor: Figure = Field(gt=0)
    help: Text | None = None
    icon: str = ""


class Coefficients(BaseModel):
    """A table that a helper chooses from: the field it adds to the form, and its rows.

    help: why it is asked. default: the choice that counts until another one is made; without it, one has to be made.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    label: Text
    choices: tuple[Coefficient, ...] = Field(min_length=1)
    help: Text | None = None
    default: str = ""

    def chosen(self, typed: Mapping[str, str]) -> Coefficient | None:
        code = typed.get(self.name) or self.default
        return next((row for row in self.choices if row.code == code), None)


class Measure(BaseModel):
    """A measuring helper of the price book.

    asks, quantities: of a calculated helper: its inputs, and what is calculated from them and from the numbers of the
    chosen options; the last quantity is the result, in the product's unit. A known quantity may be asked for by one
    input of its own, too. hints, usual: beside an input, and the value it begins with. round: instead of the
    product's own. factor_label: what the factor stands for, in the calculation on the bill.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    label: Text
    formula: Literal["calculated", Formula] = "calculated"
    factor: Figure = Field(default=Decimal(1), gt=0)
    factor_label: Text | None = None
    bounds: dict[str, Bounds] = {}
    coefficients: Coefficients | None = None
    asks: tuple[Input, ...] = ()
    quantities: tuple[Quantity, ...] = ()
    hints: dict[str, Text] = {}
    usual: TypedValues = {}
    round: Literal["up", "down", "nearest"] | None = None
    help: Text | None = None

    def inputs(self, unit: str) -> tuple[str, ...]:
        """Names of the numbers that this helper asks for, for a product sold in `unit`."""
        if self.formula == "calculated" or self.asks:
            return tuple(asked.code for asked in self.asks)
        return (KNOWN.get(unit, AMOUNT),) if self.formula == "known" else INPUTS_OF[self.formula]

    def asked(self, name: str, unit: str) -> Input:
        """Return one of its inputs, with its label, unit, bounds and hint."""
        for asked in self.asks:
            if asked.code == name:
                return asked
        fixed, bounds, hint = INPUTS.get(name), self.bounds.get(name), self.hints.get(name)
        low, high = (bounds.min, bounds.max) if bounds else (Decimal(0), None)
        label, of = (fixed.label, fixed.unit) if fixed else (AMOUNT_LABEL, unit)
        return Input(code=name, label=label, unit=of, hint=hint, min=low, max=high)


class MeasureRefused(ValueError):
    """Something typed into a helper cannot be used. errors: by the input's name, the message to show beside it."""

    def __init__(self, errors: dict[str, Text]) -> None:
        super().__init__(", ".join(f"{name}: {message.en}" for name, message in errors.items()))
        self.errors = errors


class Measured(NamedTuple):
    """The result of a helper.

    quantity: in the product's unit; values: the inputs that were used; numbers: the inputs and the quantities on the
    way, by name; factors: what is multiplied, each with the code of its unit or "", or with what it stands for;
    formula: the calculation of another kind.
    """

    quantity: Number
    values: dict[str, str]
    numbers: dict[str, Number]
    factors: Sequence[tuple[str, str | Text]] = ()
    formula: Text = NOTHING

    def steps(self, language: Language, say_unit: Callable[[str], Text] = unit_text) -> str:
        """Return the calculation as a person writes it: 10 m × 4.5 m × 12 cm; "" when nothing was calculated."""
        if len(self.factors) < 2:
            return self.formula.in_(language)
        parts = []
        for number, of in self.factors:
            if isinstance(of, str):
                parts.append(f"{number} {say_unit(of).in_(language)}" if of else number)
            else:
                parts.append(f"{number} ({in_a_sentence(of.in_(language))})")
        return " × ".join(parts)


def quantity(
    measure: Measure,
    unit: str,
    typed: Mapping[str, str],
    *,
    names: Mapping[str, Number] | None = None,
    say_unit: Callable[[str], Text] = unit_text,
) -> Measured:
    """Return the quantity that a helper gives, in the product's unit, unrounded.

    typed: the text of each input and of the coefficient's choice; names: the numbers of the chosen options; say_unit:
    how a unit is written. MeasureRefused when an input is unreadable, out of its bounds or missing.
    docs/price-book-reference.md, "Formulas", lists the fixed ones.
    """
    if measure.asks or measure.quantities:
        return _calculated(measure, typed, names or {}, say_unit)
    errors: dict[str, Text] = {}
    result: Decimal = measure.factor
    values: dict[str, str] = {}
    numbers: dict[str, Number] = {}
    factors: list[tuple[str, str | Text]] = []
    for name in measure.inputs(unit):
        spec, bounds = INPUTS.get(name) or Length(unit, Decimal(1), AMOUNT_LABEL), measure.bounds.get(name)
        try:
            value = parse_quantity(typed.get(name, ""), unit=spec.unit)
        except NumberUnclear as unclear:
            errors[name] = unclear_at(spec.label, unclear)
            continue
        if bounds and not bounds.min <= value <= bounds.max:
            errors[name] = out_of_bounds(spec.label, value, low=bounds.min, high=bounds.max, unit=say_unit(spec.unit))
            continue
        if value <= 0 and measure.formula != "known":  # two negative inputs would give a quantity above zero
            errors[name] = NOT_POSITIVE.fill(label=spec.label)
            continue
        numbers[name] = value
        values[name] = canonical(value)
        factors.append((written(value), spec.unit))
        result *= value * spec.in_metres
    if table := measure.coefficients:
        chosen = table.chosen(typed)
        if chosen is None:
            errors[table.name] = CHOOSE.fill(label=table.label)
        else:
            numbers[table.name] = chosen.factor
            result *= chosen.factor
            if chosen.code != table.default or chosen.factor != 1:  # a default that changes nothing is not mentioned
                values[table.name] = chosen.code
                factors.append((canonical(chosen.factor), table.label))
    if errors:
        raise MeasureRefused(errors)
    if measure.factor != 1:
        factors.append((canonical(measure.factor), measure.factor_label or ""))
    return Measured(result, values, numbers, factors)


def _calculated(
    measure: Measure, typed: Mapping[str, str], names: Mapping[str, Number], say_unit: Callable[[str], Text]
) -> Measured:
    values, numbers, errors = read_inputs(measure.asks, typed, say_unit)
    known: dict[str, Number] = {**names, **numbers}
    if (table := measure.coefficients) and not errors:
        chosen = table.chosen(typed)
        if chosen is None:
            errors[table.name] = CHOOSE.fill(label=table.label)
        else:
            values[table.name], known[table.name] = chosen.code, chosen.factor
    if errors:
        raise MeasureRefused(errors)
    if not measure.quantities:
        [result] = numbers.values()
        return Measured(result, values, known)
    written = {asked.code: _written(numbers[asked.code], asked.unit, say_unit) for asked in measure.asks}
    for step in measure.quantities:
        known[step.code] = step.of(known)
        if step.unit:
            written[step.code] = _written(known[step.code], step.unit, say_unit)
    last = measure.quantities[-1]
    formula = Text(
        es=last.steps(known, {code: text.es for code, text in written.items()}),
        en=last.steps(known, {code: text.en for code, text in written.items()}),
    )
    return Measured(known[last.code], values, known, formula=formula)


def _written(number: Number, unit: str, say_unit: Callable[[str], Text]) -> Text:
    text = written(as_decimal(number))
    return QUANTITY.fill(number=text, unit=say_unit(unit)) if unit else Text(es=text, en=text)


def read_inputs(
    inputs: tuple[Input, ...], typed: Mapping[str, str], say_unit: Callable[[str], Text]
) -> tuple[dict[str, str], dict[str, Number], dict[str, Text]]:
    """Return the texts and the numbers of inputs, by name, and a message for each that cannot be used."""
    values: dict[str, str] = {}
    numbers: dict[str, Number] = {}
    errors: dict[str, Text] = {}
    for asked in inputs:
        try:
            number = asked.read(typed.get(asked.code, ""), unit=say_unit(asked.unit))
        except Refused as refused:
            errors[asked.code] = refused.message
            continue
        values[asked.code], numbers[asked.code] = canonical(number), number
    return values, numbers, errors
