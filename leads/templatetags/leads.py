import time

from django import template
from django.conf import settings

from leads import phones
from leads.delivery.health import outbox_state
from leads.delivery.postgres_writer import LATE_S

register = template.Library()


@register.filter
def dialled(phone: str) -> str:
    """A phone as a link with tel: takes it, after its +"""
    return phones.dialled(phone, shop=settings.WHATSAPP_NUMBER)


@register.inclusion_tag("leads/inbox/_banner.html")
def outbox_banner() -> dict[str, object]:
    """What waits on this machine's disk, when it has waited for longer than a delivery takes."""
    found = outbox_state()
    age = time.time() - found.oldest_at if found.oldest_at else 0
    return {"pending": found.pending if age > LATE_S else 0, "minutes": age / 60, "quarantined": found.quarantined}
