"""What staff type or paste into the one box: a folio, a phone, words of a name, or a whole WhatsApp message."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import unquote

from leads import link
from leads.models import LeadQuerySet
from quoter import folio
from quoter.quote import Quote
from quoter.token import IssuedQuote

# How many a search lists, the first in the list's order: whoever has more types another word.
MOST_FOUND = 100
A_FEW = 20  # enough to know that somebody has a name
# Longer than any name or number: only a message is.
LONGEST_TERM = 100

_ACCENTS = str.maketrans("áéíóúüñ", "aeiouun")  # as leads.models.NameWords
_LOOKS_SIGNED = re.compile(r"/q/[A-Za-z0-9_.-]{40,}")
_TOTAL = re.compile(r"total\W{0,4}(\d[\d.,]*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Message:
    """A pasted message. folio: of the quote it is about; issued: the quote of its link, once the signature is verified.

    has_person: the link carries name and phone, too. is_forged: it has a link like ours that we did not sign, or that
    is cut short. total: what its text says, or None.
    """

    folio: str
    issued: IssuedQuote | None
    has_person: bool
    is_forged: bool
    total: str | None

    def is_altered(self, quote: Quote) -> bool:
        """Return whether the text names another total than the quote has. A text that names none is not altered."""
        if self.total is None:
            return False
        try:
            return Decimal(self.total.replace(",", "")) != quote.total
        except InvalidOperation:
            return True


def message(text: str) -> Message | None:
    """Return what a pasted text says of a quote, or None where it names none. The signed link outweighs the rest."""
    plain = unquote(text)
    issued, seal = link.find(plain) or (None, None)
    number = issued.quote.folio if issued else folio.find(plain)
    if number is None:
        return None
    is_forged = issued is None and _LOOKS_SIGNED.search(plain) is not None
    said = _TOTAL.search(plain)
    return Message(number, issued, seal is not None, is_forged, said[1].rstrip(".,") if said else None)


def leads(queryset: LeadQuerySet, text: str) -> LeadQuerySet:
    """Return the leads with this folio, with a phone that ends so, or with these words in the name.

    Where nobody has the words, those whose names have words that begin so.
    """
    text = text.strip()
    if not text:
        return queryset
    if found := folio.find(text):
        return queryset.filter(folio=found)
    if (exact := queryset.filter(folio=text)).exists():
        return exact  # a folio of before Folio
    if ending := _phone_ending(text):
        return queryset.with_phone_ending(ending)
    if not (words := _words(text)):
        return queryset.none()
    whole = queryset.with_name_words(words)
    # Asked for one row alone, Postgres would rather walk the whole table than look into the index of names.
    return whole if whole.order_by()[:A_FEW].count() else queryset.with_name_beginnings(words)


def is_found(row: Mapping[str, Any], text: str) -> bool:
    """Return whether `leads` may find a record of the outbox, which no database can be asked about."""
    if said := message(text):
        return bool(row["folio"] == said.folio)
    if ending := _phone_ending(text):
        return re.sub(r"\D", "", row["phone"]).endswith(ending)
    names, words = _words(row["name"]), _words(text)
    return bool(words) and all(any(name.startswith(word) for name in names) for word in words)


def _phone_ending(text: str) -> str:
    """Return the last ten digits, which are the same however the country code was written; "" for a text with words."""
    return "" if re.search(r"[^\W\d]", text) else re.sub(r"\D", "", text)[-10:]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", unicodedata.normalize("NFC", text).lower().translate(_ACCENTS))
