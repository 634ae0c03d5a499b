"""Phones as people write them, and as WhatsApp and the telephone take them."""

import re
import unicodedata

import phonenumbers

# Mexico dropped these: the trunk prefixes of 2019, and the 1 that mobiles had after the country code.
_TRUNK_PREFIX = re.compile(r"^(?:044|045|01)(?=\d{10}$)")
_OLD_MOBILE = re.compile(r"^\+?521(?=\d{10}$)")


def digits(raw: str) -> str:
    """Return the digits of a text, of any script, as 0 to 9."""
    return "".join(str(unicodedata.decimal(letter)) for letter in raw if letter.isdecimal())


def normalise(raw: str, *, region: str) -> str:
    """Return a phone as +E.164 where it reads as one of `region` or of the world, else as it was typed."""
    plus = "+" if raw.lstrip().startswith("+") else ""
    number = _OLD_MOBILE.sub("+52", _TRUNK_PREFIX.sub("", plus + digits(raw)))
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return raw
    if not phonenumbers.is_valid_number(parsed):
        return raw
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def region_of(number: str) -> str:
    """Return the country of a number that begins with its country code: 526561234567 -> MX."""
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(f"+{number}")) or "MX"
    except phonenumbers.NumberParseException:
        return "MX"
