"""SQL expressions by which leads are found: the digits of a phone, the words of a name.

They are immutable, so that they can be indexed, and need neither extensions nor a locale. An index serves only queries
with the same expression. The indexes are not partial: Postgres ignores the statistics of partial ones, and would search
a common part of a phone like a rare one. Python has the same rules, for the outbox: `phones.key`, `phones.has_part`,
`customer.words`.
"""

from collections.abc import Sequence
from functools import reduce

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.fields.array import ArrayContains  # type: ignore[attr-defined]  # the stubs lack it
from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import StrIndex
from django.db.models.lookups import Exact, GreaterThan

from leads import phones
from leads.customer import DOUBLE, GREEK_AND_CYRILLIC, LATIN, LONGEST_FOLDED, MARKS, SEPARATORS
from leads.phones import PIECE, PIECE_STARTS, pieces_of_part


class PhoneDigits(models.Func):
    """All digits of a phone."""

    template = "regexp_replace(%(expressions)s, '[^0-9]', '', 'g')"
    output_field = models.TextField()


class PhoneKey(models.Func):
    """What is the same for every way of writing a phone."""

    template = (
        f"right(coalesce(substring(regexp_replace(%(expressions)s, '{phones.NOISE}', '', 'g') from '{phones.RUN}'), "
        f"{PhoneDigits.template}), {phones.ENDING})"
    )
    output_field = models.TextField()


class ComputedPhoneKey(PhoneKey):
    """`PhoneKey` where no index is used: it takes half as long for a phone in E.164, as nearly all are."""

    template = (
        f"CASE WHEN translate(%(expressions)s, '0123456789', '') = '+' "
        f"THEN right(substr(%(expressions)s, 2), {phones.ENDING}) ELSE {PhoneKey.template} END"
    )


class PhonePieces(models.Func):
    """The pieces of a phone's digits, as `phones.pieces` returns them."""

    template = f"ARRAY[{', '.join(f'substr({PhoneDigits.template}, {start}, {PIECE})' for start in PIECE_STARTS)}]"
    output_field = ArrayField(models.TextField())


# A text without accents and case.
_UNMARKED = f"regexp_replace(normalize(%(expressions)s, NFKD), '{MARKS}', '', 'g')"
_LATIN = reduce(
    lambda text, letter: f"replace({text}, '{letter}', '{DOUBLE[letter]}')",
    DOUBLE,
    f"translate(lower({_UNMARKED} COLLATE \"C\"), '{''.join(LATIN)}', '{''.join(LATIN.values())}')",
)
# translate() takes as long as its lists are, and an ordered search reads many names.
_FOLDED = (
    rf"CASE WHEN %(expressions)s ~ '[^\u0001-\u036f]' THEN translate({_LATIN}, '{''.join(GREEK_AND_CYRILLIC)}', "
    f"'{''.join(GREEK_AND_CYRILLIC.values())}') ELSE {_LATIN} END"
)


class NoteWords(models.Func):
    """The words of a note as a tsvector. Postgres's own parser leaves out words that are too long for an index."""

    template = f"to_tsvector('simple', {_FOLDED})"
    output_field = models.TextField()


class LongNoteWords(NoteWords):
    """The words at the beginning of a text of any length. Postgres refuses to index those of some hundred kilobytes."""

    template = NoteWords.template.replace("%(expressions)s", "left(%(expressions)s, 20000)")


class NameWords(models.Func):
    """The words of a name as a tsvector."""

    template = f"regexp_split_to_array(left({_FOLDED}, {LONGEST_FOLDED}), '{SEPARATORS}')"
    template = f"array_to_tsvector(array_remove({template}, ''))"
    output_field = models.TextField()


class MatchesWords(models.Func):
    """Whether `NameWords` or `NoteWords` match a query of `words_query`."""

    template = "%(expressions)s"
    arg_joiner = " @@ "
    output_field = models.BooleanField()

    def __init__(self, words: models.Func, query: str) -> None:
        super().__init__(words, models.Func(Value(query), template="%(expressions)s::tsquery"))


def words_query(words: Sequence[str], *, beginnings: bool = False) -> str:
    """Return the tsquery for all these words, or for words that begin with them.

    words: as `customer.words` returns them.
    """
    suffix = ":*" if beginnings else ""
    return " & ".join(f"'{word}'{suffix}" for word in words)


def has_name_words(words: Sequence[str], *, beginnings: bool = False) -> Q:
    """Return the condition that a name has all these words, or words that begin with them."""
    return Q(MatchesWords(NameWords("name"), words_query(words, beginnings=beginnings)))


def has_phone_part(part: str) -> Q:
    """Return the condition of `phones.has_part`, for the column `phone`."""
    # The position is not only quicker than the pieces, where no index is used: the pieces may also be elsewhere.
    has_part = Q(GreaterThan(StrIndex(PhoneDigits("phone"), Value(part)), 0)) & Q(
        ArrayContains(PhonePieces("phone"), pieces_of_part(part))
    )
    if len(part) > phones.ENDING:
        has_part |= Q(Exact(PhoneKey("phone"), part[-phones.ENDING :]))
    return has_part
