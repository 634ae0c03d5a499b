"""The times that a seller means by "later today", "tomorrow" and "Monday": when the shop is open."""

from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.utils.formats import date_format
from django.utils.translation import get_language, gettext

from leads.business_hours import opening_hours
from leads.models import Absence
from quoter.shop.values import shop

# Later today is so long from now, on a half hour.
LATER = timedelta(hours=1)
HALF_HOUR = timedelta(minutes=30)
# How far ahead an open day is looked for, and at which hour people are called at the earliest.
MOST_DAYS = 15
EARLIEST = 9


class Choice(NamedTuple):
    """A time to choose with one tap. label: today 13:30, Monday 9:00, in words."""

    at: datetime
    label: str


def choices(now: datetime, zone: ZoneInfo) -> list[Choice]:
    """Return later today if the shop is open then, the next two days on which it opens, and next week's first."""
    today = now.astimezone(zone)
    found = []
    later = _on_half_hour(today + LATER)
    if later.date() == today.date() and any(opens <= later < closes for opens, closes in _hours(later, zone)):
        found.append(Choice(later, f"{gettext('today')} {_hour(later)}"))
    days = [today + timedelta(days=ahead) for ahead in range(1, MOST_DAYS)]
    opened = [at for day in days if (at := _first(day, zone))]
    next_week = next((at for at in opened if at.isocalendar()[:2] > today.isocalendar()[:2]), None)
    for at in dict.fromkeys([*opened[:2], *([next_week] if next_week else [])]):
        is_tomorrow = at.date() == today.date() + timedelta(days=1)
        name = gettext("tomorrow") if is_tomorrow else weekday(at)
        found.append(Choice(at, f"{name} {_hour(at)}"))
    return found


def in_words(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """Return a planned time: today 13:30, Monday 9:00, 12 Dec 9:00."""
    local, today = at.astimezone(zone), now.astimezone(zone).date()
    days = (local.date() - today).days
    if days in (-1, 0, 1):
        name = [gettext("today"), gettext("tomorrow"), gettext("yesterday")][days]
    else:
        name = weekday(local) if 1 < days < 7 else short_day(local)
    return f"{name} {_hour(local)}"


def weekday(day: date) -> str:
    """Return Monday, or lunes."""
    return _spelt(date_format(day, "l"))


def short_day(day: date) -> str:
    """Return 12 Dec, or 12 dic."""
    return _spelt(date_format(day, "j M"))


def away_until(absence: Absence) -> str:
    return gettext("away until {day}").format(day=short_day(absence.last))


def _spelt(name: str) -> str:
    """Return the name of a day or month as a sentence has it: Spanish writes it small."""
    return name.lower() if (get_language() or "").startswith("es") else name


def _hours(day: datetime, zone: ZoneInfo) -> list[tuple[datetime, datetime]]:
    return opening_hours(day.date(), hours=shop.BUSINESS_HOURS, zone=zone, holidays=shop.HOLIDAYS)


def _first(day: datetime, zone: ZoneInfo) -> datetime | None:
    """Return the hour at which people are called on a day; None when the shop is closed."""
    for opens, closes in _hours(day, zone):
        at = max(opens.astimezone(zone), opens.astimezone(zone).replace(hour=EARLIEST, minute=0))
        return at if at < closes else opens.astimezone(zone)
    return None


def _on_half_hour(at: datetime) -> datetime:
    whole = at.replace(minute=0, second=0, microsecond=0)
    return whole + HALF_HOUR * -(-(at - whole) // HALF_HOUR)


def _hour(at: datetime) -> str:
    return f"{at.hour}:{at.minute:02}"
