"""Links from a shop's own site: what they open in the calculator, and who may show it in a frame."""

import json
from html import unescape

import pytest
from django.core.exceptions import ImproperlyConfigured

from quoter import site
from quoter.links import opened
from settings import env

# What the kind of work fills in.
USUAL = {"solid_dimensions.thickness_cm": "12"}


@pytest.mark.parametrize(
    ("query", "options", "measures", "work"),
    [
        ({}, {}, {}, ""),
        ({"work": "driveway"}, {"strength": "200"}, USUAL, "driveway"),
        (
            {"product": "concrete", "strength": "200", "service": "direct", "quantity": " 8 "},
            {"strength": "200", "service": "direct"},
            {"volume.m3": "8"},
            "",
        ),
        (
            {"work": "driveway", "strength": "100", "quantity": "a lot"},
            {"strength": "100"},
            {**USUAL, "volume.m3": "a lot"},
            "driveway",
        ),
        ({"work": "bridge", "product": "gold", "strength": "900", "lang": "en", "quantity": " "}, {}, {}, ""),
        ({"quantity": "9" * 500}, {}, {"volume.m3": "9" * 20}, ""),
        ({"work": ":0:driveway", "product": "\0"}, {}, {}, ""),
    ],
)
def test_a_link_opens_what_the_book_has(query, options, measures, work):
    line = opened(query, site.price_book())
    assert (line.product, line.options, line.measures, line.preset) == ("concrete", options, measures, work)


def test_a_link_shows_its_price_at_once_and_a_wrong_quantity_as_one_that_was_typed(client):
    link = "/?product=concrete&strength=200&service=direct&lang=es&quantity="
    assert "$16,650.10" in client.get(f"{link}6").content.decode()
    answer = client.get(f"{link}seis<b>")
    assert answer.status_code == 200
    assert "«seis<b>» no es un número" in unescape(answer.content.decode())
    assert "seis<b>" not in answer.content.decode()


def test_only_the_shop_s_own_site_may_frame_the_pages_and_nobody_those_of_staff(client, settings, db):
    settings.EMBED_ORIGINS = ["https://www.example.com"]
    settings.SECURE_CSP = {**settings.SECURE_CSP, "frame-ancestors": settings.EMBED_ORIGINS}
    home, login = client.get("/"), client.get("/admin/login/")
    assert home["Content-Security-Policy"].endswith("frame-ancestors https://www.example.com")
    assert "X-Frame-Options" not in home
    assert "quoter/frame" in home.content.decode()
    # In a frame without a script, links and the checkout leave it: WhatsApp refuses frames. The calculator stays.
    base, stays = '<noscript><base target="_blank"></noscript>', 'target="_self"\n  method="post" action="/quote/"'
    for where, is_framed in ("iframe", True), ("document", False):
        page = client.get("/", headers={"sec-fetch-dest": where}).content.decode()
        assert (base in page, stays in page) == (is_framed, is_framed)
    assert "Sec-Fetch-Dest" in home["Vary"]
    assert login["Content-Security-Policy"].endswith("frame-ancestors 'none'")
    assert login["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize(
    "given",
    [
        "www.example.com",
        "https://example.com/",
        "http://example.com",
        "*",
        "https://*",
        "https://a.mx; script-src *",
        "'self'",
    ],
)
def test_what_is_no_origin_stops_the_start(given):
    with (
        env.instead({"EMBED_ORIGINS": f"https://*.a.mx:8443,{given}"}),
        pytest.raises(ImproperlyConfigured, match="EMBED"),
    ):
        env.origins("EMBED_ORIGINS")


def test_on_a_home_screen_the_calculator_is_the_shop_s(client, settings):
    settings.BUSINESS_NAME, settings.BRAND_COLOR = "Pisos Peña", "#112233"
    answer = client.get("/manifest.webmanifest?lang=en")
    app = json.loads(answer.content)
    assert (app["name"], app["theme_color"], app["start_url"]) == ("Pisos Peña", "#112233", "/?lang=en")
    assert client.get(app["icons"][0]["src"]).status_code == 200
