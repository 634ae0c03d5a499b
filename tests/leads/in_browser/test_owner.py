"""An owner changes a price on a phone: sees what it does, publishes it now and for a time, and takes it back."""

import pytest
from playwright.sync_api import expect

from tests.support.browser import PHONE_WIDTH
from tests.support.eventually import eventually
from tests.support.looks import assert_fits_the_screen, picture

pytestmark = [pytest.mark.usefixtures("demo_leads"), pytest.mark.needs("chromium"), pytest.mark.long]

PRICE = "cell:products[0].prices[0].tiers[0].price"


def test_a_price_is_changed_published_and_taken_back_with_a_thumb(visit, site, postgres):
    page = visit("/admin/", width=PHONE_WIDTH)
    page.click(".owner-links a >> nth=0")
    price = page.locator(f'[name="{PRICE}"]')
    before = price.input_value()
    price.fill("2,999.50")
    page.click("button[value=save]")
    expect(page.locator(".effect strong")).to_be_visible()
    assert page.locator(".effect li").count() > 0
    assert_fits_the_screen(page)
    picture(page, "prices")
    page.fill("#at", "2999-12-07T08:00")
    page.click("button[value=publish]")
    expect(page.locator("button[value=withdraw]")).to_have_count(1)
    page.click("button[value=withdraw]")
    expect(page.locator("button[value=withdraw]")).to_have_count(0)
    page.locator(f'[name="{PRICE}"]').fill("2999.50")
    page.click("button[value=save]")
    page.click("button[value=publish]")
    expect(page.locator(f'[name="{PRICE}"]')).to_have_value("2999.50")
    line = {"product": "concrete", "options": {"strength": "100", "service": "direct"}}
    line["measure"] = {"kind": "volume", "m3": "3"}

    def price_given() -> str:
        return site.post_json("/quote/", {"lines": [line]}).json["quote"]["lines"][0]["unit_price"]

    eventually(lambda: {price_given() for _ in range(10)} == {"2999.50"}, or_show=lambda: site.log)
    page.click(".versions li:last-child button[value=back]")
    expect(page.locator(f'[name="{PRICE}"]')).to_have_value(before)
    eventually(lambda: {price_given() for _ in range(10)} == {before}, or_show=lambda: site.log)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_the_shop_fits_a_phone(visit, scheme):
    page = visit("/admin/shop/", width=PHONE_WIDTH, scheme=scheme)
    page.locator("[name='cell:WHATSAPP_NUMBER']").fill("123")
    page.click("button[value=save]")
    expect(page.locator(".cell.wrong")).to_have_count(1)
    expect(page.locator("[name='cell:WHATSAPP_NUMBER']")).to_have_value("123")
    assert_fits_the_screen(page)
    picture(page, "shop")
