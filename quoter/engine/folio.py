"""The folio: a quote's short printed number, minted without the database.

Business-zone date, 40 random bits in Crockford's base 32 (no I, L, O, U), one check character:
261122-7F3K-Q2M9-X. People read it aloud and paste it in any case, with or without dashes.
"""

import re
from datetime import date

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RANDOM_BITS = 40

_LOOKALIKES = str.maketrans({"O": "0", "I": "1", "L": "1"})
_LETTER = "[0-9A-TV-Za-tv-z]"
_DASH = "[ \\-\u2010-\u2015]?"  # people and phones write several kinds of dash
_SPELLING = re.compile(
    rf"(?<![0-9A-Za-z])[0-9OoIiLl]{{6}}{_DASH}{_LETTER}{{4}}{_DASH}{_LETTER}{{4}}{_DASH}{_LETTER}(?![0-9A-Za-z])"
)
_ENDING = re.compile(rf"(?:{_LETTER}{{4}}{_DASH})?{_LETTER}{{4}}{_DASH}{_LETTER}")


class NotAFolio(ValueError):
    """The text does not have the shape of a folio, or its check character is wrong."""


def mint(on: date, *, random_bits: int) -> str:
    """Return the folio for a quote made on a day (business zone) from 40 random bits."""
    if not 0 <= random_bits < 1 << RANDOM_BITS:
        raise ValueError("random_bits must fit in 40 bits.")
    middle = "".join(ALPHABET[random_bits >> shift & 31] for shift in range(RANDOM_BITS - 5, -1, -5))
    return _written(f"{on:%y%m%d}{middle}")


def parse(text: str) -> str:
    """Return the folio as printed, from any spelling of it; NotAFolio unless its check character is right."""
    spelling = _SPELLING.fullmatch(text.strip())
    if not spelling:
        raise NotAFolio(text)
    letters = _letters(spelling[0])
    folio = _written(letters[:-1])
    if folio[-1] != letters[-1]:
        raise NotAFolio(text)
    return folio


def find(text: str) -> str | None:
    """Return the first folio in a text, such as a whole pasted WhatsApp message, or None."""
    for spelling in _SPELLING.finditer(text):
        try:
            return parse(spelling[0])
        except NotAFolio:
            continue
    return None


def ending(text: str) -> str | None:
    """Return the last part of a folio as printed, Q2M9-X, with the one before it if that is given, too.

    None for what is no such part, and for what is rather a word or a number: without a dash, it has letters and digits.
    """
    text = text.strip()
    if not _ENDING.fullmatch(text):
        return None
    has_dash, has_digit = bool(re.search("[-\u2010-\u2015]", text)), any(letter.isdigit() for letter in text)
    if not has_dash and not (has_digit and any(letter.isalpha() for letter in text)):
        return None
    letters = _letters(text)
    return "-".join(filter(None, (letters[:-5], letters[-5:-1], letters[-1])))


def _letters(spelling: str) -> str:
    return re.sub(r"[^0-9A-Z]", "", spelling.upper()).translate(_LOOKALIKES)


def _written(body: str) -> str:
    return f"{body[:6]}-{body[6:10]}-{body[10:]}-{_check_character(body)}"


def _check_character(body: str) -> str:
    """Horner's rule over GF(32), x^5 + x^2 + 1: detects any one wrong character and any two swapped ones."""
    check = 0
    for letter in body:
        check = _times_x(check) ^ ALPHABET.index(letter)
    return ALPHABET[_times_x(check)]


def _times_x(element: int) -> int:
    element <<= 1
    return element ^ 0b100101 if element & 32 else element
