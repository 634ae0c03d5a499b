"""Phones as people write them, and as WhatsApp and the telephone take them. Plain Python."""

import re
from functools import cache

import phonenumbers

from quoter.engine.numbers import digits

# Mexico dropped these in 2019: the trunk prefixes, and the 1 that mobiles had after the country code.
_OLD_MEXICAN = re.compile(r"^(?:(?:\+|00)?52(?:1|01|044|045)|01|044|045)(?=\d{10}$)")

# How many digits at the end are the same however the country code was written. Longer numbers begin with one.
ENDING = 10


def normalise(raw: str, *, region: str) -> str:
    """Return a phone as +E.164 where it reads as one of `region` or of the world, else as it was typed."""
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
    """Return the country of a number that begins with its country code: 526561234567 -> MX."""
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(f"+{number}")) or "MX"
    except phonenumbers.NumberParseException:
        return "MX"


@cache
def readable(number: str) -> str:
    """Write a number that begins with its country code for people: 526561234567 -> +52 656 123 4567."""
    try:
        parsed = phonenumbers.parse(f"+{number}")
    except phonenumbers.NumberParseException:
        return f"+{number}"
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def is_valid(number: str) -> bool:
    """Return whether a number that begins with its country code can be somebody's."""
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(f"+{number}"))
    except phonenumbers.NumberParseException:
        return False


def dialled(phone: str, *, shop: str) -> str:
    """Return a phone as wa.me takes it: digits, country code first.

    shop: the business's own number, which begins with the country code of phones that have none.
    """
    number = digits(phone)
    if phone.startswith("+") or len(number) > ENDING:
        return number
    return f"{phonenumbers.parse(f'+{shop}').country_code}{number}"


def ending(text: str) -> str:
    """Return the last ten digits of a text, fewer where it has no more."""
    return digits(text)[-ENDING:]
