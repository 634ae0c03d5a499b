"""Numbers as owners write them: $1,890.00, 1.890,50 and 8 %."""

import re
from decimal import Decimal

_NUMBER = re.compile(r"-?\d{1,12}(\.\d{1,8})?", re.ASCII)
_COMMAS_GROUP = re.compile(r"-?\d{1,3}(,\d{3})+(\.\d+)?", re.ASCII)
# Certain, because nobody writes two points, or a point before a comma, in a number with decimal points.
_DOTS_GROUP = re.compile(r"-?\d{1,3}(\.\d{3})+,\d{1,2}|-?\d{1,3}(\.\d{3}){2,}", re.ASCII)
_DECIMAL_COMMA = re.compile(r"-?\d+,\d{1,2}", re.ASCII)
_AROUND = re.compile(r"^(-?)(?:\$|[A-Z]{2,3}\$?)?(.*?)(?:[A-Z]{3})?$")


class NotANumber(ValueError):
    """The text of a cell is no number, or could be two."""


def number(text: str, *, signed: bool = False) -> str:
    """Return a number as TOML has it, of one as people write it; NotANumber. signed: whether it may be below zero."""
    bare = text.strip().replace(" ", "").replace("\u00a0", "").replace("\u202f", "").replace("\u2212", "-")
    sign, plain = _AROUND.fullmatch(bare).groups() if "\n" not in bare else ("", bare)  # type: ignore[union-attr]
    plain = sign + plain
    if _COMMAS_GROUP.fullmatch(plain):
        plain = plain.replace(",", "")
    elif _DOTS_GROUP.fullmatch(plain):
        plain = plain.replace(".", "").replace(",", ".")
    elif _DECIMAL_COMMA.fullmatch(plain):
        plain = plain.replace(",", ".")
    if not _NUMBER.fullmatch(plain) or (plain.startswith("-") and not signed):
        raise NotANumber(text)
    return plain


def value(text: str, like: object = None) -> int | Decimal | str:
    """Return what TOML has for a number: a whole one, a decimal, or a quoted one where the document quotes it."""
    if isinstance(like, str):
        return text
    return Decimal(text) if "." in text or isinstance(like, Decimal) else int(text)


def percent(fraction: str) -> str:
    """Return a fraction in per cent, 0.08 -> 8; "" of a text that is none."""
    try:
        return f"{(Decimal(fraction) * 100).normalize():f}"
    except ArithmeticError:
        return ""


def fraction(typed: str) -> str:
    """Return a fraction of a number in per cent, 8 -> 0.08; NotANumber."""
    text = f"{(Decimal(number(typed.strip().removesuffix('%'), signed=True)) / 100).normalize():f}"
    return text if "." in text else f"{text}.0"
