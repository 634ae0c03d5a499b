"""What is typed into a note's field is not lost: by a tap, a login, an outage, a closed tab or a stale page."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.support import faults, mark
from tests.support.browser import DESKTOP_WIDTH, PHONE_WIDTH
from tests.support.customers import an_unhurried_quote, check_out_with
from tests.support.eventually import eventually
from tests.support.live import Postgres, Site
from tests.support.looks import assert_fits_the_screen, picture

pytestmark = pytest.mark.needs("chromium")

TYPED = "Entrega martes, descuento 3 % autorizado"


@pytest.fixture
def path(site: Site, postgres: Postgres) -> str:
    """The page of the only lead."""
    postgres.empty("leads")
    check_out_with(site, an_unhurried_quote())
    [lead] = eventually(lambda: postgres.query("SELECT id FROM leads WHERE phone <> ''"))
    return f"/admin/leads/lead/{lead['id']}/change/"


@pytest.fixture
def context(staff_context: Callable[..., BrowserContext]) -> BrowserContext:
    return staff_context(expected=["Failed to load resource", "storage is off"])


def kept(postgres: Postgres) -> list[str]:
    return [note["text"] for note in postgres.query("SELECT text FROM lead_notes ORDER BY id")]


def opened(context: BrowserContext, path: str) -> Page:
    page = context.new_page()
    page.goto(path)
    return page


@pytest.mark.parametrize("width", mark.by_hand_but(1, [PHONE_WIDTH, DESKTOP_WIDTH]))
def test_the_field_stands_high_and_a_note_appears_below_it(visit, path, postgres, width):
    page = visit(path, width=width)
    field = page.get_by_label("Nota nueva")
    assert field.bounding_box()["y"] < 600
    field.fill(TYPED)
    page.get_by_role("button", name="Guardar y seguir aquí").click()
    expect(page.locator(".notes")).to_contain_text(TYPED)
    expect(field).to_have_value("")
    assert_fits_the_screen(page)
    picture(page, "notes")


@pytest.mark.parametrize("scripts", mark.by_hand_but(1, [True, False]), ids=["js", "no-js"])
def test_a_tap_on_contacted_saves_what_stands_in_the_field(visit, path, postgres, scripts):
    page = visit(path, scripts=scripts)
    page.get_by_label("Nota nueva").fill(TYPED)
    page.get_by_role("button", name="Contactado").click()
    expect(page.locator(".notes")).to_contain_text(TYPED)
    expect(page.get_by_label("Nota nueva")).to_have_value("")
    assert kept(postgres) == [TYPED]


@pytest.mark.by_hand
def test_taps_work_without_a_note(context, path, postgres):
    page = opened(context, path)
    with page.expect_popup() as chat:
        page.get_by_role("button", name="WhatsApp").click()
    chat.value.wait_for_url("https://wa.me/**")
    page.reload()
    page.get_by_role("button", name="De nuevo en espera").click()
    expect(page.get_by_role("button", name="Contactado")).to_be_visible()
    assert kept(postgres) == []


def test_a_tap_on_whatsapp_saves_it_and_the_page_behind_the_chat_shows_that(context, path, postgres):
    page = opened(context, path)
    page.get_by_label("Nota nueva").fill(TYPED)
    with page.expect_popup() as chat:
        page.get_by_role("button", name="WhatsApp").click()
    chat.value.wait_for_url("https://wa.me/**")
    assert kept(postgres) == [TYPED]
    # In a test both tabs are visible, so the return to the page has to be told.
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator(".notes")).to_contain_text(TYPED)
    expect(page.get_by_label("Nota nueva")).to_have_value("")
    expect(page.locator(".messagelist").get_by_role("button", name="Deshacer")).to_be_visible()


def test_a_draft_survives_a_closed_tab_and_an_ended_session_and_is_gone_once_it_is_saved(context, path, postgres):
    [cookie] = [each for each in context.cookies() if each["name"] == "sessionid"]
    page = opened(context, path)
    page.get_by_label("Nota nueva").press_sequentially(TYPED)
    page.close()
    page = opened(context, path)
    expect(page.get_by_label("Nota nueva")).to_have_value(TYPED)
    expect(page.get_by_text("Esto es lo que habías escrito.")).to_be_visible()

    context.clear_cookies(name="sessionid")
    page.get_by_role("button", name="Guardar nota").click()
    page.wait_for_url("**/login/**")
    assert kept(postgres) == []
    context.add_cookies([cookie])
    page.goto(path)
    expect(page.get_by_label("Nota nueva")).to_have_value(TYPED)
    page.get_by_role("button", name="Guardar nota").click()
    page.wait_for_url("**/admin/leads/lead/")
    page.goto(path)
    expect(page.get_by_label("Nota nueva")).to_have_value("")
    assert kept(postgres) == [TYPED]
    assert page.evaluate("Object.keys(localStorage).filter(key => key.startsWith('note-draft'))") == []


@pytest.mark.by_hand
def test_the_words_of_an_earlier_note_are_a_draft_when_typed_again(context, path, postgres):
    page = opened(context, path)
    for _ in range(2):
        page.get_by_label("Nota nueva").press_sequentially("No contesta")
        if not kept(postgres):
            page.get_by_role("button", name="Guardar y seguir aquí").click()
            expect(page.locator(".notes")).to_contain_text("No contesta")
    page.reload()
    expect(page.get_by_label("Nota nueva")).to_have_value("No contesta")


def test_a_draft_is_not_shown_to_another_user_of_the_same_device(context, path, site):
    page = opened(context, path)
    page.get_by_label("Nota nueva").press_sequentially(TYPED)
    create = "from tests.leads.in_browser.conftest import A_SESSION as code"
    create += "; exec(code.replace('\"eva\"', '\"nora\"').replace('\"luis\"', '\"tere\"'))"
    value = site.manage("shell", "--verbosity=0", "--command", create).split()[-1]
    context.add_cookies([{"name": "sessionid", "value": value, "domain": "localhost", "path": "/admin/"}])
    page = opened(context, path)
    expect(page.get_by_label("Nota nueva")).to_have_value("")
    assert TYPED not in page.content()


def test_without_storage_notes_are_still_saved(context, path, postgres):
    # Django's own script for the theme fails, too.
    context.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('storage is off'); } })"
    )
    page = opened(context, path)
    page.get_by_label("Nota nueva").press_sequentially(TYPED)
    page.get_by_role("button", name="Guardar y seguir aquí").click()
    expect(page.locator(".notes")).to_contain_text(TYPED)


def test_a_note_posted_in_an_outage_is_saved_when_it_ends(context, path, site, postgres):
    page = opened(context, path)
    page.get_by_label("Nota nueva").press_sequentially(TYPED)
    with faults.stopped(postgres, site):
        page.get_by_role("button", name="Guardar nota").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("La base de datos no responde")
    page.wait_for_url("**/admin/leads/lead/", timeout=40_000)
    page.goto(path)
    expect(page.get_by_label("Nota nueva")).to_have_value("")
    assert kept(postgres) == [TYPED]
