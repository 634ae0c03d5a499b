"""A wrong phone corrected on the person's page, in a real browser, with and without scripts."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.support import mark
from tests.support.browser import DESKTOP_WIDTH, PHONE_WIDTH
from tests.support.customers import an_unhurried_quote, check_out_with
from tests.support.eventually import eventually
from tests.support.live import Postgres, Site
from tests.support.looks import assert_fits_the_screen

pytestmark = pytest.mark.needs("chromium")


@pytest.mark.parametrize(
    ("width", "scripts"), mark.by_hand_but(1, [(PHONE_WIDTH, True), (DESKTOP_WIDTH, True), (PHONE_WIDTH, False)])
)
def test_a_wrong_phone_is_corrected_and_taken_back(
    visit: Callable[..., Page], site: Site, postgres: Postgres, width: int, scripts: bool
):
    postgres.empty("leads", "lead_follow_ups")
    check_out_with(site, an_unhurried_quote(), name="Maria Pena", phone="656 555 0118")
    assert eventually(lambda: postgres.query("SELECT 1 FROM leads WHERE phone > ''"))
    page = visit(width=width, scripts=scripts)
    page.locator("[data-lead] a.name").click()
    page.get_by_text("Corregir nombre o teléfono").click()
    page.get_by_label("Nombre", exact=True).fill("María Peña")
    page.get_by_label("Teléfono", exact=True).fill("656 555 0119")
    assert_fits_the_screen(page)
    page.get_by_role("button", name="Corregir", exact=True).click()
    expect(page.locator(".messagelist")).to_contain_text("María Peña: corregido")
    expect(page.locator("h1")).to_have_text("María Peña")
    expect(page.locator("#customer-title + dl")).to_contain_text("Maria Pena → María Peña")
    expect(page.locator("#customer-title + dl")).to_contain_text("escribió: 656 555 0118")
    assert_fits_the_screen(page)
    assert postgres.query("SELECT phone FROM leads WHERE phone > ''") == [{"phone": "+526565550119"}]
    page.get_by_role("button", name="Deshacer la corrección").click()
    expect(page.locator("h1")).to_have_text("Maria Pena")
    assert postgres.query("SELECT phone FROM leads WHERE phone > ''") == [{"phone": "+526565550118"}]
