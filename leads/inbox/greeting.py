"""The link with which staff open a customer's chat, and the greeting it fills in."""

from urllib.parse import quote as percent_encode

from django.conf import settings

from leads import phones
from leads.models import Lead


def chat_url(lead: Lead) -> str:
    """Return the wa.me link to the customer of a lead, with the greeting in the language of the quote."""
    number = phones.dialled(lead.phone, shop=settings.WHATSAPP_NUMBER)
    # A space becomes %20, which every phone reads, and not "+".
    return f"https://wa.me/{number}?text={percent_encode(greeting(lead), safe='')}"


def greeting(lead: Lead) -> str:
    """Return the shop's greeting, filled in. A field without a value is left out, together with the space before it."""
    stored = lead.snapshot
    template = settings.GREETINGS[stored.language]
    values = {"name": lead.name, "folio": lead.folio, "total": stored.total_text, "business": settings.BUSINESS_NAME}
    for field, value in values.items():
        if not value:
            template = template.replace(f" {{{field}}}", "")
    return str(template.format(**values))
