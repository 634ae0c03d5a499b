"""Whether the number in WHATSAPP_NUMBER can be the shop's, whom every customer's message goes to."""

import importlib.resources
import zoneinfo
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import phonenumbers
from phonenumbers import PhoneNumberFormat

from leads import phones

# People of these countries leave the country code out, and read each other's numbers as their own.
_NEIGHBOURS = {"MX": ("MX", "US"), "US": ("US", "MX")}


class NumberFault(NamedTuple):
    """is_certain: the number cannot be right; otherwise it may be one that is too new to be known."""

    found: str
    cure: str
    is_certain: bool


def fault(number: str, *, has_plus: bool, zone: str) -> NumberFault | None:
    """Return what is wrong with a shop's number, or None.

    number: digits, as settings.WHATSAPP_NUMBER; has_plus: whether it was written with a plus, so that its country code
    is meant; zone: the shop's time zone, which says its country.
    """
    is_valid = phones.is_valid(number)
    code = 0 if has_plus else _missing_code(number, country=country_of(zone))
    if code:
        reached = f"{phones.readable(number)} ({phones.region_of(number)})" if is_valid else "nobody's"
        return NumberFault(
            f"WHATSAPP_NUMBER, {number}, has no country code: customers are sent to +{number}, which is {reached}",
            f"Set WHATSAPP_NUMBER={code}{number}, or write +{number} if that country is meant.",
            is_certain=True,
        )
    if is_valid:
        return None
    return NumberFault(
        f"WHATSAPP_NUMBER, {number}, does not exist, so no customer reaches a chat",
        "Set WHATSAPP_NUMBER to the business's, country code first; Mexico's is 52 and ten digits.",
        is_certain=not _is_possible(number),
    )


@lru_cache
def country_of(zone: str) -> str:
    """Return the country of a time zone, as two letters, or "" when it is not known: America/Ciudad_Juarez -> MX."""
    for line in _zone_table().splitlines():
        if not line.startswith("#") and line.split("\t")[2:3] == [zone]:
            return line[:2]
    return ""


def _zone_table() -> str:
    for directory in zoneinfo.TZPATH:
        if (table := Path(directory, "zone.tab")).is_file():
            return table.read_text(encoding="utf-8")
    try:
        return importlib.resources.files("tzdata").joinpath("zoneinfo", "zone.tab").read_text(encoding="utf-8")
    except (ImportError, OSError):
        return ""


def _missing_code(number: str, *, country: str) -> int:
    """Return the country code that a number lacks, or 0: it is one of the shop's country, or of its neighbours."""
    if not country or _is_of(f"+{number}", country):
        return 0
    for region in _NEIGHBOURS.get(country, (country,)):
        code = phonenumbers.country_code_for_region(region)
        if _is_of(f"+{code}{number}", region):
            return code
    return 0


def _is_of(international: str, region: str) -> bool:
    try:
        parsed = phonenumbers.parse(international)
    except phonenumbers.NumberParseException:
        return False
    # What is left out while it is parsed is a second country code.
    is_whole = phonenumbers.format_number(parsed, PhoneNumberFormat.E164) == international
    return is_whole and phonenumbers.is_valid_number_for_region(parsed, region)


def _is_possible(number: str) -> bool:
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(f"+{number}"))
    except phonenumbers.NumberParseException:
        return False
