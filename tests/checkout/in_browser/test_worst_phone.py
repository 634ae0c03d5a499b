"""The customer's journey on a slow phone and a slow network, with the keyboard, without JavaScript, and enlarged."""

import pytest
from playwright.sync_api import expect

from tests.support.browser import DESKTOP_WIDTH
from tests.support.live import message
from tests.support.throttle import throttled
from tests.support.walk import (
    TOTAL,
    fits_the_screen,
    get_the_quote,
    go_to_the_chat,
    go_to_the_chat_by_keyboard,
    tab_to,
    type_in_two_lines,
    visiting,
)

pytestmark = pytest.mark.needs("chromium")

# 200 % of a desktop's 1280 pixels.
ENLARGED = {"width": DESKTOP_WIDTH // 2, "device_scale_factor": 2}


@pytest.mark.by_hand
def test_the_journey_works_with_the_keyboard_alone(browser, site):
    with visiting(browser, site, color_scheme="dark") as page, throttled(page):
        page.goto("/")
        tab_to(page, '[value="preset:0:slab"]')
        page.keyboard.press("Enter")
        pick(page, "lines.0.options.service", "direct")
        for name, text in {"length_m": "10", "width_m": "6", "thickness_cm": "10"}.items():
            tab_to(page, f'[name="lines.0.measure.solid_dimensions.{name}"]')
            page.keyboard.type(text)
        tab_to(page, '[name="lines.0.extras"]')
        page.keyboard.press("Space")
        # 10 × 6 × 0.1 × 0.98 = 5.88 m³ is billed as 6, at 2,569.46 and 150.00 of fibre, and 8 % on it.
        expect(page.locator("#summary .total")).to_contain_text("17,622.10")
        tab_to(page, ".summary button.primary")
        page.keyboard.press("Enter")
        page.wait_for_url("**/q/*/")
        go_to_the_chat_by_keyboard(page)
        text = message(page.url)
    assert "Concreto premezclado" in text
    assert "$17,622.10 MXN" in text


@pytest.mark.by_hand
def test_the_journey_works_enlarged_and_without_javascript(browser, site):
    with visiting(browser, site, scripts=False, locale="en-US", **ENLARGED) as page, throttled(page):
        page.goto("/")
        type_in_two_lines(page)
        fits_the_screen(page)
        get_the_quote(page)
        fits_the_screen(page)
        assert TOTAL in go_to_the_chat(page)


def pick(page, name: str, value: str) -> None:
    """Choose a radio button with the keyboard."""
    tab_to(page, f'[name="{name}"]')
    page.keyboard.press("Space")
    for _ in range(10):
        if page.evaluate("() => document.activeElement.value") == value:
            return
        page.keyboard.press("ArrowDown")
    raise AssertionError(f"no arrow key leads to {value}")
