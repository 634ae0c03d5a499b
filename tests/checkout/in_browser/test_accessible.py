"""Axe finds no fault on any customer page in any of its states, and each fits narrow and enlarged screens.

Each state is shown once, alternately in Spanish and in English: dark on a phone, then light on a desktop without a
reload. States that scripts change are shown again without JavaScript, at twice the size.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import cycle

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support import mark
from tests.support.browser import DESKTOP_WIDTH, HEIGHT, PHONE_WIDTH
from tests.support.customers import a_token
from tests.support.live import Site
from tests.support.looks import axe_finds_nothing
from tests.support.walk import (
    ask_at_once,
    choose,
    fill_in_two_lines,
    fits_the_screen,
    go_to_the_chat,
    press,
    unfold,
    visiting,
)

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.long]

# WCAG's narrowest screen, a desktop enlarged to 200 %, and a small phone, for text that its owner has set to 200 %.
NARROW, ENLARGED, SMALL_PHONE = 320, DESKTOP_WIDTH // 2, 360
LARGE_TEXT = "(size) => { document.documentElement.style.fontSize = size; }"
HELPERS = ["volume", "solid_dimensions", "solid_area", "coffered_area", "coffered_dimensions", "block"]
STATES: dict[str, Callable[..., None]] = {}


def state(show: Callable[..., None]) -> Callable[..., None]:
    """Register a state of a page. show: the function that shows it, given the page, the site and an expired token."""
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
def calculator_with_a_restored_draft(page: Page, **_) -> None:
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
    ask_at_once(page)
    expect(page.locator("[role=alert]")).to_be_visible()


@state
def calculator_asked_for_too_much(page: Page, **_) -> None:
    page.goto("/")
    choose(page, "lines.0.options.strength", "200")
    choose(page, "lines.0.options.service", "direct")
    page.fill('[name="lines.0.measure.volume.m3"]', "501")
    ask_at_once(page)
    expect(page.locator("[role=alert]")).to_be_visible()


@state
def calculator_with_earlier_quotes(page: Page, site: Site, **_) -> None:
    page.goto(f"/q/{a_token(site)}/")
    page.goto("/")


@state
def calculator_with_every_helper(page: Page, **_) -> None:
    page.goto("/")
    for number, kind in enumerate(HELPERS):
        if number:
            press(page, "add:concrete")
        choose(page, f"lines.{number}.measure.kind", kind)
    for number, kind in enumerate(HELPERS):
        unfold(page, f'[name^="lines.{number}.measure.{kind}."]')


@state
def quote(page: Page, site: Site, **_) -> None:
    page.goto(f"/q/{a_token(site)}/")


@state
def quote_that_was_sent(page: Page, site: Site, **_) -> None:
    page.goto(f"/q/{a_token(site)}/")
    go_to_the_chat(page)
    page.go_back()
    expect(page.locator("#sent")).to_be_visible()


@state
def quote_with_errors(page: Page, site: Site, **_) -> None:
    page.goto(f"/q/{a_token(site)}/")
    page.click("#checkout summary")
    page.fill("#answers\\.notes", "Gate 2")
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


# Those that have most of what the others show.
EVERY_RUN = {
    "calculator-with-lines",
    "calculator-with-errors",
    "quote",
    "quote-with-errors",
    "expired-quote",
}
WITH_AND_WITHOUT_SCRIPTS = [
    "calculator-with-errors",
    "quote-with-errors",
    "calculator",
    "calculator-with-lines",
    "calculator-asked-for-too-much",
    "quote",
    "expired-quote",
    "priced-again",
]
LANGUAGES = dict(zip(STATES, cycle(["es-MX", "en-US"])))


@pytest.fixture
def visit(browser: Browser, site: Site) -> Callable[..., AbstractContextManager[Page]]:
    expected = [f"status of {status}" for status in (404, 503)]
    return partial(visiting, browser, site, expected=expected)


@contextmanager
def no_scripts(page: Page) -> Iterator[None]:
    """Disable JavaScript inside, and enable it again for axe."""
    chrome = page.context.new_cdp_session(page)
    chrome.send("Emulation.setScriptExecutionDisabled", {"value": True})
    yield
    chrome.send("Emulation.setScriptExecutionDisabled", {"value": False})
    chrome.detach()


@pytest.mark.parametrize(
    "state", mark.by_hand_but(len(EVERY_RUN), sorted(STATES, key=lambda name: name not in EVERY_RUN))
)
def test_a_page_is_accessible_and_fits_every_width(state, visit, site, expired_token):
    with visit(width=PHONE_WIDTH, color_scheme="dark", locale=LANGUAGES[state]) as page:
        STATES[state](page, site=site, expired_token=expired_token)
        axe_finds_nothing(page, f"phone-{state}")
        page.evaluate(LARGE_TEXT, "200%")
        fits(page, SMALL_PHONE)
        page.evaluate(LARGE_TEXT, "")
        fits(page, NARROW, ENLARGED, PHONE_WIDTH, DESKTOP_WIDTH)
        page.emulate_media(color_scheme="light")
        axe_finds_nothing(page, f"desktop-{state}")


@pytest.mark.parametrize("state", mark.by_hand_but(1, WITH_AND_WITHOUT_SCRIPTS))
def test_a_page_without_javascript_is_accessible_and_fits_when_enlarged(state, visit, site, expired_token):
    with visit(width=ENLARGED, color_scheme="light") as page:
        with no_scripts(page):
            STATES[state](page, site=site, expired_token=expired_token)
        axe_finds_nothing(page, f"no-js-{state}")
        fits(page, NARROW, ENLARGED)


def fits(page: Page, *widths: int) -> None:
    for width in widths:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        fits_the_screen(page)
