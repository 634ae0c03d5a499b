"""Quantities: numbers that a book calculates from what a customer states, by a closed set of operations.

(add - subtract, never below zero) × multiply ÷ divide, then rounded to the step, then raised to the minimum
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from quoter.engine.numbers import Figure, Number, as_decimal, canonical, multiple_of
from quoter.engine.text import Text

# What is known by name: inputs, the numbers of choices, quantities calculated before.
Names = Mapping[str, Number]

_FIGURE = re.compile(r"-?\d+(\.\d+)?", re.ASCII)


def _factor(given: object) -> object:
    """Read "0.5", which is how a stored book has a number, as the number; any other text is a name."""
    return Decimal(given) if isinstance(given, str) and _FIGURE.fullmatch(given) else given


Factor = Annotated[Figure | str, BeforeValidator(_factor)]


def _factors(given: object) -> object:
    return [given] if isinstance(given, str) else given


# Names and numbers that are multiplied, or one name.
Factors = Annotated[tuple[Factor, ...], BeforeValidator(_factors)]


def _term(given: object) -> object:
    return given if isinstance(given, list | tuple) else [given]


# A name or a number, or several that are multiplied: "length_m", 6, ["count", "length_m", "height_m"].
Term = Annotated[tuple[Factor, ...], BeforeValidator(_term), Field(min_length=1)]


def value_of(factor: Decimal | str, names: Names) -> Fraction:
    """Return a number, or the number of a name: nought for one that this request does not have.

    An order without stone has no trips of stone. A name that no request has is a fault that the check finds.
    """
    return Fraction(names.get(factor, 0) if isinstance(factor, str) else factor)


def product_of(factors: Iterable[Decimal | str], names: Names) -> Fraction:
    result = Fraction(1)
    for factor in factors:
        result *= value_of(factor, names)
    return result


def names_in(terms: Iterable[tuple[Decimal | str, ...]]) -> Iterator[str]:
    for term in terms:
        yield from (factor for factor in term if isinstance(factor, str))


class Quantity(BaseModel):
    """A number with a name of its own.

    step, round: to which multiple it is rounded, and how; without a step it stays exact. minimum: anything above zero
    is raised to it; maximum: more is refused. label: with it, the bill can say how it came about.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    label: Text | None = None
    unit: str = ""
    add: tuple[Term, ...] = Field(min_length=1)
    subtract: tuple[Term, ...] = ()
    multiply: tuple[Factor, ...] = ()
    divide: tuple[Factor, ...] = ()
    step: Factor | None = None
    round: Literal["up", "down", "nearest"] = "up"
    minimum: Figure | None = None
    maximum: Figure | None = None

    def unrounded(self, names: Names) -> Fraction:
        """Return the quantity before its rounding and its minimum."""
        total = sum((product_of(term, names) for term in self.add), Fraction(0))
        total -= sum((product_of(term, names) for term in self.subtract), Fraction(0))
        total = max(total, Fraction(0)) * product_of(self.multiply, names)
        divisor = product_of(self.divide, names)
        return total / divisor if divisor else Fraction(0)

    def of(self, names: Names) -> Fraction:
        """Return the quantity."""
        result = self.unrounded(names)
        if self.step is not None:
            step = as_decimal(value_of(self.step, names))
            result = Fraction(multiple_of(step, result, mode=self.round))
        return max(result, Fraction(self.minimum)) if self.minimum is not None and result > 0 else result

    def used_names(self) -> set[str]:
        """Return the names that it is calculated from."""
        step = () if self.step is None else (self.step,)
        return set(names_in([*self.add, *self.subtract, self.multiply, self.divide, step]))

    def steps(self, names: Names, written: Mapping[str, str]) -> str:
        """Return the calculation as a person writes it: 46 ft × 8 ft ÷ 23. written: the inputs with their units."""

        def figure(factor: Decimal | str) -> str:
            if isinstance(factor, str) and factor in written:
                return written[factor]
            return canonical(as_decimal(value_of(factor, names)))

        def term(factors: tuple[Decimal | str, ...]) -> str:
            return " × ".join(map(figure, factors))

        # What comes to nothing is not said: 20 m, and not 20 m − 0.
        added = [factors for factors in self.add if product_of(factors, names)] or self.add[:1]
        taken = [factors for factors in self.subtract if product_of(factors, names)]
        text = " + ".join(map(term, added)) + "".join(f" − {term(factors)}" for factors in taken)
        if (len(added) > 1 or taken) and (self.multiply or self.divide):
            text = f"({text})"
        return (
            text
            + "".join(f" × {figure(by)}" for by in self.multiply)
            + "".join(f" ÷ {figure(by)}" for by in self.divide)
        )
