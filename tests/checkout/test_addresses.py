"""No address of a quote is longer than gunicorn and proxies take, within the twenty lines of a quote."""

import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.test import override_settings

from checkout.quote_page import LONGEST_ADDRESS
from quoter import token
from quoter.engine import pricebook, pricing
from quoter.engine.pricebook import PriceBook
from quoter.engine.quote import LineRequest
from quoter.forms import hidden_fields
from tests.support import live, mark
from tests.support.live import NOBODY_LISTENS, Answer, Site
from tests.support.quotes import A_FOLIO, ZONE

WORDS = """piso porcelánico rectificado mate antiderrapante gris perla arena beige nogal roble cantera travertino
pulido brillante exterior interior terraza baño cocina muro mosaico hexagonal grande mediano importado nacional"""
# The marks of a campaign, as long as they are kept.
CAMPAIGN = {"utm_source": "facebook", "utm_campaign": "ñ" * 100, "utm_content": "ñ" * 100, "landing": "/"}
TIERS = "[{ from = 1.44, to = 50.4, price = %d.37 }, { from = 51.84, price = %d.91 }]"


def a_book(*, words: int, seed: int = 1) -> str:
    """Return a book of forty tiles, with so many words in each name."""
    chance = random.Random(seed)
    products = []
    for number in range(40):
        name = " ".join(chance.choice(WORDS.split()) for _ in range(words)) + f" {chance.randrange(20, 120)} cm"
        tiers = TIERS % (chance.randrange(300, 900), chance.randrange(100, 300))
        products.append(f"""
[[products]]
code = "tile-{number}-{chance.randrange(10**8)}"
label = {{ es = "{name}", en = "{name} (tile)" }}
unit = "m²"
step = 1.44
minimum = 1.44
maximum = 5000.4
prices = [{{ tiers = {tiers} }}]
measures = [
  {{ kind = "area", label = {{ es = "Área", en = "Area" }}, formula = "known" }},
  {{ kind = "sides", label = {{ es = "Lados", en = "Sides" }}, formula = "length_width", factor = 1.05 }},
]
""")
    head = """
name = "tiles"
version = "2026-01"
title = { es = "Pisos", en = "Tiles" }
currency = "MXN"
validity_days = 7
taxes = [{ name = "IVA", rate = 0.16, from = 2026-01-01 }]
"""
    return head + "".join(products)


def twenty_lines(book: PriceBook) -> list[LineRequest]:
    return [
        LineRequest(
            product=product.code,
            measure={"kind": "sides", "length_m": f"{number + 3}.{number + 17}", "width_m": f"{number + 2}.75"},
        )
        for number, product in enumerate(book.products[:20])
    ]


def long_expired(book: PriceBook) -> str:
    quote = pricing.price(
        book,
        twenty_lines(book),
        folio=A_FOLIO,
        issued_at=datetime.now(UTC) - timedelta(days=60),
        zone=ZONE,
        language="es",
    )
    with override_settings(SECRET_KEY=live.SECRET_KEY):
        return token.short(token.issue(book, quote))


@pytest.fixture(scope="module", params=mark.by_hand_but(2, [25, 70, 6, 400]), ids=lambda words: f"{words} words")
def book(request: pytest.FixtureRequest) -> str:
    return a_book(words=request.param)


@pytest.fixture(scope="module")
def site(book: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    path: Path = tmp_path_factory.mktemp("book") / "tiles.toml"
    path.write_text(book, encoding="utf-8-sig")
    with live.site(NOBODY_LISTENS, PRICE_BOOK=str(path), WEB_CONCURRENCY="1") as running:
        yield running


def fields(page: str) -> list[tuple[str, str]]:
    form = re.search(r'<form class="card notice".*?</form>', page, re.DOTALL)
    assert form
    return [(name, unescape(value)) for name, value in re.findall(r'name="([^"]+)" value="([^"]*)"', form[0])]


def addresses(page: str) -> list[str]:
    """Return the addresses of this site in a page: links, and where its buttons send a form."""
    found = re.findall(r'(?:href|action|formaction)="(?:http://127.0.0.1:\d+)?(/[^"]*)"', page)
    return [unescape(address) for address in found]


def assert_opens(site: Site, address: str) -> Answer:
    assert len(address) <= LONGEST_ADDRESS + 100
    answer = site.get(address)
    by_folio = re.search(r"/q/[\w-]{18}/", address)
    assert answer.status == (503 if by_folio else 200)  # this site has no database
    return answer


def is_page_of_quote(address: str) -> bool:
    return address.startswith("/q/") and not address.partition("?")[0].endswith("/pdf")


def test_a_long_expired_quote_is_priced_again_whatever_its_names(site, book):
    before = long_expired(pricebook.parse(book))
    if len(f"/q/{before}/?{urlencode(CAMPAIGN)}") < LONGEST_ADDRESS:
        again = fields(assert_opens(site, f"/q/{before}/?{urlencode(CAMPAIGN)}&lang=es").text)
        assert ("before", before) in again
    else:  # nobody has such an address, but perhaps the open page of an earlier release
        again = [*hidden_fields(twenty_lines(pricebook.parse(book)), {}), ("before", before)]
    answer = site.post("/quote/?lang=es", again)
    assert answer.status == 303
    page = assert_opens(site, answer.location)
    for address in addresses(page.text):
        if is_page_of_quote(address):
            assert_opens(site, address)
    if len(before) < 3_000:
        assert 'class="card earlier"' in page.text


def test_so_is_a_new_quote(site, book):
    lines = [line.model_dump(mode="json") for line in twenty_lines(pricebook.parse(book))]
    answer = site.post_json("/quote/", {"lines": lines, "attribution": CAMPAIGN})
    assert answer.status == 201
    address = answer.json["url"].removeprefix(site.url.replace("http", "https")).removeprefix(site.url)
    for each in [address, *addresses(assert_opens(site, address).text)]:
        if is_page_of_quote(each):
            assert_opens(site, each)
    # From a page that somebody shared, with the address of the page that led there.
    if "-" not in address[:12]:
        shared = site.get(address, Referer="https://l.facebook.com/" + "a" * 190)
        assert all(len(each) <= LONGEST_ADDRESS + 100 for each in addresses(shared.text))
