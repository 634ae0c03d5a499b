"""The quote's page in Chromium: printed, shared, and listed on the device that opened it."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.support import live, mark
from tests.support.browser import DESKTOP_WIDTH, HEIGHT
from tests.support.customers import A_LINE
from tests.support.live import NOBODY_LISTENS, Site, message
from tests.support.walk import CHAT, NAME, PHONE, fits_the_screen, go_to_the_chat, visiting

pytestmark = pytest.mark.needs("chromium")

# A line whose text is as long as it can be: three sentences of explanation, and both extras.
LONG_LINE = {
    "product": "concrete",
    "options": {"strength": "250", "service": "pumped"},
    "measure": {"kind": "solid_dimensions", "length_m": "12.35", "width_m": "8.4", "thickness_cm": "12"},
    "extras": ["fiber", "accelerant"],
}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with live.site(NOBODY_LISTENS, BUSINESS_NAME="Concretos del Norte") as running:
        yield running


def a_quote(site: Site, *lines: dict[str, Any]) -> dict[str, Any]:
    language = {"Accept-Language": "es-MX"}
    return site.post_json("/quote/", {"lines": list(lines) or [A_LINE]}, **language).json


def open_quote(page: Page, quote: dict[str, Any]) -> None:
    page.goto(f"/q/{quote['token']}/")


@pytest.mark.parametrize("lines", mark.by_hand_but(1, [8, 1]))
def test_a_quote_is_printed_on_one_page(browser, site, lines):
    quote = a_quote(site, *[LONG_LINE] * lines)
    with visiting(browser, site, width=DESKTOP_WIDTH) as page:
        open_quote(page, quote)
        paper = page.pdf(format="Letter", prefer_css_page_size=True)
        assert len(re.findall(rb"/Type\s*/Page\b", paper)) == 1

        page.emulate_media(media="print")
        text = page.inner_text("body")
        for needed in (
            "Concretos del Norte",
            quote["folio"],
            "Vigente hasta el",
            "Total con IVA",
            f"/q/{quote['folio']}/",
        ):
            assert needed in text
        assert page.locator("button, input, form, a").locator("visible=true").count() == 0


def test_what_was_typed_is_written_on_the_paper_and_what_was_not_is_a_line_to_write_on(browser, site):
    with visiting(browser, site, width=DESKTOP_WIDTH) as page:
        open_quote(page, a_quote(site))
        page.fill("#name", NAME)
        page.fill("#phone", PHONE)
        page.locator(".fold-out summary").click()
        page.fill('[name="answers.date"]', "2099-12-05")
        page.pdf()  # prints, as the button does
        page.emulate_media(media="print")
        name, day, *others = (blank.replace("\n", " ") for blank in page.locator(".blanks > div").all_inner_texts())
        assert (name, day) == (f"Para: {NAME}", "¿Para qué día? sábado 5 de diciembre de 2099")
        assert others
        assert "656" not in page.locator(".blanks").inner_text()
        # Each of the shop's terms begins a line.
        assert len(set(page.locator(".terms h2").evaluate_all("each => each.map((one) => one.offsetLeft)"))) == 1


@pytest.mark.by_hand
def test_a_shared_link_has_the_quote_and_no_campaign(browser, site):
    quote = a_quote(site)
    with visiting(browser, site) as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.add_init_script("navigator.share = (what) => { window.shared = what; return Promise.resolve(); }")
        page.add_init_script("navigator.canShare = () => true")
        page.goto(f"/q/{quote['token']}/?utm_source=instagram&landing=/")
        fits_the_screen(page)
        # On a phone its own dialog copies.
        expect(page.locator("[data-copy], [data-print]").locator("visible=true")).to_have_count(0)
        page.fill("#name", NAME)
        page.click("[data-file]")
        page.wait_for_function("() => window.shared?.files")
        assert page.evaluate("() => window.shared.files[0].name") == f"{quote['folio']}.pdf"
        assert page.evaluate("() => window.shared.files[0].slice(0, 5).text()") == "%PDF-"
        page.set_viewport_size({"width": DESKTOP_WIDTH, "height": HEIGHT})
        status = page.locator("[data-actions] [role=status]")

        page.click("[data-copy]")
        expect(status).to_have_text("Enlace copiado.")
        link = page.evaluate("() => navigator.clipboard.readText()")
        page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('refused')); }")
        page.click("[data-copy-message]")
        expect(status).to_have_text("Texto copiado.")
        assert f"*{quote['folio']}*" in page.evaluate("() => navigator.clipboard.readText()")
        page.click("[data-share]")
        assert page.evaluate("() => window.shared.url") == link
        assert "utm" not in link

        page.goto(urlsplit(link).path)
        expect(page.locator(".paper")).to_have_attribute("data-folio", quote["folio"])


def test_without_javascript_no_action_that_needs_it_is_shown(browser, site):
    with visiting(browser, site, scripts=False) as page:
        open_quote(page, a_quote(site))
        expect(page.locator("[data-actions] button").locator("visible=true")).to_have_count(0)
        expect(page.locator("[data-mine], [data-reopen]").locator("visible=true")).to_have_count(0)
        fits_the_screen(page)


def test_after_a_checkout_the_page_offers_to_open_the_chat_again(browser, site):
    quote = a_quote(site)
    with visiting(browser, site) as page:
        open_quote(page, quote)
        expect(page.locator("[data-reopen]")).to_be_hidden()
        page.fill("#name", NAME)
        page.fill("#phone", "123")
        page.click("#checkout button.primary")
        expect(page.locator("#phone")).to_have_attribute("aria-invalid", "true")
        open_quote(page, quote)
        expect(page.locator("[data-reopen]")).to_be_hidden()

        go_to_the_chat(page)
        page.go_back()
        expect(page.locator("[data-reopen]")).to_be_visible()
        fits_the_screen(page)
        kept = page.evaluate("() => JSON.stringify(localStorage)")
        assert quote["folio"] in kept
        assert not [trace for trace in (NAME, "Peña", PHONE, "1234567", "wa.me") if trace in kept]
        page.click("[data-reopen] a")
        page.wait_for_url(f"{CHAT}**")
        assert quote["folio"] in message(page.url)
        assert NAME not in message(page.url)


def test_a_device_lists_its_own_quotes_and_clears_the_list_in_one_tap_and_takes_that_back(browser, site):
    first, second, third = a_quote(site), a_quote(site, LONG_LINE), a_quote(site)
    with visiting(browser, site, expected=["status of 503"]) as page:
        for quote in (first, second):
            open_quote(page, quote)
        page.evaluate(EXPIRE, first["folio"])
        page.goto(f"/q/{first['folio']}/")  # needs the database, which is down, so it must not replace the list's link
        listed = page.locator("[data-mine] li")
        expect(listed).to_have_count(2)
        expect(listed.nth(0)).to_contain_text(f"{second['folio']} ")
        expect(listed.nth(0)).to_contain_text("Vigente hasta el")
        expect(listed.nth(1)).to_contain_text("6 m³ · Concreto premezclado, f'c 200 kg/cm², tiro directo")
        expect(listed.nth(1).locator("a").last).to_have_attribute("href", re.compile(f"/\\?before={first['token']}$"))
        expect(listed.nth(1)).to_contain_text("Venció el 1 de enero de 2026")
        fits_the_screen(page)

        expect(listed.nth(1).locator("a").first).to_have_attribute("href", f"/q/{first['token']}/")
        listed.nth(1).locator("a").first.click()
        expect(page.locator(".paper")).to_have_attribute("data-folio", first["folio"])
        page.goto("/")
        page.evaluate("async () => (await caches.open('a release')).put('/q/kept/', new Response('a page'))")
        page.click("[data-mine] button")
        expect(page.locator("[data-mine]")).to_be_hidden()
        expect(page.locator("[data-mine-cleared]")).to_be_focused()
        assert page.evaluate("() => localStorage.getItem('quotes')") is None
        page.wait_for_function("async () => !(await caches.match('/q/kept/'))")
        page.reload()
        expect(page.locator("[data-mine]")).to_be_hidden()
        # What was cleared comes back for a minute in this tab, also after a reload, and with what came since.
        open_quote(page, third)
        page.clock.install()
        page.goto("/")
        page.click("[data-mine-cleared] button")
        folios = [quote["folio"] for quote in (first, second, third)]
        expect(listed.locator(".folio")).to_have_text(folios)
        expect(listed.nth(0).locator("a").first).to_be_focused()
        page.click("[data-mine] button")
        fits_the_screen(page)
        page.clock.fast_forward(59_000)
        expect(page.locator("[data-mine-cleared] button")).to_be_visible()
        page.clock.fast_forward(2_000)
        expect(page.locator("[data-mine-cleared]")).to_be_hidden()
        assert page.evaluate("() => sessionStorage.getItem('quotes.cleared')") is None


def test_one_tap_leads_to_the_list_and_whoever_was_sent_a_quote_has_none(browser, site):
    with visiting(browser, site) as page:
        open_quote(page, a_quote(site))
        to_list = page.locator("[data-to-mine]")
        expect(page.locator("[data-mine], [data-to-mine]").locator("visible=true")).to_have_count(0)
        page.goto("/")
        expect(page.locator("[data-mine]")).not_to_be_in_viewport()
        to_list.click()
        expect(page.locator("[data-mine] li")).to_be_in_viewport()
        open_quote(page, a_quote(site))
        expect(page.locator("[data-mine] li")).to_have_count(2)
        to_list.click()
        expect(page.locator("[data-mine] li").first).to_be_in_viewport()


# As in browsers of before 2023, whose time zone data lack America/Ciudad_Juarez.
WITHOUT_THE_ZONE = """
const Format = Intl.DateTimeFormat;
Intl.DateTimeFormat = function (locale, options) {
  if (![undefined, "UTC"].includes(options?.timeZone)) throw new RangeError("Invalid time zone specified");
  return new Format(locale, options);
};
"""


@pytest.mark.parametrize("device_zone", mark.by_hand_but(1, ["Asia/Tokyo", "America/Ojinaga"]))
def test_a_device_that_does_not_know_the_shop_s_zone_lists_its_quotes_with_the_shop_s_dates(browser, site, device_zone):
    quote = a_quote(site)
    with visiting(browser, site, timezone_id=device_zone) as page:
        page.add_init_script(WITHOUT_THE_ZONE)
        open_quote(page, quote)
        expect(page.locator("[data-mine] li")).to_contain_text(quote["folio"])
        for moment in ("made", "until"):  # as the server writes them on the paper
            written = page.locator(f".facts time[datetime='{page.locator('.paper').get_attribute(f'data-{moment}')}']")
            shown = page.locator(f"[data-mine] [data-{moment}]").text_content() or ""
            assert shown in (written.text_content() or "")
        page.fill("#name", NAME)
        page.fill("#phone", PHONE)
        page.click("#checkout button.primary")
        page.wait_for_url(f"{CHAT}**")
        page.go_back()
        expect(page.locator("[data-reopen] [data-sent]")).not_to_be_empty()


EXPIRE = """(folio) => {
  const quotes = JSON.parse(localStorage.quotes);
  quotes.find((quote) => quote.folio === folio).until = "2026-01-01T23:59:59-07:00";
  localStorage.quotes = JSON.stringify(quotes);
}"""


def test_a_browser_without_storage_shows_no_list(browser, site):
    with visiting(browser, site) as page:
        page.add_init_script("Object.defineProperty(window, 'localStorage', { get() { throw new Error('refused'); } })")
        open_quote(page, a_quote(site))
        expect(page.locator("[data-actions]")).to_be_visible()
        expect(page.locator("[data-mine]")).to_be_hidden()


def test_a_repriced_quote_shows_both_prices(browser, site):
    quote = a_quote(site)
    with visiting(browser, site) as page:
        page.goto(f"/q/{quote['token']}/?before={quote['token']}")
        expect(page.locator(".earlier")).to_contain_text("$0.00")
        fits_the_screen(page)
