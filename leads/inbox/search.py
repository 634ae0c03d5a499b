"""Search leads by a folio or its end, part of a phone, words of a name or note, or a pasted message by its folio."""

import re
from collections.abc import Callable
from typing import Any

from django.db import connections
from django.db.models import Q

from leads import phones
from leads.customer import words
from leads.customer.matching import has_name_words, has_phone_part, words_query
from leads.inbox import notes, pasted
from leads.models import LeadCorrection, LeadQuerySet
from leads.snapshot import JournalRecord
from quoter.engine import folio

# How many leads a search lists, the first in the list's order.
MOST_FOUND = 100
# Up to so many leads are listed by their keys, more by their names.
MOST_BY_KEY = 1_000
# Longer than any name or number; only a message is longer.
LONGEST_TERM = 100
# Of a pasted message, so much is searched for folios of other programs, and so many are looked up.
LONGEST_MESSAGE = 5_000
MOST_CODES = 20
# No index has the ends of folios, so they are looked for among the newest of these quotes; ours begin with a date.
MOST_ENDINGS = 50_000
_ENDINGS = """
SELECT DISTINCT folio FROM (SELECT folio FROM leads WHERE folio < 'A' ORDER BY folio DESC LIMIT %s) AS newest
WHERE folio LIKE %s LIMIT %s
"""
_CODE = re.compile(r"(?<![\w-])[A-Za-z0-9]++(?:[-_][A-Za-z0-9]++)++(?![\w-])")


def leads(queryset: LeadQuerySet, text: str) -> LeadQuerySet:
    """Return the leads with this folio or end of one, these digits in the phone, or these words in the name or a note.

    Names and phones that staff corrected are found as they were, too. When no name has the words, those whose names
    have words that begin with them; when nothing has, the same of notes.
    """
    text = text.strip()
    if not text:
        return queryset
    if found := folio.find(text):
        return queryset.filter(folio=found)
    # Folios of an adopted table have another form.
    if (exact := queryset.filter(folio__in=[text[:LONGEST_TERM], *_codes(text)])).exists():
        return exact
    text = text[:LONGEST_TERM]
    if (ending := folio.ending(text)) and (read_aloud := _with_ending(queryset, ending)).exists():
        return read_aloud
    if digits := _phone(text):
        return _with_phone_part(queryset, digits)
    if not (typed := words(text)):
        return queryset.none()
    return _with_words(queryset, typed)


def _with_ending(queryset: LeadQuerySet, ending: str) -> LeadQuerySet:
    """Return the leads whose folios end so, as people read them aloud: of the newest quotes, found in their index."""
    with connections[queryset.db].cursor() as cursor:
        cursor.execute(_ENDINGS, [MOST_ENDINGS, f"%-{ending}", MOST_FOUND])
        return queryset.filter(folio__in=[found for (found,) in cursor])


def _with_words(queryset: LeadQuerySet, typed: list[str]) -> LeadQuerySet:
    others = [*notes.lead_keys(words_query(typed)), *_corrected(has_name_words(typed))]
    named = queryset.with_name_words(typed)
    if not (keys := _some_keys(named)):
        named = queryset.with_name_beginnings(typed)
        others += _corrected(has_name_words(typed, beginnings=True))
        if not (keys := _some_keys(named)) and not others:
            others = notes.lead_keys(words_query(typed, beginnings=True))
    return _either(queryset, named, keys, others)


def _with_phone_part(queryset: LeadQuerySet, digits: str) -> LeadQuerySet:
    found = queryset.with_phone_part(digits)
    others = _corrected(has_phone_part(digits))
    return _either(queryset, found, _some_keys(found), others) if others else found


def _either(queryset: LeadQuerySet, found: LeadQuerySet, keys: list[Any], others: list[Any]) -> LeadQuerySet:
    """Return what was found, and the leads with other keys. keys: the first of what was found, as `_some_keys`."""
    if len(keys) > MOST_BY_KEY:
        return found | queryset.filter(pk__in=others)
    return queryset.filter(pk__in=[*keys, *others])


def _corrected(matching: Q) -> list[Any]:
    """Return the keys of leads whose name or phone matched before staff corrected it."""
    return list(LeadCorrection.objects.filter(matching).order_by("-at").values_list("lead", flat=True)[:MOST_BY_KEY])


def _some_keys(named: LeadQuerySet) -> list[Any]:
    """Return the keys of up to MOST_BY_KEY + 1 leads. For so many, Postgres uses the index of names.

    For few, or for the first of a rare name in the list's order, it may scan the table in the hope of meeting one soon.
    """
    return list(named.order_by().values_list("pk", flat=True)[: MOST_BY_KEY + 1])


def _codes(text: str) -> set[str]:
    """Return what may be a folio of another program in a text, such as a pasted message: WEB-20261128-9866."""
    found = [code for code in _CODE.findall(text[:LONGEST_MESSAGE]) if re.search("[0-9]", code)]
    return {spelling for code in found[:MOST_CODES] for spelling in (code, code.upper())}


def matcher(text: str) -> Callable[[JournalRecord], bool]:
    """Return what says of a record of the outbox whether it matches a search.

    The rules are those of `leads`, without the database. The text is read once, not for each record.
    """
    if message := pasted.message(text):
        return lambda record: record.folio == message.folio
    text = text[:LONGEST_TERM]
    ending, digits, typed = folio.ending(text), _phone(text), words(text)

    def matches(record: JournalRecord) -> bool:
        if ending and record.folio.endswith(f"-{ending}"):
            return True
        if digits:
            return phones.has_part(record.phone, digits)
        names = words(record.name)
        return bool(typed) and all(any(name.startswith(word) for name in names) for word in typed)

    return matches


def _phone(text: str) -> str:
    """Return the digits of a phone or of a part of it; "" for a text with letters, unless it has a whole number."""
    plain = phones.plain(text)
    number = phones.stored_digits(plain)
    return "" if re.search(r"[^\W\d]", plain) and len(number) < phones.ENDING else number
