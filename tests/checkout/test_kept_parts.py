"""Parts of a quote's page that are the same for many are rendered once, and hold nothing of anybody."""

from datetime import UTC, datetime

import pytest
from django.core.cache import caches
from django.utils import timezone

from quoter import token
from tests.support.factories import a_line, an_issued_quote
from tests.support.memory import kept_in_memory

PERSON = {"name": "Zoila Vaca", "phone": "656 765 4321"}


@pytest.fixture
def addresses() -> list[str]:
    """The quotes of two customers, in each language."""
    quotes = [an_issued_quote(), an_issued_quote(a_line(options={"strength": "250", "service": "pumped"}))]
    return [f"/q/{token.dumps(each)}/?lang={language}" for each in quotes for language in ("es", "en")]


def test_from_memory_each_quote_has_the_page_that_would_be_rendered_for_it(client, addresses):
    anew = [client.get(address).content for address in addresses]
    with kept_in_memory():
        for _ in range(2):
            assert [client.get(address).content for address in addresses] == anew
        assert len([key for key in caches["pages"]._cache if "asked" in key]) == 2  # one for each language


def test_what_a_customer_has_typed_is_on_no_other_page_and_not_in_memory(client, addresses):
    with kept_in_memory():
        client.get(addresses[0])
        for posted in (addresses[0], "/checkout/"):
            page = client.post(posted, {**PERSON, "phone": "7654321", "token": token.dumps(an_issued_quote())})
            assert "Zoila Vaca" in page.content.decode()
            assert "Zoila" not in client.get(addresses[0]).content.decode()
        assert not [value for value in caches["pages"]._cache.values() if b"Zoila" in value or b"7654321" in value]


def test_the_sentence_about_the_answer_is_that_of_the_hour(client, addresses, settings, monkeypatch):
    settings.BUSINESS_HOURS = tuple(() if day > 4 else settings.BUSINESS_HOURS[0] for day in range(7))
    with kept_in_memory():
        for day, hour, is_open in ((2, 9, False), (2, 18, True), (2, 19, True), (3, 2, False)):
            monkeypatch.setattr(timezone, "now", lambda at=(day, hour): datetime(2026, 12, *at, tzinfo=UTC))
            page = client.get(f"/q/{token.dumps(an_issued_quote())}/?lang=en").content.decode()
            first = page.partition("data-answers")[2].partition("</p>")[0]
            assert ("We answer in about" in first.partition("</span>")[0]) == is_open
