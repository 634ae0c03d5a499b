"""The list filtered by hand, in a real browser: with a thumb, with the keyboard, without scripts."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.leads.in_browser.conftest import LIST
from tests.support import mark
from tests.support.browser import DESKTOP_WIDTH, PHONE_WIDTH
from tests.support.looks import assert_fits_the_screen

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.usefixtures("demo_leads")]


@pytest.mark.parametrize(
    ("width", "scripts"), mark.by_hand_but(1, [(PHONE_WIDTH, True), (DESKTOP_WIDTH, True), (PHONE_WIDTH, False)])
)
def test_a_list_is_filtered_says_so_and_each_filter_goes_with_a_tap(
    visit: Callable[..., Page], width: int, scripts: bool
):
    page = visit(f"{LIST}?status=all", width=width, scripts=scripts)
    rows = page.locator("[data-lead]")
    page.locator(".filters summary").click()
    page.get_by_label("En qué quedó").select_option("Vendido")
    page.get_by_label("Total desde").fill("1,000")
    page.get_by_label("Cotizado desde").fill("2020-01-31")
    assert_fits_the_screen(page)
    page.get_by_role("button", name="Ver", exact=True).click()
    expect(page).to_have_url(re.compile(r"\?status=all&outcome=won&since=2020-01-31&least=1%2C000$|least=1"))
    assert "product=" not in page.url
    chips = page.locator("ul.only .chip")
    expect(chips).to_have_count(3)
    assert rows.count() > 5
    assert_fits_the_screen(page)
    page.locator(".filters summary").click()
    expect(page.get_by_label("Total desde")).to_have_value("1,000")
    page.get_by_role("link", name=re.compile("Quitar: Vendido")).click()
    expect(chips).to_have_count(2)
    page.locator("ul.only").get_by_role("link", name="Quitar todos los filtros").click()
    expect(page.locator("ul.only")).to_have_count(0)
    expect(page).to_have_url(re.compile(r"\?status=all$"))


def test_the_keyboard_alone_filters_and_the_form_stays_while_the_list_is_replaced(visit: Callable[..., Page]):
    page = visit(LIST, width=DESKTOP_WIDTH)
    page.locator(".filters summary").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Total desde").focus()
    page.keyboard.type("999999999")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Aquí no hay nada con estos filtros.")).to_be_visible()
    page.get_by_role("link", name="Buscar en todos").click()
    expect(page).to_have_url(re.compile("status=all"))
    expect(page.locator("ul.only .chip")).to_have_text(re.compile(r"\$999,999,999\.00 – …"))
