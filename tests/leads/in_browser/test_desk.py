"""The desk in a real Chromium, on a phone and a desktop, light and dark, with the site's own content policy."""

import re

import pytest
from playwright.sync_api import expect

from tests.leads.in_browser.conftest import LEADS
from tests.support import mark
from tests.support.browser import DESKTOP_WIDTH, PHONE_WIDTH
from tests.support.looks import assert_fits_the_screen, picture

pytestmark = [pytest.mark.usefixtures("demo_leads"), pytest.mark.needs("chromium")]


@pytest.mark.parametrize(("width", "scheme"), mark.by_hand_but(1, [(PHONE_WIDTH, "dark"), (DESKTOP_WIDTH, "light")]))
@pytest.mark.by_hand
def test_the_desk_fits_the_screen_and_its_links_are_large_enough_to_tap(visit, width, scheme):
    page = visit("/admin/?days=90", width=width, scheme=scheme)
    expect(page.locator(".desk-days svg rect.quoted")).to_have_count(90)
    page.click(".desk-days summary")
    assert_fits_the_screen(page)
    picture(page, "desk")
    # The bars have their heights: a content policy that blocks the chart would leave it empty.
    tallest = max(
        page.eval_on_selector_all("rect.quoted", "bars => bars.map(bar => bar.getBoundingClientRect().height)")
    )
    assert tallest == pytest.approx(144, abs=1)


@pytest.mark.by_hand
def test_a_figure_links_to_its_leads(visit):
    page = visit("/admin/")
    page.click(".desk-head nav a:nth-child(2)")
    expect(page.locator(".desk-head nav [aria-current]")).to_contain_text("30")
    quoted = page.locator(".desk-figures").first.locator("a").nth(1)
    number = re.search(r"([\d,]+) (?:quotes|cotizaciones)", quoted.inner_text())
    assert number
    assert int(number[1].replace(",", "")) > LEADS / 30
    quoted.click()
    page.wait_for_url("**/admin/leads/lead/?status=all&since=*")
