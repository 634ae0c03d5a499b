"""Reads the JSON of a `quote_data`, or of a journal's record, whatever it holds."""

import json
from typing import Any

# A price book nests seven levels deep. Python's json module fails at a few hundred.
MOST_LEVELS = 200
LONGEST_INT = 1000  # digits; Python's limit is 4,300


class Decoder(json.JSONDecoder):
    """A JSON decoder that never fails. It returns the text itself when that is not JSON or nests too deep.

    Postgres stores integers that are longer than Python parses; these stay text. A column of type json may also hold
    lone surrogates and NUL, which cannot be written to a page or file; these become U+FFFD.
    """

    def __init__(self) -> None:
        super().__init__(parse_int=_int, parse_float=_float, parse_constant=str)

    def decode(self, s: str, *args: Any) -> Any:
        try:
            value = super().decode(s, *args)
        except (ValueError, RecursionError):
            return s
        if s.count("[") + s.count("{") > MOST_LEVELS and _is_deep(value):
            return s
        return _writable(value) if "\\u" in s else value


def loads(text: str | bytes) -> Any:
    """Return the value of a JSON text, as `Decoder` reads it."""
    return Decoder().decode(text.decode(errors="replace") if isinstance(text, bytes) else text)


def readable(value: Any) -> Any:
    """Return a value that the json module has read, as `loads` would return it; "" for one that nests too deep."""
    return "" if _is_deep(value) else loads(json.dumps(value))


def _int(text: str) -> int | str:
    return int(text) if len(text) <= LONGEST_INT else text


def _float(text: str) -> float | str:
    number = float(text)
    return number if abs(number) != float("inf") else text


def _is_deep(value: object) -> bool:
    level = [value]
    for _ in range(MOST_LEVELS):
        if not level:
            return False
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return True


def _writable(value: Any) -> Any:
    if isinstance(value, str):
        whole = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return whole.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, dict):
        return {_writable(name): _writable(inner) for name, inner in value.items()}
    return [_writable(inner) for inner in value] if isinstance(value, list) else value
