"""How few taps a job takes on a phone, counting one for each field; and a slow answer shows that work is under way."""

from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.eventually import eventually
from tests.support.live import message
from tests.support.walk import CHAT, NAME, PHONE, start_afresh, visiting

pytestmark = pytest.mark.needs("chromium")

DIMENSIONS = "lines.0.measure.solid_dimensions"


@dataclass
class Thumb:
    """Taps and types as a person does, who must see what to tap. taps: how many so far."""

    page: Page
    taps: int = 0

    def tap(self, selector: str) -> None:
        self.page.tap(selector)
        self.taps += 1

    def choose(self, name: str, value: str) -> None:
        self.tap(f'[name="{name}"][value="{value}"] + label')

    def type(self, name: str, text: str) -> None:
        self.tap(f'[name="{name}"]')
        self.page.keyboard.type(text)

    def tap_and_wait(self, selector: str, address: str) -> None:
        """Tap, and let what is posted to the address wait until the page has shown that it works."""
        held: list[Route] = []
        self.page.route(address, lambda route: held.append(route), times=1)
        self.tap(selector)
        expect(self.page.locator(selector)).to_have_attribute("aria-busy", "true")
        eventually(lambda: self.page.wait_for_timeout(20) or held)
        held[0].continue_()


@pytest.mark.by_hand
def test_a_homeowner_needs_eight_taps_to_the_chat_and_a_builder_ten_for_two_lines(browser, site):
    with visiting(browser, site, has_touch=True) as page:
        page.goto("/")
        homeowner = Thumb(page)
        homeowner.tap_and_wait('[value="preset:0:patio"]', "**/")
        homeowner.choose("lines.0.options.service", "direct")
        homeowner.type(f"{DIMENSIONS}.length_m", "6")
        homeowner.type(f"{DIMENSIONS}.width_m", "4")
        expect(page.locator("#tally")).to_contain_text("8,325.05")
        homeowner.tap_and_wait(".summary .primary.online-only", "**/quote/")
        page.wait_for_url("**/q/*/**")
        homeowner.type("name", NAME)
        homeowner.type("phone", PHONE)
        # All of it is on the first screen, right below the total.
        expect(page.locator("#checkout button.primary")).to_be_in_viewport(ratio=1)
        homeowner.tap_and_wait("#checkout button.primary", "**/checkout/")
        page.wait_for_url(f"{CHAT}**")
        assert "$8,325.05 MXN" in message(page.url)
        assert homeowner.taps == 8

        start_afresh(page, site)
        page.goto("/")
        builder = Thumb(page)
        builder.tap(".direct > summary")
        builder.choose("lines.0.options.strength", "250")
        builder.choose("lines.0.options.service", "pumped")
        builder.type("lines.0.measure.volume.m3", "23.5")
        builder.tap('[value="add:concrete"]')
        builder.tap('[data-line="1"] .others > summary')
        builder.choose("lines.1.measure.kind", "coffered_area")
        builder.type("lines.1.measure.coffered_area.area_m2", "45")
        builder.choose("lines.1.measure.coffered_area.block_cm", "10")
        # 23.5 at 3,254.56 are 76,482.16; 45 × 0.108 = 4.86 m³ is billed as 5, 16,272.80; and 8 % on both.
        expect(page.locator("#tally")).to_contain_text("100,175.36")
        builder.tap(".summary .primary.online-only")
        page.wait_for_url("**/q/*/**")
        expect(page.locator(".gist")).to_contain_text("100,175.36")
        assert builder.taps == 10
