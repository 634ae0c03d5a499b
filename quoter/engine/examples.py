"""Examples in a price book: a request and what it has to come to, to the cent."""

from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from quoter.engine.numbers import Figure, TypedValues, as_typed
from quoter.engine.quote import LineRequest


class Example(BaseModel):
    """A request with its result. say: in words; on: the day of the quote; amounts: by the code of product, extra, fee.

    subtotal, tax, total, deposit, amounts: what is left out is not compared. refused: the field, as in
    lines.0.inputs.people, of a request that is not priced.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    say: str
    on: date = date(2026, 1, 15)
    lines: Annotated[tuple[LineRequest, ...], BeforeValidator(as_typed)]
    answers: TypedValues = {}
    amounts: dict[str, Figure] = {}
    subtotal: Figure | None = None
    tax: Figure | None = None
    total: Figure | None = None
    deposit: Figure | None = None
    refused: str = ""

    @property
    def expected(self) -> dict[str, Any]:
        """Return the figures that are given, by name."""
        named = {"subtotal": self.subtotal, "tax": self.tax, "total": self.total, "deposit": self.deposit}
        return {**{name: figure for name, figure in named.items() if figure is not None}, **self.amounts}
