"""Wrong input in each kind of field, in a browser with JavaScript and without.

The message is at its field, the first wrong field has the focus and its message as description, and everything typed is
still there. tests/checkout/test_checkout.py has the messages of each mistake.
"""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support import mark
from tests.support.customers import a_token
from tests.support.live import Site
from tests.support.walk import (
    NAME,
    PHONE,
    STRAY_ERRORS,
    ask_at_once,
    choose,
    fits_the_screen,
    focused,
    press,
    start_afresh,
    typed,
    visiting,
)

pytestmark = pytest.mark.needs("chromium")

DIRECT = {"strength": "200", "service": "direct"}
CALCULATOR, CHECKOUT = "#calculator", "#checkout"
OPTION, MEASURE = "lines.0.options.", "lines.0.measure."


@pytest.fixture(scope="module", params=[True, False], ids=["js", "no-js"])
def page(request: pytest.FixtureRequest, browser: Browser, site: Site) -> Iterator[Page]:
    with visiting(browser, site, scripts=request.param, locale="en-US") as visited:
        yield visited


@pytest.fixture(autouse=True)
def empty_storage(page: Page, site: Site) -> None:
    start_afresh(page, site)


def assert_shows_error(page: Page, field: str, words: str, *, form: str, before: dict[str, list[str]]) -> None:
    """The field has the focus and its message. before: the form as `typed` returned it, which is unchanged."""
    # The address says nothing: a script replaces it by the calculator's.
    expect(page).to_have_title(re.compile("^Error: "))
    page.wait_for_load_state()
    expect(page.locator("[role=alert]")).to_be_visible()
    spoken = focused(page)
    assert spoken.field == field
    assert spoken.is_invalid
    assert words in spoken.description
    assert page.evaluate(STRAY_ERRORS) == []
    assert typed(page, form) == before
    fits_the_screen(page)


# --- The calculator -------------------------------------------------------------------------------------------------

# Options, the measuring method, what is typed in it, the wrong field, and words of its message.
WRONG_LINES = {
    "nothing chosen": ({}, "volume", {"m3": "6"}, f"{OPTION}strength", "Choose an option"),
    "not offered": (
        {"strength": "100", "service": "pumped"},
        "volume",
        {"m3": "6"},
        f"{OPTION}service",
        "do not offer",
    ),
    "two meanings": (DIRECT, "volume", {"m3": "4,500"}, f"{MEASURE}volume.m3", "4500 or 4.5"),
    "too long a slab": (
        DIRECT,
        "solid_dimensions",
        {"length_m": "1001", "width_m": "0", "thickness_cm": "12"},
        f"{MEASURE}solid_dimensions.length_m",
        "1,000",
    ),
    "too much by a helper": (
        DIRECT,
        "solid_area",
        {"area_m2": "20000", "thickness_cm": "200"},
        f"{MEASURE}solid_area.area_m2",
        "500",
    ),
    "no block": (DIRECT, "coffered_area", {"area_m2": "50"}, f"{MEASURE}coffered_area.block_cm", "Choose an option"),
}


@pytest.mark.parametrize(
    ("options", "kind", "measure", "field", "words"), mark.by_hand_but(1, WRONG_LINES.values()), ids=WRONG_LINES
)
def test_a_wrong_line_shows_its_error_at_the_field_and_keeps_what_was_typed(page, options, kind, measure, field, words):
    page.goto("/")
    for code, value in options.items():
        choose(page, f"{OPTION}{code}", value)
    choose(page, f"{MEASURE}kind", kind)
    for name, text in measure.items():
        page.fill(f'[name="{MEASURE}{kind}.{name}"]', text)
    page.check('[name="lines.0.extras"][value="fiber"]')
    filled_in = typed(page, CALCULATOR)
    ask_at_once(page)
    assert_shows_error(page, field, words, form=CALCULATOR, before=filled_in)


def test_of_several_wrong_fields_the_first_has_the_focus(page):
    page.goto("/")
    for line, text in ((0, "5"), (1, "abc")):
        if line:
            press(page, "add:concrete")
        choose(page, f"lines.{line}.options.strength", "200")
        choose(page, f"lines.{line}.options.service", "direct")
        page.fill(f'[name="lines.{line}.measure.volume.m3"]', text)
    press(page, "copy:1")
    filled_in = typed(page, CALCULATOR)
    ask_at_once(page)
    assert_shows_error(page, "lines.1.measure.volume.m3", "not a number", form=CALCULATOR, before=filled_in)


# --- The checkout ---------------------------------------------------------------------------------------------------

WRONG_DETAILS = {
    "no name": ("", PHONE, "name", "Enter your name"),
    "short phone": (NAME, "656 123", "phone", "10 digits"),
    "both": ("", "", "name", "Enter your name"),
}


@pytest.mark.parametrize(
    ("name", "phone", "field", "words"), mark.by_hand_but(1, WRONG_DETAILS.values()), ids=WRONG_DETAILS
)
def test_wrong_details_show_their_error_at_the_field_and_keep_what_was_typed(page, site, name, phone, field, words):
    page.goto(f"/q/{a_token(site)}/")
    page.fill("#name", name)
    page.fill("#phone", phone)
    page.check("#marketing_accepted")
    filled_in = typed(page, CHECKOUT)
    page.click("#checkout button.primary")
    page.wait_for_url("**/checkout/")
    expect(page.locator(f"#{field}")).to_have_attribute("aria-invalid", "true")
    assert_shows_error(page, field, words, form=CHECKOUT, before=filled_in)


def test_the_alert_of_a_checkout_leads_to_each_field_and_forgets_what_is_mended(page, site):
    page.goto(f"/q/{a_token(site)}/")
    page.fill("#phone", "656 123")
    page.click("#checkout button.primary")
    page.wait_for_url("**/checkout/")
    links = page.locator("[role=alert] a")
    expect(links).to_have_text(
        ["Enter your name.", "Your WhatsApp (10 digits): Enter at least 10 digits, for example 656 123 4567."]
    )
    links.last.click()
    expect(page.locator("#phone")).to_be_focused()
    if page.evaluate("() => !window.dataLayer"):
        return  # without scripts the next page is clean
    page.fill("#name", " ")
    expect(links).to_have_count(2)
    page.fill("#name", NAME)
    expect(links).to_have_count(1)
    expect(page.locator("#name-error")).to_have_count(0)
    expect(page.locator("#name")).not_to_have_attribute("aria-invalid", "true")
    page.fill("#phone", PHONE)
    expect(page.locator("[role=alert], .error, [aria-invalid]")).to_have_count(0)


def test_a_forged_token_shows_an_error_and_keeps_the_details(page, site):
    filled_in = send_with(page, site, "forged")
    assert "not ours" in page.locator("[role=alert]:focus").inner_text()
    assert page.locator("main a[href^='https://wa.me/']").first.is_visible()
    assert typed(page, CHECKOUT)["name"] == filled_in["name"]


def test_a_quote_that_expired_before_checkout_can_be_priced_again_in_one_tap(page, site, expired_token):
    send_with(page, site, expired_token)
    assert "expired" in page.locator("[role=alert]:focus").inner_text()
    page.click("main form button.primary")
    page.wait_for_url("**/q/*/**")
    expect(page.locator(".bill")).to_contain_text("5.6 m³")


def send_with(page: Page, site: Site, token: str) -> dict[str, list[str]]:
    """Check out with another token than the page's; return what was typed."""
    page.goto(f"/q/{a_token(site)}/")
    page.fill("#name", NAME)
    page.fill("#phone", PHONE)
    page.locator("#checkout [name=token]").evaluate("(field, token) => { field.value = token }", token)
    filled_in = typed(page, CHECKOUT)
    page.click("#checkout button.primary")
    page.wait_for_url("**/checkout/")
    return filled_in
