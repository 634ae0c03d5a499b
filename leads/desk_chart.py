"""A day's bars as the desk draws them, in per cent of a picture that is as wide as its page."""

from collections.abc import Sequence
from dataclasses import dataclass

from leads.desk import Row

GAP = 0.2  # of a day's width


@dataclass(frozen=True, slots=True)
class Bar:
    """quotes, leads: heights from the bottom up. All in per cent, as SVG takes them."""

    row: Row
    x: str
    width: str
    quotes: str
    quotes_top: str
    leads: str
    leads_top: str


def bars(days: Sequence[Row]) -> list[Bar]:
    """Return a bar a day, the tallest as high as the picture."""
    tallest = max((day.tally.quotes for day in days), default=0) or 1
    step = 100 / len(days) if days else 0.0

    def bar(place: int, day: Row) -> Bar:
        quotes, leads = 100 * day.tally.quotes / tallest, 100 * day.tally.leads / tallest
        return Bar(
            row=day,
            x=_percent(step * (place + GAP / 2)),
            width=_percent(step * (1 - GAP)),
            quotes=_percent(quotes),
            quotes_top=_percent(100 - quotes),
            leads=_percent(leads),
            leads_top=_percent(100 - leads),
        )

    return [bar(place, day) for place, day in enumerate(days)]


def _percent(value: float) -> str:
    return f"{value:.2f}%"
