"""What search engines and link previews in chats read: titles, descriptions, prices, and what they must not list."""

import json
import re
from html import unescape
from xml.etree import ElementTree

import pytest
from django.contrib.staticfiles import finders

from quoter import site, token
from quoter.engine.text import Text
from tests.support.factories import an_issued_quote

IN_ENGLISH = {"headers": {"accept-language": "en"}}
LOCATION = "{http://www.sitemaps.org/schemas/sitemap/0.9}loc"


IN_EACH_LANGUAGE = {
    "es-MX": "http://testserver/?lang=es",
    "en": "http://testserver/?lang=en",
    "x-default": "http://testserver/",
}


def about(page: str) -> dict[str, str]:
    """Return the meta elements of a page: each one's content, by its name."""
    elements = re.findall(r'<meta (?:name|property)="([^"]+)" content="([^"]*)">', page)
    return {name: unescape(content) for name, content in elements}


def structured_data(page: str) -> dict:
    return json.loads(re.search(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)[1])


def test_the_calculator_names_what_is_sold_and_its_canonical_address(client):
    page = client.get("/?utm_source=facebook", **IN_ENGLISH).content.decode()

    assert "<title>Ready-mix concrete: prices and quotes · Folio</title>" in page
    assert '<link rel="canonical" href="http://testserver/">' in page
    meta = about(page)
    assert meta["og:title"] == "Ready-mix concrete: prices and quotes"
    assert meta["description"] == meta["og:description"]
    assert "robots" not in meta


@pytest.mark.parametrize(
    ("query", "own", "locale"),
    [("", "", "es_MX"), ("?lang=es", "?lang=es", "es_MX"), ("?utm_source=x&lang=en", "?lang=en", "en_US")],
)
@pytest.mark.parametrize("path", ["/", "/privacy/"])
def test_each_page_names_itself_in_each_language(client, path, query, own, locale):
    page = client.get(f"{path}{query}").content.decode()
    links = re.findall(r'<link rel="alternate" hreflang="([^"]+)" href="([^"]+)">', page)
    assert dict(links) == {
        tag: address.replace("http://testserver/", f"http://testserver{path}")
        for tag, address in IN_EACH_LANGUAGE.items()
    }
    assert f'<link rel="canonical" href="http://testserver{path}{own}">' in page
    if path == "/":
        meta = about(page)
        assert (meta["og:url"], meta["og:locale"]) == (f"http://testserver/{own}", locale)


def test_a_link_preview_has_the_default_picture_until_the_shop_s_is_drawn(client, settings, tmp_path):
    settings.SHARE_DIR = tmp_path
    address = about(client.get("/").content.decode())["og:image"]
    assert re.fullmatch(r"http://testserver/static/share\.[0-9a-f]{12}\.png", address)
    assert finders.find("share.png")


def test_a_site_with_several_hosts_names_its_public_one(client, settings):
    settings.PUBLIC_HOST = "quotes.example.com"
    page = client.get("/", secure=True).content.decode()
    assert '<link rel="canonical" href="https://quotes.example.com/">' in page
    assert "https://quotes.example.com/sitemap.xml" in client.get("/robots.txt", secure=True).content.decode()


def test_search_engines_read_the_shop_and_its_prices(client, settings):
    settings.BUSINESS_NAME, settings.WHATSAPP_NUMBER = "Concretos <Río>", "526561234567"
    shop = structured_data(client.get("/").content.decode())

    assert (shop["@type"], shop["name"], shop["telephone"]) == ("LocalBusiness", "Concretos <Río>", "+526561234567")
    assert shop["openingHours"] == [*(f"{day} 08:00-18:00" for day in ("Mo", "Tu", "We", "Th", "Fr")), "Sa 08:00-14:00"]
    catalog = shop["hasOfferCatalog"]
    assert catalog["name"] == "Concreto premezclado"
    [offer] = catalog["itemListElement"]
    price = offer["priceSpecification"]
    assert (price["priceCurrency"], price["unitText"], price["valueAddedTaxIncluded"]) == ("MXN", "m³", False)
    # 100 in direct pour, and 300 pumped up to 3.5 m³
    assert (price["minPrice"], price["maxPrice"]) == ("2170.36", "3792.56")


def test_a_price_book_cannot_end_the_element_that_describes_it(client, monkeypatch):
    hostile = site.price_book().model_copy(update={"title": Text(es="</script><b>", en="")})
    monkeypatch.setattr(site, "price_book", lambda: hostile)
    page = client.get("/").content.decode()
    assert structured_data(page)["hasOfferCatalog"]["name"] == "</script><b>"
    assert "</script><b>" not in page


def test_a_quote_is_not_listed_and_its_preview_says_what_it_is_and_the_total(client):
    issued = an_issued_quote()
    page = client.get(f"/q/{token.dumps(issued)}/").content.decode()

    meta = about(page)
    assert meta["robots"] == "noindex"
    assert meta["og:title"] == "Cotización: 6\u00a0m³ · Concreto premezclado, f'c 200 kg/cm², tiro directo"
    assert "$17,622.10 MXN" in meta["og:description"]
    assert "canonical" not in page
    assert "og:url" not in meta


def test_robots_may_read_everything_but_the_staff_s_pages(client):
    answer = client.get("/robots.txt")
    assert answer["Content-Type"].startswith("text/plain")
    assert answer.content.decode().splitlines() == [
        "User-agent: *",
        "Disallow: /admin/",
        "Sitemap: http://testserver/sitemap.xml",
    ]


def test_the_sitemap_lists_the_pages_that_anybody_may_find(client):
    answer = client.get("/sitemap.xml")
    assert answer["Content-Type"].startswith("application/xml")
    listed = ElementTree.fromstring(answer.content)
    assert [place.text for place in listed.iter(LOCATION)] == list(IN_EACH_LANGUAGE.values())
    for place in listed:
        others = place.iterfind("{http://www.w3.org/1999/xhtml}link")
        assert {other.get("hreflang"): other.get("href") for other in others} == IN_EACH_LANGUAGE


@pytest.mark.parametrize("path", ["/robots.txt", "/sitemap.xml", "/"])
def test_the_pages_that_search_engines_read_make_no_query(client, path):
    # Without the django_db mark, a query would be an error.
    assert client.get(path).status_code == 200
