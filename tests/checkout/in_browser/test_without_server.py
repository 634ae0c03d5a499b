"""When our server is gone: killed, frozen, out of reach. The customer gets to the chat all the same."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from quoter.engine import folio
from tests.support import live
from tests.support.browser import worker_of
from tests.support.eventually import eventually
from tests.support.live import Postgres, Site
from tests.support.looks import axe_finds_nothing
from tests.support.walk import (
    CHAT,
    NAME,
    TOTAL,
    fill_in_two_lines,
    fits_the_screen,
    get_the_quote,
    go_to_the_chat,
    press,
    typed,
    unfold,
    visiting,
)

pytestmark = pytest.mark.needs("chromium")

# What the browser itself says of a server that is not there.
GONE = ["net::ERR_"]


@pytest.fixture(scope="module")
def site(postgres: Postgres) -> Iterator[Site]:
    with live.site(postgres.url, application="tests.support.behind_proxy") as running:
        yield running


def the_lead(postgres: Postgres, number: str) -> dict:
    """Return the only lead of a folio, once it has a name."""
    asked = "SELECT * FROM leads WHERE folio = %s AND name > ''"
    eventually(lambda: postgres.query(asked, number), or_show=lambda: f"{number} never came")
    [lead] = postgres.query(asked, number)
    return lead


@pytest.mark.parametrize(("leave", "come_back"), [(Site.stop, Site.start), (Site.freeze, Site.thaw)])
def test_a_server_that_dies_between_quote_and_checkout_costs_no_lead(browser, site, postgres, leave, come_back):
    with visiting(browser, site, expected=GONE) as page:
        page.goto("/")
        fill_in_two_lines(page)
        number = get_the_quote(page)
        leave(site)
        try:
            started = time.monotonic()
            text = go_to_the_chat(page)
            assert time.monotonic() - started < 3
        finally:
            come_back(site)
        for part in (number, NAME, f"${TOTAL} MXN", f"{site.url.replace('http:', 'https:')}/q/"):
            assert part in text
        assert len(page.url) <= 2000

        page.goto("/")
        lead = the_lead(postgres, number)
        assert lead["quote_data"]["flags"][-1:] == ["late"] or leave is Site.freeze
        assert lead["quote_data"]["total"] == TOTAL.replace(",", "")
        assert eventually(lambda: kept(page) == 0)


def kept(page) -> int:
    """Return how many leads the device still keeps."""
    return page.evaluate("""() => new Promise((resolve) => {
      indexedDB.open("folio").onsuccess = ({ target: { result } }) => {
        const count = result.transaction("leads").objectStore("leads").count();
        count.onsuccess = () => { resolve(count.result); result.close(); };
      };
    })""")


def test_a_kept_lead_goes_as_soon_as_the_server_is_back_under_an_open_page(browser, site, postgres):
    with visiting(browser, site, expected=GONE, service_workers="allow") as page:
        a_visit(page)
        fill_in_two_lines(page)
        number = get_the_quote(page)
        site.stop()
        try:
            go_to_the_chat(page)
            page.goto("/")
            assert kept(page) == 1
        finally:
            site.start()
        assert the_lead(postgres, number)["name"] == NAME
        assert eventually(lambda: kept(page) == 0)


def test_a_kept_lead_goes_with_no_page_open(browser, site, postgres):
    with visiting(browser, site, expected=GONE, service_workers="allow") as page:
        a_visit(page)
        fill_in_two_lines(page)
        number = get_the_quote(page)
        chrome, worker = worker_of(page)
        site.stop()
        try:
            go_to_the_chat(page)
        finally:
            site.start()
        # As the browser does once there is a connection.
        chrome.send("ServiceWorker.dispatchSyncEvent", {**worker, "tag": "leads", "lastChance": False})
        assert the_lead(postgres, number)["name"] == NAME


def test_details_that_could_not_be_used_are_asked_for_before_the_chat_opens(browser, site):
    with visiting(browser, site, expected=GONE) as page:
        page.goto("/")
        fill_in_two_lines(page)
        get_the_quote(page)
        page.context.set_offline(True)
        page.fill("#name", NAME)
        page.fill("#phone", "123")
        page.click("#checkout button.primary")
        expect(page.locator("#phone")).to_be_focused()
        assert not page.url.startswith(CHAT)
        assert kept(page) == 0


# --- The calculator on the device -----------------------------------------------------------------------------------


def a_visit(page: Page) -> None:
    """Come for the first time, and stay until the worker has what it needs."""
    page.goto("/")
    page.evaluate("() => navigator.serviceWorker.ready")


@pytest.mark.parametrize("locale", ["es-MX", "en-US"])
def test_a_job_is_priced_and_taken_to_the_chat_without_a_connection(browser, site, postgres, locale):
    scheme = "light" if locale == "es-MX" else "dark"
    with visiting(browser, site, expected=GONE, service_workers="allow", locale=locale, color_scheme=scheme) as page:
        a_visit(page)
        page.context.set_offline(True)
        page.reload()
        fill_in_two_lines(page)
        expect(page.locator("#summary .total")).to_contain_text(TOTAL)
        expect(page.locator("#tally")).to_contain_text(TOTAL)
        expect(page.locator("#summary .unconfirmed")).to_be_visible()
        fits_the_screen(page)
        axe_finds_nothing(page, f"offline-calculator-{locale}")

        page.click(".summary button.primary")
        expect(page.locator(".offline h1")).to_be_focused()
        expect(page.locator(".offline .bill .total")).to_contain_text(TOTAL)
        fits_the_screen(page)
        axe_finds_nothing(page, f"offline-quote-{locale}")
        shown = page.locator(".offline .paper").get_attribute("data-folio")
        text = go_to_the_chat(page)
        assert folio.is_of_a_device(folio.find(text))
        for part in (shown, NAME, f"${TOTAL} MXN", "por confirmar" if locale == "es-MX" else "to be confirmed"):
            assert part in text

        page.context.set_offline(False)
        page.goto("/")
        lead = the_lead(postgres, shown)
        assert lead["quote_data"]["flags"][-2:] == ["late", "made_offline"]
        assert lead["quote_data"]["total"] == TOTAL.replace(",", "")
        assert eventually(lambda: kept(page) == 0)


def test_a_browser_without_workers_goes_on_when_the_server_dies_under_an_open_page(browser, site):
    with visiting(browser, site, expected=GONE) as page:
        page.add_init_script("Object.defineProperty(Navigator.prototype, 'serviceWorker', { get: () => undefined })")
        with page.expect_response("**/offline/**"):
            page.goto("/")
        page.context.set_offline(True)
        fill_in_two_lines(page)
        page.click(".summary button.primary")
        expect(page.locator(".offline .bill .total")).to_contain_text(TOTAL)
        assert TOTAL in go_to_the_chat(page)


def test_the_lines_are_edited_without_a_connection_as_with_one(browser, site):
    def steps(page: Page) -> dict[str, list[str]]:
        fill_in_two_lines(page)
        for edit in ("copy:1", "preset:2:footings", "remove:0"):
            unfold(page, f'button[value="{edit}"]')
            press(page, edit)
        page.fill('[name="lines.1.measure.block.length_m"]', "2.5")
        return {name: texts for name, texts in typed(page).items() if any(texts)}

    with visiting(browser, site) as page:
        page.goto("/")
        expected = steps(page)
    with visiting(browser, site, expected=GONE, service_workers="allow") as page:
        a_visit(page)
        page.context.set_offline(True)
        assert steps(page) == expected
        page.click("button.language")
        expect(page.locator("html")).to_have_attribute("lang", "en")
        expect(page.locator("[data-line]")).to_have_count(2)
        assert {name: texts for name, texts in typed(page).items() if any(texts)} == expected
        page.click(".summary button.primary")
        expect(page.locator("#summary .hints li").first).to_be_visible()
        assert not page.locator(".offline").count()


def test_a_quote_that_was_seen_opens_without_a_connection(browser, site):
    with visiting(browser, site, expected=GONE, service_workers="allow") as page:
        a_visit(page)
        fill_in_two_lines(page)
        number = get_the_quote(page)
        page.context.set_offline(True)
        page.reload()
        expect(page.locator(".paper")).to_have_attribute("data-folio", number)


def test_staff_s_pages_are_none_of_the_worker_s_business(browser, site):
    with visiting(browser, site, service_workers="allow") as page:
        a_visit(page)
        response = page.goto("/admin/login/")
        assert not response.from_service_worker
        assert page.evaluate("async () => (await caches.keys()).length") == 1


def test_a_new_release_takes_the_place_of_the_one_before_whole(browser, postgres):
    with (
        live.site(postgres.url, application="tests.support.behind_proxy") as site,
        visiting(browser, site, expected=GONE, service_workers="allow") as page,
    ):
        a_visit(page)
        before = page.evaluate("caches.keys()")
        site.stop()
        site.environment["BUSINESS_NAME"] = "Concretos del Norte"
        site.start()
        page.goto("/")
        assert eventually(lambda: page.evaluate("caches.keys()") != before)
        assert eventually(lambda: len(page.evaluate("caches.keys()")) == 1)
        page.context.set_offline(True)
        page.reload()
        expect(page.locator(".masthead")).to_contain_text("Concretos del Norte")
