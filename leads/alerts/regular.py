"""The mails that come by the shop's hours: the week's figures, each morning what is due, each evening what was missed.

Each is sent once, by one process of all machines. None has anything about a customer.
"""

import logging
import smtplib
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import partial
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.utils import translation

from leads import business_hours
from leads.alerts import digest
from leads.alerts.digest import Mail, NotCounted
from leads.alerts.once import Once
from leads.alerts.sending import mail_is_set_up, manager_addresses
from leads.inbox.person import follow_ups
from leads.models import Absence
from quoter import site
from quoter.shop.values import shop
from telemetry import series

# On a Monday without opening hours in its week.
WITHOUT_OPENING = time(9)
# For how long after the shop has closed the evening's mail is still of use.
EVENING = timedelta(hours=4)

logger = logging.getLogger("leads.alerts")


class Kind(StrEnum):
    """WEEK: last week's figures, to managers. MORNING: what is due, to each seller, and to managers of
    whoever is away. EVENING: what was missed."""

    WEEK = "week"
    MORNING = "morning"
    EVENING = "evening"


class RegularMails:
    """One process's part. It remembers what is settled, so that a round in which nothing is due asks nothing."""

    def __init__(self) -> None:
        self._settled: dict[Kind, date] = {}

    def send(self, now: datetime, *, may_send: Callable[[], bool] = lambda: True) -> int:
        """Send what is due and not sent yet; return how many mails that were.

        may_send: asked immediately before each mail whether this process is still the one that sends.
        """
        if not mail_is_set_up():
            return 0
        count = 0
        for kind, day in due(now, site.zone()):
            if self._settled.get(kind) == day:
                continue
            is_settled = True
            for job, to, compose in _mails(kind, now):
                outcome = _send(Once(f"mail {job}", day.isoformat()), to, compose, may_send)
                is_settled, count = is_settled and outcome is not None, count + bool(outcome)
            if is_settled:
                self._settled[kind] = day
        return count


def due(now: datetime, zone: ZoneInfo) -> Iterator[tuple[Kind, date]]:
    """Yield which mails should have been sent by now, each with the first day of its period.

    The week's is due from the first opening of the week on, the morning's while the shop is open, the evening's for
    some hours after that.
    """
    today = now.astimezone(zone).date()
    monday = today - timedelta(days=today.weekday())
    week = [_opening(monday + timedelta(days=days), zone) for days in range(7)]
    first = next((opening[0] for opening in week if opening), datetime.combine(monday, WITHOUT_OPENING, zone))
    if now >= first:
        yield Kind.WEEK, monday
    for day in (today - timedelta(days=1), today):  # the shop may close at midnight
        if opening := _opening(day, zone):
            opens, closes = opening
            if opens <= now < closes:
                yield Kind.MORNING, day
            elif closes <= now < closes + EVENING:
                yield Kind.EVENING, day


def _opening(day: date, zone: ZoneInfo) -> tuple[datetime, datetime] | None:
    return business_hours.opening(day, hours=shop.BUSINESS_HOURS, zone=zone, holidays=shop.HOLIDAYS)


def _mails(kind: Kind, now: datetime) -> Iterator[tuple[str, list[str], Callable[[], Mail | None]]]:
    """Yield each mail of a kind: its job, its recipients, and what writes it."""
    zone = site.zone()
    if kind == Kind.MORNING:
        today = now.astimezone(zone).date()
        for user in _sellers(today):
            count = follow_ups.count_today(user, now=now, zone=zone)
            yield f"{kind} {user.pk}", [user.email], lambda count=count: digest.morning(count)  # type: ignore[misc]
        if managers := sorted(manager_addresses()):
            for each in Absence.objects.on(today).filter(user__is_active=True).select_related("user"):
                count = follow_ups.count_own(each.user, now=now, zone=zone)
                write = partial(digest.of_absent, each.user.get_full_name() or each.user.username, each.last, count)
                yield f"{kind} away {each.user.pk}", managers, write
    elif managers := sorted(manager_addresses()):
        week, evening = lambda: digest.week(now, zone), lambda: digest.evening(now)
        yield kind, managers, week if kind == Kind.WEEK else evening


def _sellers(today: date) -> Iterable[User]:
    """Yield who may write to customers, has an e-mail address and is here today."""
    away = Absence.objects.on(today).values("user")
    here = User.objects.filter(is_active=True, is_staff=True).exclude(email="").exclude(pk__in=away)
    return (user for user in here.order_by("pk") if user.has_perm("leads.contact_lead"))


def _send(once: Once, to: list[str], compose: Callable[[], Mail | None], may_send: Callable[[], bool]) -> bool | None:
    """Return whether the mail was sent by this call; None when it has to be tried again."""
    if not once.claim():
        return False if once.is_sent() else None
    with translation.override(settings.LANGUAGE_CODE):
        try:
            mail = compose()
        except NotCounted:
            once.failed()
            return None
    if mail is None:
        once.sent()
        return False
    if not may_send():
        return None
    try:
        EmailMessage(f"{shop.BUSINESS_NAME}: {mail.title}", "\n".join(mail.lines), to=to).send()
    except (OSError, smtplib.SMTPException) as error:
        series.MESSAGES.add("mail", "failed")
        logger.warning("regular mail not delivered: %s", type(error).__name__)
        once.failed()
        return None
    series.MESSAGES.add("mail", "sent")
    once.sent()
    return True
