"""A quote for who calls, from the list to the chat: by thumb, by keyboard alone, with and without JavaScript."""

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import DESKTOP_WIDTH, PHONE_WIDTH
from tests.support.looks import assert_accessible

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.by_hand, pytest.mark.usefixtures("folio")]

MOST_TAPS = 12


@pytest.mark.parametrize(
    ("width", "scripts"), [(PHONE_WIDTH, True), (PHONE_WIDTH, False), (DESKTOP_WIDTH, True)], ids=str
)
def test_from_the_list_to_the_chat_it_takes_few_taps(visit, width, scripts):
    page: Page = visit(width=width, scripts=scripts, locale="es-MX")
    taps = 0

    def tap(target) -> None:
        nonlocal taps
        target.click()
        taps += 1

    def type_into(label: str, text: str) -> None:
        tap(page.get_by_role("textbox", name=label, exact=True))
        page.keyboard.type(text)

    tap(page.get_by_role("link", name="Cotizar", exact=True))
    if scripts:  # axe waits for ever without them
        assert_accessible(page, "seller-job", width)
    tap(page.locator("button.tile").first)
    tap(page.locator("label", has_text="tiro directo"))
    type_into("Largo", "5")
    type_into("Ancho", "5")
    tap(page.get_by_role("button", name="Ver mi cotización").last)
    expect(page.get_by_role("heading", name="¿Para quién es?")).to_be_visible()
    if scripts:
        assert_accessible(page, "seller-offer", width)
    type_into("Nombre", "María Peña")
    type_into("Teléfono", "656 123 4567")
    tap(page.get_by_role("button", name="Enviar por WhatsApp"))
    page.wait_for_url("https://wa.me/526561234567?text=Hola*")
    assert taps <= MOST_TAPS


def test_the_offer_works_by_keyboard_alone_and_nothing_of_it_stays_on_the_device(visit):
    page: Page = visit("/admin/leads/lead/quote/", width=DESKTOP_WIDTH)
    page.locator("button.tile").first.click()
    page.locator("label", has_text="tiro directo").click()
    for label in ("Largo", "Ancho"):
        page.get_by_role("textbox", name=label, exact=True).fill("5")
    page.keyboard.press("Enter")
    name = page.get_by_label("Nombre", exact=True)
    expect(name).to_be_visible()
    assert page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('folio.'))") == []
    name.focus()
    page.keyboard.type("María Peña")
    page.keyboard.press("Tab")
    page.keyboard.type("656 123 4568")
    page.keyboard.press("Enter")
    page.wait_for_url("https://wa.me/526561234568?text=Hola*")
