"""The desk's figures as text, for its page and for mails."""

from datetime import date

from django.utils import dateformat
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from quoter import site
from quoter.engine import currency


def amount(cents: int) -> str:
    """Return an amount in cents as $1,364,900: the desk tells how much, not what is owed."""
    code = site.price_book().currency
    sign, _places = currency.of(code)
    return f"{sign}{grouped((cents + 50) // 100)}" if sign else f"{grouped((cents + 50) // 100)} {code}"


def duration(minutes: int | None) -> str:
    """Return minutes of business hours as 12 min or 3 h 05 min; a dash for None."""
    if minutes is None:
        return "–"
    if minutes < 60:
        return _("%(minutes)d min") % {"minutes": minutes}
    return _("%(hours)d h %(minutes)02d min") % {"hours": minutes // 60, "minutes": minutes % 60}


def grouped(number: int) -> str:
    """Return a number as 12,345, the form used in Mexico in both languages."""
    return f"{number:,}"


def day(at: date) -> str:
    """Return a day without its year: 29 de noviembre, November 29."""
    if site.language() == "en":
        return dateformat.format(at, "F j")
    # Django's Spanish writes months with a capital letter; Spanish does not.
    return dateformat.format(at, r"j \d\e F").lower()


def people(number: int) -> str:
    return ngettext("%(number)s person", "%(number)s people", number) % {"number": grouped(number)}


def quotes(number: int) -> str:
    return ngettext("%(number)s quote", "%(number)s quotes", number) % {"number": grouped(number)}


def sales(number: int) -> str:
    return ngettext("%(number)s sale", "%(number)s sales", number) % {"number": grouped(number)}
