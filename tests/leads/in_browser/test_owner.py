"""An owner changes a price on a phone: sees what it does, publishes it now and for a time, and takes it back."""

import pytest
from playwright.sync_api import Page, expect

from tests.support import mark
from tests.support.browser import DESKTOP_WIDTH, HEIGHT, PHONE_WIDTH
from tests.support.eventually import eventually
from tests.support.looks import assert_accessible, assert_fits_the_screen, picture

pytestmark = [pytest.mark.usefixtures("demo_leads"), pytest.mark.needs("chromium"), pytest.mark.long]

PRICE = "cell:products[concrete].prices[service=direct,strength=100].tiers[3].price"


class Thumb:
    """Taps and counts them."""

    def __init__(self, page: Page) -> None:
        self.page, self.taps = page, 0

    def __call__(self, place: str) -> None:
        self.page.locator(place).first.tap()
        self.taps += 1


def test_a_price_is_changed_published_for_monday_and_taken_back_with_a_thumb(visit, site, postgres):
    page = visit("/admin/", width=PHONE_WIDTH, has_touch=True)
    tap = Thumb(page)
    tap(".owner-links a")
    price = page.locator(f'[name="{PRICE}"]')
    before = price.input_value()
    tap(f'[name="{PRICE}"]')
    price.fill("2,999.50")
    tap(".bar button")
    expect(page.locator(".effect strong").first).to_be_visible()
    assert page.locator(".effect li").count() > 0
    page.evaluate("() => document.querySelectorAll('.product details').forEach((each) => { each.open = true; })")
    assert_accessible(page, "prices", PHONE_WIDTH)
    page.set_viewport_size({"width": DESKTOP_WIDTH, "height": HEIGHT})
    assert_fits_the_screen(page)
    page.set_viewport_size({"width": PHONE_WIDTH, "height": HEIGHT})
    tap(".when label:has([value*='T08:00']) >> nth=-1")
    tap("button[value=publish]")
    expect(page.locator("button[value=withdraw]")).to_have_count(1)
    assert tap.taps == 5
    tap("button[value=withdraw]")
    expect(page.locator("button[value=withdraw]")).to_have_count(0)
    page.locator(f'[name="{PRICE}"]').fill("2999.50")
    tap(".bar button")
    tap("button[value=publish]")
    expect(page.locator(f'[name="{PRICE}"]')).to_have_value("2999.50")
    line = {"product": "concrete", "options": {"strength": "100", "service": "direct"}}
    line["measure"] = {"kind": "volume", "m3": "3"}

    def price_given() -> str:
        return site.post_json("/quote/", {"lines": [line]}).json["quote"]["lines"][0]["unit_price"]

    eventually(lambda: {price_given() for _ in range(10)} == {"2999.50"}, or_show=lambda: site.log)
    tap(".versions li:last-child button[value=back]")
    expect(page.locator(f'[name="{PRICE}"]')).to_have_value(before)
    eventually(lambda: {price_given() for _ in range(10)} == {before}, or_show=lambda: site.log)


@pytest.mark.parametrize("scheme", mark.by_hand_but(1, ["dark", "light"]))
def test_the_page_of_the_shop_fits_a_phone(visit, scheme):
    page = visit("/admin/shop/", width=PHONE_WIDTH, scheme=scheme)
    page.locator("[name='cell:WHATSAPP_NUMBER']").fill("123")
    page.click(".bar button")
    expect(page.locator(".cell.wrong")).to_have_count(1)
    expect(page.locator("[name='cell:WHATSAPP_NUMBER']")).to_have_value("123")
    assert_fits_the_screen(page)
    picture(page, "shop")
