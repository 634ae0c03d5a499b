"""A price book as a table of cells to read and change: every number in it, with words that say which. Plain Python.

It knows TOML and no trade, so what the language of the book learns is in the table, too.
"""

import copy
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from quoter.engine.finding import place_of
from quoter.engine.text import Language
from quoter.shop import toml

TIERS = "tiers"
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?", re.ASCII)
_NUMBER = re.compile(r"\d{1,12}(\.\d{1,8})?", re.ASCII)
# Numbers that name a row, and are changed with the whole list of rows.
_BOUNDS = {"from", "to"}


class NotANumber(ValueError):
    """The text of a cell is no number."""


@dataclass(frozen=True, slots=True)
class Cell:
    """path: as findings name it, products[0].prices[3].tiers[1].price; words: which number it is, the widest first."""

    path: str
    words: tuple[str, ...]
    text: str
    is_list: bool = False


@dataclass
class Section:
    title: str
    cells: list[Cell] = field(default_factory=list)
    lists: list[Cell] = field(default_factory=list)  # rows to be pasted as a whole


def parse(content: str) -> dict[str, Any]:
    """Return a document's values; numbers keep their digits."""
    return tomllib.loads(content, parse_float=Decimal)


def sections(data: Mapping[str, Any], language: Language) -> list[Section]:
    """Return the cells of each product, then those of the whole book."""
    found, rest = [], Section("")
    for name, value in data.items():
        if name == "products" and isinstance(value, list):
            for number, product in enumerate(value):
                section = Section(_name_of(product, language))
                _add(section, product, (name, number), (), language, _choices(product, language))
                found.append(section)
        else:
            _add(rest, value, (name,), (_plain(name),), language, {})
    return [section for section in (*found, rest) if section.cells]


def changed(data: Mapping[str, Any], texts: Mapping[str, str]) -> dict[str, Any]:
    """Return the document with these cells; NotANumber, or LookupError for a path that it does not have."""
    after = copy.deepcopy(dict(data))
    # Whole lists first: the other paths may lead into them.
    for path in sorted(texts, key=lambda path: not path.endswith(f".{TIERS}")):
        *way, last = _steps(path)
        inside: Any = after
        for step in way:
            inside = inside[step]
        inside[last] = _rows(texts[path]) if path.endswith(f".{TIERS}") else _like(inside[last], texts[path])
    return after


def number(text: str) -> str:
    """Return a number as TOML has it, of one as people write it: $1,890.00; NotANumber."""
    plain = text.strip().lstrip("$").strip().replace(" ", "").replace("\u00a0", "")
    plain = plain.replace(",", "") if _THOUSANDS.fullmatch(plain) else plain
    if not _NUMBER.fullmatch(plain):
        raise NotANumber(text)
    return plain


def dumps(data: Mapping[str, Any]) -> str:
    return toml.dumps(data)


def differences(before: Mapping[str, Any], after: Mapping[str, Any], language: Language) -> list[tuple[Cell, str]]:
    """Return the cells that differ, each as it is after, and its text before, "" for one that is new."""
    old = {cell.path: cell.text for section in sections(before, language) for cell in section.cells}
    new = [(section.title, cell) for section in sections(after, language) for cell in section.cells]
    return [
        (Cell(cell.path, (title, *cell.words) if title else cell.words, cell.text), old.get(cell.path, ""))
        for title, cell in new
        if old.get(cell.path) != cell.text
    ]


def _add(
    section: Section,
    value: Any,
    path: tuple[str | int, ...],
    words: tuple[str, ...],
    language: Language,
    choices: Mapping[str, str],
) -> None:
    if _is_number(value, path):
        section.cells.append(Cell(place_of(path), words, str(value)))
    elif isinstance(value, list):
        if path[-1] == TIERS and all(isinstance(row, dict) for row in value):
            section.lists.append(Cell(place_of(path), words[:-1], _as_rows(value), is_list=True))
        for number, each in enumerate(value):
            _add(section, each, (*path, number), (*words[:-1], *_words_of(each, language, choices)), language, choices)
    elif isinstance(value, dict):
        for name, each in value.items():
            own = () if name == "price" and any(bound in value for bound in _BOUNDS) else (_plain(name),)
            if not (name in _BOUNDS and "price" in value):
                _add(section, each, (*path, name), (*words, *own), language, choices)


def _is_number(value: Any, path: tuple[str | int, ...]) -> bool:
    if isinstance(value, str):  # numbers may be quoted; codes such as "200" are none
        return path[-1] in ("price", "rate", "step", "minimum", "maximum") and bool(_NUMBER.fullmatch(value))
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _choices(product: Mapping[str, Any], language: Language) -> dict[str, str]:
    """Return the label of each choice of a product, by option and code."""
    return {
        f"{option.get('code')}={choice.get('code')}": _text_of(choice.get("label"), language)
        for option in product.get("options", ())
        for choice in option.get("choices", ())
    }


def _words_of(row: Any, language: Language, choices: Mapping[str, str]) -> tuple[str, ...]:
    if not isinstance(row, dict):
        return ()
    if isinstance(row.get("options"), dict) and "label" not in row:
        chosen = (choices.get(f"{name}={code}", str(code)) for name, code in row["options"].items())
        return (" · ".join(chosen),)
    if "from" in row and "price" in row:
        return (f"{row['from']} – {row['to']}" if "to" in row else f"{row['from']} +",)
    return tuple(filter(None, (_name_of(row, language),)))


def _name_of(row: Mapping[str, Any], language: Language) -> str:
    text = _text_of(row.get("label"), language) or str(row.get("name") or row.get("code") or row.get("kind") or "")
    return f"{text} {row['from']}" if "from" in row and "rate" in row else text


def _text_of(value: Any, language: Language) -> str:
    return str(value.get(language, "")) if isinstance(value, dict) else str(value or "")


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _as_rows(rows: list[dict[str, Any]]) -> str:
    return "\n".join("\t".join(str(row.get(name, "")) for name in ("from", "to", "price")) for row in rows)


def _rows(text: str) -> list[dict[str, Any]]:
    """Return rows pasted from a spreadsheet: from, to (empty in the last one) and price, between tabs or spaces."""
    rows = []
    for line in filter(str.strip, text.splitlines()):
        parts = line.split("\t") if "\t" in line else line.split()
        start, end, price = (*parts[:1], *(parts[1:-1] or [""]), *parts[-1:]) if 1 < len(parts) < 4 else ("", "", "")
        bounds = {"from": _like(0, start)} | ({"to": _like(0, end)} if end.strip() else {})
        rows.append(bounds | {"price": _like(0, price)})
    if not rows:
        raise NotANumber(text)
    return rows


def _steps(path: str) -> Iterator[str | int]:
    for name, index in _STEP.findall(path):
        yield int(index) if index else name


def _like(old: Any, text: str) -> Any:
    plain = number(text)
    if isinstance(old, str):
        return plain
    return int(plain) if isinstance(old, int) and "." not in plain else Decimal(plain)
