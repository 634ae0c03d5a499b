"""An optional field of the checkout form while the server cannot be reached."""

import pytest
from playwright.sync_api import expect

from tests.support import live
from tests.support.walk import NAME, PHONE, go_to_the_chat, open_a_quote, visiting

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.long]

ADDRESS = "#answers\\.address"


@pytest.mark.by_hand
def test_the_chat_that_the_page_opens_has_the_field_if_it_was_filled_in(browser, postgres):
    with (
        live.site(postgres.url) as site,
        visiting(browser, site, expected=["net::ERR_"]) as page,
    ):
        open_a_quote(page, site)
        quote_page = page.url
        page.context.set_offline(True)
        page.click("#checkout summary")
        page.fill(ADDRESS, "x" * 301)
        page.fill("#name", NAME)
        page.fill("#phone", PHONE)
        page.click("#checkout button.primary")
        expect(page.locator(ADDRESS)).to_be_focused()  # too long, and nothing of it was cut off
        assert page.url == quote_page

        page.fill(ADDRESS, " {name} & Juárez 12 ")
        assert "Colonia o dirección de la obra: {name} & Juárez 12" in go_to_the_chat(page).splitlines()

        page.context.set_offline(False)
        page.goto(quote_page)
        page.context.set_offline(True)
        text = go_to_the_chat(page)
        assert NAME in text
        assert "Colonia" not in text
