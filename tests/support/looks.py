"""What a page must look like: whole on its screen, large enough for a thumb, and readable to everybody."""

import os
from pathlib import Path
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from playwright.sync_api import Page

# Where a person is to look at the pages, the directory to picture them in.
PICTURES = os.environ.get("PICTURES")
# What is one pixel wide is for screen readers.
STICKS_OUT = """() => {
    const page = document.documentElement;
    const right = (each) => each === page ? page.scrollWidth : each.getBoundingClientRect().right;
    const isUnseen = (each) => each && (each.getBoundingClientRect().width <= 1 || isUnseen(each.parentElement));
    return [page, ...document.querySelectorAll("main *")]
        .filter((each) => right(each) > page.clientWidth + 1 && each.checkVisibility() && !isUnseen(each))
        .map((each) => each.outerHTML.slice(0, 120));
}"""
# The desk's links in the picture are in the table below it, too.
TAPS = (
    "main :is(button, .button, .tap, .tabs a, .paginator a, .desk a:not([tabindex='-1']), summary, textarea,"
    " input:not([type=hidden]))"
)
TOO_LOW = """(taps) => taps
    .filter((each) => each.getBoundingClientRect().height < 43.5)
    .map((each) => each.outerHTML.slice(0, 120))"""
# All that axe knows, advice on good practice included; the size of targets (WCAG 2.2) it looks at on request alone.
# Without its preloading of stylesheets, which the content policy refuses.
AXE = {"preload": False, "rules": {"target-size": {"enabled": True}}}
# Of its rules, what a colour scheme changes.
COLOURS = {"preload": False, "runOnly": ["color-contrast"]}
# All that it found right is left in the browser, for it is long.
VIOLATIONS = "(options) => axe.run({...options, resultTypes: ['violations']}).then(({ violations }) => violations)"
# Colours that are still changing would be judged half-way. Not waited for: where nothing is drawn, time stands still.
AT_REST = "() => document.getAnimations().forEach((each) => each.finish())"


def assert_fits_the_screen(page: Page) -> None:
    """Nothing is wider than the screen, and nothing that is tapped is lower than a thumb needs."""
    page.wait_for_load_state()  # without its styles every page is too wide
    too_wide = page.evaluate(STICKS_OUT)
    assert not too_wide, too_wide
    targets = page.locator(TAPS).locator("visible=true")
    assert targets.count()
    too_low = targets.evaluate_all(TOO_LOW)
    assert not too_low, too_low


def assert_accessible(page: Page, name: str, *widths: int) -> None:
    """At each width, or at the one that the page has, axe finds nothing and the page fits; in the dark, its colours."""
    for width in widths or [page.viewport_size["width"]]:
        page.set_viewport_size({**page.viewport_size, "width": width})
        assert_fits_the_screen(page)
        page.emulate_media(color_scheme="light")
        axe_finds_nothing(page, f"{name}-light")
    page.emulate_media(color_scheme="dark")
    axe_finds_nothing(page, f"{name}-dark", COLOURS)


def axe_finds_nothing(page: Page, name: str, options: dict[str, Any] = AXE) -> None:
    """Axe finds nothing on a page as it stands."""
    page.evaluate(AT_REST)
    picture(page, name)
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found = AxeResults({"violations": page.evaluate(VIOLATIONS, options)})
    assert found.violations_count == 0, f"{name}, {page.viewport_size}: {found.generate_report()}"


def picture(page: Page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}-{page.viewport_size['width']}.png", full_page=True)
