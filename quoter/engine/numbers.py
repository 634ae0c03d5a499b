"""Reads numbers as people type them, and writes them for people. Spanish (Mexico) and English both write 1,234.56."""

import re
import unicodedata
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from quoter.engine import currency
from quoter.engine.text import Text

CENT = Decimal("0.01")
MAX_LENGTH = 20
# With the invisible characters and the unit around it.
MAX_TYPED = 200

# A number in a price book. Decimal keeps 28 digits, so the product of any two of these is exact.
Figure = Annotated[Decimal, Field(max_digits=12)]


def as_typed(given: object) -> object:
    """Write the numbers of a TOML table as a customer types them."""
    if isinstance(given, dict):
        return {name: as_typed(value) for name, value in given.items()}
    if isinstance(given, list):
        return [as_typed(value) for value in given]
    return given if isinstance(given, str) else str(given)


TypedValues = Annotated[dict[str, str], BeforeValidator(as_typed)]

# A number that was calculated. A division is exact only as a fraction: 368 ÷ 23 is 16, and no factor stands for it.
Number = Decimal | Fraction
# A fraction that no decimal can write is shown, and stored, with so many decimals.
_SHOWN_PLACES = 6

# A number, and the unit written after it.
_WITH_UNIT = re.compile(r"(?P<number>-?[0-9.,]+)\s*(?P<unit>[^\d\s.,-].*)", re.DOTALL)
# How people write a unit, besides its own sign: its sign without the raised digit follows from NFKC.
_SPELLINGS = {
    "m": {"mt", "mts", "metro", "metros", "meter", "meters", "ml"},
    "m2": {"m^2", "mt2", "mts2", "metros cuadrados", "square meters", "sqm"},
    "m3": {"m^3", "mt3", "mts3", "metros cubicos", "metros cúbicos", "cubic meters"},
    "cm": {"cms", "centimetro", "centímetro", "centimetros", "centímetros", "centimeters"},
    "pza": {"pz", "pzas", "pieza", "piezas", "pc", "pcs", "piece", "pieces"},
}

_PLAIN = re.compile(r"\d+(\.\d+)?", re.ASCII)
# "4,5" is four and a half, never forty-five. A dot is always a decimal point, and so is the comma of "0,085".
_DECIMAL = re.compile(r"-?(\d+|\d*[.,]\d{1,2}|\d*\.\d{3,}|0+,\d{3,})", re.ASCII)
_GROUPED = re.compile(r"-?\d{1,3}((,\d{3})+\.\d+|(,\d{3}){2,})", re.ASCII)
_COMMA_OF_THREE = re.compile(r"-?\d+,\d{3,}", re.ASCII)
_DOTS_THEN_COMMA = re.compile(r"-?\d{1,3}(\.\d{3})+(,\d+)?", re.ASCII)

EMPTY = Text(es="Escribe un número.", en="Enter a number.")
UNREADABLE = Text(
    es="«{typed}» no es un número. Escribe solo cifras, por ejemplo 5.6.",
    en="“{typed}” is not a number. Use digits only, for example 5.6.",
)
AMBIGUOUS = Text(
    es="¿«{typed}» es {first} o {second}? Escríbelo sin comas: {first} o {second}.",
    en="Is “{typed}” {first} or {second}? Write it without commas: {first} or {second}.",
)
DOT_PLEASE = Text(
    es="Escribe «{typed}» con punto decimal y sin separar los miles: {first}.",
    en="Write “{typed}” with a decimal point and no thousands separator: {first}.",
)


class NumberUnclear(ValueError):
    """The text is not a number, or could be two different ones. message: asks the person what is meant."""

    def __init__(self, message: Text) -> None:
        super().__init__(message.en)
        self.message = message


def parse_decimal(typed: str, *, unit: str = "") -> Decimal:
    """Return the number that a person typed; NumberUnclear when the text is not a number or could be two.

    unit: that of the field, which may follow the number. Invisible characters, which come with pasting, do not count.
    Exponents, digits of other scripts and anything longer than MAX_LENGTH are refused.
    """
    if len(typed) <= MAX_LENGTH and _PLAIN.fullmatch(typed):  # as nearly everybody types it
        return Decimal(typed)
    if len(typed) > MAX_TYPED:
        raise NumberUnclear(UNREADABLE.fill(typed=f"{typed[:MAX_LENGTH]}…"))
    text = _without_unit(_visible(typed).strip(), unit)
    if not text:
        raise NumberUnclear(EMPTY)
    shown = text if len(text) <= MAX_LENGTH else text[:MAX_LENGTH] + "…"
    if re.fullmatch(r"-?[\d,]*\d\.", text, re.ASCII):  # typed so far, or the end of a sentence
        text = text[:-1]
    # ".5" is written back as "0.5", which must be short enough to be read again.
    if text.startswith((".", ",")):
        text = f"0{text}"
    if len(text) > MAX_LENGTH:
        raise NumberUnclear(UNREADABLE.fill(typed=shown))
    if _DECIMAL.fullmatch(text):
        return Decimal(text.replace(",", "."))
    if _GROUPED.fullmatch(text):
        return Decimal(text.replace(",", ""))
    if _COMMA_OF_THREE.fullmatch(text):
        as_decimal = canonical(Decimal(text.replace(",", ".")))
        raise NumberUnclear(AMBIGUOUS.fill(typed=shown, first=text.replace(",", ""), second=as_decimal))
    if _DOTS_THEN_COMMA.fullmatch(text):
        raise NumberUnclear(DOT_PLEASE.fill(typed=shown, first=text.replace(".", "").replace(",", ".")))
    raise NumberUnclear(UNREADABLE.fill(typed=shown))


def _visible(text: str) -> str:
    if text.isascii():
        return text
    return "".join(letter for letter in text if unicodedata.category(letter) not in ("Cf", "Mn"))


def _without_unit(text: str, unit: str) -> str:
    sign = unicodedata.normalize("NFKC", unit).casefold()
    found = _WITH_UNIT.fullmatch(text) if sign else None
    if not found:
        return text
    written = " ".join(unicodedata.normalize("NFKC", found["unit"]).casefold().rstrip(". ").split())
    return found["number"] if written == sign or written in _SPELLINGS.get(sign, ()) else text


def decimal_places(number: Decimal) -> int:
    """Return how many decimals a number is written with: 0.50 -> 1, 100 -> 0."""
    exponent = number.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def digits(text: str) -> str:
    """Return the digits of a text, of any script, as 0 to 9: a phone number without spaces, dashes and brackets."""
    found = "".join(filter(str.isdecimal, text))
    return found if found.isascii() else "".join(str(unicodedata.decimal(digit)) for digit in found)


def to_cents(amount: Decimal) -> Decimal:
    """Round to the cent, half up: the one rounding rule for money (docs/price-book.md, "How a quote is priced")."""
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)


RoundingMode = Literal["half_up", "half_even", "up", "down", "nearest"]
_DECIMAL_MODES: dict[RoundingMode, str] = {
    "half_up": ROUND_HALF_UP,
    "nearest": ROUND_HALF_UP,
    "half_even": ROUND_HALF_EVEN,
    "up": ROUND_CEILING,
    "down": ROUND_FLOOR,
}


def multiple_of(step: Decimal, number: Number, *, mode: RoundingMode) -> Decimal:
    """Return the multiple of a step next to a number; a half goes away from zero in the modes half_up and nearest."""
    if isinstance(number, Decimal):
        return (number / step).to_integral_value(rounding=_DECIMAL_MODES[mode]) * step
    steps = number / Fraction(step)
    if mode == "up":
        whole = -(-steps.numerator // steps.denominator)
    elif mode == "down":
        whole = steps.numerator // steps.denominator
    elif mode == "half_even":
        whole = round(steps)
    else:
        half_up = (abs(steps) * 2 + 1) // 2
        whole = half_up if steps >= 0 else -half_up
    return Decimal(whole) * step


def canonical(number: Decimal) -> str:
    """Write a number plainly, without trailing zeros or an exponent: 88, 43.5, 0.08."""
    return f"{number.normalize():f}" if number else "0"


def grouped(number: Decimal, *, places: int) -> str:
    """Write a number for people: 1,234.56."""
    return f"{number:,.{places}f}"


def written(number: Decimal) -> str:
    """Write a number for people with the decimals that it has: 1,000, 43.5."""
    return grouped(number, places=decimal_places(number))


def money(amount: Decimal, code: str = "MXN") -> str:
    """Write an amount for people: $1,234.56. code: the currency's; more decimals than it has are written when used."""
    sign, places = currency.of(code)
    written = amount.as_tuple().exponent
    if isinstance(written, int) and -written > places and (used := decimal_places(amount)) > places:
        places = max(2, used)
    return f"-{sign}{grouped(-amount, places=places)}" if amount < 0 else f"{sign}{grouped(amount, places=places)}"


def as_decimal(number: Number) -> Decimal:
    """Return a calculated number as a decimal: exactly if it has one, else with six places."""
    if isinstance(number, Decimal):
        return number
    rest = number.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    exact = Decimal(number.numerator) / Decimal(number.denominator)
    return exact if rest == 1 else round(exact, _SHOWN_PLACES)
