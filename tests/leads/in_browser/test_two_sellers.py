"""Two sellers, each in a browser: what one does is seen by the other without a row that moves, and can be undone."""

from collections.abc import Callable
from itertools import count

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.leads.in_browser.conftest import A_SESSION, LIST
from tests.support import mark
from tests.support.browser import DESKTOP_WIDTH, PHONE_WIDTH
from tests.support.customers import an_unhurried_quote, check_out_with
from tests.support.eventually import eventually
from tests.support.live import Postgres, Site
from tests.support.looks import assert_fits_the_screen, picture

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.long]

CUSTOMERS = 8
ANOTHER_SESSION = A_SESSION.replace('"eva"', '"beto", first_name="Beto"').replace(
    'User.objects.create(username="luis", is_staff=True)\n', ""
)


@pytest.fixture(scope="module")
def other_session(session: str, site: Site) -> str:
    return site.manage("shell", "--verbosity=0", "--command", ANOTHER_SESSION).split()[-1]


PHONES = count()


@pytest.fixture(autouse=True)
def leads(site: Site, postgres: Postgres) -> None:
    postgres.empty("leads")
    for _ in range(CUSTOMERS):
        check_out_with(site, an_unhurried_quote(), phone=f"656 55 {next(PHONES):05}")
    waiting = "SELECT count(*) FROM leads WHERE phone <> ''"
    assert eventually(lambda: postgres.query(waiting)[0]["count"] == CUSTOMERS)


@pytest.fixture
def opened(new_context: Callable[..., BrowserContext], session: str, other_session: str) -> Callable[..., Page]:
    """A function that opens the list as eva or beto."""

    def open_page(who: str, path: str = LIST, **circumstances) -> Page:
        context = new_context(expected=["status of 409"], **circumstances)
        value = {"eva": session, "beto": other_session}[who]
        context.add_cookies([{"name": "sessionid", "value": value, "domain": "localhost", "path": "/admin/"}])
        page = context.new_page()
        page.goto(path)
        return page

    return open_page


def row(page: Page, number: int) -> Locator:
    return page.locator("[data-lead]").nth(number)


def whatsapp(page: Page, number: int) -> None:
    with page.expect_popup() as chat:
        row(page, number).locator("button.whatsapp").click()
    chat.value.wait_for_url("https://wa.me/**")


def contacted(page: Page, number: int) -> None:
    row(page, number).get_by_role("link", name="Más").click()
    row(page, number).get_by_role("button", name="Contactado").click()


def places(page: Page) -> list[dict[str, float]]:
    return page.evaluate(
        "[...document.querySelectorAll('[data-lead]')].map(row => row.getBoundingClientRect().toJSON())"
    )


def status_of(postgres: Postgres, page: Page, number: int) -> str:
    key = row(page, number).get_attribute("data-lead")
    return postgres.query("SELECT status FROM leads WHERE id = %s", key)[0]["status"]


@pytest.mark.parametrize("width", mark.by_hand_but(1, [PHONE_WIDTH, DESKTOP_WIDTH]))
@pytest.mark.parametrize("tap", mark.by_hand_but(1, [whatsapp, contacted]))
def test_a_tap_is_undone_where_it_was_made_and_moves_no_row(opened, postgres, width, tap):
    page = opened("eva", width=width)
    row(page, 5).scroll_into_view_if_needed()
    before, scrolled = places(page), page.evaluate("scrollY")
    tap(page, 5)
    undo = row(page, 5).get_by_role("button", name="Deshacer")
    expect(undo).to_be_visible()
    assert (places(page), page.evaluate("scrollY")) == (before, scrolled)
    assert status_of(postgres, page, 5) == "contacted"
    assert_fits_the_screen(page)
    picture(page, f"undo-{tap.__name__}")
    undo.click()
    expect(row(page, 5).locator("button.whatsapp")).to_be_visible()
    assert (places(page), page.evaluate("scrollY")) == (before, scrolled)
    assert status_of(postgres, page, 5) == "new"
    expect(page.locator("[data-news]")).to_have_text("")  # nobody new came
    page.reload()
    expect(page.locator(".messagelist")).to_have_count(0)


def test_a_colleague_s_lead_says_who_has_it_and_offers_no_undo(opened, postgres):
    eva, beto = opened("eva"), opened("beto")
    before = places(eva)
    whatsapp(beto, 0)
    taken = row(eva, 0)
    expect(taken).to_contain_text("Lo atiende Beto")
    assert taken.get_by_role("button").count() == taken.get_by_role("link", name="Llamar").count() == 0
    expect(eva.locator(".tabs .count").first).to_have_text(str(CUSTOMERS - 1))
    assert places(eva) == before
    picture(eva, "taken")
    row(beto, 0).get_by_role("button", name="Deshacer").click()
    expect(taken.locator("button.whatsapp")).to_be_visible()
    expect(eva.locator("[data-news]")).to_have_text("")
    assert places(eva) == before


@pytest.mark.by_hand
def test_who_taps_a_lead_that_a_colleague_has_is_told_where_the_tap_was(opened, postgres):
    eva, beto = opened("eva"), opened("beto")
    eva.route("**/live/", lambda route: route.abort())  # eva's list does not know yet
    eva.evaluate("window.isTheSame = true")
    contacted(beto, 0)
    expect(row(beto, 0)).to_contain_text("Lo contactaste tú")
    contacted(eva, 0)
    expect(row(eva, 0)).to_contain_text("Lo atiende Beto")
    assert eva.evaluate("window.isTheSame")


@pytest.mark.by_hand
def test_a_stale_undo_does_not_take_a_lead_from_the_colleague_who_has_it_now(opened, postgres):
    eva, beto = opened("eva"), opened("beto")
    contacted(eva, 0)
    undo = row(eva, 0).get_by_role("button", name="Deshacer")
    expect(undo).to_be_visible()
    key = row(eva, 0).get_attribute("data-lead")
    eva.route("**/states/**", lambda route: route.abort())
    postgres.query(
        "UPDATE leads SET contacted_by = (SELECT id FROM auth_user WHERE username = 'beto') WHERE id = %s", key
    )
    undo.click()
    expect(row(eva, 0)).to_contain_text("Lo atiende Beto")
    assert status_of(postgres, beto, 0) == "contacted"


def test_without_a_script_the_list_shows_the_message_with_undo_and_keeps_its_filter(opened):
    path = f"{LIST}?status=all"
    page = opened("eva", path, scripts=False)
    whatsapp(page, 3)
    page.reload()
    expect(page.locator(".messagelist")).to_contain_text("marcado como contactado")
    page.locator(".messagelist").get_by_role("button", name="Deshacer").click()
    page.wait_for_url(f"**{path}#lead-*")
    expect(page.locator(".messagelist")).to_contain_text("de nuevo en espera")


def test_a_tap_without_a_session_goes_on_as_a_page(opened):
    page = opened("eva")
    page.context.clear_cookies(name="sessionid")
    contacted(page, 0)
    page.wait_for_url("**/login/**")
