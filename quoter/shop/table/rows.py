"""A price book's document with a key for each row of its lists.

A path names rows by their keys, as in products[concrete].prices[service=direct,strength=100].tiers[3].price, where the
findings of the check name them by number. So it means the same row in every version, whatever came or went before it.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from quoter.shop.table import toml

# A row's key is kept under this name, which no field of a book has; it is never written.
KEY = "\0key"
EXAMPLES = "examples"
_STEP = re.compile(r"([^.\[\]]+)|\[([^\[\]]*)\]")
# What tells a row from its neighbours, the best first.
_IDENTITIES = ("code", "kind", "name", "product", "from", "above")

Document = dict[str, Any]


def parse(content: str) -> Document:
    """Return a document's values; numbers keep their digits, and rows have keys. Examples stay as they are."""
    data = tomllib.loads(content, parse_float=Decimal)
    return {name: value if name == EXAMPLES else _keyed(value) for name, value in data.items()}


def dumps(data: Mapping[str, Any]) -> str:
    return toml.dumps(without_keys(dict(data)))


def row_of(text: str, key: str) -> Document:
    """Return a new row from its text, as `text_of` writes it."""
    row = _keyed(tomllib.loads(f"row = {text}", parse_float=Decimal)["row"])
    return {**row, KEY: key}


def text_of(row: Mapping[str, Any]) -> str:
    return toml.inline(without_keys(dict(row)))


def without_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_keys(each) for name, each in value.items() if name != KEY}
    return [without_keys(each) for each in value] if isinstance(value, list) else value


def is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def steps(path: str) -> tuple[str, ...]:
    """Return the names and keys of a path; those of rows stand in brackets: products, [concrete], step."""
    return tuple(name or f"[{key}]" for name, key in _STEP.findall(path))


def join(path: str, step: str) -> str:
    return f"{path}{step}" if step.startswith("[") or not path else f"{path}.{step}"


def parent(path: str) -> str:
    """Return the path without its last step."""
    found = ""
    for step in steps(path)[:-1]:
        found = join(found, step)
    return found


def is_row(path: str) -> bool:
    return path.endswith("]")


def is_below(path: str, row: str) -> bool:
    return path.startswith((f"{row}.", f"{row}["))


def find(data: Any, path: str) -> Any:
    """Return what stands at a path; LookupError when nothing does."""
    for step in steps(path):
        if step.startswith("["):
            data = data[position(data, step[1:-1])]
        elif isinstance(data, dict):
            data = data[step]
        else:
            raise LookupError(path)
    return data


def position(listed: Any, key: str) -> int:
    """Return where the row with a key is in its list, or the number that the key is."""
    if not isinstance(listed, list):
        raise LookupError(key)
    for number, row in enumerate(listed):
        if isinstance(row, dict) and row.get(KEY) == key:
            return number
    if key.isdecimal() and int(key) < len(listed) and not isinstance(listed[int(key)], dict):
        return int(key)
    raise LookupError(key)


def path_of(data: Any, place: str) -> str:
    """Return the path of a place that a finding names; as much of it as the document has, and the names after that."""
    path = ""
    for step in steps(place):
        if step.startswith("[") and isinstance(data, list) and step[1:-1].isdecimal() and int(step[1:-1]) < len(data):
            data = data[int(step[1:-1])]
            step = f"[{data[KEY]}]" if isinstance(data, dict) and KEY in data else step
        else:
            data = data.get(step) if isinstance(data, dict) else None
        path = join(path, step)
    return path


def _keyed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _keyed(each) for name, each in value.items()}
    if not is_rows(value):
        return [_keyed(each) for each in value] if isinstance(value, list) else value
    used: set[str] = set()
    return [{**_keyed(row), KEY: key} for row, key in zip(value, _keys(value, used), strict=True)]


def _keys(listed: list[Mapping[str, Any]], used: set[str]) -> Iterator[str]:
    for number, row in enumerate(listed):
        key, again = _key(row) or str(number), 1
        while (unique := key if again == 1 else f"{key}~{again}") in used:
            again += 1
        used.add(unique)
        yield unique


def _key(row: Mapping[str, Any]) -> str:
    options = row.get("options", row)
    if (
        "code" not in row
        and isinstance(options, dict)
        and options
        and all(isinstance(v, str) for v in options.values())
    ):
        key = ",".join(f"{name}={options[name]}" for name in sorted(options))
    else:
        key = next((str(row[name]) for name in _IDENTITIES if name in row), "")
    return re.sub(r"[\[\]\0]", "_", f"{key} {row['from']}" if "name" in row and "from" in row else key)
