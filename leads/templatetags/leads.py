import time
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import template
from django.utils.timezone import localtime

from leads import phones
from leads.delivery import machines
from leads.delivery.postgres_writer import LATE_S
from leads.inbox import flags, history
from leads.inbox.person import steps
from leads.inbox.rows import LeadRow
from leads.models import Lead, LeadEvent
from leads.snapshot import JournalRecord
from leads.staff.team.members import called
from quoter.engine.numbers import money
from quoter.shop.values import shop

register = template.Library()


@register.filter
def dialled(lead: Lead | JournalRecord) -> str:
    """Return the digits of a lead's phone with the country code, for a tel: link, which begins with +."""
    return phones.dialled(lead.phone, lead.snapshot.customer.phone_raw, shop=shop.WHATSAPP_NUMBER)


@register.filter
def amount(value: Decimal | None) -> str:
    return "" if value is None else money(value)


@register.filter
def detail(event: LeadEvent) -> str:
    return history.in_words(event)


@register.filter
def is_taken_from(row: LeadRow, user: Any) -> bool:
    """Return whether a colleague has the person, who is here: then the user writes to them only after a look."""
    return row.colleague is not None and row.colleague != user and not row.away_text


@register.filter
def short_day(at: datetime) -> str:
    """Return the day of a moment: 12 Dec, or 12 dic."""
    return steps.short_day(localtime(at))


@register.inclusion_tag("leads/inbox/_doubt.html")
def phone_doubt(lead: Lead | JournalRecord) -> dict[str, object]:
    """Render why it is doubtful which number is meant by a lead's phone; nothing when it is certain."""
    typed = lead.snapshot.customer.phone_raw
    return {"doubt": flags.doubt(phones.read_stored(lead.phone, typed, shop=shop.WHATSAPP_NUMBER))}


@register.filter
def person(user: Any) -> str:
    """Return what colleagues call a user, or "" for none."""
    return called(user) if user else ""


@register.inclusion_tag("leads/inbox/_banner.html")
def outbox_banner() -> dict[str, object]:
    """Render the banner about the outboxes of all machines: late and refused leads, files that cannot be read.

    It also names a machine that is not heard of any more.
    """
    states, now = machines.states(), time.time()
    machines.remember(states)
    heard = [state for state in states if not state.is_silent]
    return {
        "late": [
            {"name": state.name, "pending": state.counts.pending, "minutes": age / 60}
            for state in heard
            if (age := state.counts.age_s(now)) > LATE_S
        ],
        "quarantined": sum(state.counts.quarantined for state in states),
        "inaccessible": [state.name for state in heard if state.inaccessible],
        "silent": [state for state in states if state.needs_looking],
        "are_several": len(states) > 1,
    }
