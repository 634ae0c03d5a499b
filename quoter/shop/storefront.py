"""What customers' pages say of the shop beside its facts: opening hours, promise, phone and lowest price."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import groupby
from textwrap import shorten

import phonenumbers

from quoter.engine.fees import Fee
from quoter.engine.numbers import money
from quoter.engine.pricebook import PriceBook, Product
from quoter.engine.text import Language, Text, clock
from quoter.shop.values import Facts, facts, shop

DAYS: dict[Language, tuple[str, ...]] = {
    "es": ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
TO = Text(es=" a ", en=" to ")
AND = Text(es=" y ", en=" and ")
MINUTES = Text(es="Respondemos en unos {count} minutos", en="We answer within about {count} minutes")
HOUR = Text(es="Respondemos en una hora", en="We answer within an hour")
HOURS = Text(es="Respondemos en unas {count} horas", en="We answer within about {count} hours")
INCLUDED = Text(es="El precio incluye", en="The price includes")
LEAD_TIME = Text(es="Tiempo de entrega", en="Lead time")
BRIEF = 90  # characters
TAX_EXTRA = Text(es="más {tax}", en="plus {tax}")
TAX_INSIDE = Text(es="{tax} incluido", en="{tax} included")


@dataclass(frozen=True, slots=True)
class Storefront:
    """promise: a sentence without a full stop; hours: a line for each group of days; phone: as people write it.

    place: where the shop works, in a few words; first: up to three facts for the top of the page, each with the name of
    its icon and its title; whole: those of them that were cut there, without icons.
    """

    facts: Facts
    promise: str
    hours: tuple[str, ...]
    phone: str
    place: str
    first: tuple[tuple[str, str, str], ...]
    whole: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class LowestPrice:
    """amount: of one unit, with the unit; tax: whether the tax is inside, "" where there is none."""

    amount: str
    tax: str


def of_shop(language: Language) -> Storefront:
    """Return what the pages in a language say of the shop."""
    hours = tuple(_hours(language))
    promise = _promise(shop.ANSWER_PROMISE, language) if hours else ""
    said = facts(language)
    titled = (
        ("check", INCLUDED.in_(language), said.included),
        ("calendar", LEAD_TIME.in_(language), said.lead_time),
    )
    first = [(icon, title, _in_brief(text)) for icon, title, text in titled if text]
    return Storefront(
        facts=said,
        promise=promise,
        hours=hours,
        phone=_readable(shop.WHATSAPP_NUMBER),
        place=_in_brief(said.area),
        first=(*first, *([("clock", promise, " · ".join(hours))] if promise else [])),
        whole=tuple((title, text) for _icon, title, text in titled if text != _in_brief(text)),
    )


def lowest_price(book: PriceBook, *, today: date, language: Language) -> LowestPrice | None:
    """Return the lowest price for one unit; None where one would promise what nobody pays.

    Of the products in the unit of the first one, whose options and fees need not add to the price.
    """
    unit = book.products[0].unit
    prices = [
        tier.price
        for product in book.products
        if product.unit == unit and _is_plain(product)
        for listed in product.prices
        for tier in listed.tiers
        if tier.price > 0
    ]
    if not prices or not _is_plain(book.products[0]) or any(map(_is_always_charged, book.fees)):
        return None
    amount = f"{money(min(prices), book.currency)}/{book.unit_name(unit).one.in_(language)}"
    tax = book.tax_on(today)
    words = TAX_INSIDE if book.prices_include_tax else TAX_EXTRA
    return LowestPrice(amount, words.say(language, tax=tax.name) if tax and tax.rate else "")


def _is_plain(product: Product) -> bool:
    """Whether some choice of each option leaves the unit price as it is listed, and nothing always comes on top."""
    return (
        product.pricing == "unit"
        and all(any(not choice.add and not choice.rate for choice in option.choices) for option in product.options)
        and not any(map(_is_always_charged, product.fees))
    )


def _is_always_charged(fee: Fee) -> bool:
    return not fee.when and not fee.quantity


def _in_brief(text: str) -> str:
    """Return the first line of a text, cut between words when it is long."""
    return shorten(text.partition("\n")[0], BRIEF, placeholder="…")


def _promise(promised: timedelta, language: Language) -> str:
    minutes = promised // timedelta(minutes=1)
    if minutes % 60:
        return MINUTES.say(language, count=str(minutes))
    return HOUR.in_(language) if minutes == 60 else HOURS.say(language, count=str(minutes // 60))


def _hours(language: Language) -> Iterator[str]:
    """Yield a line for each run of days with the same hours: Lunes a viernes, 8:00 a. m. a 6:00 p. m."""
    for openings, run in groupby(enumerate(shop.BUSINESS_HOURS), key=lambda day: day[1]):
        days = [DAYS[language][number] for number, _openings in run]
        if openings:
            between = AND if len(days) == 2 else TO
            named = days[0] if len(days) == 1 else f"{days[0]}{between.in_(language)}{days[-1]}"
            spans = (
                f"{_clock(opens, language)}{TO.in_(language)}{_clock(closes, language)}" for opens, closes in openings
            )
            yield f"{named[0].upper()}{named[1:]}, {AND.in_(language).join(spans)}"


def _clock(since_midnight: timedelta, language: Language) -> str:
    return clock(*divmod(since_midnight // timedelta(minutes=1), 60), language)


@lru_cache(maxsize=4)
def _readable(number: str) -> str:
    """526561234567 -> +52 656 123 4567"""
    try:
        parsed = phonenumbers.parse(f"+{number}")
    except phonenumbers.NumberParseException:
        return f"+{number}"
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
