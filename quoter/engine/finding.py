"""What is wrong with a price book: findings, and those of a text that has not the shape of a book."""

import re
import tomllib
from collections.abc import Iterable, Iterator

from pydantic import ValidationError
from pydantic_core import ErrorDetails


class BookFinding:
    """Something wrong with a price book.

    place: in the file, as in products[0].prices[3].tiers[1]; template: what is wrong, in English, with `%(name)s` for
    each of the params. A caller that speaks another language translates the template before it puts them in.
    """

    def __init__(self, place: str, template: str, **params: object) -> None:
        self.place, self.template, self.params = place, template, params

    @property
    def message(self) -> str:
        return self.template % self.params

    def __repr__(self) -> str:
        return f"<{self}>"

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


class PriceBookInvalid(ValueError):
    """No quote can be made from the file. findings: everything that is wrong with it."""

    def __init__(self, findings: Iterable[BookFinding]) -> None:
        self.findings = tuple(findings)
        super().__init__("; ".join(map(str, self.findings)))


def wrong_shapes(error: ValidationError) -> Iterator[BookFinding]:
    """Yield what is wrong with the fields of a book, each at its place."""
    paths = [fault["loc"] for fault in error.errors()]
    for fault in error.errors():
        # After one fault inside a list, pydantic also calls the list, and each list around it, too short.
        if not any(path != fault["loc"] and path[: len(fault["loc"])] == fault["loc"] for path in paths):
            yield _wrong_shape(place_of(fault["loc"]), fault)


def _wrong_shape(place: str, fault: ErrorDetails) -> BookFinding:
    match fault["type"]:
        case "missing":
            return BookFinding(place, "is missing")
        case "extra_forbidden":
            return BookFinding(place, "there is no such field here")
        case "decimal_parsing" if "," in str(fault["input"]):
            return BookFinding(place, "is no number. Numbers take a decimal point and no comma: 189.00, 1890.00.")
        case "decimal_parsing" | "decimal_type" | "int_parsing" | "int_type" | "finite_number":
            return BookFinding(place, "is no number")
        case "greater_than":
            return BookFinding(place, "is not above %(bound)s", bound=fault["ctx"]["gt"])
        case "string_type":
            return BookFinding(place, "is no text: texts stand in straight quotes")
        case "tuple_type" | "list_type":
            return BookFinding(place, "is no list: lists stand in brackets, [ ]")
        case "model_type" | "dict_type":
            return BookFinding(place, "is no table: tables stand in braces, { }")
        case "too_short":
            return BookFinding(place, "is empty")
        case "date_type" | "date_parsing" | "date_from_datetime_parsing":
            return BookFinding(place, "is no day such as 2026-01-31")
        case "decimal_max_digits" | "decimal_whole_digits" | "decimal_max_places":
            return BookFinding(place, "has more than 12 digits")
        case "literal_error":
            return BookFinding(
                place, "is none of these: %(words)s", words=fault["ctx"]["expected"].replace(" or ", ", ")
            )
    return BookFinding(place, "%(reason)s", reason=fault["msg"])


def not_toml(toml: str, error: tomllib.TOMLDecodeError) -> BookFinding:
    """Say why a text is not TOML, and what to do about a comma in a number or a typographic quote."""
    found = re.search(r"at line (\d+),", str(error))
    line = toml.split("\n")[int(found[1]) - 1] if found else ""
    if re.search(r"=\s*[-+]?\d+,\d", line):
        return BookFinding(
            "", "not TOML: %(reason)s. Numbers take a decimal point and no comma: 189.00, 1890.00.", reason=error
        )
    if re.search("[“”„«‘’]", line):
        return BookFinding("", 'not TOML: %(reason)s. Texts stand in straight quotes, as in "this".', reason=error)
    return BookFinding("", "not TOML: %(reason)s", reason=error)


def place_of(path: Iterable[str | int]) -> str:
    """Write a path into the file: products, 0, prices -> products[0].prices."""
    place = ""
    for step in path:
        place += f"[{step}]" if isinstance(step, int) else f".{step}" if place else step
    return place
