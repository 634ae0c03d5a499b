"""The link with which staff open a customer's chat, and the greeting it fills in."""

import re
import unicodedata
from typing import Protocol
from urllib.parse import quote as percent_encode

from leads import phones
from leads.snapshot import Snapshot
from quoter.shop.values import shop

# What a chat may show as a link: an address with its scheme, or a dot or slash between two words, as in evil.example.
_LINK = re.compile(r"[:/]/|\bwww\b|@\w|\w[.\u3002]\w{2,}|\w[.\u3002]\w+[/:]|\d\.\d+\.\d", re.IGNORECASE)
# Written without a space after the dot, as in Ma.Elena and Lic.Juan, and then a name.
_TITLE = re.compile(
    r"\b(?i:arq|c|cp|d|da|dr|dra|fco|gpe|ing|j|lic|m|ma|mtra|mtro|prof|sr|sra|srta)\."
    r"(?=[A-ZÁÉÍÓÚÜÑ][a-záéíóúüñ]+\b(?![/.]))"
)
_PHONE = re.compile(r"\d(?:\D{0,3}\d){6}")
# A longer text is a message, not a name.
LONGEST_NAME = 70


class Person(Protocol):
    """Whoever asked for a quote: a Lead, or a record of the journal."""

    @property
    def name(self) -> str: ...
    @property
    def phone(self) -> str: ...
    @property
    def folio(self) -> str: ...
    @property
    def snapshot(self) -> Snapshot: ...


def chat_url(lead: Person) -> str:
    """Return the wa.me link to the customer of a lead, with the greeting in the language of the quote."""
    number = phones.dialled(lead.phone, lead.snapshot.customer.phone_raw, shop=shop.WHATSAPP_NUMBER)
    # A space becomes %20, which every phone reads, and not "+".
    return f"https://wa.me/{number}?text={percent_encode(greeting(lead), safe='')}"


def greeting(lead: Person) -> str:
    """Return the shop's greeting, filled in. A field without a value is left out, together with the space before it.

    So is a name that `repeatable` leaves out.
    """
    stored = lead.snapshot
    template = shop.GREETINGS[stored.language]
    values = {
        "name": repeatable(lead.name),
        "folio": lead.folio,
        "total": stored.total_text,
        "business": shop.BUSINESS_NAME,
    }
    for field, value in values.items():
        if not value:
            template = template.replace(f" {{{field}}}", "")
    return str(template.format(**values))


def repeatable(name: str | None) -> str:
    """Return a name as the shop may repeat it to others, in chats and alerts; "" for one that is no name.

    It must not have what a chat may show as a link or as a phone: staff would send that in the shop's name.
    """
    kept = name or ""
    if len(kept) > LONGEST_NAME:
        return ""
    plain = "".join(letter for letter in unicodedata.normalize("NFKC", kept) if unicodedata.category(letter) != "Cf")
    return "" if _PHONE.search(plain) or _LINK.search(_TITLE.sub("", plain)) else kept
