"""The lines of a request, and the quote that answers it. Their shapes are those of the HTTP contract."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from quoter.engine.numbers import canonical
from quoter.engine.text import Language

Amount = Annotated[Decimal, PlainSerializer(lambda amount: f"{amount:.2f}", return_type=str)]
Quantity = Annotated[Decimal, PlainSerializer(canonical, return_type=str)]
Moment = Annotated[datetime, PlainSerializer(lambda at: at.isoformat(timespec="seconds"), return_type=str)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class LineRequest(_Frozen):
    """One line of a request. measure: `kind` and the text of that helper's inputs."""

    product: str = ""
    options: dict[str, str] = {}
    measure: dict[str, str] = {}
    extras: tuple[str, ...] = ()


class QuotedExtra(_Frozen):
    code: str
    description: str
    amount: Amount


class QuoteLine(_Frozen):
    """One line of the bill. requested, billed: in `unit`; unit_price: before tax; amount: base and extras."""

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


class PriceBookVersion(_Frozen):
    name: str
    version: str


class QuotedTax(_Frozen):
    name: str
    rate: Quantity
    amount: Amount


class Quote(_Frozen):
    """Lines with their prices, which hold until `valid_until`. Times are aware, in the business's zone.

    language: of its texts; stored beside the quote, and left out of what JSON clients get.
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

    def is_expired(self, now: datetime) -> bool:
        return now > self.valid_until
