"""The customer's journey in Chromium, on a phone and a desktop, with JavaScript and without."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.support import live, mark
from tests.support.browser import DESKTOP_WIDTH, PHONE_WIDTH
from tests.support.eventually import eventually
from tests.support.live import Postgres, Site, message
from tests.support.quotes import BOOKS
from tests.support.walk import (
    CHAT,
    NAME,
    PHONE,
    TOTAL,
    ask_at_once,
    choose,
    fill_in_two_lines,
    fits_the_screen,
    get_the_quote,
    go_to_the_chat,
    go_to_the_chat_by_keyboard,
    open_a_quote,
    press,
    tab_to,
    type_in_two_lines,
    typed,
    unfold,
    visiting,
)

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.long]

Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def site(postgres: Postgres) -> Iterator[Site]:
    # So long that a slow machine does not queue a lead.
    with live.site(postgres.url, LEAD_WAIT_MS="5000") as running:
        yield running


@pytest.fixture
def visit(browser: Browser, site: Site) -> Iterator[Visit]:
    """Return a function that opens the calculator. Its arguments are those of `visiting`."""
    with ExitStack() as visits:

        def open_calculator(**circumstances) -> Page:
            page = visits.enter_context(visiting(browser, site, **circumstances))
            page.goto("/")
            return page

        yield open_calculator


# --- The journey ----------------------------------------------------------------------------------------------------

SCRIPTS = pytest.mark.parametrize("scripts", mark.by_hand_but(1, [True, False]), ids=["js", "no-js"])


@pytest.mark.parametrize(("width", "scripts"), [(PHONE_WIDTH, True), (DESKTOP_WIDTH, False)], ids=["js", "no-js"])
def test_a_customer_prices_a_job_and_takes_it_to_the_chat(visit, site, postgres, width, scripts):
    page = visit(width=width, scripts=scripts)
    type_in_two_lines(page)
    if not scripts:
        press(page, "update")
    expect(page.locator("#summary .total")).to_contain_text(TOTAL)
    fits_the_screen(page)

    folio = get_the_quote(page)
    expect(page.locator(".bill .total")).to_contain_text(TOTAL)
    fits_the_screen(page)

    text = go_to_the_chat(page)
    assert page.url.startswith(f"{CHAT}{live.WHATSAPP_NUMBER}?text=")
    assert folio in text
    assert NAME in text
    assert f"${TOTAL} MXN" in text
    assert text.splitlines()[-1].endswith(f"/q/{folio}/")
    assert site.get(f"/q/{folio}/").status == 200
    [lead] = postgres.query("SELECT * FROM leads WHERE folio = %s", folio)
    assert (lead["name"], lead["phone"]) == (NAME, "+526561234567")
    assert Decimal(lead["quote_data"]["total"]) == Decimal(TOTAL.replace(",", ""))


@pytest.mark.parametrize("is_offline", mark.by_hand_but(1, [True, False]), ids=["offline", "online"])
def test_every_tap_opens_the_chat_when_the_phone_hands_it_to_an_app_and_leaves_the_page_open(visit, site, is_offline):
    first = visit(expected=["net::ERR_"])
    folio = open_a_quote(first, site)["folio"]
    page, chats = first.context.new_page(), list[str]()

    def open_in_the_app(route: Route) -> None:
        chats.append(route.request.url)
        # Neither unloads the page: the app takes the address, or the system's question which app is dismissed.
        route.abort("aborted") if len(chats) == 2 else route.fulfill(status=204)

    page.route(f"{CHAT}**", open_in_the_app)
    page.goto(first.url)
    page.context.set_offline(is_offline)
    page.fill("#name", NAME)
    page.fill("#phone", PHONE)
    for taps in (1, 2, 3):
        page.click("#checkout button.primary")
        assert eventually(lambda taps=taps: page.wait_for_timeout(20) or len(chats) == taps)
    assert page.url == first.url
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # back from the app
    # What happens next is where the form was, and a mistyped phone can be mended.
    expect(page.locator("#sent")).to_be_focused()
    expect(page.locator("#checkout")).to_be_hidden()
    title = "Falta un paso" if is_offline else "Listo: ya tenemos"
    expect(page.locator("#sent h2").get_by_text(title)).to_be_visible()
    expect(page.locator("#sent [data-answers] span").locator("visible=true")).to_have_count(1)
    page.click("[data-chat-again]")
    assert eventually(lambda: page.wait_for_timeout(20) or len(chats) == 4)
    assert NAME in message(chats[-1])
    page.click("[data-change-phone]")
    expect(page.locator("#phone")).to_be_focused()
    expect(page.locator("#name")).to_have_value(NAME)
    # Only a link that is known to work without the quote in it is short.
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("[data-copy-message]")
    expect(page.locator("[data-actions] [role=status]")).to_have_text("Texto copiado.")
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert NAME in copied
    assert copied.endswith(f"/q/{folio}/") != is_offline


def test_the_links_to_pass_on_are_short_once_the_shop_has_the_quote(visit, site, postgres):
    page = visit(width=DESKTOP_WIDTH)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    quote = open_a_quote(page, site)
    assert eventually(lambda: postgres.query("SELECT 1 FROM leads WHERE folio = %s", quote["folio"]))
    page.mouse.move(100, 100)
    expect(page.locator(".paper")).to_have_attribute("data-stored", "")
    copied = "() => navigator.clipboard.readText()"
    short = f"{site.url}/q/{quote['folio']}/".replace("http:", "https:")  # as the proxy says
    page.click("[data-copy]")
    assert page.evaluate(copied) == short
    page.click("[data-copy-message]")
    assert page.evaluate(copied).endswith(f"\n{short}")
    page.click("[data-chat]")
    page.wait_for_url(f"{CHAT}**")
    assert message(page.url).endswith(f"\n{short}")


@pytest.mark.by_hand
def test_the_campaign_of_a_link_reaches_the_lead(visit, postgres):
    page = visit()
    page.goto("/?utm_source=instagram&utm_campaign=oto%C3%B1o&gclid=Cj0", referer="https://l.instagram.com/?u=x")
    fill_in_two_lines(page)
    get_the_quote(page)
    page.go_back()
    expect(page.locator("[data-line]")).to_have_count(2)  # as it was left
    expect(page.locator("[name=attribution]")).to_have_count(1)
    folio = get_the_quote(page)
    go_to_the_chat(page)
    [lead] = postgres.query("SELECT quote_data FROM leads WHERE folio = %s", folio)
    assert lead["quote_data"]["attribution"] == {
        "utm_source": "instagram",
        "utm_campaign": "otoño",
        "gclid": "Cj0",
        "referrer": "https://l.instagram.com/",
        "landing": "/",
    }


@SCRIPTS
def test_edit_buttons_keep_what_was_typed_in_every_line(visit, scripts):
    page = visit(scripts=scripts)
    fill_in_two_lines(page)
    unfold(page, '[name="lines.0.measure.volume.m3"]')
    page.fill('[name="lines.0.measure.volume.m3"]', "5,")  # in the middle of a number
    choose(page, "lines.0.measure.kind", "block")
    page.fill('[name="lines.0.measure.block.length_m"]', "7.25")
    two_lines = typed(page)

    press(page, "copy:1")
    three_lines = typed(page)
    assert {name: three_lines[name] for name in two_lines} == two_lines
    assert line(three_lines, 2) == line(two_lines, 1)

    press(page, "preset:2:footings")
    with_preset = typed(page)
    assert {name: with_preset[name] for name in two_lines} == two_lines
    assert with_preset["lines.2.options.strength"] == ["200"]
    assert with_preset["lines.2.measure.kind"] == ["block"]
    assert with_preset["lines.2.measure.solid_area.area_m2"] == ["40"]

    press(page, "remove:0")
    after_removal = typed(page)
    assert line(after_removal, 0) == line(two_lines, 1)
    assert line(after_removal, 1) == line(with_preset, 2)
    assert not line(after_removal, 2)
    expect(page.locator("[data-removal]")).to_be_focused()
    expect(page.locator("[data-removal]")).to_be_in_viewport(ratio=1)

    press(page, "undo:0")
    assert typed(page) == with_preset
    page.locator('.ticket [value="restart"]').click()
    expect(page.locator("[data-removal]")).to_be_focused()
    if scripts:  # Back undoes as well, and neither way forgets
        page.go_back()
        expect(page.locator("[data-line]")).to_have_count(3)
        page.go_forward()
        expect(page.locator("[data-line]")).to_have_count(1)
        page.reload()
        expect(page.locator("[data-removal]")).to_be_visible()
    press(page, "undo:0")
    assert typed(page) == with_preset


def line(form: dict[str, list[str]], number: int) -> dict[str, list[str]]:
    """Return the fields of one line that have a value, without the line's number in their names."""
    path = f"lines.{number}."
    return {name.removeprefix(path): text for name, text in form.items() if name.startswith(path) and any(text)}


def test_what_is_typed_during_an_edit_is_kept(visit):
    page = visit()
    volume = page.locator('[name="lines.0.measure.volume.m3"]')
    unfold(page, '[name="lines.0.measure.volume.m3"]')

    def type_before_the_answer(route: Route) -> None:
        volume.fill("7,5")
        route.continue_()

    page.route("**/", type_before_the_answer, times=1)
    press(page, "add:concrete")
    expect(page.locator("[data-line]")).to_have_count(2)
    expect(volume).to_have_value("7,5")


@SCRIPTS
def test_going_back_from_the_quote_restores_what_was_typed(visit, scripts):
    page = visit(scripts=scripts)
    fill_in_two_lines(page)
    before = typed(page)
    get_the_quote(page)
    page.go_back()
    expect(page.locator("[data-line]")).to_have_count(2)
    assert typed(page) == before
    if scripts:
        expect(page.locator("#summary .total")).to_contain_text(TOTAL)


def test_a_calculator_opened_again_has_what_was_typed_before(visit):
    page = visit()
    fill_in_two_lines(page)
    before = typed(page)
    expect(page.locator("#summary .total")).to_contain_text(TOTAL)

    reopened = page.context.new_page()
    page.close()
    reopened.goto("/?utm_source=flyer")
    expect(reopened.locator("[data-brought-back]")).to_be_visible()
    expect(reopened.locator("#summary .total")).to_contain_text(TOTAL)
    restored = typed(reopened)
    assert restored.pop("attribution")[0].startswith("utm_source=flyer")
    assert restored == before
    draft = reopened.evaluate("() => localStorage.getItem('folio.draft')")
    assert "utm_source" not in draft

    reopened.click("[data-brought-back] [data-restart]")
    expect(reopened.locator("[data-line]")).to_have_count(1)
    expect(reopened.locator("[data-brought-back]")).to_be_hidden()
    reopened.reload()
    expect(reopened.locator("[data-brought-back]")).to_be_hidden()
    assert {name for name in line(typed(reopened), 0) if not name.endswith(".waste")} == {"product", "measure.kind"}


def test_the_link_to_a_new_quote_opens_an_empty_calculator(visit):
    page = visit()
    fill_in_two_lines(page)
    get_the_quote(page)
    page.get_by_role("link", name="Otra cotización").click()
    expect(page.locator(".direct")).to_be_visible()
    expect(page.locator("[data-line]")).to_have_count(1)


def test_the_calculator_works_in_a_browser_without_storage(visit):
    page = visit()
    page.add_init_script("Object.defineProperty(window, 'localStorage', { get() { throw new Error('denied'); } })")
    page.reload()
    fill_in_two_lines(page)
    expect(page.locator("#summary .total")).to_contain_text(TOTAL)


def test_a_phone_shows_total_and_button_always_letters_on_demand_and_takes_what_was_typed_to_the_chat(visit):
    page = visit(has_touch=True, is_mobile=True)
    fill_in_two_lines(page)
    thickness = page.locator('[name="lines.1.measure.solid_area.thickness_cm"]')
    expect(thickness).to_have_attribute("inputmode", "decimal")
    page.locator("[data-whole-keyboard] button").locator("visible=true").last.click()
    expect(thickness).to_have_attribute("inputmode", "text")
    expect(thickness).to_be_focused()
    thickness.fill("12cm")
    for top in (0, 600, 5000):
        page.evaluate("(top) => scrollTo(0, top)", top)
        expect(page.locator("#tally")).to_contain_text(TOTAL)
        expect(page.locator("#tally")).to_be_in_viewport()
        expect(page.locator(".summary button.primary")).to_be_in_viewport(ratio=1)
    page.click(".masthead .whatsapp")
    page.wait_for_url(f"{CHAT}**")
    assert "Tengo una duda sobre este pedido:" in message(page.url)
    assert "Área 40 m², Espesor 12cm" in message(page.url)


def test_a_quote_can_be_made_without_a_mouse(visit):
    page = visit(width=DESKTOP_WIDTH)
    tab_to(page, ".direct > summary")
    page.keyboard.press("Enter")
    tab_to(page, '[name="lines.0.options.strength"]')
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    tab_to(page, '[name="lines.0.options.service"]')
    page.keyboard.press("Space")
    tab_to(page, ".others > summary")
    page.keyboard.press("Enter")
    tab_to(page, '[name="lines.0.measure.kind"]', backwards=True)
    page.keyboard.press("ArrowDown")
    tab_to(page, '[name="lines.0.measure.solid_dimensions.length_m"]')
    for text in ("10", "5", "10"):
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    tab_to(page, '[name="lines.0.extras"]')
    page.keyboard.press("Space")
    assert line(typed(page), 0) == {
        "product": ["concrete"],
        "options.strength": ["200"],
        "options.service": ["direct"],
        "measure.kind": ["solid_dimensions"],
        "measure.solid_dimensions.length_m": ["10"],
        "measure.solid_dimensions.width_m": ["5"],
        "measure.solid_dimensions.thickness_cm": ["10"],
        "measure.solid_dimensions.waste": ["none"],
        "measure.solid_area.waste": ["none"],
        "extras": ["fiber"],
    }
    tab_to(page, '[name="lines.0.measure.solid_dimensions.width_m"]', backwards=True)
    page.keyboard.press("Enter")
    page.wait_for_url("**/q/*/")

    go_to_the_chat_by_keyboard(page)


@pytest.mark.by_hand
def test_another_trade_needs_only_another_price_book(browser, postgres):
    with (
        live.site(postgres.url, PRICE_BOOK=str(BOOKS / "turf.toml")) as site,
        visiting(browser, site) as page,
    ):
        page.goto("/")
        press(page, "preset:0:garden")
        page.fill('[name="lines.0.measure.rectangle.length_m"]', "6")
        page.fill('[name="lines.0.measure.rectangle.width_m"]', "3,5")
        page.check('[name="lines.0.extras"][value="travel"]')
        press(page, "add:edging")
        choose(page, "lines.1.options.material", "pvc")
        page.fill('[name="lines.1.measure.metres.m"]', "19")
        fits_the_screen(page)
        folio = get_the_quote(page)
        text = go_to_the_chat(page)
    # 6 × 3.5 × 1.05 = 22.05 m² is billed as 23: 7,314.00 at 318.00, and 950.00 once; 19 m at 78.00: 1,482.00. IVA 16 %.
    assert folio in text
    assert "$11,305.36 MXN" in text


def test_an_english_browser_gets_english_pages_and_an_english_message(visit):
    page = visit(locale="en-US")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("h1")).to_have_text("Ready-mix concrete")
    fill_in_two_lines(page)
    get_the_quote(page)
    expect(page.locator("html")).to_have_attribute("lang", "en")

    page.get_by_role("link", name="Change this quote").click()
    before = page.input_value("[name=before]")
    page.get_by_role("button", name="Español").click()
    expect(page.locator("html")).to_have_attribute("lang", "es-mx")
    page.reload()
    expect(page.locator("[data-line]")).to_have_count(2)
    expect(page.locator("[name=before]")).to_have_value(before)
    page.get_by_role("button", name="English").click()
    expect(page.locator("[name=before]")).to_have_value(before)
    get_the_quote(page)
    assert "Ready-mix concrete" in go_to_the_chat(page)


# --- Correcting errors ----------------------------------------------------------------------------------------------


@pytest.mark.by_hand
def test_a_wrong_quantity_can_be_corrected_and_the_other_fields_are_kept(visit):
    page = visit()
    fill_in_two_lines(page)
    page.fill('[name="lines.1.measure.solid_area.area_m2"]', "4,500")
    ask_at_once(page)

    field = page.locator('[name="lines.1.measure.solid_area.area_m2"]')
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.locator(".error")).to_have_count(1)
    field.fill("40")
    # At once, and not only when it is sent again.
    expect(page.locator(".error, [aria-invalid], [role=alert]")).to_have_count(0)
    get_the_quote(page)
    expect(page.locator(".bill .total")).to_contain_text(TOTAL)
    page.go_back()
    expect(field).to_have_value("40")


@pytest.mark.by_hand
def test_a_wrong_phone_can_be_corrected_and_the_name_is_kept(visit, site):
    page = visit()
    quote = open_a_quote(page, site)
    page.fill("#name", NAME)
    page.fill("#phone", "123")
    page.click("#checkout button.primary")
    expect(page.locator("#phone")).to_have_attribute("aria-invalid", "true")
    assert f"*{quote['folio']}*" in go_to_the_chat(page, name=page.input_value("#name"))


# --- Events for the shop's analytics --------------------------------------------------------------------------------


def test_analytics_get_the_folio_and_the_value_and_never_the_person(visit, site):
    page = visit()
    events = watch_analytics(page)
    details = event_details(open_a_quote(page, site))
    go_to_the_chat(page)
    assert events == [{"event": "quote_shown", **details}, {"event": "lead_submitted", **details}]


def test_analytics_get_an_event_when_the_chat_is_opened_without_details(visit, site):
    page = visit()
    events = watch_analytics(page)
    details = event_details(open_a_quote(page, site))
    page.click("[data-chat]")
    page.wait_for_url(f"{CHAT}**")
    assert events == [{"event": "quote_shown", **details}, {"event": "whatsapp_opened", **details}]


def test_analytics_get_a_warning_when_a_lead_was_not_stored(visit, site, postgres):
    page = visit()
    events = watch_analytics(page)
    details = event_details(open_a_quote(page, site))
    postgres.stop()
    try:
        text = go_to_the_chat(page)
    finally:
        postgres.start()
    assert details["folio"] in text
    assert [event["event"] for event in events] == ["quote_shown", "lead_submitted", "lead_warning"]
    assert events[-1] == {"event": "lead_warning", "warning": "db_down", **details}


@pytest.mark.by_hand
def test_a_refused_checkout_shows_its_error_and_sends_no_event(visit, site):
    page = visit()
    events = watch_analytics(page)
    open_a_quote(page, site)
    page.fill("#name", NAME)
    page.fill("#phone", "123")
    page.click("#checkout button.primary")
    expect(page.locator("#phone")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#name")).to_have_value(NAME)
    assert "lead_submitted" not in [event["event"] for event in events]


def event_details(quote: dict[str, Any]) -> dict[str, str]:
    return {"folio": quote["folio"], "value": quote["quote"]["total"], "currency": "MXN"}


def watch_analytics(page: Page) -> list[dict[str, str]]:
    """Give the next pages a dataLayer; return the list to which it adds its events."""
    events: list[dict[str, str]] = []
    page.expose_function("record", lambda event: events.append(json.loads(event)))
    page.add_init_script("window.dataLayer = { push: (event) => record(JSON.stringify(event)) }")
    return events
