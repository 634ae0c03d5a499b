import zlib
from base64 import urlsafe_b64decode
from dataclasses import astuple, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from leads.delivery.record import Contact
from leads.delivery.sealed import SealBroken, seal, unseal
from tests.support.quotes import A_FOLIO

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
ANOTHER_FOLIO = "261122-7F3K-Q2M9-R"
A_CONTACT = Contact(
    name="Zoila Ñáñez Vaca",
    phone="+526567654321",
    phone_raw="(656) 765-4321",
    submitted_at=datetime(2026, 11, 22, 23, 30, 0, 123456, UTC),
    visitor_id="0123456789abcdefghijkl",
    privacy_accepted_at=datetime(2026, 11, 22, 16, 30, tzinfo=timezone(timedelta(hours=-7))),
    privacy_notice_version="2026-11",
    attribution={"utm_source": "instagram", "utm_campaign": "otoño"},
    flags=("honeypot", "too_fast"),
    marketing_accepted_at=datetime(2026, 11, 22, 23, 30, tzinfo=UTC),
)
MINIMAL_CONTACT = Contact(name="Z", phone="x", phone_raw="x", submitted_at=datetime(2026, 11, 22, tzinfo=UTC))


@pytest.mark.parametrize("contact", [A_CONTACT, MINIMAL_CONTACT], ids=["everything", "the least"])
def test_unsealing_returns_the_sealed_contact(contact):
    assert unseal(seal(contact, folio=A_FOLIO), folio=A_FOLIO) == contact


def test_a_seal_of_an_earlier_release_without_marketing_consent_opens(monkeypatch):
    monkeypatch.setattr("leads.delivery.sealed._IN_ORDER", lambda contact: astuple(contact)[:9])
    assert unseal(seal(A_CONTACT, folio=A_FOLIO), folio=A_FOLIO) == replace(A_CONTACT, marketing_accepted_at=None)


def test_a_seal_has_only_characters_that_are_safe_in_a_url():
    assert set(seal(A_CONTACT, folio=A_FOLIO)) <= set(ALPHABET)


def test_a_seal_opens_for_its_own_folio_only():
    sealed = seal(A_CONTACT, folio=A_FOLIO)
    with pytest.raises(SealBroken):
        unseal(sealed, folio=ANOTHER_FOLIO)


def opens(sealed: str) -> bool:
    try:
        unseal(sealed, folio=A_FOLIO)
    except SealBroken:
        return False
    return True


# Names of several lengths, because for some lengths base64 leaves bits unused at the end.
@pytest.mark.parametrize("name", ["Zoila", "Zoila V", "Zoila Va", "Zoila Vaca"])
def test_a_seal_with_any_character_changed_is_refused(name):
    sealed = seal(replace(A_CONTACT, name=name), folio=A_FOLIO)
    # The next letter of the alphabet differs in the lowest bit, which may be an unused one.
    other = dict(zip(ALPHABET, ALPHABET[1:] + ALPHABET[:1], strict=True))
    changed = [sealed[:at] + other[letter] + sealed[at + 1 :] for at, letter in enumerate(sealed)]
    assert [spelling for spelling in changed if opens(spelling)] == []


def test_a_seal_with_another_last_character_is_refused():
    sealed = seal(A_CONTACT, folio=A_FOLIO)
    assert [letter for letter in ALPHABET if opens(sealed[:-1] + letter)] == [sealed[-1]]


def test_a_seal_cut_short_anywhere_is_refused():
    sealed = seal(A_CONTACT, folio=A_FOLIO)
    assert [length for length in range(len(sealed)) if opens(sealed[:length])] == []


@pytest.mark.parametrize("added", ["=", "!", "\n", " ", "A", "ñ", "\ud83d"])
def test_a_seal_with_anything_added_is_refused(added):
    sealed = seal(A_CONTACT, folio=A_FOLIO)
    assert not opens(sealed + added)
    assert not opens(added + sealed)
    assert not opens(sealed[:40] + added + sealed[40:])


def readings(sealed: str) -> list[bytes]:
    """Return what can be read from a seal without its key: the text, its bytes, and those inflated from any offset."""
    data = urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
    readable = [sealed.encode(), data]
    for start in range(len(data)):
        try:
            readable.append(zlib.decompressobj(-15).decompress(data[start:]))
        except zlib.error:
            continue
    return readable


def test_a_seal_without_its_key_reveals_nothing_of_the_person():
    sealed = seal(A_CONTACT, folio=A_FOLIO)
    traces = ["Zoila", "Ñáñez", "Vaca", "526567654321", "765-4321", "0123456789abcdefghijkl"]
    for reading in readings(sealed):
        assert [trace for trace in traces if trace.encode() in reading] == []


def test_two_seals_of_one_contact_differ():
    assert seal(A_CONTACT, folio=A_FOLIO) != seal(A_CONTACT, folio=A_FOLIO)


def test_a_seal_opens_after_a_key_rotation_while_the_old_key_is_a_fallback(settings):
    settings.SECRET_KEY = "the old key of this site, long enough to sign with"
    sealed = seal(A_CONTACT, folio=A_FOLIO)

    settings.SECRET_KEY = "the new key of this site, long enough to sign with"
    settings.SECRET_KEY_FALLBACKS = ["a key from before", "the old key of this site, long enough to sign with"]
    assert unseal(sealed, folio=A_FOLIO) == A_CONTACT

    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(SealBroken):
        unseal(sealed, folio=A_FOLIO)
