"""Convert phones between the way people write them and the forms that WhatsApp and E.164 need. Plain Python."""

import re
from functools import cache

import phonenumbers

from quoter.engine.numbers import digits

# Mexico dropped these in 2019: the trunk prefixes, and the 1 of mobile phones after the country code.
_OLD_MEXICAN = re.compile(r"^(?:(?:\+|00)?52(?:1|01|044|045)|01|044|045)(?=\d{10}$)")

# How many digits at the end do not depend on how the country code was written. A longer number has a country code.
ENDING = 10


def normalise(raw: str, *, region: str) -> str:
    """Return a phone as +E.164 when it is a valid number of `region` or an international one, else as typed."""
    plus = "+" if re.match(r"\D*\+", raw) else ""
    number = _OLD_MEXICAN.sub("+52", plus + digits(raw))
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return raw
    if not phonenumbers.is_valid_number(parsed):
        return raw
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


@cache
def region_of(number: str) -> str:
    """Return the country of a number that begins with its country code: 526561234567 -> MX. MX when unknown."""
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(f"+{number}")) or "MX"
    except phonenumbers.NumberParseException:
        return "MX"


@cache
def readable(number: str) -> str:
    """Format a number that begins with its country code: 526561234567 -> +52 656 123 4567."""
    try:
        parsed = phonenumbers.parse(f"+{number}")
    except phonenumbers.NumberParseException:
        return f"+{number}"
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def is_valid(number: str) -> bool:
    """Return whether a number that begins with its country code is valid."""
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(f"+{number}"))
    except phonenumbers.NumberParseException:
        return False


def dialled(phone: str, *, shop: str) -> str:
    """Return a phone in the form of wa.me links: digits only, with the country code.

    shop: the business's own number; its country code is used for phones that have none.
    """
    number = digits(phone)
    if phone.startswith("+") or len(number) > ENDING:
        return number
    return f"{phonenumbers.parse(f'+{shop}').country_code}{number}"


def ending(text: str) -> str:
    """Return the last ten digits of a text, or all when it has fewer."""
    return digits(text)[-ENDING:]
