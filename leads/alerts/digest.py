"""The texts of the regular mails: figures and links to the pages that have the customers, but no customer."""

from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from leads.desk import figures, people, words
from leads.desk.days import counted
from leads.desk.figures import Period
from leads.desk.links import list_url

# Who was written to in so many days, and then forgotten, is worth a mail.
FORGOTTEN_IN = 30


class NotCounted(Exception):
    """The figures of the week are not all counted yet; the next attempt goes on."""


class Mail(NamedTuple):
    title: str
    lines: tuple[str, ...]


def week(now: datetime, zone: ZoneInfo) -> Mail | None:
    """Return the figures of last week, Monday to Sunday, and what is open now; None for a week without any.

    NotCounted when that takes too long.
    """
    today = now.astimezone(zone).date()
    sunday = today - timedelta(days=today.weekday() + 1)
    days = [sunday - timedelta(days=back) for back in range(7)]
    known = counted(days, now=now, zone=zone)
    if len(known) < len(days):
        raise NotCounted
    of_week = Period.of(known.values())
    if of_week.is_empty:
        return None
    sold, quoted = words.amount(of_week.total.sold), words.amount(of_week.total.quoted)
    reasons = figures.by_reason(day.losses for day in known.values())[0]
    return Mail(
        _("Last week: %(sold)s sold, %(quoted)s quoted") % {"sold": sold, "quoted": quoted},
        (
            _("From %(first)s to %(last)s:") % {"first": words.day(days[-1]), "last": words.day(days[0])},
            "",
            _("Sold: %(amount)s, %(sales)s") % {"amount": sold, "sales": words.sales(of_week.total.sales)}
            + ("" if of_week.total.share is None else ", " + _share(of_week.total.share)),
            _("Quoted: %(amount)s, %(people)s") % {"amount": quoted, "people": words.people(of_week.total.people)},
            _answers(of_week),
            _("Lost: %(amount)s, %(people)s")
            % {"amount": words.amount(of_week.lost.amount), "people": words.people(of_week.lost.people)},
            *(f"  {reason or _('No reason given')}: {words.people(loss.people)}" for reason, loss in reasons.items()),
            "",
            *_open_now(now, today, zone),
            _("The desk: %(address)s") % {"address": address(f"{reverse('admin:index')}?days=7")},
        ),
    )


def morning(count: int) -> Mail | None:
    """Return what a seller has to do today. count: customers under the tab Today."""
    if not count:
        return None
    title = ngettext("%(count)d customer for today", "%(count)d customers for today", count) % {"count": count}
    what = _("What you planned for today, and quotes that are about to expire, are under Today:")
    return Mail(title, (what, address(list_url(status="today"))))


def of_absent(name: str, last: date, count: int) -> Mail | None:
    """Return what somebody who is away would have to do today. last: the last day of it; count: customers."""
    if not count:
        return None
    title = ngettext(
        "%(name)s is away: %(count)d customer for today", "%(name)s is away: %(count)d customers for today", count
    )
    said = _("Until %(day)s, what %(name)s planned is under Today for everybody:")
    return Mail(
        title % {"name": name, "count": count},
        (said % {"day": words.day(last), "name": name}, address(list_url(status="today"))),
    )


def evening(now: datetime) -> Mail | None:
    """Return how many next steps were not done by now."""
    count = people.overdue(now).count()
    if not count:
        return None
    title = ngettext("%(count)d next step was not done", "%(count)d next steps were not done", count)
    return Mail(
        title % {"count": count},
        (_("They were planned for today or earlier:"), address(people.people_url(people.OVERDUE))),
    )


def address(path: str) -> str:
    return f"https://{settings.PUBLIC_HOST}{path}" if settings.PUBLIC_HOST else path


def _open_now(now: datetime, today: date, zone: ZoneInfo) -> list[str]:
    """Return who waits too long and who was forgotten, each with a link, and an empty line after them."""
    lines = []
    if late := figures.late(figures.late_since(now, zone)):
        lines += [
            _("Waiting now for longer than promised: %(people)s") % {"people": words.people(late)},
            address(list_url(status="waiting")),
        ]
    _open, forgotten = people.count(people.since(FORGOTTEN_IN, today, zone), now)
    if forgotten.people:
        lines += [
            _("One message in the last %(days)d days and nothing more: %(people)s, %(amount)s")
            % {
                "days": FORGOTTEN_IN,
                "people": words.people(forgotten.people),
                "amount": words.amount(forgotten.amount),
            },
            address(people.people_url(people.FORGOTTEN, FORGOTTEN_IN)),
        ]
    return [*lines, ""] if lines else []


def _answers(of_week: Period) -> str:
    answered = _("Answered: %(answered)s of %(people)s people") % {
        "answered": words.grouped(of_week.answered),
        "people": words.grouped(of_week.total.people),
    }
    if of_week.median is None:
        return answered
    times = _("half within %(median)s, 9 of 10 within %(p90)s")
    within = times % {"median": words.duration(of_week.median), "p90": words.duration(of_week.p90)}
    return f"{answered}, {within}"


def _share(share: int) -> str:
    return _("%(share)s%% of what was quoted") % {"share": share}
