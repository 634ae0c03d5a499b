"""The cells of a price book: everything in it that an owner may read and change, in the document's order.

It knows TOML and hardly a field, so what the language of the book learns is in the table, too. What only says how parts
of the book belong together (codes, formulas, names of numbers) is no cell.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from quoter.engine.text import Language
from quoter.shop.table import rows

Kind = Literal["number", "rate", "text", "date", "choice"]
TIERS = "tiers"
TIER_BOUNDS = ("from", "to", "above", "below")  # each may be left out
CHOICES: dict[str, tuple[str, ...]] = {
    "per": ("unit", "order", "line"),
    "round": ("up", "down", "nearest"),
    "below_minimum": ("raise", "refuse"),
    "pricing": ("unit", "flat", "graduated"),
    "tiers_across": ("line", "product"),
    "choose": ("one", "at_most_one"),
}
# Numbers that may be quoted, and those that may be below zero.
_QUOTED = {"price", "rate", "step", "minimum", "maximum", "from", "to", "least", "factor"}
_SIGNED = {"fees", "choices"}
_SKIPPED = {rows.KEY, "name", "version", "currency", rows.EXAMPLES, "code", "icon", "usual", "not_offered"}
# A text may be one for both languages.
_TEXTS = {"title", "label", "help", "hint", "message", "reason", "beyond", "group", "one", "many"}
_FIGURE = re.compile(r"-?\d+(\.\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Row:
    """A table in a list of the book. name: the list's; title: what people call it; above: the rows that it is in."""

    path: str
    name: str
    title: str
    data: Mapping[str, Any]
    above: tuple["Row", ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """rows: those that it is in, the widest first; names: its fields below the last of them; text: as written."""

    path: str
    rows: tuple[Row, ...]
    names: tuple[str, ...]
    kind: Kind
    text: str

    @property
    def field(self) -> str:
        """The name of the field that it is, or is the language or the place of."""
        return next((name for name in reversed(self.names) if name not in ("es", "en") and not name.isdecimal()), "")

    @property
    def is_signed(self) -> bool:
        return any(row.name in _SIGNED for row in self.rows)


def walk(data: Mapping[str, Any], language: Language) -> Iterator[Row | Cell]:
    """Yield every row before its cells. A cell may be empty: the end of a last tier, the price of a new one."""
    for name, value in data.items():
        if name not in _SKIPPED:
            yield from _walk(value, name, (), (name,), language)


def cells(data: Mapping[str, Any], language: Language) -> list[Cell]:
    return [each for each in walk(data, language) if isinstance(each, Cell)]


def bounds_of(tier: Mapping[str, Any]) -> tuple[str, str]:
    """Return the names of a tier's bounds: from and to, or above and below."""
    return ("above" if "above" in tier else "from"), ("below" if "below" in tier else "to")


def said(text: Any, language: Language) -> str:
    """Return a text of the book in a language, or else in the other one."""
    return str(text.get(language) or next(iter(text.values()), "")) if isinstance(text, dict) else str(text)


def _walk(value: Any, path: str, above: tuple[Row, ...], names: tuple[str, ...], language: Language) -> Iterator[Any]:
    if rows.is_rows(value):
        for each in value:
            row = Row(f"{path}[{each[rows.KEY]}]", names[-1], _title(each, names[-1], above, language), each, above)
            yield row
            yield from _fields(each, row.path, (*above, row), (), language)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _walk(each, f"{path}[{number}]", above, (*names, str(number)), language)
    elif isinstance(value, dict):
        yield from _fields(value, path, above, names, language)
    elif kind := _kind(value, names):
        yield Cell(path, above, names, kind, str(value).lower() if isinstance(value, bool) else str(value))


def _fields(
    table: Mapping[str, Any], path: str, above: tuple[Row, ...], names: tuple[str, ...], language: Language
) -> Iterator[Any]:
    is_tier = bool(above) and above[-1].name == TIERS and not names
    skipped = _SKIPPED - ({"name"} if above and above[-1].name == "taxes" else set())
    if is_tier:  # a bound that is missing can be filled in
        first = bounds_of(table)
        table = {**dict.fromkeys(first, ""), **({} if "rate" in table else {"price": ""}), **table}
        table = {name: table[name] for name in (*first, *(each for each in table if each not in first))}
    for name, value in table.items():
        if is_tier and value == "":
            yield Cell(f"{path}.{name}", above, (name,), "number", "")
        elif name not in skipped:
            yield from _walk(value, f"{path}.{name}", above, (*names, name), language)


def _kind(value: Any, names: tuple[str, ...]) -> Kind | None:
    field = next((name for name in reversed(names) if not name.isdecimal()), "")
    if isinstance(value, bool) or (field in CHOICES and isinstance(value, str)):
        return "choice"
    if isinstance(value, int | Decimal):
        return "rate" if field in ("rate", "further") else "number"
    if isinstance(value, date) and not isinstance(value, datetime):
        return "date"
    if not isinstance(value, str):
        return None
    if field in _QUOTED and _FIGURE.fullmatch(value):  # codes such as "200" are none
        return "rate" if field == "rate" else "number"
    return "text" if names[-1] in ("es", "en", *_TEXTS) or names == ("name",) else None


def _title(row: Mapping[str, Any], name: str, above: tuple[Row, ...], language: Language) -> str:
    if label := row.get("many" if name == "units" else "label"):
        return said(label, language)
    if isinstance(row.get("options"), dict):
        labels = _choices(above[0].data, language) if above else {}
        return " · ".join(labels.get(f"{option}={code}", str(code)) for option, code in row["options"].items())
    if name == TIERS:
        start, end = (str(row.get(bound, "")) for bound in bounds_of(row))
        return f"{start} – {end}" if end else f"{start} +"
    if name == "taxes":
        return f"{row.get('name', '')} {row.get('from', '')}"
    return str(row.get("kind") or row.get("code") or "")


def _choices(product: Mapping[str, Any], language: Language) -> dict[str, str]:
    """Return the label of each choice of a product, by option and code."""
    return {
        f"{option.get('code')}={choice.get('code')}": said(choice.get("label", ""), language)
        for option in product.get("options", ())
        for choice in option.get("choices", ())
    }
