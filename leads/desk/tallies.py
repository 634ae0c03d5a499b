"""The figures of one day, and how they add up. Amounts are integer cents."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple, Self

# Beside the keys of users: whoever is not answered yet, and whoever was answered by somebody who has no login here.
NOBODY, UNKNOWN = "—", ""
OTHERS = "…"

_CENT = Decimal("0.01")


class Tally(NamedTuple):
    """Counts. quotes: leads with a phone; people: who asked, each once a day; sales: those with an outcome.

    quoted: cents, of each person the newest quote of the day; sold: cents. A sale counts on the day of its quote.
    discounts: cents before taxes, what sellers have taken off the quotes that count in `quoted`.
    """

    quotes: int = 0
    people: int = 0
    quoted: int = 0
    sales: int = 0
    sold: int = 0
    discounts: int = 0

    def plus(self, other: Iterable[int]) -> Self:
        return type(self)(*map(sum, zip(self, other, strict=True)))

    @property
    def share(self) -> int | None:
        """How much of what was quoted was sold, in per cent; None when nothing was quoted."""
        return round(100 * self.sold / self.quoted) if self.quoted else None


class Group(NamedTuple):
    """People who have something in common, and what they were quoted, in cents."""

    people: int = 0
    amount: int = 0

    def plus(self, other: Iterable[int]) -> Self:
        return type(self)(*map(sum, zip(self, other, strict=True)))


@dataclass(frozen=True, slots=True)
class Day:
    """The figures of the leads quoted on one day, without those that were set aside.

    anonymous: quotes without a phone. sellers: by who answered, a user's key, UNKNOWN or NOBODY. sources, products: by
    utm_source and by the first line's product, "" for none. losses: by reason. minutes: by seller, how many leads were
    answered after so many minutes of business hours.
    """

    anonymous: int = 0
    sellers: dict[str, Tally] = field(default_factory=dict)
    sources: dict[str, Tally] = field(default_factory=dict)
    products: dict[str, Tally] = field(default_factory=dict)
    losses: dict[str, Group] = field(default_factory=dict)
    minutes: dict[str, dict[int, int]] = field(default_factory=dict)

    @property
    def total(self) -> Tally:
        return add(self.sellers.values())

    def as_json(self) -> dict[str, Any]:
        return {
            "anonymous": self.anonymous,
            "sellers": self.sellers,
            "sources": self.sources,
            "products": self.products,
            "losses": self.losses,
            "minutes": self.minutes,
        }

    @classmethod
    def of_json(cls, figures: Mapping[str, Any]) -> Self:
        sellers, sources, products = (
            {name: Tally(*tally) for name, tally in figures[part].items()}
            for part in ("sellers", "sources", "products")
        )
        losses = {reason: Group(*loss) for reason, loss in figures["losses"].items()}
        minutes = {
            seller: {int(minutes): leads for minutes, leads in counts.items()}
            for seller, counts in figures["minutes"].items()
        }
        return cls(figures["anonymous"], sellers, sources, products, losses, minutes)


def add(tallies: Iterable[Tally]) -> Tally:
    total = Tally()
    for tally in tallies:
        total = total.plus(tally)
    return total


def cents(amount: Decimal | None) -> int:
    """Return an amount in cents; 0 for none."""
    return int(amount.quantize(_CENT) * 100) if amount is not None else 0
