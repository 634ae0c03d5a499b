"""Assertions about a page's layout: it fits the screen, its controls are large enough, and axe finds no fault."""

import os
from pathlib import Path
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from playwright.sync_api import Page

# A directory for screenshots of the pages, for people to look at.
PICTURES = os.environ.get("PICTURES")
# Elements one pixel wide are only for screen readers, and ignored.
STICKS_OUT = """() => {
    const page = document.documentElement;
    const right = (each) => each === page ? page.scrollWidth : each.getBoundingClientRect().right;
    const isUnseen = (each) => each && (each.getBoundingClientRect().width <= 1 || isUnseen(each.parentElement));
    return [page, ...document.querySelectorAll("main *")]
        .filter((each) => right(each) > page.clientWidth + 1 && each.checkVisibility() && !isUnseen(each))
        .map((each) => each.outerHTML.slice(0, 120));
}"""
# Without the links in the desk's chart, because the table below has them too.
TAPS = (
    "main :is(button, .button, .tap, .tabs a, .paginator a, .desk a:not([tabindex='-1']), summary, textarea,"
    " input:not([type=hidden]))"
)
TOO_LOW = """(taps) => taps
    .filter((each) => each.getBoundingClientRect().height < 43.5)
    .map((each) => each.outerHTML.slice(0, 120))"""
# All rules of axe, best practices included; target-size (WCAG 2.2) must be switched on. No preloading of stylesheets,
# because the content policy refuses it.
AXE = {"preload": False, "rules": {"target-size": {"enabled": True}}}
# The rule whose result depends on the colour scheme.
COLOURS = {"preload": False, "runOnly": ["color-contrast"]}
# Only violations are returned from the browser, because the list of passes is long.
VIOLATIONS = "(options) => axe.run({...options, resultTypes: ['violations']}).then(({ violations }) => violations)"
# Ends animations, because axe would judge intermediate colours. Waiting does not help: in a page that is not drawn,
# animations do not advance.
AT_REST = "() => document.getAnimations().forEach((each) => each.finish())"


def assert_fits_the_screen(page: Page) -> None:
    """Nothing is wider than the screen, and every control is high enough for a thumb."""
    page.wait_for_load_state()  # before its stylesheet has loaded, every page is too wide
    too_wide = page.evaluate(STICKS_OUT)
    assert not too_wide, too_wide
    targets = page.locator(TAPS).locator("visible=true")
    assert targets.count()
    too_low = targets.evaluate_all(TOO_LOW)
    assert not too_low, too_low


def assert_accessible(page: Page, name: str, *widths: int) -> None:
    """Axe finds nothing and the page fits, at each width or the current one. Also checks the dark scheme's colours."""
    for width in widths or [page.viewport_size["width"]]:
        page.set_viewport_size({**page.viewport_size, "width": width})
        assert_fits_the_screen(page)
        page.emulate_media(color_scheme="light")
        axe_finds_nothing(page, f"{name}-light")
    page.emulate_media(color_scheme="dark")
    axe_finds_nothing(page, f"{name}-dark", COLOURS)


def axe_finds_nothing(page: Page, name: str, options: dict[str, Any] = AXE) -> None:
    """Axe finds no violation on the page in its current state."""
    page.evaluate(AT_REST)
    picture(page, name)
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found = AxeResults({"violations": page.evaluate(VIOLATIONS, options)})
    assert found.violations_count == 0, f"{name}, {page.viewport_size}: {found.generate_report()}"


def picture(page: Page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}-{page.viewport_size['width']}.png", full_page=True)
