"""The lines of a request, and the quote that answers it. Their shapes are those of the HTTP contract.

Fields that a plain price book does not need are written only when they hold something.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from quoter.engine.numbers import canonical, decimal_places, grouped
from quoter.engine.text import Language
from quoter.engine.tiers import Pricing
from quoter.engine.units import unit_text


def _money(amount: Decimal) -> str:
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and exponent >= -2:
        return f"{amount:.2f}"
    return f"{amount:.{max(2, decimal_places(amount))}f}"


def _nothing(value: Any) -> bool:
    return not value


Amount = Annotated[Decimal, PlainSerializer(_money, return_type=str)]
Quantity = Annotated[Decimal, PlainSerializer(canonical, return_type=str)]
Moment = Annotated[datetime, PlainSerializer(lambda at: at.isoformat(timespec="seconds"), return_type=str)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class LineRequest(_Frozen):
    """One line of a request. measure: `kind` and the text of that helper's inputs; inputs: further numbers, as text."""

    product: str = ""
    options: dict[str, str] = Field(default_factory=dict)
    measure: dict[str, str] = Field(default_factory=dict)
    extras: tuple[str, ...] = ()
    inputs: dict[str, str] = Field(default_factory=dict)


class QuotedExtra(_Frozen):
    code: str
    description: str
    amount: Amount


class QuotedFee(_Frozen):
    """A fee, or a discount, whose amount is below zero. explanation: how it came about, in one sentence."""

    code: str
    description: str
    amount: Amount
    explanation: str = ""


class QuoteLine(_Frozen):
    """One line of the bill.

    requested, billed: in `unit`, whose name for so many is unit_name when it is not its own sign; unit_price: as the
    book has it; pricing: whether it is for each unit; amount: base, extras, fees and discounts together.
    """

    product: str
    description: str
    options: dict[str, str]
    measure: dict[str, str]
    requested: Quantity
    billed: Quantity
    unit: str
    unit_price: Amount
    base: Amount
    extras: tuple[QuotedExtra, ...]
    amount: Amount
    explanation: str
    inputs: dict[str, str] = Field(default_factory=dict, exclude_if=_nothing)
    fees: tuple[QuotedFee, ...] = Field(default=(), exclude_if=_nothing)
    discounts: tuple[QuotedFee, ...] = Field(default=(), exclude_if=_nothing)
    unit_name: str = Field(default="", exclude_if=_nothing)
    pricing: Pricing = Field(default="unit", exclude_if=lambda pricing: pricing == "unit")

    def billed_in(self, language: Language, *, at_least: int = 0) -> str:
        """Return the billed quantity with its unit, as people write it: 6 m³, 80 personas.

        at_least: so many decimals are written in any case.
        """
        places = max(at_least, min(3, decimal_places(self.billed)))
        unit = self.unit_name or unit_text(self.unit, self.billed).in_(language)
        return f"{grouped(self.billed, places=places)} {unit}"

    def parts(self) -> Iterator[tuple[str, Decimal]]:
        """Yield every amount of the line with its code, in the order of the bill."""
        yield self.product, self.base
        yield from ((part.code, part.amount) for part in self.added)

    @property
    def added(self) -> tuple["QuotedExtra | QuotedFee", ...]:
        """What comes on top of the base, in the order of the bill."""
        return (*self.extras, *self.fees, *self.discounts)


class PriceBookVersion(_Frozen):
    name: str
    version: str


class QuotedTax(_Frozen):
    """A tax, or all of them together. included: it is inside the prices of the lines, and taken out of the subtotal.

    A retained tax is below zero.
    """

    name: str
    rate: Quantity
    amount: Amount
    included: bool = Field(default=False, exclude_if=_nothing)


class QuotedDeposit(_Frozen):
    description: str
    amount: Amount


class Quote(_Frozen):
    """Lines with their prices, which hold until `valid_until`. Times are aware, in the business's zone.

    language: of its texts; stored beside the quote, and left out of what JSON clients get. answers: to the questions
    about the order; fees, discounts: of the order as a whole; taxes: each by itself, when there are several; deposit:
    what is paid in advance; replaces: the folio of the quote that was changed into this one; seller: the name of the
    member of staff who made it for the customer.
    """

    folio: str
    issued_at: Moment
    valid_until: Moment
    currency: str
    price_book: PriceBookVersion
    lines: tuple[QuoteLine, ...]
    subtotal: Amount
    tax: QuotedTax
    total: Amount
    language: Annotated[Language, Field(exclude=True)]
    answers: dict[str, str] = Field(default_factory=dict, exclude_if=_nothing)
    fees: tuple[QuotedFee, ...] = Field(default=(), exclude_if=_nothing)
    discounts: tuple[QuotedFee, ...] = Field(default=(), exclude_if=_nothing)
    taxes: tuple[QuotedTax, ...] = Field(default=(), exclude_if=_nothing)
    deposit: QuotedDeposit | None = Field(default=None, exclude_if=_nothing)
    replaces: str = Field(default="", exclude_if=_nothing)
    seller: str = Field(default="", exclude_if=_nothing)

    def is_expired(self, now: datetime) -> bool:
        return now > self.valid_until

    @property
    def charged_taxes(self) -> tuple[QuotedTax, ...]:
        """Each tax that is charged; none where the prices have no tax."""
        return tuple(tax for tax in self.taxes or (self.tax,) if tax.rate)

    @property
    def is_taxed(self) -> bool:
        return bool(self.charged_taxes)
