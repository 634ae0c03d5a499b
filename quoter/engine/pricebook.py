"""The price book: what is sold, in what steps and tiers, at what price and tax. Read from TOML, never changed."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from quoter.engine.measure import Measure, Unit
from quoter.engine.numbers import Figure
from quoter.engine.text import Language, Text

DOT_PLEASE = "Numbers take a decimal point and no comma: 189.00, 1890.00."


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Choice(_Part):
    """One value of an option, such as a strength of 200."""

    code: str
    label: Text


class Option(_Part):
    """Something a customer chooses about a product, such as its strength."""

    code: str
    label: Text
    choices: tuple[Choice, ...] = Field(min_length=1)

    def label_of(self, code: str) -> Text:
        return next(choice.label for choice in self.choices if choice.code == code)


class Tier(_Part):
    """A unit price before tax, for billed quantities from `start` to `end`, both included; without end: and above."""

    start: Figure = Field(alias="from")
    end: Figure | None = Field(default=None, alias="to")
    price: Figure

    def covers(self, billed: Decimal) -> bool:
        return self.start <= billed and (self.end is None or billed <= self.end)


class PriceList(_Part):
    """The tiers of one combination of options."""

    options: dict[str, str] = {}
    tiers: tuple[Tier, ...] = Field(min_length=1)


class Extra(_Part):
    """Something added to a line: its price is per billed unit, or once per order."""

    code: str
    label: Text
    help: Text | None = None
    price: Figure
    per: Literal["unit", "order"] = "unit"


class Product(_Part):
    """A product with its unit, options, prices and extras.

    step, minimum, maximum: quantities in `unit`. A request is rounded up to the next step, then raised to the minimum;
    the maximum is the most that is quoted online. not_offered: combinations of options that have no price on purpose;
    a combination that is neither there nor in `prices` is a fault of the book.
    """

    code: str
    label: Text
    unit: Unit
    step: Figure
    minimum: Figure
    maximum: Figure
    options: tuple[Option, ...] = ()
    prices: tuple[PriceList, ...] = Field(min_length=1)
    not_offered: tuple[dict[str, str], ...] = ()
    extras: tuple[Extra, ...] = ()
    measures: tuple[Measure, ...] = Field(min_length=1)

    def tiers(self, options: Mapping[str, str]) -> tuple[Tier, ...]:
        """Return the tiers of a combination of options; () when it is not offered."""
        return next((listed.tiers for listed in self.prices if listed.options == dict(options)), ())

    def measure(self, kind: str | None) -> Measure | None:
        return next((measure for measure in self.measures if measure.kind == kind), None)

    def extra(self, code: str) -> Extra | None:
        return next((extra for extra in self.extras if extra.code == code), None)


class Tax(_Part):
    """A tax on the subtotal, as a fraction, from its first day to its last, both included.

    Without a last day it applies until the next tax begins.
    """

    name: str
    rate: Figure
    start: date = Field(alias="from")
    end: date | None = Field(default=None, alias="until")


class Preset(_Part):
    """A kind of work, such as footings, that fills in the options when a customer chooses it.

    reason: one sentence that tells the customer why these options.
    """

    code: str
    label: Text
    product: str
    options: dict[str, str] = {}
    measure: str | None = None
    reason: Text | None = None


class UsedByLine(NamedTuple):
    """The part of a book that one line of a quote uses."""

    product: str
    options: Mapping[str, str]
    measure: str
    extras: Iterable[str]


class PriceBook(_Part):
    """Everything that prices are calculated from. validity_days: whole days a quote is valid after the day of issue."""

    name: str
    version: str
    title: Text
    currency: str
    validity_days: int = Field(ge=0, le=366)
    taxes: tuple[Tax, ...] = Field(min_length=1)
    products: tuple[Product, ...] = Field(min_length=1)
    presets: tuple[Preset, ...] = ()

    def product(self, code: str | None) -> Product | None:
        return next((product for product in self.products if product.code == code), None)

    def tax_on(self, day: date) -> Tax:
        """Return the tax in force on a day in the business's time zone.

        When none is, the last one before that day goes on applying; before the first one begins, the first one does.
        A date that has passed must not stop the shop. The lint finds a gap between two taxes; a system check warns
        when the last one has ended.
        """
        begun = [tax for tax in self.taxes if tax.start <= day]
        return max(begun, key=lambda tax: tax.start) if begun else min(self.taxes, key=lambda tax: tax.start)

    def excerpt(self, lines: Iterable[UsedByLine], *, on: date, language: Language) -> Self:
        """Return the part of the book that the lines use: a small book that will always give the same quote.

        Its texts are in one language. Its helpers have no bounds, because the lines have passed them already.
        """
        used = list(lines)
        part = self.model_copy(
            update={
                "taxes": (self.tax_on(on),),
                "products": tuple(
                    _excerpt_of_product(product, lines_of_it)
                    for product in self.products
                    if (lines_of_it := [line for line in used if line.product == product.code])
                ),
                "presets": (),
            }
        )
        translated: Self = _in_one_language(language, part)
        return translated


def _in_one_language(language: Language, part: Any) -> Any:
    if isinstance(part, Text):
        return Text.model_validate(part.in_(language))
    if isinstance(part, BaseModel):
        return part.model_copy(
            update={name: _in_one_language(language, getattr(part, name)) for name in type(part).model_fields}
        )
    return tuple(_in_one_language(language, member) for member in part) if isinstance(part, tuple) else part


def _excerpt_of_product(product: Product, lines: list[UsedByLine]) -> Product:
    combinations = [dict(line.options) for line in lines]
    extras = {code for line in lines for code in line.extras}
    return product.model_copy(
        update={
            "options": tuple(
                option.model_copy(
                    update={
                        "choices": tuple(
                            choice
                            for choice in option.choices
                            if any(combination.get(option.code) == choice.code for combination in combinations)
                        )
                    }
                )
                for option in product.options
            ),
            "prices": tuple(listed for listed in product.prices if listed.options in combinations),
            "not_offered": (),
            "extras": tuple(
                extra.model_copy(update={"help": None}) for extra in product.extras if extra.code in extras
            ),
            "measures": tuple(
                measure.model_copy(update={"bounds": {}})
                for measure in product.measures
                if any(line.measure == measure.kind for line in lines)
            ),
        }
    )


class BookFinding(NamedTuple):
    """Something wrong with a price book, and its place in the file, as in products[0].prices[3].tiers[1]."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


class PriceBookInvalid(ValueError):
    """No quote can be made from the file. findings: everything that is wrong with it."""

    def __init__(self, findings: Iterable[BookFinding]) -> None:
        self.findings = tuple(findings)
        super().__init__("; ".join(map(str, self.findings)))


def parse(toml: str) -> PriceBook:
    """Return the book in a TOML text; PriceBookInvalid names each place that has the wrong shape.

    Amounts are read as exact decimals, quoted or not.
    """
    try:
        return PriceBook.model_validate(tomllib.loads(toml, parse_float=Decimal))
    except tomllib.TOMLDecodeError as error:
        raise PriceBookInvalid([BookFinding("", f"not TOML: {error}{_advice(toml, error)}")]) from error
    except ValidationError as error:
        raise PriceBookInvalid(_wrong_shapes(error)) from error


def _wrong_shapes(error: ValidationError) -> Iterator[BookFinding]:
    paths = [fault["loc"] for fault in error.errors()]
    for fault in error.errors():
        # After one fault inside a list, pydantic also calls the list, and each list around it, too short.
        if not any(path != fault["loc"] and path[: len(fault["loc"])] == fault["loc"] for path in paths):
            advice = f". {DOT_PLEASE}" if fault["type"] == "decimal_parsing" and "," in str(fault["input"]) else ""
            yield BookFinding(place_of(fault["loc"]), f"{fault['msg']}{advice}")


def _advice(toml: str, error: tomllib.TOMLDecodeError) -> str:
    """Return what to do about a comma in a number or a typographic quote in the line that is not TOML."""
    found = re.search(r"at line (\d+),", str(error))
    line = toml.split("\n")[int(found[1]) - 1] if found else ""
    if re.search(r"=\s*[-+]?\d+,\d", line):
        return f". {DOT_PLEASE}"
    return '. Texts stand in straight quotes, as in "this".' if re.search("[“”„«‘’]", line) else ""


def read(path: Path) -> PriceBook:
    """Return the book in a file, as `parse` does; PriceBookInvalid also when the file cannot be read."""
    try:
        return parse(path.read_text(encoding="utf-8-sig"))  # Notepad may begin a file with a byte order mark
    except UnicodeDecodeError as error:
        message = f"{path} cannot be read: it is not saved as UTF-8. In Notepad: Save as, encoding UTF-8."
        raise PriceBookInvalid([BookFinding("", message)]) from error
    except OSError as error:
        raise PriceBookInvalid([BookFinding("", f"{path} cannot be read: {error}")]) from error


def as_data(book: PriceBook) -> dict[str, Any]:
    """Return the book as JSON values, decimals as text, defaults left out; PriceBook.model_validate reads it back."""
    return book.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def place_of(path: Iterable[str | int]) -> str:
    """Write a path into the file: products, 0, prices -> products[0].prices."""
    place = ""
    for step in path:
        place += f"[{step}]" if isinstance(step, int) else f".{step}" if place else step
    return place
