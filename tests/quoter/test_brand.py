"""The shop's logo and two colours: read, refused or served, and readable with any colours."""

import re
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from quoter import palette
from quoter.palette import DAY, NIGHT, contrast
from settings import env

SITE_CSS = (Path(__file__).resolve().parents[2] / "static" / "site.css").read_text(encoding="utf-8")
LOGO = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 1"><path d="M0 0h4v1z"/></svg>'
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)

COLORS = st.integers(0, 0xFFFFFF).map("#{:06x}".format)
SCHEMES = pytest.mark.parametrize("scheme", [DAY, NIGHT], ids=["day", "night"])


# --- Colours ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    # By WCAG's own formula; the two greys are well known as one that just passes and one that just fails.
    [
        ("#ffffff", "#000000", 21),
        ("#777777", "#ffffff", 4.48),
        ("#767676", "#ffffff", 4.54),
        ("#ff0000", "#ffffff", 4.0),
    ],
)
def test_contrast_is_measured_as_wcag_does(one, other, expected):
    assert contrast(one, other) == contrast(other, one) == pytest.approx(expected, abs=0.005)


@SCHEMES
@given(color=COLORS, accent=COLORS)
def test_every_text_is_readable_with_any_colours_of_the_shop(scheme, color, accent):
    colors = palette.palette(scheme, color, accent)
    surfaces = (scheme.paper, scheme.card, colors["tint"])
    for text in (scheme.ink, scheme.quiet, colors["link"]):
        assert min(contrast(text, surface) for surface in surfaces) >= 4.5
    assert contrast(colors["brand-ink"], colors["brand"]) >= 4.5
    assert contrast(colors["mark-ink"], colors["mark"]) >= 4.5


@given(color=COLORS, accent=COLORS)
def test_the_light_scheme_uses_the_shop_s_colours_unchanged(color, accent):
    colors = palette.palette(DAY, color, accent)
    assert (colors["brand"], colors["mark"]) == (color, accent)


@given(color=COLORS)
def test_a_button_is_visible_in_the_dark_scheme(color):
    assert contrast(palette.palette(NIGHT, color, color)["brand"], NIGHT.card) >= 3


def test_site_css_has_the_palette_of_the_default_colours():
    day, night = [
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", rule))
        for rule in re.findall(r":root \{(.*?)\n *\}", SITE_CSS, re.S)[:2]
    ]
    for scheme, in_css in ((DAY, day), (NIGHT, night)):
        neutral = {name: getattr(scheme, name) for name in ("paper", "card", "ink", "quiet")}
        expected = neutral | palette.palette(scheme, palette.COLOR, palette.ACCENT)
        assert {name: in_css[name] for name in expected} == expected


# --- The variables ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "color"),
    [("#0B5D4A", "#0b5d4a"), ("0b5d4a", "#0b5d4a"), ("#fc0", "#ffcc00"), (" #fff ", "#ffffff"), ("", "")],
)
def test_a_colour_is_read_as_people_write_it(monkeypatch, typed, color):
    monkeypatch.setenv("BRAND_COLOR", typed)
    assert env.color("BRAND_COLOR") == color


@pytest.mark.parametrize(
    "typed", ["green", "#12345", "#1234567", "#gggggg", "rgb(1, 2, 3)", "#fff; } body { display: none"]
)
def test_a_text_that_is_no_colour_is_refused_with_the_name_of_its_variable(monkeypatch, typed):
    monkeypatch.setenv("BRAND_ACCENT", typed)
    with pytest.raises(ImproperlyConfigured, match="BRAND_ACCENT is not a colour such as #0b5d4a"):
        env.color("BRAND_ACCENT")


@pytest.mark.parametrize(("name", "content"), [("a.svg", LOGO), ("a.PNG", PNG), ("a.webp", b"RIFF0000WEBP")])
def test_a_logo_is_a_file_that_pages_can_show(monkeypatch, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    monkeypatch.setenv("BRAND_LOGO", str(tmp_path / name))
    assert env.picture("BRAND_LOGO") == tmp_path / name


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("logo.gif", b"GIF89a", "is not an SVG, PNG or WebP file"),
        ("logo.png", LOGO, "is not an SVG, PNG or WebP file"),
        ("logo.svg", b"<html>", "is not an SVG, PNG or WebP file"),
        ("logo.svg", LOGO + b" " * 20_000, "has over 20 kB"),
        ("logo.svg", None, "cannot be read"),
    ],
)
def test_a_file_that_pages_cannot_show_is_refused_with_the_name_of_its_variable(
    monkeypatch, tmp_path, name, content, fault
):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    monkeypatch.setenv("BRAND_LOGO", str(tmp_path / name))
    with pytest.raises(ImproperlyConfigured, match=f"BRAND_LOGO {fault}"):
        env.picture("BRAND_LOGO")


# --- What pages show --------------------------------------------------------------------------------------------------


def brand_addresses(page: str) -> list[str]:
    return re.findall(r'(?:href|src)="(/brand/[^"]+)"', page)


def test_a_page_of_a_shop_without_a_brand_loads_no_brand_file(client, settings):
    settings.BRAND_COLOR = settings.BRAND_ACCENT = ""
    settings.BRAND_LOGO = None
    assert brand_addresses(client.get("/").content.decode()) == []


def test_the_shop_s_colours_are_a_stylesheet_that_browsers_may_cache_indefinitely(client, settings):
    settings.BRAND_COLOR, settings.BRAND_ACCENT = "#7a1fa2", ""
    [address] = brand_addresses(client.get("/").content.decode())
    answer = client.get(address)
    assert answer["Content-Type"] == "text/css; charset=utf-8"
    assert "immutable" in answer["Cache-Control"]
    assert "--brand: #7a1fa2;" in answer.content.decode()
    assert f"--mark: {palette.ACCENT};" in answer.content.decode()

    settings.BRAND_COLOR = "#7a1fa3"
    assert brand_addresses(client.get("/").content.decode()) != [address]
    assert client.get(address).status_code == 404


def test_the_logo_is_served_from_our_own_origin_with_the_business_name_as_its_text(client, settings, tmp_path):
    settings.BRAND_LOGO, settings.BUSINESS_NAME = tmp_path / "logo.svg", "Concretos <Río>"
    settings.BRAND_LOGO.write_bytes(LOGO)
    page = client.get("/").content.decode()
    [address] = brand_addresses(page)
    assert f'<img src="{address}" alt="Concretos &lt;Río&gt;">' in page
    answer = client.get(address)
    assert (answer["Content-Type"], answer.content) == ("image/svg+xml", LOGO)
    assert "script-src 'self'" in answer["Content-Security-Policy"]
