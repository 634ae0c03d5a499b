"""The text of an alert. A lock screen may show it, so it has folio, total and first name, but never a phone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from leads.inbox import greeting
from leads.inbox.changelist import count_text
from leads.models import Lead
from quoter.shop.values import shop

MOST_SHOWN = 5
LONGEST_NAME = 30


@dataclass(frozen=True, slots=True)
class Notification:
    title: str
    lines: tuple[str, ...]


def about_leads(came: Sequence[Lead], unanswered: Sequence[Lead]) -> Notification:
    """Return one message about all these leads, the unanswered first."""
    parts = []
    if unanswered:
        text = ngettext(
            "%(count)d lead unanswered for %(minutes)d minutes",
            "%(count)d leads unanswered for %(minutes)d minutes",
            len(unanswered),
        )
        minutes = shop.ESCALATE_AFTER // timedelta(minutes=1)
        parts.append(text % {"count": len(unanswered), "minutes": minutes})
    if came:
        parts.append(ngettext("%(count)d new lead", "%(count)d new leads", len(came)) % {"count": len(came)})
    leads = list({lead.pk: lead for lead in (*unanswered, *came)}.values())
    lines = [_line(lead) for lead in leads[:MOST_SHOWN]]
    if more := len(leads) - len(lines):
        lines.append(ngettext("and %(count)d more", "and %(count)d more", more) % {"count": more})
    return Notification(", ".join(parts), tuple(lines))


def about_set_aside(counts: Sequence[str]) -> Notification:
    """Return the message about leads that were set aside. counts: how many, as text, of each alert."""
    return Notification(
        _("Leads were set aside"),
        (
            _("Set aside because they look like a bot's or a flood's: %(count)s.") % {"count": " + ".join(counts)},
            _("They wait under a tab of their own. Nothing was refused: look whether there is a customer among them."),
        ),
    )


def together(parts: Sequence[Notification]) -> Notification:
    """Return one message with the titles and lines of all."""
    return Notification(", ".join(part.title for part in parts), tuple(line for part in parts for line in part.lines))


def heartbeat(*, came: int, waiting: int) -> Notification:
    """Return the daily message that alerts work.

    came: leads of the last day; waiting: leads that wait now, at most MOST_COUNTED.
    """
    return Notification(
        _("Alerts are working"),
        (
            ngettext("%(count)d lead came since yesterday.", "%(count)d leads came since yesterday.", came)
            % {"count": came},
            ngettext("%(count)s waits for an answer now.", "%(count)s wait for an answer now.", waiting)
            % {"count": count_text(waiting)},
            _("This message comes every morning. If it does not come, alerts about leads may not arrive either."),
        ),
    )


def _line(lead: Lead) -> str:
    shown = [lead.folio, lead.snapshot.total_text]
    if settings.ALERT_NAMES:
        shown.append(_first_name(greeting.repeatable(lead.name)))
    return " · ".join(filter(None, shown))


def _first_name(name: str) -> str:
    words = "".join(letter if letter.isprintable() else " " for letter in name).split()
    return words[0][:LONGEST_NAME] if words else ""
