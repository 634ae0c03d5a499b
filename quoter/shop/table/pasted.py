"""Quantities and prices copied from a spreadsheet, however its columns are made.

3-5     $2,100.00              desde   hasta   directo     bombeado
6-9     1,999.50               3       5       2,100.00    2,900.00
10+     1.890,00               6               1,999.50    2,700.00
"""

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from quoter.shop.table.numbers import NotANumber, number

_FIGURE = r"(-?\d[\d.,]*)"
_TO = r"\s*(?:-|–|—|\ba\b|\bal\b|\bhasta\b|\bto\b|\by\b)\s*"
_RANGE = re.compile(rf"(?:de|del|desde|from|entre)?\s*{_FIGURE}{_TO}{_FIGURE}", re.IGNORECASE)
_AND_UP = re.compile(
    rf"(?:(?:desde|a partir de|de|from|más de|mas de)\s*)?{_FIGURE}\s*"
    r"(?:\+|o m[aá]s|y m[aá]s|en adelante|and up|or more|and more)?",
    re.IGNORECASE,
)
_UP_TO = re.compile(rf"(?:hasta|up to|máximo|maximo)\s*{_FIGURE}", re.IGNORECASE)
_OPEN_END = re.compile(r"\+|[-–—]|∞|o m[aá]s|y m[aá]s|en adelante|and up|or more|", re.IGNORECASE)
_STARTS = {"desde", "de", "del", "from", "min", "minimo", "cantidad", "rango", "volumen", "quantity", "range"}
_ENDS = {"hasta", "a", "al", "to", "max", "maximo", "until"}


class Band(NamedTuple):
    """A row: from, to ("" for the last one, or where the next row says it), and a price for each column."""

    start: str
    end: str
    prices: tuple[str, ...]


class Pasted(NamedTuple):
    """columns: the names of the prices' columns, () when there is no header; wrong: rows as (number, text)."""

    columns: tuple[str, ...]
    bands: tuple[Band, ...]
    wrong: tuple[tuple[int, str], ...]


def read(text: str, *, step: Decimal, unit: str, columns: int) -> Pasted:
    """Return the rows of a pasted text. step: of the product, which ends a row where the next one begins; columns: of
    prices, where no header says it.
    """
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    names: tuple[str, ...] = ()
    has_ends: bool | None = None
    if lines and (header := _header(lines[0][1], unit, columns)):
        names, has_ends, lines = header[0], header[1], lines[1:]
    bands, wrong = [], []
    for count, line in lines:
        band = _band(line, unit, len(names) or columns, has_ends)
        if band:
            bands.append(band)
        else:
            wrong.append((count, line.strip()))
    return Pasted(names, tuple(_ended(bands, step)), tuple(wrong))


def plain(text: str) -> set[str]:
    """Return the words of a text as they are compared: small letters without accents."""
    bare = "".join(
        letter for letter in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(letter)
    )
    return set(re.findall(r"[a-z0-9]+", bare))


def match(name: str, titles: Sequence[str]) -> int | None:
    """Return the only title that has all words of a column's name; None when there is none, or several."""
    exact = [place for place, title in enumerate(titles) if plain(title) == plain(name)]
    found = exact or [place for place, title in enumerate(titles) if plain(name) and plain(name) <= plain(title)]
    return found[0] if len(found) == 1 else None


def _split(line: str) -> list[str]:
    separator = "\t" if "\t" in line else ";" if ";" in line else "|" if "|" in line else None
    return [part.strip() for part in line.strip(" |" if separator == "|" else " ").split(separator or "\0")]


def _header(line: str, unit: str, columns: int) -> tuple[tuple[str, ...], bool] | None:
    """Return the names of the prices' columns and whether one before them has the ends; None of a row of numbers."""
    parts = _split(line)
    if len(parts) == 1 and not _spaced(line, unit, columns, None) and plain(line.split()[0]) & _STARTS:
        parts = line.split()
    if len(parts) == 1 or _range(parts[0], unit):
        return None
    has_ends = len(parts) > 2 and bool(plain(parts[1]) & _ENDS) and bool(not parts[0] or plain(parts[0]) & _STARTS)
    return tuple(parts[2 if has_ends else 1 :]), has_ends


def _band(line: str, unit: str, columns: int, has_ends: bool | None) -> Band | None:
    parts = _split(line)
    if len(parts) == 1:
        return _spaced(line, unit, columns, has_ends)
    found = _range(parts[0], unit)
    if found is None:
        return None
    start, end = found
    rest = parts[1:]
    if not end and (has_ends or (has_ends is None and len(rest) == columns + 1)):
        try:
            end, rest = _end(rest[0], unit), rest[1:]
        except NotANumber:
            return None
    return _priced(start, end, rest, columns)


def _spaced(line: str, unit: str, columns: int, has_ends: bool | None) -> Band | None:
    """Read a row between spaces: the prices stand at its end, each without a space."""
    words = re.sub(r"\$\s+", "$", line).split()
    for count in (columns, 1):
        head, prices = words[:-count], words[-count:]
        if not head:
            continue
        try:
            found = _range(" ".join(head), unit) or ((number(head[0]), _end(head[1], unit)) if len(head) == 2 else None)
        except NotANumber:
            continue
        if found and (band := _priced(*found, prices, count)):
            return band
    return None


def _priced(start: str, end: str, prices: Sequence[str], columns: int) -> Band | None:
    try:
        read_prices = tuple(number(price) if price else "" for price in prices)
    except NotANumber:
        return None
    return Band(start, end, read_prices) if len(prices) == columns and any(read_prices) else None


def _end(text: str, unit: str) -> str:
    bare = _without_unit(text, unit)
    return "" if _OPEN_END.fullmatch(bare) else number(bare)


def _range(text: str, unit: str) -> tuple[str, str] | None:
    """Return from and to, "" without an end, of "3-5", "3 a 5", "10+", "desde 10", "hasta 5", "7"; None of others."""
    bare = _without_unit(text, unit)
    try:
        if found := _RANGE.fullmatch(bare):
            return number(found[1]), number(found[2])
        if found := _UP_TO.fullmatch(bare):
            return "", number(found[1])
        found = _AND_UP.fullmatch(bare)
        return (number(found[1]), "") if found else None
    except NotANumber:
        return None


def _without_unit(text: str, unit: str) -> str:
    for word in filter(None, (unit, unicodedata.normalize("NFKC", unit))):
        text = re.sub(rf"(?<=[\d\s]){re.escape(word)}(?!\w)", " ", text)
    return " ".join(text.split())


def _ended(bands: list[Band], step: Decimal) -> list[Band]:
    """Let each row without an end go up to where the next one begins, and one without a beginning follow the last."""
    for place, band in enumerate(bands):
        if not band.end and place + 1 < len(bands) and bands[place + 1].start:
            bands[place] = band._replace(end=f"{Decimal(bands[place + 1].start) - step:f}")
        if not band.start and place and bands[place - 1].end:
            bands[place] = bands[place]._replace(start=f"{Decimal(bands[place - 1].end) + step:f}")
    return bands
