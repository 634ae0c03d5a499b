"""The reference of the price book's language: every field of every part, in Markdown, from the models themselves."""

import tomllib
from collections.abc import Iterator
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from quoter.engine import pricebook, taxes, units
from quoter.engine.conditions import Condition
from quoter.engine.examples import Example
from quoter.engine.fees import Fee, FeePrice
from quoter.engine.measure import AMOUNT, INPUTS_OF, KNOWN, Bounds, Coefficient, Coefficients, Measure
from quoter.engine.quantities import Quantity
from quoter.engine.questions import Answer, Input, Question
from quoter.engine.quote import LineRequest
from quoter.engine.text import Text
from quoter.engine.tiers import FeeTier, Tier

MODELS: tuple[type[BaseModel], ...] = (
    pricebook.PriceBook,
    taxes.Tax,
    pricebook.Rounding,
    taxes.Deposit,
    units.Unit,
    pricebook.Product,
    pricebook.Option,
    pricebook.Choice,
    pricebook.PriceList,
    Tier,
    pricebook.Pack,
    pricebook.Extra,
    pricebook.ExtraGroup,
    Measure,
    Bounds,
    Coefficients,
    Coefficient,
    Input,
    Question,
    Answer,
    Quantity,
    pricebook.Preset,
    Fee,
    FeePrice,
    FeeTier,
    Condition,
    pricebook.Limit,
    Example,
    LineRequest,
)
MEANINGS: dict[str, dict[str, str]] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
_INTRODUCTION = """# The fields of a price book

`manage.py pricebook reference` prints this page from the program itself. [price-book.md](price-book.md) explains
prices, and has a small book to begin with.

A *text* is written in both languages, `{ es = "mate", en = "matt" }`, or once when both are the same. A *number* has at
most 12 digits, with a decimal point, quoted or not. A list of parts is written as `[[products]]`, and one inside it as
`[[products.prices]]`. What is not needed may be left out; after "else" stands what counts then.
"""
# Fields that a part has from another one.
_SAME_AS: dict[type[BaseModel], type[BaseModel]] = {Question: Input, FeeTier: Tier}
_WORDS: dict[Any, str] = {
    str: "word",
    Text: "text",
    Decimal: "number",
    int: "whole number",
    bool: "true or false",
    date: "day",
    time: "hour",
}
_HEADINGS = {model: MEANINGS[model.__name__]["heading"] for model in MODELS}


def markdown() -> str:
    """Return the page: the tables of all parts, each under its heading, and that of the formulas."""
    return "\n".join([_INTRODUCTION, *(line for model in MODELS for line in _part(model)), *_formulas()])


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields that a part has by itself, by their names in the file."""
    inherited = _SAME_AS[model].model_fields if model in _SAME_AS else {}
    return {
        field.alias or name: field
        for name, field in model.model_fields.items()
        if name not in inherited or field.is_required() != inherited[name].is_required()
    }


def _part(model: type[BaseModel]) -> Iterator[str]:
    yield f"## {_HEADINGS[model]}\n"
    if model in _SAME_AS:
        same = _HEADINGS[_SAME_AS[model]]
        yield f"It has the fields of [{same}](#{_anchor(same)}) as well.\n"
    yield "| field | form | meaning |"
    yield "| --- | --- | --- |"
    for name, field in fields_of(model).items():
        needed = "**needed**; " if field.is_required() else ""
        yield f"| `{name}` | {form_of(field.annotation)}{_default(field)} | {needed}{MEANINGS[model.__name__][name]} |"
    yield ""


def _formulas() -> Iterator[str]:
    yield "## Formulas\n"
    yield "| formula | inputs | gives |"
    yield "| --- | --- | --- |"
    known = ", ".join(f"`{name}`" for name in (*KNOWN.values(), AMOUNT))
    yield f"| `known` | the quantity itself: {known} | the product's unit |"
    for formula, inputs in INPUTS_OF.items():
        dimensions = sum(2 if name == "area_m2" else 1 for name in inputs)
        named = ", ".join(f"`{name}`" for name in inputs)
        yield f"| `{formula}` | {named} | {('m', 'm²', 'm³')[dimensions - 1]} |"
    yield ""


def form_of(kind: Any) -> str:
    """Return what is written for a value of this type."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in _HEADINGS:
        return f"[{_HEADINGS[kind].lower()}](#{_anchor(_HEADINGS[kind])})"
    if kind is units.UnitName:
        return "`{ one, many }`"
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(form_of(each) for each in arguments if each is not NoneType))
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin is tuple:
        return f"list: {form_of(arguments[0])}"
    if origin is dict:
        return f"table: {form_of(arguments[1])} by name"
    if arguments:  # Annotated
        return form_of(arguments[0])
    return _WORDS[kind]


def _default(field: FieldInfo) -> str:
    value = field.default
    if isinstance(value, bool) or field.is_required() or value is None or value in ((), {}, ""):
        return ""
    if isinstance(value, BaseModel):
        return ""
    return f", else {', '.join(map(str, value)) if isinstance(value, tuple) else value}"


def _anchor(heading: str) -> str:
    return heading.lower().replace(" ", "-").replace("'", "")
