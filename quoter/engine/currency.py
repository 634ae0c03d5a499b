"""Currencies of ISO 4217: their sign and decimals, as CLDR has them."""

from functools import lru_cache
from typing import NamedTuple

from babel.numbers import get_currency_precision, get_currency_symbol, list_currencies


class Currency(NamedTuple):
    """sign: written before an amount, "" when the code alone is usual; places: decimals of an ordinary price."""

    sign: str
    places: int


def exists(code: str) -> bool:
    """Return whether ISO 4217 has the code, as MXN."""
    return code in list_currencies()


@lru_cache
def of(code: str) -> Currency:
    """Return the sign and decimals of a currency; those of an unknown one are none and two.

    The code stands beside every total, so all dollars and pesos have the short sign $ and not MX$ or A$.
    """
    sign = get_currency_symbol(code, "en")
    if sign.endswith("$"):
        sign = "$"
    return Currency("" if sign in (code, "¤") else sign, get_currency_precision(code))
