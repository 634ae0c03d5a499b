"""Axe finds nothing on any customer page in any of its states, and each fits the narrowest screen and large print.

States and circumstances are paired, not multiplied: each state is seen dark in Spanish on a phone and light in English
on a desktop, and those that scripts change without JavaScript at twice the size, too.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import DESKTOP_WIDTH, PHONE_WIDTH
from tests.support.customers import a_token
from tests.support.live import Site
from tests.support.looks import axe_finds_nothing
from tests.support.walk import choose, fill_in_two_lines, fits_the_screen, press, visiting

pytestmark = pytest.mark.needs("chromium")

# WCAG's narrowest screen, and a desktop enlarged to 200 %.
NARROW, ENLARGED = 320, DESKTOP_WIDTH // 2
CIRCUMSTANCES = {
    "phone": {"width": PHONE_WIDTH, "locale": "es-MX", "color_scheme": "dark"},
    "desktop": {"width": DESKTOP_WIDTH, "locale": "en-US", "color_scheme": "light"},
    "no-js": {"width": ENLARGED, "locale": "es-MX", "color_scheme": "light"},
}
HELPERS = ["volume", "solid_dimensions", "solid_area", "coffered_area", "coffered_dimensions", "block"]
STATES: dict[str, Callable[..., None]] = {}


def state(show: Callable[..., None]) -> Callable[..., None]:
    """A state of a page: the function that brings one about, given the page, the site and an expired token."""
    STATES[show.__name__.replace("_", "-")] = show
    return show


@state
def calculator(page: Page, **_) -> None:
    page.goto("/")


@state
def calculator_after_a_preset(page: Page, **_) -> None:
    page.goto("/")
    press(page, "preset:0:slab")


@state
def calculator_with_lines(page: Page, **_) -> None:
    page.goto("/")
    fill_in_two_lines(page)


@state
def calculator_that_brings_back_what_was_typed(page: Page, **_) -> None:
    page.goto("/")
    fill_in_two_lines(page)
    page.goto("about:blank")
    page.goto("/?utm_source=flyer")


@state
def calculator_with_errors(page: Page, **_) -> None:
    page.goto("/")
    choose(page, "lines.0.options.strength", "100")
    choose(page, "lines.0.options.service", "pumped")
    page.fill('[name="lines.0.measure.volume.m3"]', "4,500")
    press(page, "add:concrete")
    page.click(".summary button.primary")
    expect(page.locator("[role=alert]")).to_be_visible()


@state
def calculator_asked_for_too_much(page: Page, **_) -> None:
    page.goto("/")
    choose(page, "lines.0.options.strength", "200")
    choose(page, "lines.0.options.service", "direct")
    page.fill('[name="lines.0.measure.volume.m3"]', "501")
    page.click(".summary button.primary")
    expect(page.locator("[role=alert]")).to_be_visible()


@state
def calculator_with_quotes_of_before(page: Page, site: Site, **_) -> None:
    page.goto(f"/q/{a_token(site)}/")
    page.goto("/")


def with_helper(kind: str) -> Callable[..., None]:
    def calculator_with_helper(page: Page, **_) -> None:
        page.goto("/")
        choose(page, "lines.0.measure.kind", kind)

    return calculator_with_helper


STATES |= {f"calculator-{kind}": with_helper(kind) for kind in HELPERS}


@state
def quote(page: Page, site: Site, **_) -> None:
    page.goto(f"/q/{a_token(site)}/")


@state
def quote_with_errors(page: Page, site: Site, **_) -> None:
    page.goto(f"/q/{a_token(site)}/")
    page.fill("#phone", "123")
    page.click("#checkout button.primary")
    page.wait_for_url("**/checkout/")


@state
def expired_quote(page: Page, expired_token: str, **_) -> None:
    page.goto(f"/q/{expired_token}/")


@state
def priced_again(page: Page, expired_token: str, **_) -> None:
    page.goto(f"/q/{expired_token}/")
    with page.expect_navigation():
        page.click("main form button.primary")


@state
def privacy(page: Page, **_) -> None:
    page.goto("/privacy/")


@state
def not_found(page: Page, **_) -> None:
    page.goto("/q/nonsense/")


@state
def unavailable(page: Page, **_) -> None:
    page.goto("/q/261122-7F3K-Q2M9-Q/")


WITH_AND_WITHOUT_SCRIPTS = {
    "calculator",
    "calculator-with-lines",
    "calculator-with-errors",
    "calculator-asked-for-too-much",
    "quote",
    "quote-with-errors",
    "expired-quote",
    "priced-again",
}
SEEN = [
    (circumstance, shown)
    for circumstance in CIRCUMSTANCES
    for shown in STATES
    if circumstance != "no-js" or shown in WITH_AND_WITHOUT_SCRIPTS
]


@pytest.fixture
def page(circumstance: str, browser: Browser, site: Site) -> Iterator[Page]:
    expected = [f"status of {status}" for status in (404, 503)]
    with visiting(browser, site, expected=expected, **CIRCUMSTANCES[circumstance]) as visited:
        yield visited


@contextmanager
def scripts(page: Page, *, run: bool) -> Iterator[None]:
    """Let no script of the page run, and axe itself only afterwards."""
    chrome = page.context.new_cdp_session(page)
    chrome.send("Emulation.setScriptExecutionDisabled", {"value": not run})
    yield
    chrome.send("Emulation.setScriptExecutionDisabled", {"value": False})
    chrome.detach()


@pytest.mark.parametrize(("circumstance", "shown"), SEEN, ids=map("-".join, SEEN))
def test_everybody_can_read_and_reach_everything(circumstance, shown, page, site, expired_token):
    with scripts(page, run=circumstance != "no-js"):
        STATES[shown](page, site=site, expired_token=expired_token)
    axe_finds_nothing(page, f"{circumstance}-{shown}")
    size = page.viewport_size
    for width in (NARROW, ENLARGED, size["width"]):
        page.set_viewport_size({**size, "width": width})
        fits_the_screen(page)
