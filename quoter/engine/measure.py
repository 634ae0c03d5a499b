"""Measuring helpers: turn lengths, areas and thicknesses that a customer knows into the quantity that is sold.

A helper uses one of a fixed set of formulas, with a factor, coefficients and bounds from the price book. Every formula
multiplies its inputs, in metres, by the factor and by the chosen coefficient.
"""

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Literal, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict, Field

from quoter.engine.numbers import Figure, NumberUnclear, canonical, parse_decimal
from quoter.engine.text import Text, joined

Unit = Literal["m³", "m²", "m", "pza"]
UNITS: tuple[Unit, ...] = get_args(Unit)

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


class Input(NamedTuple):
    """One number that a helper asks for. in_metres: one of its unit in metres (or m², m³, pieces)."""

    unit: str
    in_metres: Decimal
    label: Text


INPUTS: dict[str, Input] = {
    "m3": Input("m³", Decimal(1), Text(es="Volumen", en="Volume")),
    "m2": Input("m²", Decimal(1), Text(es="Área", en="Area")),
    "m": Input("m", Decimal(1), Text(es="Longitud", en="Length")),
    "pieces": Input("pza", Decimal(1), Text(es="Piezas", en="Pieces")),
    "area_m2": Input("m²", Decimal(1), Text(es="Área", en="Area")),
    "length_m": Input("m", Decimal(1), Text(es="Largo", en="Length")),
    "width_m": Input("m", Decimal(1), Text(es="Ancho", en="Width")),
    "height_m": Input("m", Decimal(1), Text(es="Alto", en="Height")),
    "thickness_cm": Input("cm", Decimal("0.01"), Text(es="Espesor", en="Thickness")),
}

_PIECES = Text(es="pza", en="pc")


@lru_cache
def unit_text(unit: str) -> Text:
    """Return a unit as people read it. Only pieces differ by language: pza in Spanish, pc in English."""
    return _PIECES if unit == "pza" else Text(es=unit, en=unit)


# What each unit measures, and the input for a customer who knows the quantity already.
QUANTITIES: dict[Unit, str] = {"m³": "volume", "m²": "area", "m": "length", "pza": "count"}
KNOWN: dict[Unit, str] = {"m³": "m3", "m²": "m2", "m": "m", "pza": "pieces"}

INPUTS_OF: dict[Formula, tuple[str, ...]] = {
    "length": ("length_m",),
    "area": ("area_m2",),
    "length_width": ("length_m", "width_m"),
    "length_height": ("length_m", "height_m"),
    "length_width_height": ("length_m", "width_m", "height_m"),
    "length_width_thickness": ("length_m", "width_m", "thickness_cm"),
    "area_thickness": ("area_m2", "thickness_cm"),
}

QUANTITY = Text(es="{number} {unit}", en="{number} {unit}")
OUT_OF_BOUNDS = Text(
    es="{label}: de {low} a {high} {unit}.",
    en="{label}: from {low} to {high} {unit}.",
)
NOT_POSITIVE = Text(es="Debe ser mayor que cero.", en="It must be more than zero.")
NOT_A_CHOICE = Text(es="Elige una opción: {label}.", en="Choose an option: {label}.")


class Bounds(BaseModel):
    """Smallest and largest value that an input takes, in its own unit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min: Figure
    max: Figure


class Coefficient(BaseModel):
    """One choice of a helper's table, such as a block size, and what it multiplies by."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    label: Text
    factor: Figure = Field(gt=0)


class Coefficients(BaseModel):
    """A table that a helper chooses from: the field it adds to the form, and its rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    label: Text
    choices: tuple[Coefficient, ...] = Field(min_length=1)


class Measure(BaseModel):
    """A measuring helper of the price book."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    label: Text
    formula: Formula
    factor: Figure = Field(default=Decimal(1), gt=0)
    bounds: dict[str, Bounds] = {}
    coefficients: Coefficients | None = None

    def inputs(self, unit: Unit) -> tuple[str, ...]:
        """Names of the numbers that this helper asks for, for a product sold in `unit`."""
        return (KNOWN[unit],) if self.formula == "known" else INPUTS_OF[self.formula]


class MeasureRefused(ValueError):
    """Something typed into a helper cannot be used. errors: by the input's name, the message to show beside it."""

    def __init__(self, errors: dict[str, Text]) -> None:
        super().__init__(", ".join(f"{name}: {message.en}" for name, message in errors.items()))
        self.errors = errors


class Measured(NamedTuple):
    """The result of a helper.

    quantity: in the product's unit; values: the inputs that were used; steps: the calculation as a person writes it.
    """

    quantity: Decimal
    values: dict[str, str]
    steps: Text


def quantity(measure: Measure, unit: Unit, typed: Mapping[str, str]) -> Measured:
    """Return the quantity that a helper gives, in the product's unit, unrounded.

    typed: the text of each input and of the coefficient's choice; MeasureRefused when one is unreadable, out of its
    bounds or missing. docs/price-book.md, "Formulas", lists them.
    """
    errors: dict[str, Text] = {}
    result, values = measure.factor, {}
    steps: list[str | Text] = []
    for name in measure.inputs(unit):
        spec, bounds = INPUTS[name], measure.bounds.get(name)
        try:
            value = parse_decimal(typed.get(name, ""), unit=spec.unit)
        except NumberUnclear as unclear:
            errors[name] = unclear.message
            continue
        if bounds and not bounds.min <= value <= bounds.max:
            errors[name] = OUT_OF_BOUNDS.fill(
                label=spec.label, low=canonical(bounds.min), high=canonical(bounds.max), unit=unit_text(spec.unit)
            )
            continue
        if value <= 0 and measure.formula != "known":  # two negative inputs would give a quantity above zero
            errors[name] = NOT_POSITIVE
            continue
        values[name] = canonical(value)
        steps.append(QUANTITY.fill(number=canonical(value), unit=unit_text(spec.unit)))
        result *= value * spec.in_metres
    if table := measure.coefficients:
        chosen = next((row for row in table.choices if row.code == typed.get(table.name)), None)
        if chosen is None:
            errors[table.name] = NOT_A_CHOICE.fill(label=table.label)
        else:
            values[table.name] = chosen.code
            steps.append(canonical(chosen.factor))
            result *= chosen.factor
    if errors:
        raise MeasureRefused(errors)
    if measure.factor != 1:
        steps.append(canonical(measure.factor))
    return Measured(quantity=result, values=values, steps=joined(" × ", steps))
