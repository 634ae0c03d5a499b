"""Static files from memory: those of this release, and what an open page of another one gets."""

import gzip
import os
import time
from hashlib import md5
from pathlib import Path

import pytest
from django.contrib.staticfiles.storage import HashedFilesMixin
from django.templatetags.static import static as address_of

from settings import static

FOREVER = "public, max-age=31536000, immutable"


@pytest.fixture(autouse=True)
def root(settings, tmp_path) -> Path:
    settings.STATIC_ROOT = tmp_path / "static"
    return settings.STATIC_ROOT


def keep_of_another_release(root: Path, content: bytes, name: str = "quoter/old.{}.js") -> str:
    """Keep a file as another release does; return its address."""
    path = root / name.format(md5(content).hexdigest()[:12])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return f"/static/{path.relative_to(root)}"


def test_a_file_of_the_release_needs_nothing_on_the_disk_and_may_be_kept_for_ever(client, root):
    address = address_of("site.css")
    plain = client.get(address)
    assert (plain.status_code, plain["Content-Type"]) == (200, "text/css; charset=utf-8")
    assert (plain["Cache-Control"], plain["Vary"]) == (FOREVER, "Accept-Encoding")
    zipped = client.get(address, headers={"accept-encoding": "gzip, br"})
    assert zipped["Content-Encoding"] == "gzip"
    assert gzip.decompress(zipped.content) == plain.content
    head = client.head(address)
    assert (head.content, head["Content-Length"]) == (b"", str(len(plain.content)))
    assert client.post(address).status_code == 405
    picture = client.get(address_of("share.png"), headers={"accept-encoding": "gzip"})
    assert (picture["Content-Type"], "Content-Encoding" in picture) == ("image/png", False)
    assert not root.exists()


def test_scripts_import_each_other_by_the_names_of_their_release(client):
    script = client.get(address_of("checkout/checkout.js")).content.decode()
    assert address_of("checkout/kept.js").rpartition("/")[2] in script


def test_scripts_of_libraries_import_nothing(monkeypatch):
    names = static.release().names
    static.release.cache_clear()
    monkeypatch.setattr(static._Hashing, "patterns", (*HashedFilesMixin.patterns, ("*.js", static._IMPORTS)))
    assert static.release().names == names


def test_a_page_that_names_a_file_which_does_not_exist_fails(client):
    with pytest.raises(ValueError, match="There is no static file nowhere.css"):
        address_of("nowhere.css")
    assert client.get("/static/nowhere.css").status_code == 404


def test_an_open_page_of_another_release_finds_the_file_that_was_kept_for_it(client, root):
    address = keep_of_another_release(root, b"old")
    answer = client.get(address)
    assert (answer.status_code, answer.content, answer["Cache-Control"]) == (200, b"old", FOREVER)


def test_a_kept_file_is_only_served_by_the_name_of_its_content(client, root):
    damaged = keep_of_another_release(root, b"old")
    (root / damaged.removeprefix("/static/")).write_bytes(b"other")
    (root / "plain.js").write_bytes(b"plain")
    outside = keep_of_another_release(root, b"secret", "../secret.{}.txt").replace("../", "")
    for address in (damaged, "/static/plain.js", f"/static/../{outside.removeprefix('/static/')}", "/static/%00"):
        assert client.get(address).status_code == 404


def test_without_it_the_page_gets_the_file_of_today_which_nobody_may_cache(client):
    answer = client.get("/static/quoter/busy.0123456789ab.js")
    assert answer.content == client.get(address_of("quoter/busy.js")).content
    assert answer["Cache-Control"] == "no-cache"


def test_a_release_keeps_its_files_and_deletes_those_that_are_old(client, root):
    old, recent = keep_of_another_release(root, b"old"), keep_of_another_release(root, b"recent")
    for address, days in ((old, static.KEPT_DAYS + 1), (recent, static.KEPT_DAYS - 1)):
        os.utime(root / address.removeprefix("/static/"), (0, time.time() - days * 24 * 3600))
    static.keep()
    kept = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert kept == {*static.release().files, recent.removeprefix("/static/")}


def test_a_disk_that_takes_nothing_changes_nothing(client, root):
    root.write_text("a file")
    static.keep()
    assert client.get(address_of("site.css")).status_code == 200
