"""The chat that a salesperson opens with a customer, and what stands in it already."""

import re
from decimal import Decimal
from urllib.parse import quote as percent_encode

import phonenumbers
from django.conf import settings

from leads.models import Lead
from quoter.numbers import money

# A number as people write it at home; longer ones begin with a country code.
_LONGEST_AT_HOME = 10


def chat_url(lead: Lead) -> str:
    """Return the wa.me link to the customer of a lead, with the greeting in the language of the quote."""
    # Spaces are %20, which every phone reads.
    return f"https://wa.me/{dialled(lead.phone)}?text={percent_encode(greeting(lead), safe='')}"


def greeting(lead: Lead) -> str:
    """Return the shop's greeting, filled in. What a lead does not say is left out, with the space before it."""
    said = lead.quote_data if isinstance(lead.quote_data, dict) else {}
    template = settings.GREETINGS["en" if said.get("language") == "en" else "es"]
    values = {"name": lead.name, "folio": lead.folio, "total": total(lead), "business": settings.BUSINESS_NAME}
    for field, value in values.items():
        if not value:
            template = template.replace(f" {{{field}}}", "")
    return str(template.format(**values))


def dialled(phone: str) -> str:
    """Return a phone as wa.me takes it: digits, country code first; the shop's own where none was given."""
    digits = re.sub(r"\D", "", phone)
    if phone.startswith("+") or len(digits) > _LONGEST_AT_HOME:
        return digits
    return f"{phonenumbers.parse(f'+{settings.WHATSAPP_NUMBER}').country_code}{digits}"


def total(lead: Lead) -> str:
    """Return the total with its currency, as in $1,234.56 MXN; "" where a lead of before Folio says it otherwise."""
    try:
        return f"{money(Decimal(lead.quote_data['total']))} {lead.quote_data.get('currency', '')}".strip()
    except (TypeError, KeyError, ValueError, ArithmeticError, AttributeError):
        return ""
