"""The calculator as a visit begins: rendered once for all who see the same, and nobody sees what is another's."""

import gzip
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import caches
from django.test import Client, override_settings
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from quoter import share, token
from quoter.shop import carrying, details, publishing, served
from quoter.shop.models import Published
from tests.support.factories import a_line, an_issued_quote, as_form
from tests.support.memory import kept_in_memory
from tests.support.quotes import BOOKS


@pytest.fixture(autouse=True)
def kept() -> Iterator[None]:
    """Keep pages in memory, as without DEBUG."""
    with kept_in_memory():
        yield


def is_rendered(answer: Any) -> bool:
    return any(template.name == "checkout/calculator.html" for template in answer.templates)


def rendered(client: Client, *addresses: str, **headers: str) -> list[bool]:
    """Return for each visit, one after the other, whether the page was rendered for it."""
    return [is_rendered(client.get(address, headers=headers)) for address in addresses]


def test_a_page_is_rendered_once_for_each_language_and_kind_of_address(client):
    assert rendered(client, "/", "/", "/?utm_id=7", "/") == [True, False, False, False]
    assert rendered(client, "/", "/", **{"accept-language": "en"}) == [True, False]
    assert rendered(client, "/?lang=en", "/?lang=en", "/?lang=es", "/?lang=es") == [True, False, True, False]


def test_campaigns_share_a_page_and_each_visit_has_its_own_origin(client):
    campaigns = [f"/?utm_source=ads&fbclid={number}" for number in range(3)]
    assert rendered(client, *campaigns) == [True, False, False]
    for own in campaigns:
        page = client.get(own).content.decode()
        assert [f"fbclid={number}" in page for number in range(3)] == [f"fbclid={number}" in own for number in range(3)]
    assert "fbclid" not in client.get("/").content.decode()
    assert rendered(client, "/", **{"referer": "https://www.example.com/prices?name=Zoila"}) == [False]


QUERIES = st.fixed_dictionaries(
    {},
    optional={
        "lang": st.sampled_from(["es", "en", "fr"]),
        "utm_source": st.text(max_size=12),
        "utm_campaign": st.sampled_from(["summer & co", "landing=x", "where-the-visit-came-from", "100%", "ñ"]),
        "work": st.sampled_from(["driveway", "bridge"]),
        "strength": st.sampled_from(["200", "<b>"]),
        "quantity": st.sampled_from(["8", "landing=where-the-visit-came-from"]),
    },
)
HEADERS = st.fixed_dictionaries(
    {"accept-language": st.sampled_from(["es", "en"])},
    optional={
        "referer": st.sampled_from(
            ["https://l.instagram.com/?u=1", "http://testserver/q/x/", "android-app://org.telegram"]
        ),
        "sec-fetch-dest": st.sampled_from(["iframe", "document"]),
        "accept-encoding": st.sampled_from(["gzip, br", "br"]),
    },
)


@given(st.lists(st.tuples(QUERIES, HEADERS), min_size=1, max_size=6))
@override_settings(EMBED_ORIGINS=["https://www.example.com"])
def test_every_visit_gets_the_page_that_would_be_rendered_for_it(visits):
    without_memory = {**settings.CACHES, "pages": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    for query, headers in visits:
        from_memory = Client().get("/", query, headers=headers)
        with override_settings(CACHES=without_memory):
            anew = Client().get("/", query, headers=headers)
        assert text_of(from_memory) == text_of(anew)
        assert from_memory.headers == anew.headers


def text_of(answer: Any) -> str:
    is_compressed = answer.get("Content-Encoding") == "gzip"
    return (gzip.decompress(answer.content) if is_compressed else answer.content).decode()


def test_what_was_typed_and_a_quote_that_is_changed_are_in_no_other_page(client):
    form = as_form(a_line())
    before = token.short(an_issued_quote())
    for _ in range(2):
        assert "5.6" in client.post("/", {**form, "edit": "add:concrete"}).content.decode()
        assert before in client.get("/", {"before": before}).content.decode()
        fresh = client.get("/").content.decode()
        assert 'value="5.6"' not in fresh
        assert before not in fresh


def test_a_browser_that_has_the_page_gets_it_again_only_when_it_has_changed(client):
    first = client.get("/?utm_source=ads")
    assert (first["Cache-Control"], "Accept-Encoding" in first["Vary"]) == ("private, no-cache", True)
    again = client.get("/?utm_source=ads", headers={"if-none-match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert {"Cache-Control", "Vary", "Content-Security-Policy"} <= again.headers.keys()
    known = {"if-none-match": first["ETag"]}
    assert [client.get(address, headers=known).status_code for address in ("/", "/?utm_source=mail")] == [200, 200]
    # Another process has rendered the same page by itself.
    caches["pages"].clear()
    assert client.get("/?utm_source=ads", headers=known).status_code == 304


def test_a_head_request_has_the_headers_of_the_page(client):
    page, head = client.get("/"), client.head("/")
    assert (head.status_code, head.content, head.headers) == (200, b"", page.headers)


@pytest.mark.django_db
def test_another_shop_and_other_prices_are_another_page_at_once(client):
    assert rendered(client, "/", "/") == [True, False]
    book = (
        (BOOKS / "concrete.toml").read_text().replace("2170.36", "1999.01").replace('version = "', 'version = "new ', 1)
    )
    publish(Published.Kind.PRICES, book)
    assert "$1,999.01/m³" in client.get("/").content.decode()
    publish(Published.Kind.DETAILS, details.document({"BUSINESS_NAME": "Concretos del Norte"}))
    page = client.get("/").content.decode()
    assert "Concretos del Norte" in page
    assert "$1,999.01/m³" in page
    assert rendered(client, "/") == [False]


def publish(kind: str, content: str) -> None:
    publishing.publish(kind, content, by="ana")
    carrying.carry()
    served.look()


def test_another_day_is_another_page(client, monkeypatch):
    assert rendered(client, "/", "/") == [True, False]
    monkeypatch.setattr(timezone, "now", lambda now=timezone.now: now() + timedelta(days=1))
    assert rendered(client, "/", "/") == [True, False]


def test_a_picture_that_is_drawn_later_comes_onto_the_page(client, settings, tmp_path):
    settings.SHARE_DIR = tmp_path
    assert "apple-touch-icon" not in client.get("/").content.decode()
    share.draw()
    assert "apple-touch-icon" in client.get("/").content.decode()


def test_addresses_on_the_page_are_those_of_the_host_that_was_asked(client, settings):
    settings.ALLOWED_HOSTS = ["one.example", "two.example"]
    for host in ("one.example", "two.example", "one.example"):
        assert f'href="http://{host}/"' in client.get("/", headers={"host": host}).content.decode()


def test_the_memory_for_pages_is_bounded(client):
    for number in range(150):
        client.get(f"/?quantity={number}")
    assert len(caches["pages"]._cache) <= 100
