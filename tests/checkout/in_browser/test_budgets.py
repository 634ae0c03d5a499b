"""Budgets of customer pages: bytes and requests, and no layout shifts. `make lighthouse` measures times."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support import live
from tests.support.catalogue import catalogue
from tests.support.customers import a_token
from tests.support.live import NOBODY_LISTENS, Site
from tests.support.looks import axe_finds_nothing
from tests.support.throttle import throttled
from tests.support.walk import choose, fits_the_screen, press, visiting

pytestmark = pytest.mark.needs("chromium")

MOST_BYTES = 40_000
MOST_REQUESTS = 8
# Layout shift score, a tenth of the 0.01 that Lighthouse shows. Not zero, because an added line moves what is below it.
MOST_SHIFT = 0.001
# Records layout shifts that do not follow from the customer's input.
WATCH_SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const shift of list.getEntries()) {
    const moved = shift.sources.map(({ node }) => node?.outerHTML?.slice(0, 80));
    if (!shift.hadRecentInput) shifts.push([shift.value, ...moved]);
  }
}).observe({ type: "layout-shift", buffered: true });
"""


@dataclass
class Wire:
    """What a page has loaded, without what a service worker fetches for later."""

    urls: list[str] = field(default_factory=list)
    bytes: float = 0


@contextmanager
def on_the_wire(page: Page) -> Iterator[Wire]:
    wire = Wire()
    chrome = page.context.new_cdp_session(page)
    chrome.on("Network.requestWillBeSent", lambda sent: wire.urls.append(sent["request"]["url"]))
    chrome.on("Network.loadingFinished", lambda done: count(wire, done["encodedDataLength"]))
    chrome.send("Network.enable")
    yield wire
    chrome.detach()


def count(wire: Wire, size: float) -> None:
    wire.bytes += size


@pytest.fixture(params=["/", "quote"])
def path(request: pytest.FixtureRequest, site: Site) -> str:
    return f"/q/{a_token(site)}/" if request.param == "quote" else request.param


def test_a_first_visit_fits_the_budget_and_requests_no_other_site(browser, site, path):
    shifts = [shifts_of_a_first_visit(browser, site, path) for _ in range(2)]
    # A busy browser may draw the sticky bar late once. A shift that the page causes happens in both visits.
    assert [] in shifts, shifts


def test_a_phone_finds_one_of_forty_products_within_the_budget(browser, tmp_path):
    book = tmp_path / "merchant.toml"
    book.write_text(catalogue(), encoding="utf-8")
    with (
        live.site(NOBODY_LISTENS, PRICE_BOOK=str(book)) as site,
        visiting(browser, site) as page,
        on_the_wire(page) as wire,
    ):
        page.goto("/", wait_until="networkidle")
        assert wire.bytes <= MOST_BYTES, wire
        assert len(wire.urls) <= MOST_REQUESTS, wire.urls
        page.fill("[data-search] input", "block 12")
        expect(page.locator(".tile:visible")).to_have_count(1)
        fits_the_screen(page)
        axe_finds_nothing(page, "calculator-of-forty-products")
        page.click(".tile:visible")
        choose(page, "lines.0.options.size", "l")
        page.fill('[name="lines.0.measure.pieces.pieces"]', "10")
        # The 26th product costs 35.00 and 26.50 more when it is large.
        expect(page.locator("#summary .total")).to_contain_text("$615.00")
        # Enter gets the quote, because nothing is missing.
        page.keyboard.press("Enter")
        page.wait_for_url("**/q/*/")


def shifts_of_a_first_visit(browser: Browser, site: Site, path: str) -> list[Any]:
    with visiting(browser, site) as page, on_the_wire(page) as wire:
        page.add_init_script(WATCH_SHIFTS)
        page.goto(path, wait_until="networkidle")
        shifts: list[Any] = page.evaluate("() => shifts")
    assert wire.bytes <= MOST_BYTES, wire
    assert len(wire.urls) <= MOST_REQUESTS, wire.urls
    assert all(url.startswith((site.url, "data:")) for url in wire.urls), wire.urls
    return shifts


def test_the_link_to_the_own_quotes_moves_nothing_of_the_page(browser: Browser):
    with (
        live.site(NOBODY_LISTENS, BUSINESS_NAME="Concretos del Norte") as site,
        visiting(browser, site) as page,
    ):
        page.goto(f"/q/{a_token(site)}/")
        page.goto("/")
        expect(page.locator("[data-to-mine]")).to_be_visible()
        with_link = page.locator("main").bounding_box()
        page.locator("[data-to-mine]").evaluate("(link) => { link.hidden = true; }")
        assert page.locator("main").bounding_box() == with_link


def test_nothing_shifts_while_a_job_is_filled_in(browser: Browser, site: Site):
    with visiting(browser, site) as page, throttled(page):
        page.add_init_script(WATCH_SHIFTS)
        page.goto("/")
        choose(page, "lines.0.options.strength", "200")
        choose(page, "lines.0.options.service", "direct")
        page.fill('[name="lines.0.measure.volume.m3"]', "5,6")
        expect(page.locator("#summary .total")).to_contain_text("16,650.10")
        page.check('[name="lines.0.extras"][value="fiber"]')
        expect(page.locator("#summary .total")).to_contain_text("17,622.10")
        press(page, "copy:0")
        page.fill('[name="lines.1.measure.volume.m3"]', "4,500")
        expect(page.locator("#summary .hints")).to_be_visible()
        shifts = page.evaluate("() => shifts")
        page.locator("#title-0").click()
        page.click("#next a")
        expect(page.locator('[name="lines.1.measure.volume.m3"]')).to_be_focused()
    assert sum(value for value, *_ in shifts) < MOST_SHIFT, shifts
