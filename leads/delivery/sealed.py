"""Encrypts the contact details into the chat's link when the database is down, so that only this shop can read them.

This seal follows the # of the link, so opening the link sends it to no server and no log. Staff paste the whole link to
restore the lead.
"""

import json
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import suppress
from dataclasses import fields
from datetime import datetime
from functools import lru_cache
from operator import attrgetter

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.utils.crypto import salted_hmac

from leads.delivery.record import Contact
from leads.delivery.system import secrets

_NONCE_BYTES = 12
_FIELDS = [field.name for field in fields(Contact)]
_IN_ORDER = attrgetter(*_FIELDS)  # dataclasses.astuple copies deeply, which would double the time of `seal`
_MOMENTS = ("submitted_at", "privacy_accepted_at", "marketing_accepted_at")
# Raw deflate, without header and checksum, since the seal has its own. The window is small because a contact is short:
# preparing a large one can take eight times as long as compressing.
_RAW_DEFLATE, _WINDOW, _MEMORY = -15, -12, 6


class SealBroken(ValueError):
    """The seal was made with another key, is incomplete, or belongs to another folio."""


def seal(contact: Contact, *, folio: str) -> str:
    """Return the contact, encrypted and bound to its folio; URL-safe characters only."""
    text = json.dumps(_IN_ORDER(contact), default=datetime.isoformat, ensure_ascii=False, separators=(",", ":"))
    nonce = secrets.token_bytes(_NONCE_BYTES)
    squeeze = zlib.compressobj(9, zlib.DEFLATED, _WINDOW, _MEMORY)
    squeezed = squeeze.compress(text.encode()) + squeeze.flush()
    return _as_text(nonce + _cipher(settings.SECRET_KEY).encrypt(nonce, squeezed, folio.encode()))


def unseal(sealed: str, *, folio: str) -> Contact:
    """Return the contact that was sealed for a folio; SealBroken otherwise."""
    text = zlib.decompress(_opened(sealed, folio=folio), wbits=_RAW_DEFLATE)
    # A seal in an older message has fewer fields: they are only ever added at the end of Contact.
    values = dict(zip(_FIELDS, json.loads(text), strict=False))
    moments = {name: datetime.fromisoformat(values[name]) for name in _MOMENTS if values.get(name)}
    return Contact(**{**values, **moments, "flags": tuple(values["flags"])})


def _opened(sealed: str, *, folio: str) -> bytes:
    for key in [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]:
        with suppress(InvalidTag, ValueError):
            data = urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
            # Base 64 can encode the same bytes in several ways; only the canonical one is accepted.
            if _as_text(data) == sealed:
                return _cipher(key).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], folio.encode())
    raise SealBroken(folio)


def _as_text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


@lru_cache(maxsize=8)  # more than there are secrets in use
def _cipher(secret: str | bytes) -> AESGCM:
    return AESGCM(salted_hmac("leads.sealed", "key", secret=secret, algorithm="sha256").digest())
