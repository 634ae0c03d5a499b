"""What comes after the first message, in a real browser: two taps from a card's dots, taken back where it was done."""

import re
from collections.abc import Callable
from functools import partial

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.leads.in_browser.conftest import LIST
from tests.support import mark
from tests.support.browser import DESKTOP_WIDTH, PHONE_WIDTH
from tests.support.customers import an_unhurried_quote, check_out_with
from tests.support.eventually import eventually
from tests.support.live import Postgres, Site
from tests.support.looks import assert_fits_the_screen

pytestmark = pytest.mark.needs("chromium")


@pytest.fixture(autouse=True)
def leads(site: Site, postgres: Postgres) -> None:
    postgres.empty("leads", "lead_follow_ups")
    for name, phone in (("María Peña", "656 555 0118"), ("Luis Salazar", "656 555 0164")):
        check_out_with(site, an_unhurried_quote(), name=name, phone=phone)
    assert eventually(lambda: len(postgres.query("SELECT 1 FROM leads WHERE phone > ''")) == 2)


@pytest.fixture
def visit(visit: Callable[..., Page]) -> Callable[..., Page]:
    """Like the package's fixture, where a form may be wrong."""
    return partial(visit, expected=["status of 422"])


def bottom(part: Locator) -> float:
    box = part.bounding_box()
    return box["y"] + box["height"]


def assert_seen_whole(button: Locator) -> None:
    """Nothing cuts the button off, and nothing lies over its ends."""
    box = button.bounding_box()
    for share in (0.05, 0.5, 0.95):
        at = [box["x"] + box["width"] * share, box["y"] + box["height"] / 2]
        assert button.evaluate("(button, [x, y]) => document.elementFromPoint(x, y) === button", at), share


@pytest.mark.parametrize("width", mark.by_hand_but(1, [PHONE_WIDTH, DESKTOP_WIDTH]))
def test_a_step_and_a_sale_take_two_taps_and_are_taken_back_on_the_card(visit: Callable[..., Page], postgres, width):
    page = visit(width=width)
    card = page.locator("[data-lead]").filter(has_text="María Peña")
    before = card.bounding_box()
    card.get_by_role("link", name="Más").click()
    assert_fits_the_screen(page)
    card.get_by_role("button", name=re.compile("lunes|mañana")).first.click()
    expect(card.locator("[data-step]").get_by_role("button", name="Deshacer")).to_be_visible()
    expect(card.locator("button.whatsapp")).to_be_visible()
    assert postgres.query("SELECT 1 FROM lead_follow_ups WHERE step_at IS NOT NULL")
    assert card.bounding_box() == before
    assert_fits_the_screen(page)
    assert_seen_whole(card.locator("[data-step] button"))
    card.get_by_role("button", name="Deshacer").click()
    expect(card.locator("[data-step]")).to_contain_text("sin siguiente paso")
    assert not postgres.query("SELECT 1 FROM lead_follow_ups WHERE step_at IS NOT NULL")

    card.get_by_role("link", name="Más").click()
    card.get_by_role("button", name="Vendido en").click()
    expect(card).to_contain_text("vendido en $")
    [sale] = postgres.query("SELECT kind, amount FROM lead_outcomes")
    assert (sale["kind"], sale["amount"] > 1000) == ("won", True)
    assert card.bounding_box() == before
    assert_fits_the_screen(page)
    assert bottom(card.locator(".what")) <= card.locator(".box").bounding_box()["y"] + 1 or width == DESKTOP_WIDTH
    card.locator(".box").get_by_role("button", name="Deshacer").click()
    expect(card.locator("button.whatsapp")).to_be_visible()
    assert not postgres.query("SELECT 1 FROM lead_outcomes")


def test_a_wrong_amount_is_said_beside_its_field_with_the_note_and_the_step_as_typed(visit: Callable[..., Page]):
    page = visit()
    page.locator("[data-lead]").filter(has_text="María Peña").locator("a.name").click()
    page.get_by_label("¿En cuánto quedó, con IVA?").fill("treinta mil")
    page.get_by_label("Qué", exact=True).fill("Confirmar acceso")
    page.get_by_role("button", name="Vendido", exact=True).click()
    expect(page.get_by_text("Escribe el monto así: 1,234.50.")).to_be_visible()
    expect(page.get_by_label("¿En cuánto quedó, con IVA?")).to_have_value("treinta mil")
    expect(page.get_by_label("Qué", exact=True)).to_have_value("Confirmar acceso")
    page.get_by_label("¿En cuánto quedó, con IVA?").fill("$30,000")
    page.get_by_role("button", name="Vendido", exact=True).click()
    expect(page.locator(".messagelist")).to_contain_text("vendido en $30,000.00")
    page.goto(f"{LIST}?status=contacted")
    expect(page.locator("[data-lead]").filter(has_text="María Peña")).to_contain_text("Vendido $30,000.00")
