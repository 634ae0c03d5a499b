"""When the shop answers, in words for customers, by its business hours and holidays."""

from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple

from django.core.cache import caches

from leads.business_hours import AnswerTime, answer_times
from quoter import site
from quoter.engine.text import Language, Text
from quoter.engine.units import unit_text
from quoter.shop import served
from quoter.shop.values import shop
from quoter.templatetags.figures import written_day, written_hour

SOON = Text(es="Respondemos en unos {time}. Hoy, hasta {closes}", en="We answer in about {time}. Today until {closes}")
# Each ends with an hour, which ends with a full stop.
LATER = Text(es="Te respondemos el {day}, antes de {hour}", en="We answer on {day}, before {hour}")
CLOSED = Text(es="Ahora estamos cerrados. {later}", en="We are closed now. {later}")
MINUTES = Text(es="{count} minutos", en="{count} minutes")
# A page that stays open, or that a device has kept, shows the right sentence for some two days.
_MOST = 7


class Sentence(NamedTuple):
    """until: the moment up to which it is true."""

    until: datetime
    text: str


def sentences(now: datetime, language: Language) -> list[Sentence]:
    """Return what is true from `now` on, one after another; none when the shop never opens."""
    key = f"answers:{served.current().key}:{language}"
    kept: list[Sentence] = caches["pages"].get(key) or []
    if not kept or kept[0].until <= now:
        kept = _sentences(now, language)
        caches["pages"].set(key, kept)
    return kept


def _sentences(now: datetime, language: Language) -> list[Sentence]:
    times = answer_times(
        now,
        promise=shop.ANSWER_PROMISE,
        hours=shop.BUSINESS_HOURS,
        zone=site.zone(),
        holidays=shop.HOLIDAYS,
    )
    return [Sentence(each.until, _in_words(each, language)) for each in islice(times, _MOST)]


def _in_words(time: AnswerTime, language: Language) -> str:
    if time.is_soon and time.closes:
        closes = written_hour(time.closes.astimezone(site.zone()), language)
        return SOON.say(language, time=_duration(shop.ANSWER_PROMISE, language), closes=closes)
    due = time.due.astimezone(site.zone())
    later = LATER.say(language, day=written_day(due, language), hour=written_hour(due, language))
    return later if time.closes else CLOSED.say(language, later=later)


def _duration(time: timedelta, language: Language) -> str:
    minutes = time // timedelta(minutes=1)
    if minutes < 120 or minutes % 60:
        return MINUTES.say(language, count=str(minutes))
    return f"{minutes // 60} {unit_text('hour').in_(language)}"
