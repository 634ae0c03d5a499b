"""Who was erased: for each lead, a keyed hash of its phone, so that a late delivery does not bring the person back.

The key is derived from SECRET_KEY, which the database does not have: without it, nobody can test phones against the
table. After a change of SECRET_KEY, SECRET_KEY_FALLBACKS keeps the earlier hashes readable.
"""

import re
from functools import lru_cache
from hashlib import sha256

from django.conf import settings
from django.utils.crypto import salted_hmac

from leads.snapshot.merge import is_late

# The hash of a phone, by its last ten digits, however it was written. {key} and {phone}: SQL expressions of type text.
HASH = "encode(sha256(convert_to({key} || right(regexp_replace({phone}, '[^0-9]', '', 'g'), 10), 'UTF8')), 'hex')"

# Whether the person of an arriving row `a` was erased since. A person may ask again later, by a checkout; a device that
# kept an earlier one claims its time, so it is not believed. Before hashes were kept, nobody noted who was erased: such
# an erasure is of everybody who had asked by then. {persons}: the hashes of the person.
_IS_ERASED = f"""EXISTS (
        SELECT FROM lead_erasures AS erased
        WHERE erased.folio = a.folio AND a.submitted_at IS NOT NULL AND CASE erased.person
            WHEN '' THEN a.submitted_at <= erased.at
            ELSE (a.submitted_at <= erased.at OR {is_late("a")}) AND erased.person = ANY ({{persons}})
        END
    )"""
_BY_KEYS = f"SELECT {HASH.format(key='key', phone='a.phone')} FROM unnest(string_to_array($2, ',')) AS key"

# $2: `joined_keys`.
IS_ERASED = _IS_ERASED.format(persons=f"\n                {_BY_KEYS}\n            ")
# $2: `persons`, for who must not be given the keys.
IS_ERASED_BY_HASHES = _IS_ERASED.format(persons="$2::text[]")


def keys() -> list[str]:
    """Return the keys of hashes: the one for new hashes first, then those of earlier secrets."""
    return [_key(secret) for secret in [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]]


def joined_keys() -> str:
    """Return `keys` in one text: psycopg writes a list in Python, for 12 µs a statement."""
    return ",".join(keys())


def persons(phone: str) -> list[str]:
    """Return a phone's hash under each of the keys, as HASH makes it."""
    digits = re.sub("[^0-9]", "", phone)[-10:]
    return [sha256(f"{key}{digits}".encode()).hexdigest() for key in keys()]


@lru_cache(maxsize=8)  # more than there are secrets in use
def _key(secret: str) -> str:
    return salted_hmac("leads.erasures", "key", secret=secret, algorithm="sha256").hexdigest()
