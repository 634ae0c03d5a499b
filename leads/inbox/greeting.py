"""The link with which staff open a customer's chat, and the text it fills in: the first one, or one that is ready."""

import re
import unicodedata
from collections.abc import Callable
from datetime import datetime
from typing import Protocol
from urllib.parse import quote as percent_encode

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from leads import phones
from leads.snapshot import Snapshot
from quoter.engine.text import Language
from quoter.shop import details, served
from quoter.shop.values import shop
from quoter.templatetags.figures import written_day

FIRST, QUOTE, REMINDER, RENEWAL, AFTER_SALE, EMPTY = "first", "quote", "reminder", "renewal", "after_sale", "empty"
TEXTS = (
    (FIRST, _("First message")),
    (QUOTE, _("The quote with its link")),
    (REMINDER, _("Reminder")),
    (RENEWAL, _("It has expired: offer today's price")),
    (AFTER_SALE, _("After the sale")),
    (EMPTY, _("No text")),
)

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


def chat_url(lead: Person, text: str = FIRST, *, link: str = "") -> str:
    """Return the wa.me link to the customer of a lead, with one of TEXTS in the language of the quote.

    link: of the quote's page, if it is known.
    """
    number = phones.dialled(lead.phone, lead.snapshot.customer.phone_raw, shop=shop.WHATSAPP_NUMBER)
    # A space becomes %20, which every phone reads, and not "+".
    return f"https://wa.me/{number}?text={percent_encode(greeting(lead, text, link=link), safe='')}"


def next_text(stored: Snapshot, *, was_written_to: bool, was_sold: bool, now: datetime) -> str:
    """Return which of TEXTS comes next: an expired total is never promised, and nobody is greeted twice."""
    if was_sold:
        return AFTER_SALE
    if is_expired(stored, now):
        return RENEWAL
    return REMINDER if was_written_to else FIRST


def is_expired(stored: Snapshot, now: datetime) -> bool:
    return stored.valid_until is not None and stored.valid_until <= now


def greeting(lead: Person, text: str = FIRST, *, link: str = "") -> str:
    """Return one of the shop's texts, filled in. A field without a value is left out, with the space before it.

    So is a name that `repeatable` leaves out. No text promises the total of a quote that has expired: it becomes the
    one that offers today's price.
    """
    stored = lead.snapshot
    template = _TEMPLATES.get(text, _first)(stored.language)
    has_expired = is_expired(stored, timezone.now())
    if has_expired and "{total}" in template:
        template = _TEMPLATES[RENEWAL](stored.language)
    values = {
        "name": repeatable(lead.name),
        "folio": lead.folio,
        "total": "" if has_expired else stored.total_text,
        "business": shop.BUSINESS_NAME,
        "until": written_day(stored.valid_until, stored.language) if stored.valid_until else "",
        "link": link,
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


def _first(language: Language) -> str:
    return shop.GREETINGS[language]


def _ready(name: str) -> Callable[[Language], str]:
    def of(language: Language) -> str:
        own: str = served.current().details.get(f"{name}_{language.upper()}", "")
        return own or details.READY[name].in_(language)

    return of


_TEMPLATES: dict[str, Callable[[Language], str]] = {
    FIRST: _first,
    QUOTE: _ready("QUOTE"),
    REMINDER: _ready("REMINDER"),
    RENEWAL: _ready("RENEWAL"),
    AFTER_SALE: _ready("AFTER_SALE"),
    EMPTY: lambda _language: "",
}
