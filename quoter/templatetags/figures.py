"""Amounts, quantities and dates as people in Mexico write them, in Spanish and English."""

from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache

from django import template
from django.utils import dateformat, timezone, translation

from quoter.engine import numbers
from quoter.engine.explain import readable
from quoter.engine.numbers import decimal_places
from quoter.engine.quote import Quote, QuoteLine
from quoter.engine.text import NO_BREAK, Language, Text, clock
from quoter.engine.units import unbroken
from quoter.site import language

register = template.Library()
register.filter(is_safe=True)(unbroken)

TOTAL = Text(es="Total", en="Total")
TOTAL_WITH = Text(es="Total con {tax}", en="Total with tax ({tax})")
MORE = Text(es=" + {count} más", en=" + {count} more")


@register.filter
def money(amount: Decimal, currency: str = "MXN") -> str:
    """$15,417.76"""
    return numbers.money(amount, currency)


@register.filter
def difference(amount: Decimal) -> str:
    """+$312.00, −$80.50"""
    sign = "+" if amount > 0 else "−" if amount < 0 else ""
    return f"{sign}{numbers.money(abs(amount))}"


@register.filter
def quantity(number: Decimal) -> str:
    """5.6, with at most three decimals"""
    return readable(number, at_least=0)


@register.filter
def billed(line: QuoteLine) -> str:
    """6 m³; 80 personas in Spanish and 80 people in English"""
    return unbroken(line.billed_in(language()))


@register.filter
def gist(quote: Quote) -> str:
    """3 m³ · Ready-mix concrete, f'c 200 + 1 more"""
    first, *others = quote.lines
    what = f"{unbroken(first.billed_in(quote.language))} · {first.description}"
    return what + MORE.say(quote.language, count=str(len(others))) if others else what


@register.filter
def total_label(quote: Quote) -> str:
    """Total con IVA; Total with tax (IVA)"""
    return written_total(quote, language())


def written_total(quote: Quote, language: Language) -> str:
    return TOTAL_WITH.say(language, tax=quote.tax.name) if quote.is_taxed else TOTAL.in_(language)


@register.filter
def percent(rate: Decimal) -> str:
    """0.08 -> 8 %"""
    points = rate * 100
    return f"{numbers.grouped(points, places=decimal_places(points))}{NO_BREAK}%"


@register.filter
def iso(at: datetime) -> str:
    """2026-11-29T23:59:59-07:00, in a sixth of the time of Django's date:"c"."""
    return timezone.localtime(at).isoformat()


@register.filter
def day(at: datetime) -> str:
    """domingo 29 de noviembre de 2026; Sunday, November 29, 2026"""
    return written_day(timezone.localtime(at), language())


def written_day(at: date, language: Language) -> str:
    """Return a day, or that of an aware time, as `day` does, in a language that need not be the page's."""
    return _written_day(date(at.year, at.month, at.day), language)


@lru_cache(maxsize=64)
def _written_day(at: date, language: Language) -> str:
    with translation.override("en" if language == "en" else "es-mx"):
        if language == "en":
            return dateformat.format(at, "l, F j, Y")
        # Django's Spanish writes months and days with a capital letter; Spanish does not.
        return dateformat.format(at, r"l j \d\e F \d\e Y").lower()


@register.filter
def moment(at: datetime) -> str:
    """domingo 29 de noviembre de 2026, a las 11:59 p. m.; Sunday, November 29, 2026, at 11:59 p.m."""
    hour = written_hour(timezone.localtime(at), language())
    return f"{day(at)}, at {hour}" if language() == "en" else f"{day(at)}, a {hour}"


def written_hour(at: datetime, language: Language) -> str:
    """las 11:59 p. m., la 1:05 p. m.; 11:59 p.m. at: in the business's zone."""
    hour = clock(at.hour, at.minute, language)
    if language == "en":
        return hour
    return f"{'la' if hour.startswith('1:') else 'las'} {hour}"
