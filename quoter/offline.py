"""What the calculator needs to go on in the browser when no server can be asked (static/quoter/offline.js)."""

from dataclasses import replace
from typing import Any

from quoter.engine import measure, numbers, pricing
from quoter.engine.pricebook import PriceBook, as_data
from quoter.engine.text import Language
from quoter.forms import LineView, LineViews, TypedLine

_TEXTS = {
    "EMPTY": numbers.EMPTY,
    "UNREADABLE": numbers.UNREADABLE,
    "AMBIGUOUS": numbers.AMBIGUOUS,
    "DOT_PLEASE": numbers.DOT_PLEASE,
    "OUT_OF_BOUNDS": measure.OUT_OF_BOUNDS,
    "INPUT_NOT_POSITIVE": measure.NOT_POSITIVE,
    "NOT_A_CHOICE": measure.NOT_A_CHOICE,
    "NO_LINES": pricing.NO_LINES,
    "TOO_MANY_LINES": pricing.TOO_MANY_LINES,
    "UNKNOWN_PRODUCT": pricing.UNKNOWN_PRODUCT,
    "UNKNOWN_CHOICE": pricing.UNKNOWN_CHOICE,
    "UNKNOWN_MEASURE": pricing.UNKNOWN_MEASURE,
    "UNKNOWN_EXTRA": pricing.UNKNOWN_EXTRA,
    "NOT_OFFERED": pricing.NOT_OFFERED,
    "NOT_OFFERED_WITH_ANY": pricing.NOT_OFFERED_WITH_ANY,
    "NOT_OFFERED_ALONE": pricing.NOT_OFFERED_ALONE,
    "NOT_POSITIVE": pricing.NOT_POSITIVE,
    "TOO_MUCH": pricing.TOO_MUCH,
    "ALREADY_CHARGED": pricing.ALREADY_CHARGED,
}
# The number of a line that has none yet: the browser puts the right one in its place, as in that of the next, which
# people read.
NO_NUMBER = 70919


def blank_lines(book: PriceBook, *, language: Language) -> list[LineView]:
    """Return a line of each product, unfolded, for the browser to copy and fill in."""
    views = LineViews(book, [], language)
    blank = [replace(TypedLine.fresh(product), is_edited=True) for product in book.products]
    return [replace(view, is_begun=True) for line in blank for view in views.of([line], [None], first=NO_NUMBER)]


def engine_data(book: PriceBook, *, language: Language) -> dict[str, Any]:
    """Return, as JSON values, what static/quoter/engine.js prices with as `pricing.price` does.

    The book, the rules of measuring, and what is said, in one language where it has two.
    """
    return {
        "language": language,
        "book": as_data(book),
        "rules": {
            "known": measure.KNOWN,
            "quantities": measure.QUANTITIES,
            "inputs_of": measure.INPUTS_OF,
            "units": {unit: measure.unit_text(unit).in_(language) for unit in measure.UNITS},
            "inputs": {
                name: {
                    "unit": measure.unit_text(spec.unit).in_(language),
                    "in_metres": str(spec.in_metres),
                    "label": spec.label.in_(language),
                }
                for name, spec in measure.INPUTS.items()
            },
        },
        "texts": {key: text.in_(language) for key, text in _TEXTS.items()},
    }
