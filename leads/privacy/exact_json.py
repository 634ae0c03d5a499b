"""Read and write JSON without changing a number: 12.50 stays 12.50, and so does a number of 40 digits."""

import json
from typing import Any

# Python reads no longer ones.
_LONGEST_INT = 4000


class Number(str):
    """A number as it is written in the JSON text: one with decimals, an exponent, or thousands of digits."""

    __slots__ = ()


def loads(text: str) -> Any:
    """Return the value of a JSON text, with an int or a Number for each number; ValueError when it is not JSON.

    RecursionError when it nests deeper than Python reads.
    """
    return json.loads(text, parse_int=_integer, parse_float=Number, parse_constant=_refuse)


def dumps(value: Any) -> str:
    """Return a value of `loads` as JSON that Postgres takes: NUL and lone surrogates become U+FFFD."""
    if not _has_number(value):
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        if text.isprintable() and "\\u0000" not in text:  # neither NUL nor surrogates
            return text
    match value:
        case Number():
            return str(value)
        case str():
            return json.dumps(_storable(value), ensure_ascii=False)
        case dict():
            return "{" + ",".join(f"{dumps(str(name))}:{dumps(inner)}" for name, inner in value.items()) + "}"
        case list():
            return "[" + ",".join(map(dumps, value)) + "]"
    return json.dumps(value)


def _has_number(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_number, value.values()))
    return any(map(_has_number, value)) if isinstance(value, list) else isinstance(value, Number)


def _integer(text: str) -> int | Number:
    return Number(text) if text == "-0" or len(text) > _LONGEST_INT else int(text)


def _storable(text: str) -> str:
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")
