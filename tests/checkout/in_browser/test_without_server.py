"""While the server is killed, frozen or out of reach, the customer still reaches the chat."""

import re
import secrets
from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.test import override_settings
from playwright.sync_api import Page, Response, expect

from quoter import token
from tests.support import live, mark
from tests.support.browser import DESKTOP_WIDTH, PHONE_WIDTH, worker_of
from tests.support.eventually import eventually
from tests.support.factories import an_issued_quote
from tests.support.live import NOBODY_LISTENS, Postgres, Site, message
from tests.support.looks import axe_finds_nothing
from tests.support.walk import (
    CHAT,
    NAME,
    TOTAL,
    choose,
    fill_in_two_lines,
    fits_the_screen,
    get_the_quote,
    go_to_the_chat,
    open_a_quote,
    press,
    typed,
    unfold,
    visiting,
)

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.long]

# The browser's console messages about a server that does not answer.
GONE = ["net::ERR_"]
# Stores when a form was last sent and when a page was last left, by the browser's clock, in milliseconds.
NOTE_TIMES = """
document.addEventListener("submit", () => { sessionStorage.sent = Date.now(); });
addEventListener("pagehide", () => { sessionStorage.left = Date.now(); });
"""


@pytest.fixture(scope="module")
def site(postgres: Postgres) -> Iterator[Site]:
    with live.site(postgres.url, application="tests.support.behind_proxy") as running:
        yield running


def the_lead(postgres: Postgres, number: str) -> dict:
    """Return the only lead of a folio, once it has a name."""
    query = "SELECT * FROM leads WHERE folio = %s AND name > ''"
    eventually(lambda: postgres.query(query, number), or_show=lambda: f"{number} was not stored")
    [lead] = postgres.query(query, number)
    return lead


@pytest.mark.parametrize(("fail", "recover"), mark.by_hand_but(1, [(Site.stop, Site.start), (Site.freeze, Site.thaw)]))
def test_a_lead_is_sent_later_when_the_server_dies_between_quote_and_checkout(browser, site, postgres, fail, recover):
    with visiting(browser, site, expected=GONE) as page:
        page.add_init_script(NOTE_TIMES)
        quote = open_a_quote(page, site)
        number, total = quote["folio"], quote["quote"]["total"]
        fail(site)
        try:
            text = go_to_the_chat(page)
        finally:
            recover(site)
        for part in (number, NAME, f"${Decimal(total):,} MXN", f"{site.url.replace('http:', 'https:')}/q/"):
            assert part in text
        assert len(page.url) <= 2000

        page.goto("/")
        assert page.evaluate("sessionStorage.left - sessionStorage.sent") < 6000  # the page waits for 2.5 s
        lead = the_lead(postgres, number)
        assert lead["quote_data"]["flags"][-1:] == ["late"] or fail is Site.freeze
        assert lead["quote_data"]["total"] == total
        assert eventually(lambda: kept(page) == 0)


# Opens the device's leads, and makes their store if the page has not loaded kept.js yet, which does the same.
OPEN = """const opening = indexedDB.open("folio", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore("leads", { keyPath: "folio" });
  opening.onsuccess = ({ target: { result } }) => {"""
COUNT = f"""() => new Promise((resolve) => {{
  {OPEN}
    const count = result.transaction("leads").objectStore("leads").count();
    count.onsuccess = () => {{ resolve(count.result); result.close(); }};
  }};
}})"""


def kept(page) -> int:
    """Return how many leads the device keeps."""
    return page.evaluate(COUNT)


def test_an_open_page_sends_a_kept_lead_when_the_server_is_back(browser, site, postgres):
    with visiting(browser, site, expected=GONE, service_workers="allow") as page:
        first_visit(page)
        number = open_a_quote(page, site)["folio"]
        site.stop()
        try:
            go_to_the_chat(page)
            page.goto("/")
            assert kept(page) == 1
        finally:
            site.start()
        assert the_lead(postgres, number)["name"] == NAME
        assert eventually(lambda: kept(page) == 0)


def test_background_sync_sends_a_kept_lead(browser, site, postgres):
    with visiting(browser, site, expected=GONE, service_workers="allow") as page:
        first_visit(page)
        number = open_a_quote(page, site)["folio"]
        chrome, worker = worker_of(page)
        site.stop()
        try:
            go_to_the_chat(page)
        finally:
            site.start()
        # The browser does this when there is a connection.
        chrome.send("ServiceWorker.dispatchSyncEvent", {**worker, "tag": "leads", "lastChance": False})
        assert the_lead(postgres, number)["name"] == NAME


def test_wrong_details_are_refused_on_the_device_before_the_chat_opens(browser, site):
    with visiting(browser, site, expected=GONE) as page:
        open_a_quote(page, site)
        page.context.set_offline(True)
        page.fill("#name", NAME)
        page.fill("#phone", "123")
        page.click("#checkout button.primary")
        expect(page.locator("#phone")).to_be_focused()
        assert not page.url.startswith(CHAT)
        assert kept(page) == 0


# --- The calculator on the device -----------------------------------------------------------------------------------


def first_visit(page: Page) -> None:
    """Open the calculator, and wait until the service worker is installed."""
    page.goto("/")
    page.evaluate("() => navigator.serviceWorker.ready")


def assert_offline(page: Page) -> None:
    """The calculator says that there is no connection, offers the chat and shows no price."""
    expect(page.locator(".tally [role=status]")).to_contain_text("chat")
    expect(page.locator("[data-unpriced]")).to_be_in_viewport()
    expect(page.locator(".summary button.primary")).to_be_hidden()
    assert "$" not in page.locator("main").inner_text()


def open_the_chat(page: Page) -> str:
    """Go to the chat with what was typed; return the message."""
    page.click("[data-unpriced]")
    page.wait_for_url(f"{CHAT}**")
    assert len(page.url) <= 2000
    return message(page.url)


MESSAGES = {
    "es-MX": """\
Hola. Quiero una cotización. La página no pudo darme el precio, así que está por confirmar.
*Concreto premezclado*
- ¿Para qué es? Losa
- Resistencia: f'c 200 kg/cm²
- Servicio: Bombeado
- ¿Cuánto necesitas? Piso o losa: largo × ancho × espesor, Largo 10 m, Ancho 6,5 m, Espesor 12 cm
- Adicionales: Fibra de refuerzo""",
    "en-US": """\
Hello. I would like a quote. The page could not give me the price, so it is to be confirmed.
*Ready-mix concrete*
- What is it for? Slab
- Strength: f'c 200 kg/cm²
- Service: Pumped
- How much? Floor or slab: length × width × thickness, Length 10 m, Width 6,5 m, Thickness 12 cm
- Extras: Reinforcing fiber""",
}


@pytest.mark.parametrize(("locale", "width"), mark.by_hand_but(1, [("es-MX", PHONE_WIDTH), ("en-US", DESKTOP_WIDTH)]))
def test_without_a_connection_the_chat_gets_what_was_typed(browser, site, locale, width):
    scheme = "light" if locale == "es-MX" else "dark"
    circumstances = {"locale": locale, "width": width, "color_scheme": scheme, "service_workers": "allow"}
    with visiting(browser, site, expected=GONE, **circumstances) as page:
        first_visit(page)
        page.context.set_offline(True)
        page.reload()
        assert_offline(page)
        page.click('[value="preset:0:slab"]')
        expect(page.locator('[value="preset:0:slab"]')).to_have_attribute("aria-pressed", "true")
        choose(page, "lines.0.options.strength", "200")
        choose(page, "lines.0.options.service", "pumped")
        choose(page, "lines.0.measure.kind", "solid_dimensions")
        for name, text in {"length_m": "10", "width_m": "6,5", "thickness_cm": "12"}.items():
            page.fill(f'[name="lines.0.measure.solid_dimensions.{name}"]', text)
        page.check('[name="lines.0.extras"][value="fiber"]')
        assert_offline(page)
        fits_the_screen(page)
        axe_finds_nothing(page, f"offline-calculator-{locale}")
        assert open_the_chat(page) == MESSAGES[locale]


def test_a_calculator_opened_without_a_connection_has_what_was_typed_before(browser, site):
    with visiting(browser, site, expected=GONE, service_workers="allow") as page:
        first_visit(page)
        fill_in_two_lines(page)
        expect(page.locator("#tally")).to_contain_text(TOTAL)
        before = {name: texts for name, texts in typed(page).items() if any(texts)}
        page.goto("about:blank")
        page.context.set_offline(True)
        page.goto("/")
        expect(page.locator("[data-brought-back]")).to_be_visible()
        assert {name: texts for name, texts in typed(page).items() if any(texts)} == before
        assert_offline(page)
        text = open_the_chat(page)
    for words in ("*Concreto premezclado 1*", "Volumen 5,6 m³", "*Concreto premezclado 2*", "Espesor 12 cm"):
        assert words in text


def test_back_and_reload_without_a_connection_keep_what_was_typed(browser, site):
    with visiting(browser, site, expected=GONE, service_workers="allow") as page:
        first_visit(page)
        fill_in_two_lines(page)
        expect(page.locator("#tally")).to_contain_text(TOTAL)
        before = typed(page)
        # A link to the calculator has another form, with other lines, which the device keeps as the latest.
        page.goto("/?product=concrete&quantity=9")
        assert eventually(lambda: page.evaluate("localStorage['folio.draft'].includes('m3=9')"))
        page.context.set_offline(True)
        page.go_back()
        expect(page.locator("[data-line]")).to_have_count(2)
        assert typed(page) == before
        page.fill('[name="lines.1.measure.solid_area.thickness_cm"]', "15")
        assert_offline(page)
        assert eventually(lambda: page.evaluate("history.state.typed.includes('thickness_cm=15')"))
        before = typed(page)
        page.reload()
        expect(page.locator("[data-line]")).to_have_count(2)
        assert typed(page) == before


@pytest.mark.by_hand
def test_a_message_that_would_be_too_long_is_cut(browser, site):
    with visiting(browser, site, expected=GONE) as page:
        page.goto("/")
        fill_in_two_lines(page)
        for _ in range(8):
            unfold(page, 'button[value="copy:1"]')
            press(page, "copy:1")
        page.context.set_offline(True)
        expect(page.locator("[data-unpriced]")).to_be_visible()
        text = open_the_chat(page)
    assert "Volumen 5,6 m³" in text
    assert text.endswith("\n…")
    assert "Concreto premezclado 10" not in text


@pytest.mark.by_hand
def test_the_chat_gets_the_labels_of_another_price_book(browser):
    with (
        live.site(NOBODY_LISTENS, PRICE_BOOK="quoter/books/turf.toml") as site,
        visiting(browser, site, expected=GONE) as page,
    ):
        page.goto("/")
        page.context.set_offline(True)
        choose(page, "lines.0.options.pile_mm", "30")
        choose(page, "lines.0.measure.kind", "shape")
        page.fill('[name="lines.0.measure.shape.area_m2"]', "40")
        choose(page, "lines.0.measure.shape.outline", "curves")
        for extra in ("installation", "weed_barrier"):
            page.check(f'[name="lines.0.extras"][value="{extra}"]')
        assert open_the_chat(page).splitlines()[1:] == [
            "*Pasto sintético*",
            "- Altura del pasto: 30 mm",
            "- ¿Cuánto necesitas? Otra forma: área, más merma, Área 40 m², Contorno con curvas (15 %)",
            "- Adicionales: Instalación, Malla antimaleza",
        ]


@pytest.mark.parametrize(("fail", "recover"), mark.by_hand_but(1, [(Site.freeze, Site.thaw), (Site.stop, Site.start)]))
def test_without_service_workers_an_open_calculator_offers_the_chat_when_the_server_dies(browser, site, fail, recover):
    with visiting(browser, site, expected=GONE) as page:
        page.add_init_script("Object.defineProperty(Navigator.prototype, 'serviceWorker', { get: () => undefined })")
        page.goto("/")
        fill_in_two_lines(page)
        expect(page.locator("#tally")).to_contain_text(TOTAL)
        fail(site)
        try:
            page.click(".summary button.primary")
            expect(page.locator("[data-unpriced]")).to_be_focused()
            assert_offline(page)
        finally:
            recover(site)
        # When the server answers again, the price is shown again.
        expect(page.locator("#tally")).to_contain_text(TOTAL)
        expect(page.locator("[data-unpriced]")).to_be_hidden()
        get_the_quote(page)


def test_a_page_of_another_server_counts_as_no_connection(browser, site):
    with visiting(browser, site) as page:
        page.goto("/")
        page.route("**/summary/", lambda route: route.fulfill(content_type="text/html", body="<p>Hotel: log in</p>"))
        unfold(page, '[name="lines.0.measure.volume.m3"]')
        page.fill('[name="lines.0.measure.volume.m3"]', "5,6")
        assert_offline(page)


@pytest.mark.parametrize("scripts", mark.by_hand_but(1, [True, False]))
def test_with_a_connection_nothing_about_connections_is_shown(browser, site, scripts):
    with visiting(browser, site, scripts=scripts) as page:
        page.goto("/")
        # Nothing to send before the first answer, with scripts and without.
        expect(page.locator(".summary button.primary")).to_be_hidden()
        unfold(page, '[name="lines.0.measure.volume.m3"]')
        expect(page.locator(".summary button.primary")).to_be_visible()
        for offline in page.locator(".offline-only").all():
            expect(offline).to_be_hidden()


def test_a_quote_that_was_opened_before_opens_without_a_connection(browser, site):
    with visiting(browser, site, expected=GONE, service_workers="allow") as page:
        first_visit(page)
        number = open_a_quote(page, site)["folio"]
        page.context.set_offline(True)
        page.reload()
        expect(page.locator(".paper")).to_have_attribute("data-folio", number)


def test_the_worker_handles_no_staff_pages(browser, site):
    with visiting(browser, site, service_workers="allow") as page:
        first_visit(page)
        response = page.goto("/admin/login/")
        assert not response.from_service_worker
        assert page.evaluate("async () => (await caches.keys()).length") == 1


def test_the_cache_of_an_earlier_release_is_deleted(browser, site):
    with visiting(browser, site, service_workers="allow") as page:
        page.goto("/robots.txt")
        page.evaluate("""async () => {
          const cache = await caches.open("0123456789abcdef");
          await cache.put("/offline/?lang=es", new Response("the price book and the words"));
        }""")
        first_visit(page)
        assert eventually(lambda: "0123456789abcdef" not in page.evaluate("caches.keys()"))


def test_a_lead_whose_token_the_site_cannot_read_is_kept_tried_rarely_and_taken_once_it_can(browser, site, postgres):
    with override_settings(SECRET_KEY=(earlier_key := secrets.token_urlsafe(50))):
        signed = token.dumps(issued := an_issued_quote())
    sent = {"token": signed, "name": NAME, "phone": "656 123 4567", "submitted_at": "2999-01-01T00:00Z"}
    lead = {"folio": issued.quote.folio, "url": "/late/", "sent": sent}
    with visiting(browser, site, expected=[*GONE, "422"], service_workers="allow") as page:
        page.goto("/")
        assert eventually(lambda: kept(page) == 0)
        answers: list[Response] = []
        page.context.on("response", lambda answer: answers.append(answer) if answer.url.endswith("/late/") else None)
        page.evaluate(KEEP, lead)
        page.goto("/")
        assert eventually(lambda: page.evaluate(REFUSED_AT, lead["folio"]))
        page.goto("/privacy/")
        page.goto("/")
        assert ([answer.status for answer in answers], kept(page)) == ([422], 1)

        site.stop()
        site.environment["SECRET_KEY_FALLBACKS"] = earlier_key
        site.start()
        page.evaluate(KEEP, {**lead, "refusedAt": 0})  # hours later
        page.goto("/")
        assert the_lead(postgres, lead["folio"])["name"] == NAME
        assert eventually(lambda: kept(page) == 0)
        assert [answer.status for answer in answers] == [422, 200]


def test_two_people_who_ask_for_one_quote_are_kept_as_two(browser, site):
    script = re.search(r'/static/checkout/kept[^"]*', site.get("/worker.js").text)[0]
    with visiting(browser, site) as page:
        page.goto("/robots.txt")
        for phone in ("656 123 4567", "656 765 4321", "656 765 4321"):
            page.evaluate(f"async (phone) => (await import('{script}')).keep('F', '/late/', {{ phone }})", phone)
        assert kept(page) == 2


def test_a_lead_that_was_refused_for_thirty_days_is_deleted_whatever_its_clock_said(browser, site):
    with visiting(browser, site) as page:
        page.goto("/")
        assert eventually(lambda: kept(page) == 0)
        sent = {"token": "x", "submitted_at": "2999-01-01T00:00Z"}
        page.evaluate(KEEP, {"folio": "F", "url": "/late/", "sent": sent, "firstRefusedAt": 0, "refusedAt": 0})
        page.goto("/")
        assert eventually(lambda: kept(page) == 0)


REFUSED_AT = f"""(folio) => new Promise((resolve) => {{
  {OPEN}
    const request = result.transaction("leads").objectStore("leads").get(folio);
    request.onsuccess = () => {{ resolve(request.result?.refusedAt); result.close(); }};
  }};
}})"""
KEEP = f"""(lead) => new Promise((resolve) => {{
  {OPEN}
    const transaction = result.transaction("leads", "readwrite");
    transaction.objectStore("leads").put(lead);
    transaction.oncomplete = () => {{ result.close(); resolve(); }};
  }};
}})"""


def test_a_new_release_replaces_the_cached_one_as_a_whole(browser, postgres):
    with (
        live.site(postgres.url, application="tests.support.behind_proxy") as site,
        visiting(browser, site, expected=GONE, service_workers="allow") as page,
    ):
        first_visit(page)
        old_caches = page.evaluate("caches.keys()")
        site.stop()
        site.environment["BUSINESS_NAME"] = "Concretos del Norte"
        site.start()
        page.goto("/")
        assert eventually(lambda: page.evaluate("caches.keys()") != old_caches)
        assert eventually(lambda: len(page.evaluate("caches.keys()")) == 1)
        page.context.set_offline(True)
        page.reload()
        expect(page.locator(".masthead")).to_contain_text("Concretos del Norte")
