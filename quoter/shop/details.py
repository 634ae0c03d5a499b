"""The shop's settings as the owner publishes them: a JSON object of texts, only of what the owner has set.

What has the name of an environment variable is read as that variable is. The others are the owner's alone.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.validators import validate_email

from quoter.engine.finding import BookFinding, PriceBookInvalid
from quoter.engine.text import Text
from quoter.shop.table.numbers import NotANumber, fraction

LOGO = "LOGO"
PHOTO = "PHOTO"
PHOTO_START = "data:image/webp;base64,"
NOTICE = "PRIVACY_NOTICE"  # with _ES and _EN
NOTICE_VERSION = "PRIVACY_NOTICE_VERSION"
MAP_URL = "MAP_URL"
QUESTIONS = "QUESTIONS"
# What the shop says of itself, in both languages: ADDRESS_ES, ADDRESS_EN.
FACTS = ("ADDRESS", "AREA", "INCLUDED", "PAYMENT", "LEAD_TIME", QUESTIONS)
LANGUAGES = ("ES", "EN")
# What staff send later, besides the greeting: REMINDER_ES, REMINDER_EN. These count until the owner has others.
READY = {
    "QUOTE": Text(
        es="Hola {name}, esta es tu cotización {folio}: {total}, vigente hasta el {until}. Completa: {link}",
        en="Hello {name}, here is your quote {folio}: {total}, valid until {until}. See all of it here: {link}",
    ),
    "REMINDER": Text(
        es="Hola {name}, ¿pudiste ver tu cotización {folio} de {total}? Con gusto resolvemos tus dudas. {business}",
        en="Hello {name}, did you see your quote {folio} for {total}? Happy to answer any questions. {business}",
    ),
    "RENEWAL": Text(
        es="Hola {name}, tu cotización {folio} ya venció. Con gusto te la hacemos con los precios de hoy. {business}",
        en="Hello {name}, your quote {folio} has expired. We can requote it at today's prices. {business}",
    ),
    "AFTER_SALE": Text(
        es="Hola {name}, gracias por tu compra. ¿Quedó todo bien? {business}",
        en="Hello {name}, thank you for your purchase. Did everything go well? {business}",
    ),
}
# Why a customer did not buy, a line each: what staff choose from, until the owner has other reasons.
LOST_REASONS = "LOST_REASONS"
REASONS = Text(es="Precio\nFecha\nCompró en otro lado\nNo contestó", en="Price\nDate\nBought elsewhere\nDid not answer")
MOST_REASONS, LONGEST_REASON = 8, 40
# How much sellers and managers may take off, in per cent, and the reasons that customers read beside it, a line each.
SELLER_DISCOUNT, MANAGER_DISCOUNT = "SELLER_DISCOUNT", "MANAGER_DISCOUNT"
DISCOUNT_REASONS = "DISCOUNT_REASONS"
WHY_LESS = Text(
    es="Cliente frecuente\nPago de contado\nVolumen\nIgualamos otro precio",
    en="Regular customer\nCash payment\nVolume\nMatching another price",
)
READY_FIELDS = ("name", "folio", "total", "business", "until", "link")
OWN = (
    LOGO,
    PHOTO,
    NOTICE_VERSION,
    MAP_URL,
    LOST_REASONS,
    SELLER_DISCOUNT,
    MANAGER_DISCOUNT,
    DISCOUNT_REASONS,
    *(f"{name}_{language}" for name in (NOTICE, *FACTS, *READY) for language in LANGUAGES),
)
# An owner may leave these empty; the site needs a text of the others.
MAY_BE_EMPTY = {"BRAND_COLOR", "BRAND_ACCENT", "HOLIDAYS", "ALERT_EMAILS", "ALERT_MANAGER_EMAILS", *OWN}
MOST_CHARACTERS = {
    "BUSINESS_NAME": 60,
    LOGO: 30_000,
    PHOTO: 210_000,
    **{f"{NOTICE}_{each}": 20_000 for each in LANGUAGES},
}
LONGEST_TEXT = 1_200
MOST_QUESTIONS = 4
LARGEST_LOGO = 20_000  # bytes; the budget of a customer's page is 40 kB in all

_LOGO = re.compile(r"data:image/(svg\+xml|png|webp);base64,([A-Za-z0-9+/=]+)")
_SIGNATURES = {"svg+xml": b"<", "png": b"\x89PNG\r\n\x1a\n", "webp": b"RIFF"}
SUFFIXES = {"svg+xml": ".svg", "png": ".png", "webp": ".webp"}


def names() -> tuple[str, ...]:
    """Return everything that the owner can set."""
    return (*settings.SHOP_TEXTS, *OWN)


def meaning(content: str) -> dict[str, Any]:
    """Return the value of each setting in a document; PriceBookInvalid has a finding for each one that is wrong.

    What this release does not know is left out: a newer one may have written it.
    """
    texts = json.loads(content)
    if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
        raise PriceBookInvalid([BookFinding("", "is not an object of texts")])
    values, findings = {}, []
    for name in filter(texts.__contains__, names()):
        try:
            values[name] = value_of(name, texts[name])
        except ValueError as error:
            findings.append(BookFinding(name, "%(reason)s", reason=error))
    if findings:
        raise PriceBookInvalid(findings)
    return values


def value_of(name: str, text: str) -> Any:
    """Return what a text means for a setting; ValueError says what is wrong with it."""
    if len(text) > MOST_CHARACTERS.get(name, LONGEST_TEXT):
        raise ValueError(f"has more than {MOST_CHARACTERS.get(name, LONGEST_TEXT)} characters")
    if any(not letter.isprintable() and letter not in "\n\t" for letter in text):
        raise ValueError("has a character that cannot be shown")
    if not text.strip() and name not in MAY_BE_EMPTY:
        raise ValueError("is empty")
    if name in settings.SHOP_TEXTS:
        return _variable(name, text)
    if name == LOGO:
        return logo_of(text)
    if name == PHOTO:
        return photo_of(text)
    if name == MAP_URL and text.strip() and urlsplit(text.strip()).scheme != "https":
        raise ValueError("is not an address that begins with https://")
    if name.startswith(f"{NOTICE}_") and name != NOTICE_VERSION:
        _refuse_braces(text, ("business",))
    if name.rpartition("_")[0] in READY:
        _refuse_braces(text, READY_FIELDS)
    if name in (LOST_REASONS, DISCOUNT_REASONS):
        return reasons_of(text)
    if name in (SELLER_DISCOUNT, MANAGER_DISCOUNT):
        return limit_of(text)
    return questions_of(text) if name.startswith(QUESTIONS) else text.strip()


def reasons_of(text: str) -> tuple[str, ...]:
    """Return the reasons of a text with a line each; ValueError for too many or too long ones."""
    reasons = tuple(dict.fromkeys(" ".join(line.split()) for line in text.splitlines() if line.strip()))
    if len(reasons) > MOST_REASONS:
        raise ValueError(f"has more than {MOST_REASONS} reasons")
    if any(len(reason) > LONGEST_REASON for reason in reasons):
        raise ValueError(f"has a reason of more than {LONGEST_REASON} characters")
    return reasons


def limit_of(text: str) -> Decimal:
    """Return a part of a price, as a fraction, of a text in per cent; 0 of an empty one."""
    try:
        limit = Decimal(fraction(text)) if text.strip() else Decimal(0)
    except NotANumber:
        raise ValueError("is no number of per cent, such as 5") from None
    if not 0 <= limit < 1:
        raise ValueError("is not from 0 to less than 100")
    return limit


def _variable(name: str, text: str) -> Any:
    try:
        value = settings.SHOP_READER({name: text})[name]
    except ImproperlyConfigured as error:
        raise ValueError(str(error)) from error
    if name.endswith("_EMAILS"):
        for address in value:
            try:
                validate_email(address)
            except Exception as error:  # broad: ValidationError is no ValueError, and only says that it is none
                raise ValueError(f"{address} is not an e-mail address") from error
    return value


def logo_of(text: str) -> tuple[str, bytes] | None:
    """Return a picture's suffix and its bytes, from a data: URL; None of an empty text."""
    if not text.strip():
        return None
    match = _LOGO.fullmatch(text.strip())
    try:
        content = base64.b64decode(match[2], validate=True) if match else b""
    except binascii.Error:
        content = b""
    if not match or not content.lstrip().startswith(_SIGNATURES[match[1]]):
        raise ValueError("is not an SVG, PNG or WebP picture")
    if len(content) > LARGEST_LOGO:
        raise ValueError(f"has over {LARGEST_LOGO // 1000} kB, too much for a phone")
    return SUFFIXES[match[1]], content


def photo_of(text: str) -> bytes | None:
    """Return a WebP picture from a data: URL; None of an empty text."""
    if not text:
        return None
    try:
        content = base64.b64decode(text.removeprefix(PHOTO_START), validate=True)
    except binascii.Error:
        content = b""
    if not text.startswith(PHOTO_START) or not content.startswith(_SIGNATURES["webp"]):
        raise ValueError("is not a WebP picture")
    return content


def questions_of(text: str) -> tuple[tuple[str, str], ...]:
    """Return questions with their answers. They stand in paragraphs: the question in the first line of each."""
    paragraphs = [paragraph.strip().split("\n", 1) for paragraph in re.split(r"\n\s*\n", text.strip()) if paragraph]
    if any(len(paragraph) < 2 for paragraph in paragraphs):
        raise ValueError("has a question without an answer: the answer stands in the line below it")
    if len(paragraphs) > MOST_QUESTIONS:
        raise ValueError(f"has more than {MOST_QUESTIONS} questions")
    return tuple((question.strip(), answer.strip()) for question, answer in paragraphs)


def _refuse_braces(text: str, fields: Iterable[str]) -> None:
    try:
        Text.model_validate(text).say("es", **dict.fromkeys(fields, ""))
    except (LookupError, AttributeError, ValueError):
        allowed = ", ".join(f"{{{field}}}" for field in fields)
        raise ValueError(f"may use {allowed} and no other braces") from None


def ready(given: Mapping[str, Any]) -> dict[str, str]:
    """Return the ready texts by name and language, REMINDER_ES: the owner's, or else those above."""
    texts = {
        f"{name}_{code}": text for name, both in READY.items() for code, text in (("ES", both.es), ("EN", both.en))
    }
    return {name: given.get(name) or text for name, text in texts.items()}


def document(texts: Mapping[str, str]) -> str:
    """Return a document as it is published."""
    return json.dumps(dict(sorted(texts.items())), ensure_ascii=False, indent=1)
