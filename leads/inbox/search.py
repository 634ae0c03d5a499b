"""Search leads by what staff type: a folio, a phone, words of a name, or a pasted message, found by its folio."""

import re
import unicodedata

from leads import phones
from leads.inbox import pasted
from leads.models import LeadQuerySet
from leads.snapshot import JournalRecord
from quoter.engine import folio

# How many leads a search lists, the first in the list's order.
MOST_FOUND = 100
PROBE_ROWS = 20
# Longer than any name or number; only a message is longer.
LONGEST_TERM = 100

_ACCENTS = str.maketrans("áéíóúüñ", "aeiouun")  # as leads.models.NameWords


def leads(queryset: LeadQuerySet, text: str) -> LeadQuerySet:
    """Return the leads with this folio, with a phone that ends in these digits, or with these words in the name.

    When no name has the words, return the leads whose names have words that begin with them.
    """
    text = text.strip()
    if not text:
        return queryset
    if found := folio.find(text):
        return queryset.filter(folio=found)
    if (exact := queryset.filter(folio=text)).exists():
        return exact  # a folio of an adopted table, which has another form
    if ending := _phone_ending(text):
        return queryset.with_phone_ending(ending)
    if not (words := _words(text)):
        return queryset.none()
    whole = queryset.with_name_words(words)
    # With LIMIT 1, as exists() has, Postgres may scan the table instead of using the index of names.
    return whole if whole.order_by()[:PROBE_ROWS].count() else queryset.with_name_beginnings(words)


def matches(record: JournalRecord, text: str) -> bool:
    """Return whether a record of the outbox matches a search, by the rules of `leads` but without the database."""
    if message := pasted.message(text):
        return record.folio == message.folio
    if ending := _phone_ending(text):
        return phones.ending(record.phone).endswith(ending)
    names, words = _words(record.name), _words(text)
    return bool(words) and all(any(name.startswith(word) for name in names) for word in words)


def _phone_ending(text: str) -> str:
    """Return the last digits of a phone; "" for a text with letters."""
    return "" if re.search(r"[^\W\d]", text) else phones.ending(text)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", unicodedata.normalize("NFC", text).lower().translate(_ACCENTS))
