"""The inbox in a real Chromium, on a phone and a desktop, light and dark, with the site's own content policy."""

import re
from collections.abc import Callable
from functools import partial

import pytest
from playwright.sync_api import Page, expect

from tests.leads.in_browser.conftest import CHAT, LIST
from tests.support import mark, xlsx
from tests.support.browser import DESKTOP_WIDTH, PHONE_WIDTH
from tests.support.customers import an_unhurried_quote, check_out_with
from tests.support.eventually import eventually
from tests.support.live import Postgres, Site, message
from tests.support.looks import assert_fits_the_screen, picture

pytestmark = pytest.mark.needs("chromium")

LONG_NAME = "Constructora e Inmobiliaria Hernández-Villaseñor del Río Bravo"
PEOPLE = [("María Peña", "656 123 4567"), (LONG_NAME, "656 555 0133"), ("Luis Salazar", "656 555 0164")]

WIDTHS = pytest.mark.parametrize("width", mark.by_hand_but(1, [PHONE_WIDTH, DESKTOP_WIDTH]))


@pytest.fixture(autouse=True)
def leads(site: Site, postgres: Postgres) -> None:
    """Three waiting leads and an anonymous quote."""
    postgres.empty("leads")
    lines = [{"product": "concrete", "options": {"strength": "200", "service": "direct"}, "extras": ["fiber"]}] * 3
    body = {"lines": [{**line, "measure": {"kind": "volume", "m3": "5.6"}} for line in lines]}
    for name, phone in PEOPLE:
        check_out_with(site, an_unhurried_quote(*body["lines"]), name=name, phone=phone)
    site.post_json("/quote/", body)
    assert eventually(lambda: postgres.query("SELECT count(*) FROM leads")[0]["count"] == 4)
    postgres.query("UPDATE leads SET submitted_at = now() - interval '9 days' WHERE name = %s", LONG_NAME)


@pytest.fixture
def visit(visit: Callable[..., Page]) -> Callable[..., Page]:
    """Like the package's fixture, where a tap may be refused."""
    return partial(visit, expected=["status of 409"])


@pytest.mark.parametrize(("width", "scheme"), mark.by_hand_but(1, [(PHONE_WIDTH, "dark"), (DESKTOP_WIDTH, "light")]))
def test_the_list_and_a_lead_fit_the_screen(visit, width, scheme):
    page = visit(width=width, scheme=scheme)
    expect(page).to_have_title(re.compile(r"^\(3\) "))
    rows = page.locator("[data-inbox] li[data-lead]")
    expect(rows).to_have_count(3)
    expect(rows.filter(has_text=LONG_NAME).locator("time.late")).to_be_visible()
    assert_fits_the_screen(page)
    picture(page, f"list-{scheme}")

    rows.nth(0).locator("a.name").click()
    expect(page.locator(".bill .total")).to_be_visible()
    expect(page.locator("[data-print]")).to_be_visible()
    assert_fits_the_screen(page)
    picture(page, f"lead-{scheme}")


@pytest.mark.parametrize(("width", "height", "fewest"), [(PHONE_WIDTH, 844, 5), (DESKTOP_WIDTH, 800, 8)])
@pytest.mark.parametrize("tab", ["waiting", "contacted"])
def test_so_many_people_are_on_a_screen(visit, site, postgres, width, height, fewest, tab):
    for number in range(8):
        check_out_with(site, an_unhurried_quote(), name=f"Cliente {number}", phone=f"656 555 02{number:02}")
    assert eventually(lambda: len(postgres.query("SELECT 1 FROM leads WHERE phone > ''")) == len(PEOPLE) + 8)
    if tab == "contacted":
        postgres.query(
            "UPDATE leads SET status = 'contacted', contacted_at = now(),"
            " contacted_by = (SELECT id FROM auth_user WHERE username = 'luis') WHERE phone > ''"
        )
    page = visit(f"{LIST}?status={tab}", width=width)
    page.set_viewport_size({"width": width, "height": height})
    ends = page.locator("[data-lead]").evaluate_all("cards => cards.map(each => each.getBoundingClientRect().bottom)")
    assert len([end for end in ends if end <= height]) >= fewest, ends


@pytest.mark.parametrize("width", mark.by_hand_but(1, [PHONE_WIDTH, DESKTOP_WIDTH]))
def test_no_chip_hides_what_they_ask_for(visit, postgres, width):
    postgres.query(
        "UPDATE leads SET quote_data = jsonb_set(jsonb_set(quote_data, '{flags}', '[\"price_mismatch\"]'),"
        " '{customer,phone_raw}', '\"656 123 4567 / 656 123 4568\"') WHERE phone > ''"
    )
    card = visit(width=width).locator("[data-lead]").first
    expect(card).to_contain_text("varios teléfonos")
    expect(card).to_contain_text("vio otro total")
    what = card.locator(".what p").first
    assert what.locator("b").first.bounding_box()["y"] + 12 < what.bounding_box()["y"] + what.bounding_box()["height"]


def test_a_menu_closes_on_escape_and_on_a_tap_elsewhere(visit):
    page = visit()
    for menu in ("details.account", "details.rest"):
        opened = page.locator(menu)
        opened.locator("summary").click()
        expect(opened).to_have_attribute("open", "")
        page.keyboard.press("Escape")
        expect(opened).not_to_have_attribute("open", "")
        expect(opened.locator("summary")).to_be_focused()
        opened.locator("summary").click()
        page.mouse.click(100, 700)
        expect(opened).not_to_have_attribute("open", "")


@pytest.mark.parametrize("scripts", mark.by_hand_but(1, [True, False]), ids=["js", "no-js"])
def test_one_tap_opens_the_chat_and_the_next_colleague_is_warned(visit, postgres, scripts):
    # Without scripts, so that this list does not show meanwhile that the lead is taken.
    colleague = visit(scripts=False)
    page = visit(scripts=scripts)
    row = page.locator("[data-lead]").nth(0)
    folio = row.get_attribute("data-folio")
    with page.expect_popup() as opened:
        row.locator("button.whatsapp").click()
    opened.value.wait_for_url(f"{CHAT}526561234567**")
    text = message(opened.value.url)
    assert folio in text
    assert "María Peña" in text
    [lead] = postgres.query("SELECT status FROM leads WHERE folio = %s", folio)
    assert lead["status"] == "contacted"

    postgres.query(
        "UPDATE leads SET contacted_by = auth_user.id FROM auth_user WHERE username = 'luis' AND status = 'contacted'"
    )
    with colleague.expect_popup() as opened:
        colleague.locator("[data-lead]").nth(0).locator("button.whatsapp").click()
    expect(opened.value.get_by_role("alert")).to_contain_text("luis")
    assert_fits_the_screen(opened.value)
    picture(opened.value, "second")
    opened.value.locator("[name=anyway]").click()
    opened.value.wait_for_url(f"{CHAT}**")


@pytest.mark.by_hand
def test_one_click_downloads_the_filtered_list_as_csv(visit):
    page = visit(f"{LIST}?status=anonymous")
    with page.expect_download() as downloaded:
        page.get_by_role("button", name="CSV").click()
    assert len(downloaded.value.path().read_text().splitlines()) == 2


@pytest.mark.by_hand
def test_one_click_downloads_the_filtered_list_as_a_spreadsheet(visit):
    page = visit(f"{LIST}?status=anonymous")
    with page.expect_download() as downloaded:
        page.get_by_role("button", name="Excel").click()
    assert downloaded.value.suggested_filename.endswith(".xlsx")
    [sheet] = xlsx.read(downloaded.value.path().read_bytes())
    assert len(sheet.rows) == 2


@WIDTHS
def test_all_of_a_page_are_ticked_and_discarded_at_once(visit, postgres, width):
    postgres.query("UPDATE leads SET set_aside = 'too_fast' WHERE phone <> ''")
    page = visit(f"{LIST}?status=set_aside", width=width)
    assert_fits_the_screen(page)
    picture(page, "set-aside")
    page.get_by_role("checkbox").first.click()
    page.get_by_role("button", name="Marcar todos").click()
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(3)
    page.get_by_role("button", name="Descartar los marcados").click()
    expect(page.get_by_text("3 clientes descartados")).to_be_visible()
    assert len(postgres.query("SELECT 1 FROM leads WHERE set_aside = 'discarded'")) == 3


@WIDTHS
def test_a_chat_can_be_opened_with_the_keyboard_only(visit, width):
    page = visit(width=width)
    page.locator("#searchbar").focus()
    seen = []
    for _ in range(40):
        page.keyboard.press("Tab")
        name = page.evaluate("document.activeElement.className + '|' + document.activeElement.textContent.trim()")
        seen.append(name)
        if "whatsapp" in name:
            break
    assert seen[-1].endswith("WhatsApp · María Peña") or seen[-1].endswith(f"WhatsApp · {LONG_NAME}")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    with page.expect_popup() as opened:
        page.keyboard.press("Enter")
    opened.value.wait_for_url(f"{CHAT}**")


def test_the_people_are_a_list_to_a_screen_reader_and_the_dots_open_a_menu_by_keyboard(visit):
    page = visit()
    people = page.get_by_role("list").filter(has=page.locator("li[data-lead]"))
    expect(people.get_by_role("listitem")).to_have_count(3)
    dots = people.get_by_role("listitem").first.get_by_role("link", name="Más")
    dots.focus()
    page.keyboard.press("Enter")
    expect(dots).to_have_attribute("aria-expanded", "true")
    expect(people.get_by_role("link", name="Llamar")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dots).to_be_focused()
    expect(page.get_by_role("navigation").filter(has=page.locator("[aria-current=page]"))).to_have_count(1)


def test_a_pasted_message_opens_its_lead_and_an_altered_one_shows_an_alert(visit, postgres):
    [lead] = postgres.query("SELECT folio FROM leads WHERE name = %s", LONG_NAME)
    page = visit()
    page.fill("#searchbar", f"Hola. Me interesa la cotización *{lead['folio']}*: *Total: $52,866.30 MXN*")
    page.keyboard.press("Enter")
    page.wait_for_url("**/change/")
    page.goto(LIST)
    page.fill("#searchbar", f"Hola. Me interesa la cotización *{lead['folio']}*: *Total: $2,866.30 MXN*")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("2,866.30")
    assert_fits_the_screen(page)
    picture(page, "altered")
