"""The outage page in a real Chromium, while Postgres is stopped and when it is back."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.leads.in_browser.conftest import A_SESSION, CHAT, LIST, NOTE, THE_LIST
from tests.support import faults, live, mark
from tests.support.browser import DESKTOP_WIDTH, PHONE_WIDTH
from tests.support.customers import an_unhurried_quote, check_out_with
from tests.support.eventually import eventually
from tests.support.live import Postgres, Site, message
from tests.support.looks import assert_accessible

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.long]

DOWN, BACK = "La base de datos no responde", "La base de datos volvió"


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A Postgres of this file's own, because it is stopped."""
    with live.postgres() as server:
        yield server


@pytest.fixture(scope="module")
def site(postgres: Postgres) -> Iterator[Site]:
    with live.site(postgres.url, DEBUG="true", ALLOWED_HOSTS="127.0.0.1,localhost") as running:
        yield running


@pytest.fixture(scope="module")
def session(site: Site) -> str:
    return site.manage("shell", "--verbosity=0", "--command", A_SESSION).split()[-1]


@pytest.fixture
def visit(staff_context: Callable[..., BrowserContext], folio: str) -> Callable[..., Page]:
    def open_page(path: str = LIST, *, scripts: bool = True) -> Page:
        page = staff_context(scripts=scripts, expected=["status of 503", "status of 409"]).new_page()
        page.goto(path)
        return page

    return open_page


def heading(page: Page, text: str):
    return page.get_by_role("heading", level=1, name=text)


def status(postgres: Postgres) -> str:
    return str(postgres.query("SELECT status FROM leads")[0]["status"])


def test_a_tap_in_an_outage_is_offered_when_the_database_is_back(visit, postgres):
    page = visit()
    with faults.stopped(postgres, None):
        with page.expect_popup() as opened:
            page.locator("button.whatsapp").click()
        tapped = opened.value
        expect(heading(tapped, DOWN)).to_be_visible()
        assert_accessible(tapped, "outage-tap", DESKTOP_WIDTH, PHONE_WIDTH)
        tapped.get_by_role("button", name="Intentar ahora").or_(tapped.locator("[name=retry-now]")).first.click()
        expect(heading(tapped, DOWN)).to_be_visible()
    expect(heading(tapped, BACK)).to_be_visible(timeout=40_000)
    expect(heading(tapped, DOWN)).to_be_hidden()
    assert_accessible(tapped, "outage-tap-back", DESKTOP_WIDTH, PHONE_WIDTH)
    assert status(postgres) == "new"
    tapped.get_by_role("button", name="Abrir WhatsApp").click()
    tapped.wait_for_url(f"{CHAT}526567654321**")
    assert status(postgres) == "contacted"


@pytest.mark.by_hand
@pytest.mark.parametrize("scripts", mark.by_hand_but(1, [True, False]), ids=["js", "no-js"])
def test_a_note_in_an_outage_is_saved_when_the_database_is_back(visit, postgres, folio, scripts):
    page = visit(scripts=scripts)
    page.get_by_role("link", name=folio).click()
    page.fill("[name=notes]", NOTE)
    with faults.stopped(postgres, None):
        page.click("[name=_save]")
        expect(page.get_by_label("Lo que escribiste")).to_have_value(NOTE)
        if scripts:
            assert_accessible(page, "outage-note", DESKTOP_WIDTH, PHONE_WIDTH)
    if not scripts:
        page.get_by_role("button", name="Guardar lo que escribiste").click()
        while heading(page, DOWN).count():  # the site tries again within two seconds
            page.get_by_role("button", name="Guardar lo que escribiste").click()
    page.wait_for_url(THE_LIST, timeout=40_000)
    assert [row["text"] for row in postgres.query("SELECT text FROM lead_notes")] == [NOTE]


@pytest.mark.by_hand
def test_a_search_in_an_outage_is_done_in_the_list_when_the_database_is_back(visit, postgres, folio):
    page = visit()
    with faults.stopped(postgres, None):
        page.fill("#searchbar", "zoila")
        page.keyboard.press("Enter")
        expect(heading(page, DOWN)).to_be_visible()
        page.locator("[name=retry-now]").click()
        expect(page.locator("#find")).to_have_value("zoila")
    page.wait_for_url(f"**{LIST}?q=zoila", timeout=40_000)
    expect(page.get_by_role("link", name=folio)).to_be_visible()


@pytest.mark.parametrize("scripts", mark.by_hand_but(1, [True, False]), ids=["js", "no-js"])
def test_after_trying_again_the_page_of_an_outage_still_leaves_by_itself(visit, postgres, folio, scripts):
    page = visit(f"{LIST}?status=all", scripts=scripts)
    with faults.stopped(postgres, None):
        page.reload()
        page.locator("[name=retry-now]").click()
        expect(heading(page, DOWN)).to_be_visible()
    expect(page.get_by_role("link", name=folio)).to_be_visible(timeout=40_000)
    assert page.url.endswith(f"{LIST}?status=all")


@pytest.mark.by_hand
def test_whoever_waits_in_an_outage_can_be_written_to_with_the_greeting(visit, postgres, site):
    page = visit()
    with faults.stopped(postgres, None):
        quoted = an_unhurried_quote()
        number = check_out_with(site, quoted).json["folio"]
        eventually(lambda: page.reload() and page.get_by_text(number).count())
        assert_accessible(page, "outage-list", DESKTOP_WIDTH, PHONE_WIDTH)
        expect(page.get_by_text("Nadie más ve a quién le escribes")).to_be_visible()
        with page.expect_popup() as opened:
            page.locator("li").filter(has_text=number).get_by_role("link", name="WhatsApp").click()
        opened.value.wait_for_url(f"{CHAT}526567654321**")
        assert number in message(opened.value.url)
    expect(page.locator("[data-lead]").filter(has_text=number)).to_be_visible(timeout=40_000)
