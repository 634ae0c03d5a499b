"""No header of a request moves the site or its links, also where a host has gunicorn trust everybody."""

import re
from collections.abc import Iterator

import pytest

from tests.support import live
from tests.support.customers import A_LINE, check_out
from tests.support.live import NOBODY_LISTENS, Site, message

pytestmark = pytest.mark.long

HOST = "quotes.example.com"
EVIL = re.compile(r"/evil|evil\.example")
# What proxies and servers take for the site's address.
HOSTILE = {
    "SCRIPT_NAME": "/evil",
    "Script-Name": "/evil",
    "X-Script-Name": "/evil",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Server": "evil.example",
    "X-Original-URL": "/evil/",
    "X-Rewrite-URL": "/evil/",
    "Forwarded": 'for=192.0.2.1;host="evil.example";proto=http',
    "PATH_INFO": "/evil/",
    "SCRIPT_URL": "/evil/",
}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A fresh site whose every worker has first answered hostile requests."""
    trusting = {"FORWARDED_ALLOW_IPS": "*", "WEB_CONCURRENCY": "1", "ALLOWED_HOSTS": f"{HOST},127.0.0.1"}
    with live.site(NOBODY_LISTENS, **trusting) as running:
        for path in ("/evil/quote/", "/quote/"):
            running.post_json(path, {"lines": [A_LINE]}, **HOSTILE)
        for path in ("/", "/evil/", "/worker.js", "/evil/worker.js", "/offline/", "/evil/offline/", "/sitemap.xml"):
            running.get(path, **HOSTILE)
        yield running


@pytest.mark.parametrize("path", ["/evil/", "/evil/worker.js"])
def test_the_site_is_not_below_another_path(site, path):
    assert site.get(path, SCRIPT_NAME="/evil").status == 404


@pytest.mark.parametrize("headers", [{}, HOSTILE], ids=["an honest request", "a hostile one"])
def test_no_page_names_an_address_from_a_header(site, headers):
    for path in ("/", "/offline/", "/worker.js", "/sitemap.xml", "/robots.txt", "/privacy/"):
        answer = site.get(path, **headers)
        assert answer.status == 200, path
        assert not EVIL.search(answer.text), path
    quoted = site.post_json("/quote/", {"lines": [A_LINE]}, Host=HOST, **headers).json
    assert quoted["url"].startswith(f"https://{HOST}/q/")
    assert not EVIL.search(site.get(f"/q/{quoted['token']}/", **headers).text)


def test_a_customer_s_message_has_the_link_of_the_site(site):
    link = message(check_out(site).json["whatsapp_url"]).split()[-1]
    assert link.startswith(f"{site.url.replace('http:', 'https:')}/q/")


@pytest.mark.parametrize("host", ["evil.example", "quotes.example.com.evil.example", "evil.example:443"])
def test_another_host_is_refused(site, host):
    assert site.get("/", Host=host).status == 400
