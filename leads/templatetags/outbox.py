import time

from django import template

from leads.courier import LATE_S
from leads.health import outbox_state

register = template.Library()


@register.inclusion_tag("leads/admin/_banner.html")
def outbox_banner() -> dict[str, object]:
    """What waits on this machine's disk, when it has waited for longer than a delivery takes."""
    found = outbox_state()
    age = time.time() - found.oldest_at if found.oldest_at else 0
    return {"pending": found.pending if age > LATE_S else 0, "minutes": age / 60, "quarantined": found.quarantined}
