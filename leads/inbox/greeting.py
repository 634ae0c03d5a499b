"""The chat that a salesperson opens with a customer, and what stands in it already."""

from decimal import Decimal
from urllib.parse import quote as percent_encode

from django.conf import settings

from leads import phones
from leads.models import Lead
from quoter.engine.numbers import money


def chat_url(lead: Lead) -> str:
    """Return the wa.me link to the customer of a lead, with the greeting in the language of the quote."""
    number = phones.dialled(lead.phone, shop=settings.WHATSAPP_NUMBER)
    # Spaces are %20, which every phone reads.
    return f"https://wa.me/{number}?text={percent_encode(greeting(lead), safe='')}"


def greeting(lead: Lead) -> str:
    """Return the shop's greeting, filled in. What a lead does not say is left out, with the space before it."""
    said = lead.quote_data if isinstance(lead.quote_data, dict) else {}
    template = settings.GREETINGS["en" if said.get("language") == "en" else "es"]
    values = {"name": lead.name, "folio": lead.folio, "total": total(lead), "business": settings.BUSINESS_NAME}
    for field, value in values.items():
        if not value:
            template = template.replace(f" {{{field}}}", "")
    return str(template.format(**values))


def total(lead: Lead) -> str:
    """Return the total with its currency, as in $1,234.56 MXN; "" where a lead of before Folio says it otherwise."""
    try:
        return f"{money(Decimal(lead.quote_data['total']))} {lead.quote_data.get('currency', '')}".strip()
    except (TypeError, KeyError, ValueError, ArithmeticError, AttributeError):
        return ""
