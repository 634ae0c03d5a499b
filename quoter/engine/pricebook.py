"""The price book: what is sold, in what steps and tiers, at what price and tax. Read from TOML, never changed."""

import tomllib
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from quoter.engine.conditions import Condition
from quoter.engine.examples import Example
from quoter.engine.fees import Fee
from quoter.engine.finding import BookFinding as BookFinding
from quoter.engine.finding import PriceBookInvalid as PriceBookInvalid
from quoter.engine.finding import not_toml, wrong_shapes
from quoter.engine.measure import Measure
from quoter.engine.numbers import (
    CENT,
    Figure,
    Number,
    RoundingMode,
    TypedValues,
    decimal_places,
    multiple_of,
    to_cents,
)
from quoter.engine.quantities import Factor, Factors, Quantity
from quoter.engine.questions import Input, Question
from quoter.engine.taxes import Deposit, Tax, in_force
from quoter.engine.text import Language, Text
from quoter.engine.tiers import Pricing, Tier
from quoter.engine.units import MANY, Unit, UnitName, name_of


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Choice(_Part):
    """One value of an option, such as a strength of 200.

    help, icon: shown beside it. add, rate: what it adds to the unit price, as money and as a fraction. values: numbers
    that rules may use, by name, such as the coverage of a paint.
    """

    code: str
    label: Text
    help: Text | None = None
    icon: str = ""
    add: Figure | None = None
    rate: Figure | None = None
    values: dict[str, Figure] = {}


class Option(_Part):
    """Something a customer chooses about a product, such as its strength."""

    code: str
    label: Text
    choices: tuple[Choice, ...] = Field(min_length=1)
    help: Text | None = None

    def label_of(self, code: str) -> Text:
        return next(choice.label for choice in self.choices if choice.code == code)

    def choice(self, code: str) -> Choice | None:
        for choice in self.choices:
            if choice.code == code:
                return choice
        return None

    @property
    def adds_to_price(self) -> bool:
        """Whether its choices change the unit price by themselves, so that no price list names it."""
        return any(choice.add is not None or choice.rate is not None for choice in self.choices)


def with_choices(price: Decimal, chosen: Iterable[Choice]) -> Decimal:
    """Return the unit price with what the choices add: first money, then per cent, one on top of the other."""
    chosen = tuple(chosen)
    for choice in chosen:
        if choice.add is not None:
            price += choice.add
    for choice in chosen:
        if choice.rate is not None:
            price *= 1 + choice.rate
    return price


class PriceList(_Part):
    """The tiers of one combination of options. minimum, least: instead of the product's own."""

    options: dict[str, str] = {}
    tiers: tuple[Tier, ...] = Field(min_length=1)
    minimum: Figure | None = None
    least: Figure | None = None


class Extra(_Part):
    """Something added to a line by choice: its price is per billed unit, or once per order.

    quantity: another number than the billed one, for what is counted by itself; each: so many of it cost the price;
    rate, of: a part of what these codes of the line have been charged. when: it is offered only then. group: of those
    of one group exactly or at most one is chosen. is_usual: it is on unless it is declined.
    """

    code: str
    label: Text
    help: Text | None = None
    icon: str = ""
    price: Figure = Decimal(0)
    per: Literal["unit", "order", "line"] = "unit"
    quantity: Factors = ()
    unit: str = ""
    each: Figure = Field(default=Decimal(1), gt=0)
    rate: Figure = Decimal(0)
    of: tuple[str, ...] = ("all",)
    when: tuple[Condition, ...] = ()
    group: str = ""
    is_usual: bool = False


class ExtraGroup(_Part):
    """Extras of which exactly one, or at most one, is chosen."""

    code: str
    label: Text
    choose: Literal["one", "at_most_one"]


class Pack(_Part):
    """What a product is sold in, such as boxes of 1.44 m². size: in the product's unit, or the name of a number."""

    name: UnitName
    size: Factor


class Limit(_Part):
    """What is not sold or not priced online, with what the customer reads then."""

    when: tuple[Condition, ...] = Field(min_length=1)
    message: Text


class Product(_Part):
    """A product with its unit, options, prices and extras.

    step, minimum, maximum: quantities in `unit`. A request is rounded to the next step, up unless `round` says
    otherwise, then raised to the minimum; the maximum is the most that is quoted online. With `exact_to`, quantities up
    to it stay as they are. With a pack, whole packs are billed, and the step does not count. not_offered: combinations
    of options that have no price on purpose; a combination that is neither there nor in `prices` is a fault of the
    book. below_minimum: a smaller quantity is raised, or refused. least: the least amount of a line, before extras.
    pricing: as `Tier` has it. tiers_across: whether the tier is chosen by this line or by all lines of the product.
    by_questions: questions about the order whose answers the prices are listed by, like options. inputs, quantities,
    fees, limits: rules of each line. falls: whether more may cost less, which the check reports otherwise. group: the
    heading under which it is offered.
    """

    code: str
    label: Text
    unit: str
    step: Figure
    minimum: Figure
    maximum: Figure
    options: tuple[Option, ...] = ()
    prices: tuple[PriceList, ...] = Field(min_length=1)
    not_offered: tuple[dict[str, str], ...] = ()
    extras: tuple[Extra, ...] = ()
    measures: tuple[Measure, ...] = Field(min_length=1)
    help: Text | None = None
    icon: str = ""
    group: Text | None = None
    round: Literal["up", "down", "nearest"] = "up"
    exact_to: Figure | None = None
    pack: Pack | None = None
    below_minimum: Literal["raise", "refuse"] = "raise"
    least: Figure | None = None
    pricing: Pricing = "unit"
    tiers_across: Literal["line", "product"] = "line"
    falls: bool = False
    by_questions: tuple[str, ...] = ()
    groups: tuple[ExtraGroup, ...] = ()
    inputs: tuple[Input, ...] = ()
    quantities: tuple[Quantity, ...] = ()
    fees: tuple[Fee, ...] = ()
    limits: tuple[Limit, ...] = ()

    @cached_property
    def has_values(self) -> bool:
        """Whether choices of its options have numbers that rules may use."""
        return any(choice.values for option in self.options for choice in option.choices)

    @cached_property
    def adds_to_price(self) -> bool:
        """Whether choices of its options change the unit price by themselves."""
        return any(option.adds_to_price for option in self.options)

    @property
    def priced_options(self) -> tuple[Option, ...]:
        """The options that price lists name."""
        return tuple(option for option in self.options if not option.adds_to_price)

    def tiers(self, options: Mapping[str, str]) -> tuple[Tier, ...]:
        """Return the tiers of a combination of options; () when it is not offered."""
        listed = self.price_list(options)
        return listed.tiers if listed else ()

    def price_list(self, options: Mapping[str, str]) -> PriceList | None:
        """Return the prices of a combination of options; None when it is not offered."""
        for listed in self.prices:
            if listed.options == options:
                return listed
        if self.by_questions or self.adds_to_price:
            keys = {*self.by_questions, *(option.code for option in self.priced_options)}
            named = {code: choice for code, choice in options.items() if code in keys}
            return next((listed for listed in self.prices if listed.options == named), None)
        return None

    def numbers_of(self, options: Mapping[str, str]) -> dict[str, Number]:
        """Return the numbers of the chosen options, by name."""
        numbers: dict[str, Number] = {}
        for option in self.options:
            if choice := option.choice(options.get(option.code, "")):
                numbers |= choice.values
        return numbers

    def measure(self, kind: str | None) -> Measure | None:
        for measure in self.measures:
            if measure.kind == kind:
                return measure
        return None

    def extra(self, code: str) -> Extra | None:
        return next((extra for extra in self.extras if extra.code == code), None)


class Preset(_Part):
    """A kind of work, such as footings, that fills in the options when a customer chooses it.

    help, icon: shown beside it. reason: one sentence that tells the customer why these options. inputs: usual values
    that it fills in, by the names of the helper's inputs, of the choice in its table and of the product's inputs.
    hints: a line beside any of these inputs, instead of the input's own.
    """

    code: str
    label: Text
    product: str
    help: Text | None = None
    icon: str = ""
    options: dict[str, str] = {}
    measure: str | None = None
    reason: Text | None = None
    inputs: TypedValues = {}
    hints: dict[str, Text] = {}


class Rounding(_Part):
    """To what amounts of money are rounded, such as 0.01 or 1, and how."""

    to: Figure = Field(default=CENT, gt=0)
    mode: RoundingMode = "half_up"

    @cached_property
    def is_usual(self) -> bool:
        return self.to == CENT and self.mode == "half_up"


class PriceBook(_Part):
    """Everything that prices are calculated from. validity_days: whole days a quote is valid after the day of issue.

    prices_include_tax: whether the taxes are inside the prices. questions, quantities, fees, limits: about the whole
    order; its quantities and fees may use the sums of those of the lines. units: those that the book names itself.
    """

    name: str
    version: str
    title: Text
    currency: str
    validity_days: int = Field(ge=0, le=366)
    taxes: tuple[Tax, ...] = ()
    prices_include_tax: bool = False
    rounding: Rounding = Rounding()
    products: tuple[Product, ...] = Field(min_length=1)
    presets: tuple[Preset, ...] = ()
    units: tuple[Unit, ...] = ()
    questions: tuple[Question, ...] = ()
    quantities: tuple[Quantity, ...] = ()
    fees: tuple[Fee, ...] = ()
    limits: tuple[Limit, ...] = ()
    deposit: Deposit | None = None
    examples: tuple[Example, ...] = ()

    def product(self, code: str | None) -> Product | None:
        for product in self.products:
            if product.code == code:
                return product
        return None

    def taxes_on(self, day: date) -> tuple[Tax, ...]:
        """Return the taxes in force on a day, as `in_force` does."""
        return in_force(self.taxes, day)

    def tax_on(self, day: date) -> Tax | None:
        """Return the main tax in force on a day; None where the prices have none."""
        return next(iter(self.taxes_on(day)), None)

    def unit_name(self, code: str) -> UnitName:
        """Return how a unit is written: as the book names it, or as everybody does."""
        named = next((unit for unit in self.units if unit.code == code), None) if self.units else None
        return named or name_of(code)

    def unit_text(self, code: str, count: Number = MANY) -> Text:
        if not self.units and count is MANY:
            return name_of(code).many
        return self.unit_name(code).of(count)

    def rounded(self, amount: Number) -> Decimal:
        """Return an amount of money, rounded once, as the book says; never with fewer than two decimals written."""
        if type(amount) is Decimal and self.rounding.is_usual:
            return to_cents(amount)
        exact = multiple_of(self.rounding.to, amount, mode=self.rounding.mode)
        return exact if decimal_places(exact) > 2 else exact.quantize(CENT)

    @property
    def priced_questions(self) -> tuple[Question, ...]:
        """The questions that are asked while the job is priced."""
        return tuple(asked for asked in self.questions if not asked.waits)

    @property
    def checkout_questions(self) -> tuple[Question, ...]:
        """The questions that wait until the customer goes to the chat."""
        return tuple(asked for asked in self.questions if asked.waits)


def parse(toml: str) -> PriceBook:
    """Return the book in a TOML text; PriceBookInvalid names each place that has the wrong shape.

    Amounts are read as exact decimals, quoted or not.
    """
    try:
        return PriceBook.model_validate(tomllib.loads(toml, parse_float=Decimal))
    except tomllib.TOMLDecodeError as error:
        raise PriceBookInvalid([not_toml(toml, error)]) from error
    except ValidationError as error:
        raise PriceBookInvalid(wrong_shapes(error)) from error


def read(path: Path) -> PriceBook:
    """Return the book in a file, as `parse` does; PriceBookInvalid also when the file cannot be read."""
    try:
        return parse(path.read_text(encoding="utf-8-sig"))  # Notepad may begin a file with a byte order mark
    except UnicodeDecodeError as error:
        raise PriceBookInvalid(
            [
                BookFinding(
                    "",
                    "%(path)s cannot be read: it is not saved as UTF-8. In Notepad: Save as, encoding UTF-8.",
                    path=path,
                )
            ]
        ) from error
    except OSError as error:
        raise PriceBookInvalid(
            [BookFinding("", "%(path)s cannot be read: %(reason)s", path=path, reason=error)]
        ) from error


def as_data(book: PriceBook, language: Language | None = None) -> dict[str, Any]:
    """Return the book as JSON values, decimals as text, defaults left out; PriceBook.model_validate reads it back.

    language: with one, its texts are in that language alone.
    """
    return book.model_dump(mode="json", by_alias=True, exclude_defaults=True, context=language)
