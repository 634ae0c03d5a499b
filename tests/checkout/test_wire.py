"""What travels to a customer: compressed pages, and no script before a page is shown but those that it works with."""

import gzip
import re

import pytest

from quoter import token
from tests.support.factories import a_line, an_issued_quote, as_form

COMPRESSED = {"accept-encoding": "gzip, deflate, br"}


def a_quote() -> str:
    return f"/q/{token.dumps(an_issued_quote())}/"


@pytest.mark.parametrize("path", ["/", "/privacy/", a_quote], ids=["calculator", "privacy", "quote"])
def test_customer_pages_are_compressed(client, path):
    address = path() if callable(path) else path
    answer = client.get(address, headers=COMPRESSED)
    assert answer["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in answer["Vary"]
    assert len(answer.content) < 10_000
    page = gzip.decompress(answer.content)
    assert b"</html>" in page
    assert b"</html>" in client.get(address).content


def test_the_live_total_is_compressed(client):
    assert client.post("/summary/", as_form(a_line()), headers=COMPRESSED)["Content-Encoding"] == "gzip"


@pytest.mark.parametrize(
    ("path", "scripts"),
    [
        ("/", ["quoter/calculator", "checkout/mine"]),
        (a_quote, ["checkout/kept", "checkout/checkout", "checkout/mine"]),
    ],
    ids=["calculator", "quote"],
)
def test_a_page_waits_only_for_the_scripts_that_it_works_with(client, path, scripts):
    page = client.get(path() if callable(path) else path).content.decode()
    assert re.findall(r'<script[^>]* src="/static/([\w/]+)[.\w]*\.js"', page) == scripts


@pytest.mark.django_db
def test_staff_pages_are_not_compressed_because_they_have_csrf_tokens(admin_client):
    assert "Content-Encoding" not in admin_client.get("/admin/leads/lead/", headers=COMPRESSED)
