import time
from typing import Any

from django import template
from django.conf import settings

from leads import phones
from leads.delivery.health import outbox_state
from leads.delivery.postgres_writer import LATE_S
from leads.inbox import flags
from leads.models import Lead
from leads.snapshot import JournalRecord

register = template.Library()


@register.filter
def dialled(lead: Lead | JournalRecord) -> str:
    """Return the digits of a lead's phone with the country code, for a tel: link, which begins with +."""
    return phones.dialled(lead.phone, lead.snapshot.customer.phone_raw, shop=settings.WHATSAPP_NUMBER)


@register.inclusion_tag("leads/inbox/_doubt.html")
def phone_doubt(lead: Lead | JournalRecord) -> dict[str, object]:
    """Render why it is doubtful which number is meant by a lead's phone; nothing when it is certain."""
    typed = lead.snapshot.customer.phone_raw
    return {"doubt": flags.doubt(phones.read_stored(lead.phone, typed, shop=settings.WHATSAPP_NUMBER))}


@register.filter
def person(user: Any) -> str:
    """Return what colleagues call a user: the full name, else the user name."""
    return (user.get_full_name() or user.get_username()) if user else ""


@register.inclusion_tag("leads/inbox/_banner.html")
def outbox_banner() -> dict[str, object]:
    """Render the banner about this machine's outbox: late leads, refused ones, files that cannot be read."""
    counts = outbox_state()
    age = counts.age_s(time.time())
    return {
        "pending": counts.pending if age > LATE_S else 0,
        "minutes": age / 60,
        "quarantined": counts.quarantined,
        "inaccessible": len(counts.inaccessible),
    }
