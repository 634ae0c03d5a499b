"""Reads phones as people write them, and converts them to E.164 and to the form of wa.me links. Plain Python."""

import re
import unicodedata
from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

import phonenumbers
from phonenumbers import Leniency, PhoneNumberFormat, PhoneNumberMatcher

from quoter.engine.numbers import digits

# How many digits at the end do not depend on how the country code was written. A longer number has a country code.
ENDING = 10
# No more of a text is read as a phone: rows of other programs may have anything in that column.
LONGEST = 250
# Any so many digits of a phone are found, and fewer only at its end. E.164 has at most 15, so a piece begins at one of
# the first twelve.
PIECE = 4
PIECE_STARTS = range(1, 16 - PIECE + 1)

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_ONE_NUMBER = re.compile(r"[0-9\s().+/-]*", re.ASCII)
# Mexico dropped these in 2019: the trunk prefixes, and the 1 of mobile phones after the country code.
_OLD_MEXICAN = re.compile(r"^(?:(?:00)?52(?:1|01|044|045)|01|044|045)(?=\d{10}$)")
# What people dial before a country code, in most countries and in North America.
_EXIT = re.compile(r"^(?:00|011)(?=[1-9])")
# Countries whose people write each other's numbers without a country code, because both write ten digits.
_ACROSS_THE_BORDER = {"MX": "US", "US": "MX"}
# Letters that stand for a digit, in a group with digits: 656 555 O123.
_LOOK_ALIKE = str.maketrans("OoIl", "0011")
_GROUP = re.compile(r"(?<![^\W_])[0-9OoIl]++(?![^\W_])")
_GROUP_OF_LETTERS = re.compile(r"\b[OoIl]{2,}\b")

# How `stored_digits`, and PhoneKey of leads.customer.matching, find the first number in a phone: without the marks
# between its digits it is a run of digits, which an extension or a second number does not continue.
NOISE = r"[^0-9A-Za-z#,;/|&:+]"
RUN = r"[0-9]{10,}"


class Doubt(StrEnum):
    """Why it is not certain which number is meant.

    INVALID: no number can be read; SEVERAL: there are several, of which the first is dialled; COUNTRY: the number is
    valid in several countries.
    """

    INVALID = "invalid"
    SEVERAL = "several"
    COUNTRY = "country"


class Reading(NamedTuple):
    """What a phone may mean. numbers: valid ones, as +E.164, the likeliest first."""

    numbers: tuple[str, ...]
    doubt: Doubt | None = None


def plain(typed: str) -> str:
    """Return a phone in ASCII digits and dashes, without invisible characters; O and l among digits become digits."""
    typed = typed[:LONGEST]
    if not (typed.isascii() and typed.isprintable()):
        letters = unicodedata.normalize("NFKC", typed)
        typed = "".join(map(_ascii, letters))
    if not any(letter in typed for letter in "OoIl"):
        return typed
    if not re.search(r"[^\W\d_OoIl]", typed):
        typed = _GROUP_OF_LETTERS.sub(lambda found: found[0].translate(_LOOK_ALIKE), typed)
    return _GROUP.sub(_with_digits, typed)


def read(typed: str, *, region: str) -> Reading:
    """Return which number of `region` or of another country is meant by a phone as typed."""
    typed = typed[:LONGEST]
    # Nearly all phones are only digits and what separates them.
    text = typed if _ONE_NUMBER.fullmatch(typed) else plain(typed)
    if _ONE_NUMBER.fullmatch(text) and (one := _one(text, region=region)).numbers:
        return one
    found = [_one(part, region=region) for part in _parts(text, region=region)]
    numbers = tuple(dict.fromkeys(each.numbers[0] for each in found if each.numbers))
    if len(numbers) > 1:
        return Reading(numbers, Doubt.SEVERAL)
    return next((each for each in found if each.numbers), Reading((), Doubt.INVALID))


def normalise(raw: str, *, region: str) -> str:
    """Return a phone as +E.164 when it is certain which number is meant, or the first of several; else as typed."""
    reading = read(raw, region=region)
    return raw if reading.doubt in (Doubt.INVALID, Doubt.COUNTRY) else reading.numbers[0]


def read_stored(phone: str, typed: str = "", *, shop: str) -> Reading:
    """Return which number is meant by the phone of a lead.

    phone: as stored, by any release or program; typed: as the customer typed it, "" when unknown; shop: the business's
    own number, whose country is that of phones without a country code.
    """
    if _E164.fullmatch(phone) and phone.endswith(digits(typed)) and "+" not in typed:
        return Reading((phone,))
    reading = read(typed or phone, region=region_of(shop))
    # A phone that was corrected since does not follow from what was typed.
    if typed and phone != typed and phone not in reading.numbers:
        return Reading((phone,)) if _E164.fullmatch(phone) else read(phone, region=region_of(shop))
    return reading


def dialled(phone: str, typed: str = "", *, shop: str) -> str:
    """Return the phone of a lead in the form of wa.me links: digits only, with the country code.

    The arguments are those of `read_stored`. A phone that cannot be read has its digits.
    """
    if numbers := read_stored(phone, typed, shop=shop).numbers:
        return numbers[0].removeprefix("+")
    number = stored_digits(plain(phone))
    if phone.startswith("+") or len(number) > ENDING:
        return number
    return f"{phonenumbers.parse(f'+{shop}').country_code}{number}"


@lru_cache
def region_of(number: str) -> str:
    """Return the country of a number that begins with its country code: 526561234567 -> MX. MX when unknown."""
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(f"+{number}")) or "MX"
    except phonenumbers.NumberParseException:
        return "MX"


@lru_cache
def readable(number: str) -> str:
    """Format a number that begins with its country code: 526561234567 -> +52 656 123 4567."""
    try:
        parsed = phonenumbers.parse(f"+{number}")
    except phonenumbers.NumberParseException:
        return f"+{number}"
    return phonenumbers.format_number(parsed, PhoneNumberFormat.INTERNATIONAL)


def readable_at(number: str, *, shop: str) -> str:
    """Format a number as `readable`, without the country code of the shop's own country. shop: as of `read_stored`."""
    written = readable(number)
    return written.partition(" ")[2] if region_of(number) == region_of(shop) and " " in written else written


def is_valid(number: str) -> bool:
    """Return whether a number that begins with its country code is valid."""
    return bool(_valid(f"+{number}", region=None))


# --- Comparing ------------------------------------------------------------------------------------------------------


def ending(text: str) -> str:
    """Return the last ten digits of a text, or all when it has fewer."""
    return digits(text)[-ENDING:]


def stored_digits(phone: str) -> str:
    """Return the digits of the first number in a phone, without its extension."""
    run = re.search(RUN, re.sub(NOISE, "", phone))
    return run[0] if run else re.sub("[^0-9]", "", phone)


def key(phone: str) -> str:
    """Return what is the same for every way of writing a phone: the last ten digits of its first number."""
    # Nearly all phones are in E.164, and a page of people compares a thousand.
    return phone[-ENDING:].lstrip("+") if _E164.fullmatch(phone) else stored_digits(phone)[-ENDING:]


def pieces(number: str) -> list[str]:
    """Return every PIECE digits of a number that follow each other, and its last ones, which are fewer."""
    return [number[start - 1 : start - 1 + PIECE] for start in PIECE_STARTS]


def has_part(phone: str, part: str) -> bool:
    """Return whether a phone has these digits: anywhere, or at its end when they are fewer than PIECE.

    More digits than ENDING are a number with its country code, which the phone may have in another form.
    """
    number = re.sub("[^0-9]", "", phone)
    is_part = part in number and set(pieces_of_part(part)) <= set(pieces(number))
    return is_part or (len(part) > ENDING and key(phone) == part[-ENDING:])


def pieces_of_part(part: str) -> list[str]:
    """Return the pieces that a number has if it has this part: itself when it is shorter than a piece."""
    return [part[start : start + PIECE] for start in range(max(1, len(part) - PIECE + 1))]


# --- Reading --------------------------------------------------------------------------------------------------------


def _with_digits(group: re.Match[str]) -> str:
    has_digit = any(letter.isdigit() for letter in group[0])
    return group[0].translate(_LOOK_ALIKE) if has_digit else group[0]


def _ascii(letter: str) -> str:
    kind = unicodedata.category(letter)
    if kind == "Nd":
        return str(unicodedata.decimal(letter))
    if kind == "Pd" or letter == "\u2212":
        return "-"
    return "" if kind in ("Cf", "Mn", "Me") else letter


def _one(text: str, *, region: str) -> Reading:
    """Return which number is meant by a text with only one."""
    has_plus, number = "+" in text, digits(text)
    number = _OLD_MEXICAN.sub(lambda old: "52" if "52" in old[0] else "", number)
    if valid := _valid(f"+{number}" if has_plus and not number.startswith("0") else number, region=region):
        after_code = number.removeprefix("00")
        is_international = has_plus or after_code != number
        if is_international and len(after_code) == ENDING and (national := _valid(after_code, region=region)):
            return _plus_too_many(text, national=national, foreign=valid)
        return Reading((valid,))
    numbers = _valid_numbers(_repaired(number, region=region)) or _valid_numbers(_across(number, region=region))
    return Reading(numbers, None if len(numbers) == 1 else Doubt.COUNTRY if numbers else Doubt.INVALID)


def _plus_too_many(text: str, *, national: str, foreign: str) -> Reading:
    """Read ten digits after a plus: an international number, or one of the shop's country with a plus too many.

    Whoever separates a country code from the rest means it.
    """
    groups = (group.removeprefix("00") for group in re.findall(r"\d+", text))
    first = next(filter(None, groups))
    if national == foreign or first == str(phonenumbers.parse(foreign).country_code):
        return Reading((foreign,))
    return Reading((national, foreign), Doubt.COUNTRY if len(first) == ENDING else None)


def _repaired(number: str, *, region: str) -> Iterator[tuple[str, str | None]]:
    """Yield what a number that is not valid as written may mean, each with its region: in the shop's country first."""
    code = phonenumbers.country_code_for_region(region)
    after_exit = _EXIT.sub("", number)
    once = re.sub(f"^(?:{code})+(?={code})", "", after_exit)
    # The 1 is that of Mexican mobile phones, without the country code that it came after.
    for home in (after_exit, after_exit.removeprefix("1"), number.lstrip("0"), once):
        yield home, region
    yield f"+{after_exit}", None


def _across(number: str, *, region: str) -> Iterator[tuple[str, str | None]]:
    """Yield what a number may mean that only the neighbours have, as `_repaired` does."""
    if neighbour := _ACROSS_THE_BORDER.get(region):
        without_code = number.removeprefix(str(phonenumbers.country_code_for_region(region)))
        for across in (number, without_code, without_code.removeprefix("1")):
            yield across, neighbour


def _valid_numbers(candidates: Iterator[tuple[str, str | None]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, (_valid(number, region=region) for number, region in candidates))))


def _parts(text: str, *, region: str) -> list[str]:
    """Return the parts of a text that may each be a number, without their extensions."""
    found = [
        match.raw_string.removesuffix(match.number.extension or "")
        for match in PhoneNumberMatcher(text, region, leniency=Leniency.POSSIBLE)
    ]
    whole = [part for part in found if len(digits(part)) >= ENDING]
    if len(whole) > 1:
        return whole
    number = digits(text)
    half = len(number) // 2
    halves = [number[:half], number[half:]]
    if half >= ENDING and all(_valid(each, region=region) for each in halves):  # two numbers with a space between them
        return halves
    if whole:
        return whole
    try:
        extension = phonenumbers.parse(text, region).extension or ""
    except phonenumbers.NumberParseException:
        extension = ""
    return [number.removesuffix(extension)]


def _valid(number: str, *, region: str | None) -> str:
    """Return a number as +E.164, or "" when it is not valid."""
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return ""
    return phonenumbers.format_number(parsed, PhoneNumberFormat.E164) if phonenumbers.is_valid_number(parsed) else ""
