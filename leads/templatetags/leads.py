import time

from django import template
from django.conf import settings

from leads import phones
from leads.delivery.health import outbox_state
from leads.delivery.postgres_writer import LATE_S

register = template.Library()


@register.filter
def dialled(phone: str) -> str:
    """Return a phone's digits with the country code, for a tel: link, which begins with +."""
    return phones.dialled(phone, shop=settings.WHATSAPP_NUMBER)


@register.inclusion_tag("leads/inbox/_banner.html")
def outbox_banner() -> dict[str, object]:
    """Render the banner about this machine's outbox. Waiting leads are shown only when they are late, after LATE_S."""
    counts = outbox_state()
    age = time.time() - counts.oldest_at if counts.oldest_at else 0
    return {"pending": counts.pending if age > LATE_S else 0, "minutes": age / 60, "quarantined": counts.quarantined}
