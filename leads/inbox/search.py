"""What staff type into the search box: a folio, a phone or words of a name; a pasted message by its folio."""

import re
import unicodedata

from leads import phones
from leads.inbox import pasted
from leads.models import LeadQuerySet
from leads.snapshot import JournalRecord
from quoter.engine import folio

# How many a search lists, the first in the list's order: whoever has more types another word.
MOST_FOUND = 100
A_FEW = 20  # enough to know that somebody has a name
# Longer than any name or number: only a message is.
LONGEST_TERM = 100

_ACCENTS = str.maketrans("áéíóúüñ", "aeiouun")  # as leads.models.NameWords


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


def is_found(record: JournalRecord, text: str) -> bool:
    """Return whether `leads` may find a record of the outbox, which no database can be asked about."""
    if said := pasted.message(text):
        return record.folio == said.folio
    if ending := _phone_ending(text):
        return phones.ending(record.phone).endswith(ending)
    names, words = _words(record.name), _words(text)
    return bool(words) and all(any(name.startswith(word) for name in names) for word in words)


def _phone_ending(text: str) -> str:
    """Return the last digits of a phone; "" for a text with words."""
    return "" if re.search(r"[^\W\d]", text) else phones.ending(text)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", unicodedata.normalize("NFC", text).lower().translate(_ACCENTS))
