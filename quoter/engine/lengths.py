"""Reads lengths as people type them, in any unit: 20 ft, 4", 1/2 in, 20' 6", 6.5 m; exact in the unit of the field."""

import re
import unicodedata
from decimal import Decimal
from fractions import Fraction

from quoter.engine.numbers import (
    EMPTY,
    MAX_LENGTH,
    MAX_TYPED,
    NumberUnclear,
    as_decimal,
    canonical,
    parse_decimal,
    written,
)
from quoter.engine.text import Text

# One of each unit in metres.
_METRES = {
    "mm": Fraction("0.001"),
    "cm": Fraction("0.01"),
    "m": Fraction(1),
    "km": Fraction(1000),
    "in": Fraction("0.0254"),
    "ft": Fraction("0.3048"),
    "yd": Fraction("0.9144"),
    "mi": Fraction("1609.344"),
    "mile": Fraction("1609.344"),
}
# How people write them, in lower case and without accents.
_SPELLINGS = {
    "mm": "mm milimetro milimetros millimeter millimeters millimetre millimetres",
    "cm": "cm cms centimetro centimetros centimeter centimeters centimetre centimetres",
    "m": "m mt mts ml metro metros meter meters metre metres",
    "km": "km kms kilometro kilometros kilometer kilometers kilometre kilometres",
    "in": "in ins inch inches pulgada pulgadas pulg plg \" ''",
    "ft": "ft feet foot pie pies '",
    "yd": "yd yds yard yards yarda yardas",
    "mi": "mi mile miles milla millas",
}
_UNIT_OF = {word: unit for unit, words in _SPELLINGS.items() for word in words.split()}
_MARKS = str.maketrans("’‘′´`”“″⁄", "'''''\"\"\"/")
# A number, a fraction or both, as in 3 1/2, and a unit.
_PART = re.compile(
    r"(?:(?P<number>[0-9.,]+)(?![0-9/]))? ?(?:(?P<top>[0-9]+)/(?P<bottom>[0-9]+))? ?(?P<unit>[a-z]+\.?|''|[\"'])? ?"
)
# Longer than 12 pies 11 15/16 pulgadas.
_MOST_TYPED = 60

UNCLEAR = Text(
    es="No entendimos «{typed}». Escribe por ejemplo 6.5 m, 10 cm, 20 ft o 4 in.",
    en="We could not read “{typed}”. Enter for example 6.5 m, 10 cm, 20 ft or 4 in.",
)


def parse_quantity(typed: str, *, unit: str) -> Decimal:
    """Return the number that a person typed, in the unit of the field, as `parse_decimal` does.

    In a field of a length, any other length is converted: exactly, or where no decimal can write it, as in 1/3 in, to
    the sixth place.
    """
    try:
        return parse_decimal(typed, unit=unit)
    except NumberUnclear as unclear:
        if unit not in _METRES or len(typed) > MAX_TYPED or unclear.message == EMPTY:
            raise
        return _length(_plain(typed), unit, unclear)


def is_length(unit: str) -> bool:
    """Return whether a field of this unit takes lengths of any unit."""
    return unit in _METRES


def converted(typed: str, *, unit: str) -> str:
    """Return what a length of another unit was read as: 20 ft = 6.096 m; "" for every other text."""
    if unit not in _METRES:
        return ""
    try:
        number = parse_quantity(typed, unit=unit)
    except NumberUnclear:
        return ""
    try:
        parse_decimal(typed, unit=unit)
    except NumberUnclear:
        return f"{' '.join(typed.split())} = {written(number)} {unit}"
    return ""


def _plain(typed: str) -> str:
    """Return a text in lower case, without accents and invisible characters, with one kind of each mark and space."""
    apart = (f" {each}" if unicodedata.decomposition(each).startswith("<fraction>") else each for each in typed)
    letters = unicodedata.normalize("NFKD", "".join(apart).translate(_MARKS)).translate(_MARKS).casefold()
    seen = "".join(each for each in letters if unicodedata.category(each) not in ("Cf", "Mn"))
    return " ".join(seen.split()).replace(" /", "/").replace("/ ", "/")


def _length(text: str, unit: str, unclear: NumberUnclear) -> Decimal:
    """Return a length in a unit. unclear: what is wrong with the text as a plain number."""
    refusal = NumberUnclear(UNCLEAR.fill(typed=text[:MAX_LENGTH]))
    parts = _parts(text)
    if not parts or len(text) > _MOST_TYPED:
        raise refusal
    words = [word for _number, word in parts]
    if words == [None] and "/" not in text:
        raise unclear
    units = [unit if word is None and len(parts) == 1 else _UNIT_OF.get(word or "") for word in words]
    if len(parts) == 2 and units[0] == "ft" and words[1] is None:
        units[1] = "in"
    sizes = [_METRES[each] for each in units if each]
    if len(sizes) < len(parts) or len(parts) > 2 or sizes != sorted(sizes, reverse=True) or len({*sizes}) < len(sizes):
        raise refusal
    metres = sum((number * size for (number, _word), size in zip(parts, sizes, strict=True)), Fraction(0))
    result = as_decimal(metres / _METRES[unit])
    if len(canonical(result)) > MAX_LENGTH:  # it has to be read again from the stored quote
        raise refusal
    return result


def _parts(text: str) -> list[tuple[Fraction, str | None]]:
    """Return the numbers in a text, each with the word or sign after it; [] when there is anything else in it."""
    parts: list[tuple[Fraction, str | None]] = []
    at = 0
    while at < len(text):
        found = _PART.match(text, at)
        if not found or not (found["number"] or found["top"]) or (found["top"] and not int(found["bottom"])):
            return []
        number = Fraction(parse_decimal(found["number"])) if found["number"] else Fraction(0)
        if found["top"]:
            number += Fraction(int(found["top"]), int(found["bottom"]))
        parts.append((number, found["unit"] and found["unit"].rstrip(".")))
        at = found.end()
    return parts
