"""Reads single JSON values of a `quote_data`, whatever they are."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

# Beyond any real quote. Larger numbers can take megabytes to print.
MOST_DIGITS = 30
MOST_DECIMALS = 100


def mapping(value: object) -> Mapping[str, Any]:
    """Return a JSON object, or an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}


def listed(value: object) -> list[Any]:
    """Return a JSON array, or an empty one in place of anything else."""
    return value if isinstance(value, list) else []


def text(value: object) -> str:
    """Return a text, or "" in place of anything else."""
    return value if isinstance(value, str) else ""


def figure(value: object) -> Decimal | None:
    """Return a number, or None. This site stores them as text; adopted tables may have JSON numbers."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = Decimal(value if isinstance(value, str) else str(value))
    except (ValueError, ArithmeticError):
        return None
    return number if is_plausible(number) else None


def is_plausible(number: Decimal) -> bool:
    """Return whether a number is finite and short enough to print."""
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and number.adjusted() < MOST_DIGITS and exponent > -MOST_DECIMALS
