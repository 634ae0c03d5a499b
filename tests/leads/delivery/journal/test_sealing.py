"""Records are sealed on the disk, opened by every key in use, and kept when no key opens them."""

import json
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from leads.delivery.journal import census, locked, quarantine, sealing
from leads.delivery.journal.outbox import Outbox
from leads.delivery.journal.segment import LOCKED, Item, decode, encode
from tests.leads.delivery.journal.test_outbox import Notices, adopt_and_drain, drain

OLD, NEW = "the-old-key-" + "k3" * 20, "the-new-key-" + "p8" * 20
NAME, PHONE = "Zoila Vaca Única", "+526567654321"
TEXT = json.dumps({"name": NAME, "phone": PHONE, "note": "llamar el jueves"}, ensure_ascii=False).encode()
SECRETS = [NAME.encode(), PHONE.encode(), b"Zoila", b"jueves", json.dumps(NAME).encode()]


@pytest.fixture
def directories(tmp_path: Path) -> list[Path]:
    return [tmp_path / "first", tmp_path / "spare"]


@pytest.fixture(autouse=True)
def the_old_key(settings):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = OLD, []


def mark_of(secret: str, settings) -> str:
    used, settings.SECRET_KEY = settings.SECRET_KEY, secret
    mark, settings.SECRET_KEY = sealing.marks()[0], used
    return mark


def left_by_a_dead_process(directories: Sequence[Path], *folios: str) -> None:
    journal = Outbox(directories)
    for folio in folios:
        journal.append(folio, TEXT)
    journal.close()


def everything(directories: Sequence[Path]) -> bytes:
    return b"".join(
        path.name.encode() + path.read_bytes() for folder in directories for path in folder.rglob("*") if path.is_file()
    )


def test_no_file_names_anybody(directories):
    left_by_a_dead_process(directories, "A")
    quarantine.put_aside(directories[1], Item("B", 1.0, TEXT), reason="DataError 22021", at=2.0)

    written = everything(directories)

    assert b" A ~" in written
    assert b'"record": "~' in written
    assert [secret for secret in SECRETS if secret in written] == []
    assert [item.text for item in adopt_and_drain(directories)] == [TEXT]
    assert [each["record"] for _, each in quarantine.quarantined(directories)] == [json.loads(TEXT)]


def test_no_nonce_comes_twice():
    sealed = {sealing.seal(TEXT, about=b"") for _ in range(2_000)}
    assert len({text[10:26] for text in sealed}) == 2_000  # 16 characters of base64 are the 12 bytes of the nonce


def test_a_journal_and_a_refused_lead_of_a_release_that_did_not_seal_are_read(directories):
    body = b"1795374600.250 A " + TEXT
    directories[0].mkdir()
    (directories[0] / "1-1-00000000.journal").write_bytes(b"%08x %s\n" % (zlib.crc32(body), body))
    folder = directories[0] / quarantine.QUARANTINE
    folder.mkdir()
    about = {"reason": "DataError", "at": 2.0, "journaled_at": 1.0}
    (folder / "B-0.json").write_text(json.dumps({**about, "record": json.loads(TEXT)}))

    assert [(item.folio, item.at, item.text) for item in adopt_and_drain(directories)] == [("A", 1795374600.25, TEXT)]
    assert [each["record"] for _, each in quarantine.quarantined(directories)] == [json.loads(TEXT)]


def test_a_refused_lead_of_an_earlier_release_that_could_not_open_it_is_opened(directories):
    """It takes the sealed text for one that is no JSON, Postgres refuses it, and it stands in the file as it was."""
    line = encode(Item("A", 1795374600.25, TEXT))
    folder = directories[0] / quarantine.QUARANTINE
    folder.mkdir(parents=True)
    about = {"reason": "DataError 22P02", "at": 2.0, "journaled_at": 1795374600.25}
    (folder / "A-0.json").write_text(json.dumps({**about, "record": line[:-1].split(b" ", 3)[3].decode()}))

    assert [each["record"] for _, each in quarantine.quarantined(directories)] == [json.loads(TEXT)]


@pytest.mark.parametrize(("written", "instead"), [(b" A ", b" B "), (b"1795374600.250", b"1795374600.251")])
def test_a_record_opens_only_under_its_own_folio_and_time(written, instead):
    body = encode(Item("A", 1795374600.25, TEXT))[9:-1].replace(written, instead, 1)
    assert decode(b"%08x %s" % (zlib.crc32(body), body)) is None


def test_after_a_change_of_the_key_what_waits_is_opened_with_the_earlier_one(directories, settings):
    left_by_a_dead_process(directories, "A")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [OLD]
    left_by_a_dead_process(directories, "B")

    assert sorted(item.folio for item in adopt_and_drain(directories)) == ["A", "B"]
    settings.SECRET_KEY_FALLBACKS = []
    left_by_a_dead_process(directories, "C")
    assert [item.text for item in adopt_and_drain(directories)] == [TEXT]


def test_what_no_key_opens_is_set_aside_and_delivered_when_its_key_is_back(directories, settings):
    notices = Notices()
    left_by_a_dead_process(directories, "A", "B")
    [path] = census.segment_paths(directories)
    settings.SECRET_KEY = NEW
    with path.open("ab") as file:
        file.write(encode(Item("C", 1.0, TEXT)))
    needed = mark_of(OLD, settings)
    assert census.census(directories)[:2] == (1, 1.0)

    assert [item.folio for item in adopt_and_drain(directories, notices)] == ["C"]

    aside = directories[0] / LOCKED / path.name
    assert notices.of("locked") == [{"segment": path.name, "keys": needed}]
    assert census.census(directories).inaccessible == (aside,)
    assert locked.missing_keys(directories) == {aside: {needed: 2}}
    assert f"The key {needed} is missing." in census.left_out(directories)
    assert adopt_and_drain(directories) == []

    settings.SECRET_KEY_FALLBACKS = [OLD]
    assert [item.folio for item in adopt_and_drain(directories)] == ["A", "B", "C"]
    assert (census.segment_paths(directories), locked.locked_paths(directories)) == ([], [])
    assert census.left_out(directories) == ""


def test_a_refused_lead_that_no_key_opens_stays_and_is_named(directories, settings):
    path = quarantine.put_aside(directories[0], Item("A", 1.0, TEXT), reason="DataError", at=2.0)
    settings.SECRET_KEY = NEW
    journal = Outbox(directories)

    assert journal.retry_quarantined() == 0
    assert census.census(directories).inaccessible == (path,)
    assert locked.missing_keys(directories) == {path: {mark_of(OLD, settings): 1}}

    settings.SECRET_KEY_FALLBACKS = [OLD]
    assert journal.retry_quarantined() == 1
    assert [json.loads(item.text) for item in drain(journal)] == [json.loads(TEXT)]
    journal.close()


@pytest.mark.parametrize("changed", [1, 0x80])
@pytest.mark.parametrize("at", [0.3, 0.5])
def test_of_a_damaged_record_all_but_the_damage_can_be_looked_up(changed, at):
    line = bytearray(encode(Item("A", 1.0, b'{"pad": "%s", "phone": "%s"}' % (b"x" * 90, PHONE.encode()))))
    line[int(len(line) * at)] ^= changed
    assert decode(bytes(line[:-1])) is None

    found = sealing.salvaged(bytes(line))

    assert found.count(b"x") >= 85
    assert PHONE.encode() in found


@pytest.mark.parametrize("text", [b"~", b"~0123456", b"~zzzzzzzz~", b"~01234567~", b"~01234567~AAA", b"no ~ seal~"])
def test_what_is_no_sealed_text_breaks_nobody_who_looks_something_up(text):
    assert sealing.salvaged(text) == text
