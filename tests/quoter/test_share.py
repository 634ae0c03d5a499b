"""The picture that chats show beside a link: drawn from the shop's settings, and never needed by a page."""

import logging
import re
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from quoter import share
from tests.quoter.test_search_engines import about, structured_data


@pytest.fixture(autouse=True)
def share_dir(settings, tmp_path) -> Path:
    settings.SHARE_DIR = tmp_path / "share"
    return settings.SHARE_DIR


def picture_of(client, address: str) -> str:
    page = client.get(address).content.decode()
    picture = about(page)["og:image"]
    assert structured_data(page)["image"] == picture
    return picture.removeprefix("http://testserver")


@pytest.mark.by_hand
def test_each_language_has_a_picture_of_its_own(client, settings, share_dir):
    settings.BUSINESS_NAME, settings.BRAND_COLOR = "Concretos Peña y Muñoz, f'c ½ m³", "#112233"
    share.draw()
    pictures = {picture_of(client, address) for address in ("/?lang=es", "/?lang=en")}
    assert len(pictures) == 2
    assert len(list(share_dir.iterdir())) == 4
    [icon] = re.findall(r'<link rel="apple-touch-icon" href="([^"]+)">', client.get("/?lang=es").content.decode())
    assert icon in [each["src"] for each in client.get("/manifest.webmanifest?lang=es").json()["icons"]]
    with Image.open(BytesIO(client.get(icon).content)) as image:
        assert image.size == (180, 180)
        assert image.convert("RGB").getpixel((5, 5)) == (0x11, 0x22, 0x33)
    for picture in pictures:
        answer = client.get(picture)
        assert (answer["Content-Type"], "immutable" in answer["Cache-Control"]) == ("image/png", True)
        with Image.open(BytesIO(answer.content)) as image:
            assert image.size == (1200, 630)
            assert image.convert("RGB").getpixel((5, 5)) == (0x11, 0x22, 0x33)
        assert len(answer.content) < 100_000


def test_the_picture_follows_the_shop_s_name_and_is_drawn_once(client, settings, share_dir):
    share.draw()
    before = picture_of(client, "/")
    drawn = {path: path.stat().st_mtime_ns for path in share_dir.iterdir()}
    share.draw()
    assert {path: path.stat().st_mtime_ns for path in share_dir.iterdir()} == drawn

    settings.BUSINESS_NAME = "Another"
    assert picture_of(client, "/").startswith("/static/share.")
    share.draw()
    assert picture_of(client, "/") not in (before, "")
    assert client.get(before).status_code == 200


@pytest.mark.by_hand
def test_the_picture_shows_the_shop_s_logo(settings):
    settings.BRAND_LOGO = settings.BASE_DIR / "static" / "leads" / "icon-192.png"
    share.draw()
    with Image.open(settings.SHARE_DIR / share.address("es").split("/")[-1]) as image:
        colors = {color for _count, color in image.convert("RGB").getcolors()}
    assert any(abs(r - 0x0B) + abs(g - 0x6B) + abs(b - 0x4F) < 12 for r, g, b in colors)


@pytest.mark.parametrize("fault", ["letters", "directory"])
def test_a_picture_that_cannot_be_drawn_is_logged_and_the_default_one_is_used(
    client, settings, share_dir, caplog, fault
):
    if fault == "letters":
        settings.BUSINESS_NAME = "混凝土"
    else:
        share_dir.write_text("a file where the directory should be")
    with caplog.at_level(logging.WARNING):
        share.draw()
    assert "the default one is used" in caplog.text
    assert picture_of(client, "/").startswith("/static/share.")


@pytest.mark.parametrize("name", ["../manage.py", "0123456789ab.png", "share.png", "0123456789ab.txt"])
def test_no_other_file_is_served_as_a_picture(client, name):
    assert client.get(f"/share/{name}").status_code == 404
