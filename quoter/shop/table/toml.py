"""Writes what `tomllib` reads: the owner changes cells, and the document stays TOML. Plain Python."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")
# How deep lists of tables get a heading of their own, as in [[products.prices]]; below, they are written in one line.
_HEADINGS = 2


def dumps(data: Mapping[str, Any]) -> str:
    """Return a document with these values; numbers are Decimal or int and keep their digits. It has no comments."""
    return "\n".join(_table(data, ())).strip() + "\n"


def _table(data: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[str]:
    headed = {name: value for name, value in data.items() if len(above) < _HEADINGS and _is_list_of_tables(value)}
    for name, value in data.items():
        if name not in headed:
            yield f"{_key(name)} = {inline(value)}"
    for name, tables in headed.items():
        for table in tables:
            yield f"\n[[{'.'.join(map(_key, (*above, name)))}]]"
            yield from _table(table, (*above, name))


def _is_list_of_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def inline(value: Any) -> str:
    """Return a value as it stands behind an equals sign."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case Decimal():
            written = f"{value:f}"
            return written if "." in written else f"{written}.0"
        case str():
            return _text(value)
        case datetime() | date() | time():
            return value.isoformat()
        case dict():
            inside = ", ".join(f"{_key(name)} = {inline(each)}" for name, each in value.items())
            return f"{{ {inside} }}" if inside else "{}"
        case list():
            if _is_list_of_tables(value):
                return "[\n" + "".join(f"  {inline(each)},\n" for each in value) + "]"
            return f"[{', '.join(map(inline, value))}]"
    raise TypeError(f"{type(value).__name__} is nothing that TOML has")


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
