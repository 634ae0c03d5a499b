"""The fields that a customer fills in at checkout: name, phone, and what the price book asks (`answers`).

The form shows a field, the submission checks it, record and seal store it in `quote_data.customer`, and the chat's
message, the inbox and the exports show it. Plain Python: no Django, except in `answers`, which reads the price book,
`form`, which prepares the fields for a template, and `matching`, which finds people.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from string import ascii_lowercase, ascii_uppercase
from types import MappingProxyType

from leads import phones
from quoter.engine.numbers import digits
from quoter.engine.text import Text

MAX_NAME = 120
MAX_PHONE = 30
MIN_PHONE_DIGITS = 10
# Invisible characters may make a text so many times longer than what is kept of it.
MOST_TIMES_TOO_LONG = 10
# Invisible, but kept: Indic names and composed emoji need them.
JOINERS = "\u200c\u200d"

NO_NAME = Text(es="Escribe tu nombre.", en="Enter your name.")
LONG_NAME = Text(
    es="Tu nombre es muy largo: hasta {most} caracteres.", en="Your name is too long: up to {most} characters."
).fill(most=str(MAX_NAME))
ODD_NAME = Text(
    es="Tu nombre tiene caracteres que no podemos guardar. Escríbelo de nuevo.",
    en="Your name has characters that we cannot store. Please type it again.",
)
SHORT_PHONE = Text(
    es="Escribe tu teléfono a {least} dígitos, por ejemplo 656 123 4567.",
    en="Enter at least {least} digits, for example 656 123 4567.",
).fill(least=str(MIN_PHONE_DIGITS))
LONG_PHONE = Text(
    es="Tu teléfono es muy largo: hasta {most} caracteres.", en="Your phone is too long: up to {most} characters."
).fill(most=str(MAX_PHONE))
ODD_PHONE = Text(
    es="Escribe tu teléfono solo con números, sin emojis ni símbolos.",
    en="Enter your phone with digits only, no emoji or symbols.",
)
LONG_ANSWER = Text(es="Es demasiado texto: hasta {most} caracteres.", en="That is too long: up to {most} characters.")
ODD_ANSWER = Text(
    es="Hay caracteres que no podemos guardar. Escríbelo de nuevo.",
    en="Some characters cannot be stored. Please type it again.",
)


class FieldRefused(ValueError):
    """A value that the customer has to correct; `text` says how."""

    def __init__(self, text: Text) -> None:
        super().__init__(text.en)
        self.text = text


@dataclass(frozen=True, slots=True)
class CustomerField:
    """One field of the checkout's form.

    name: of the input; check: takes the typed text and returns the text to store; FieldRefused when the customer has to
    correct it.
    attributes: of the input, besides its name and value. They accept no value that `check` refuses, because the browser
    alone checks while the site cannot be reached.
    kind: as of `Question`, "" for name and phone; choices: code and label of each; unit: written after the input; help:
    a sentence below it; usual: the choice that counts until another one is made.
    """

    name: str
    label: Text
    check: Callable[[str], str]
    attributes: Mapping[str, str]
    kind: str = ""
    choices: tuple[tuple[str, Text], ...] = ()
    unit: Text | None = None
    help: Text | None = None
    usual: str = ""


# --- Checks -----------------------------------------------------------------------------------------------------------


def name(typed: str) -> str:
    """Return a name as it is stored: composed (NFC), on one line, without invisible characters.

    FieldRefused when it is empty, longer than MAX_NAME, or has characters that Postgres cannot store.
    """
    kept = _one_line(typed, most=MAX_NAME, long=LONG_NAME, odd=ODD_NAME)
    if not kept.strip(f" {JOINERS}"):
        raise FieldRefused(NO_NAME)
    if len(kept) > MAX_NAME:
        raise FieldRefused(LONG_NAME)
    return kept


def phone(typed: str) -> str:
    """Return a phone as typed, without invisible characters.

    FieldRefused when it has symbols, fewer than MIN_PHONE_DIGITS digits or more than MAX_PHONE characters.
    """
    number = _one_line(typed, most=MAX_PHONE, long=LONG_PHONE, odd=ODD_PHONE)
    if not number.isascii():  # variation selectors and keycaps, which chats and PDFs add to digits
        number = "".join(letter for letter in number if unicodedata.category(letter) not in ("Cf", "Mn", "Me"))
    if len(number) > MAX_PHONE:
        raise FieldRefused(LONG_PHONE)
    plain = phones.plain(number)
    if any(letter != "+" and unicodedata.category(letter)[0] not in "LNPZ" for letter in set(plain)):
        raise FieldRefused(ODD_PHONE)
    if len(digits(plain)) < MIN_PHONE_DIGITS:
        raise FieldRefused(SHORT_PHONE)
    return number


def words_typed(typed: str, *, most: int) -> str:
    """Return a text as it is stored, as `name` does; it may be empty. most: characters; FieldRefused for more."""
    long = LONG_ANSWER.fill(most=str(most))
    kept = _one_line(typed, most=most, long=long, odd=ODD_ANSWER)
    if len(kept) > most:
        raise FieldRefused(long)
    return kept


def _one_line(typed: str, *, most: int, long: Text, odd: Text) -> str:
    """Return a text composed (NFC), on one line, without the invisible characters that come with pasting.

    Some of these would reverse the line's direction. FieldRefused with `odd` for NUL and lone surrogates, which
    Postgres cannot store, and with `long` for a text that is many times longer than `most`, because to compose many
    accents on one letter takes the square of their number.
    """
    if len(typed) > MOST_TIMES_TOO_LONG * most:
        raise FieldRefused(long)
    if not typed.isprintable():  # else no character is invisible, as usual
        if any(letter == "\0" or unicodedata.category(letter) == "Cs" for letter in typed):
            raise FieldRefused(odd)
        typed = "".join(filter(_is_kept, typed))
    return " ".join(unicodedata.normalize("NFC", typed).split())


def _is_kept(letter: str) -> bool:
    return letter in JOINERS or letter.isspace() or unicodedata.category(letter) not in ("Cf", "Cc")


# --- The words of a name, for searching -------------------------------------------------------------------------------

# matching.py builds an index from these, which has to be built again when they change.
# Marks above and below letters, which NFKD separates from them: Latin, Greek and Cyrillic, Hebrew, Arabic.
MARKS = r"[\u0300-\u036f\u0591-\u05c7\u0640\u064b-\u065f\u0670]"
# What is not part of a word: all of ASCII but digits and letters, and the punctuation of other scripts.
SEPARATORS = (
    r"[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u02b0-\u02ff"
    r"\u060c\u061b\u061f\u2000-\u206f\u3000-\u303f\u30fb]+"
)
# Letters beyond ASCII whose plain form NFKD does not give: Latin, then Greek and Cyrillic, which are rarer.
LATIN = dict(zip("ŁłØøĐđÐðĦħŦŧŊŋıƏə", "llooddddhhttnniəə", strict=True))
_CAPITALS = "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩАБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯЂЄЅІЈЉЊЋЏҐ"
GREEK_AND_CYRILLIC = dict(zip(_CAPITALS, _CAPITALS.lower(), strict=True)) | {"ς": "σ"}
DOUBLE = {"ß": "ss", "ẞ": "ss", "Æ": "ae", "æ": "ae", "Œ": "oe", "œ": "oe", "Þ": "th", "þ": "th"}
LONGEST_FOLDED = 200
_FOLDED = str.maketrans(dict(zip(ascii_uppercase, ascii_lowercase, strict=True)) | LATIN | GREEK_AND_CYRILLIC | DOUBLE)


def words(name: str) -> list[str]:
    """Return the words of a name by which it is found, without accents and case. As `matching.NameWords`."""
    unmarked = re.sub(MARKS, "", unicodedata.normalize("NFKD", name[: MOST_TIMES_TOO_LONG * LONGEST_FOLDED]))
    return [word for word in re.split(SEPARATORS, unmarked.translate(_FOLDED)[:LONGEST_FOLDED]) if word]


# --- The fields -------------------------------------------------------------------------------------------------------

NAME = CustomerField(
    "name",
    Text(es="Tu nombre", en="Your name"),
    name,
    MappingProxyType(
        {
            "type": "text",
            "autocomplete": "name",
            "autocapitalize": "words",
            "required": "",
            "pattern": r"(?=.*\S).{1,120}",
        }
    ),
)
PHONE = CustomerField(
    "phone",
    Text(es="Tu WhatsApp (10 dígitos)", en="Your WhatsApp (10 digits)"),
    phone,
    MappingProxyType(
        {
            "type": "tel",
            "inputmode": "tel",
            "autocomplete": "tel",
            "required": "",
            "pattern": r"(?=(\P{Nd}*\p{Nd}){10}).{10,30}",
        }
    ),
    help=Text(es="Para responderte aunque se cierre el chat.", en="So that we can answer even if the chat is closed."),
)
