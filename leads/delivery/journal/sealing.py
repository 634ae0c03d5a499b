"""Seals records with a key that is derived from SECRET_KEY, so that no file of the outbox names anybody. Plain Python.

    ~<mark of the key, 8 hex digits>~<base64 of the nonce, the ciphertext and the tag of AES-256-GCM>

A sealed text is one word of ASCII and stands where releases before had the JSON, which is still read. Each is bound to
what it belongs to, so that it opens nowhere else. The mark names a key and says nothing of it. Nonces are random: after
four billion records with one key, the chance that two are the same is one in four billion.
"""

import binascii
import hmac
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from leads.delivery.system import secrets

_NONCE_BYTES, _TAG_BYTES = 12, 16
_MARK = re.compile(rb"~([0-9a-f]{8})~")
_MARK_BYTES = 10
# GCM encrypts in counter mode, and begins to count with 2.
_FIRST_COUNT = (2).to_bytes(4, "big")


class KeyMissing(ValueError):
    """No key in use opens the text. The message is the mark of the one that does."""


class SealBroken(ValueError):
    """The text was changed, or belongs to something else."""


class _Ring(NamedTuple):
    """The keys in use. mark, cipher: of the one that seals; keys: of all, by their marks, that one first."""

    mark: bytes
    cipher: AESGCM
    keys: dict[bytes, bytes]


def _no_secrets() -> Iterable[str]:
    raise LookupError("the outbox has no key: call sealing.use")


_secrets: Callable[[], Iterable[str]] = _no_secrets


def use(secrets_in_use: Callable[[], Iterable[str]]) -> None:
    """Seal and open with keys of these secrets from now on. The first one seals; all of them open."""
    global _secrets
    _secrets = secrets_in_use


def seal(text: bytes, *, about: bytes) -> bytes:
    """Return a text encrypted. about: what it belongs to, which is not secret."""
    ring = _ring(tuple(_secrets()))
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return ring.mark + binascii.b2a_base64(nonce + ring.cipher.encrypt(nonce, text, about), newline=False)


def unseal(text: bytes, *, about: bytes) -> bytes:
    """Return what was sealed, or the text itself if it is not sealed. KeyMissing, SealBroken."""
    if not (mark := _MARK.match(text)):
        return text
    key = _ring(tuple(_secrets())).keys.get(mark[1])
    if key is None:
        raise KeyMissing(mark[1].decode())
    try:
        data = binascii.a2b_base64(text[_MARK_BYTES:], strict_mode=True)
        return _cipher(key).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], about)
    except (InvalidTag, ValueError) as error:
        raise SealBroken("the seal is broken") from error


def missing_key(text: bytes) -> str:
    """Return the mark of the key that a sealed text needs and that is not in use, or ""."""
    mark = _MARK.match(text)
    return mark[1].decode() if mark and mark[1] not in _ring(tuple(_secrets())).keys else ""


def marks() -> list[str]:
    """Return the marks of the keys in use: of SECRET_KEY, then of each earlier one."""
    return [mark.decode() for mark in _ring(tuple(_secrets())).keys]


def salvaged(text: bytes) -> bytes:
    """Return a damaged text as it is, with what can be read of its sealed parts, unchecked, instead of those parts.

    Only for looking something up in it: bytes that were changed are others here, too.
    """
    return re.sub(_MARK.pattern + rb'[^\n"]*', _decrypted, text)


def _decrypted(found: re.Match[bytes]) -> bytes:
    key = _ring(tuple(_secrets())).keys.get(found[1])
    encoded = re.sub(rb"[^A-Za-z0-9+/]", b"A", found[0][_MARK_BYTES:].rstrip(b"="))
    data = binascii.a2b_base64(encoded[: len(encoded) // 4 * 4])
    if key is None or len(data) <= _NONCE_BYTES:
        return found[0]
    counter = modes.CTR(data[:_NONCE_BYTES] + _FIRST_COUNT)
    return Cipher(algorithms.AES(key), counter).decryptor().update(data[_NONCE_BYTES:])


@lru_cache(maxsize=8)
def _ring(secrets_in_use: tuple[str, ...]) -> _Ring:
    keys = {_mark(secret): _derived(secret, b"key") for secret in secrets_in_use}
    mark, key = next(iter(keys.items()))
    return _Ring(b"~%s~" % mark, _cipher(key), keys)


def _mark(secret: str) -> bytes:
    return _derived(secret, b"mark")[:4].hex().encode()


def _derived(secret: str, purpose: bytes) -> bytes:
    return hmac.digest(secret.encode(), b"leads.delivery.journal " + purpose, "sha256")


@lru_cache(maxsize=8)
def _cipher(key: bytes) -> AESGCM:
    return AESGCM(key)
