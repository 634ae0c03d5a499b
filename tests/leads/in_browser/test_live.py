"""An open inbox stays current without a reload: rows, title, status message and sound."""

import re
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Response, Route, expect

from tests.leads.in_browser.conftest import LIST
from tests.support.customers import an_unhurried_quote, check_out_with
from tests.support.eventually import eventually
from tests.support.live import Postgres, Site

pytestmark = pytest.mark.needs("chromium")

POLL = f"{LIST}live/"
ONE_WAITS = re.compile(r"^\(1\) ")
# Counts sounds, and lets a test set document.hidden.
TEST_HOOKS = """
window.beeps = 0; window.isAway = false;
const create = AudioContext.prototype.createOscillator;
AudioContext.prototype.createOscillator = function () { window.beeps += 1; return create.call(this); };
Object.defineProperty(document, "hidden", { get: () => window.isAway });
"""


@pytest.fixture
def context(staff_context: Callable[..., BrowserContext], postgres: Postgres) -> BrowserContext:
    """A context of staff, with an empty list."""
    postgres.empty("leads")
    context = staff_context(expected=["Failed to load resource", "AudioContext was not allowed"])
    context.add_init_script(TEST_HOOKS)
    return context


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """The inbox, with a clock that the test advances instead of waiting."""
    page = context.new_page()
    page.clock.install()
    page.goto(LIST)
    return page


def a_customer(site: Site, postgres: Postgres) -> str:
    phone = f"656 555 {len(postgres.query('SELECT 1 FROM leads')):04}"
    folio: str = check_out_with(site, an_unhurried_quote(), phone=phone).json["folio"]
    assert eventually(lambda: postgres.query("SELECT 1 FROM leads WHERE folio = %s AND phone <> ''", folio))
    return folio


def advance_clock(page: Page, seconds: float = 6) -> None:
    page.clock.run_for(seconds * 1000)


def test_a_new_lead_appears_within_six_seconds_without_a_reload(context, site, postgres):
    page = context.new_page()
    page.goto(LIST)
    page.evaluate("window.isTheSame = true")
    folio = a_customer(site, postgres)
    expect(page.get_by_role("link", name=folio)).to_be_visible(timeout=12_000)  # 6 s on a machine without other load
    expect(page).to_have_title(ONE_WAITS)
    expect(page.get_by_role("status")).to_have_text("1 cliente nuevo")
    assert page.evaluate("window.isTheSame")


def taken_by_a_colleague(postgres: Postgres, folio: str) -> None:
    postgres.query(
        "UPDATE leads SET status = 'contacted', contacted_at = now(),"
        " contacted_by = (SELECT id FROM auth_user WHERE username = 'luis') WHERE folio = %s",
        folio,
    )


def row_of(page: Page, folio: str) -> Locator:
    return page.locator("[data-lead]").filter(has_text=folio)


def places(page: Page) -> dict[str, dict[str, float]]:
    return {row.get_attribute("data-lead"): row.bounding_box() for row in page.locator("[data-lead]").all()}


def test_a_lead_that_a_colleague_answered_says_so_where_it_is_and_the_focus_stays(page, site, postgres):
    first, second = a_customer(site, postgres), a_customer(site, postgres)
    page.reload()
    before = places(page)
    page.get_by_role("link", name=second).focus()
    taken_by_a_colleague(postgres, first)
    eventually(lambda: advance_clock(page) or "luis" in row_of(page, first).inner_text())
    expect(page).to_have_title(ONE_WAITS)
    expect(page.locator(".tabs .count").first).to_have_text("1")
    assert places(page) == before
    assert not row_of(page, first).get_by_role("button").all()
    expect(page.get_by_role("link", name=second)).to_be_focused()
    expect(page.get_by_role("status")).to_have_text("")


def test_a_new_lead_moves_no_row_and_is_shown_on_a_tap(page, site, postgres):
    first = a_customer(site, postgres)
    page.reload()
    before = places(page)
    new = a_customer(site, postgres)
    eventually(lambda: advance_clock(page) or page.get_by_role("status").inner_text() == "1 cliente nuevo")
    expect(page).to_have_title(re.compile(r"^\(2\) "))
    assert places(page) == before
    page.get_by_role("link", name="Mostrar").click()
    expect(row_of(page, new)).to_be_in_viewport()
    expect(row_of(page, first)).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("")
    expect(page.get_by_role("link", name="Mostrar")).to_be_hidden()


@pytest.mark.by_hand
def test_in_another_list_the_new_lead_is_a_tap_away(page, site, postgres):
    taken_by_a_colleague(postgres, a_customer(site, postgres))
    page.goto(f"{LIST}?status=contacted")
    new = a_customer(site, postgres)
    eventually(lambda: advance_clock(page) or page.get_by_role("status").inner_text() == "1 cliente nuevo")
    page.get_by_role("link", name="Mostrar").click()
    expect(row_of(page, new)).to_be_visible()


def test_no_row_changes_under_a_finger(page, site, postgres):
    folio = a_customer(site, postgres)
    page.reload()
    row, states = row_of(page, folio), []
    page.on("response", lambda answer: states.append(answer) if "/states/" in answer.url else None)
    page.mouse.move(**{axis: row.locator("button.whatsapp").bounding_box()[axis] + 3 for axis in "xy"})
    page.mouse.down()
    taken_by_a_colleague(postgres, folio)
    assert eventually(lambda: page.evaluate("dispatchEvent(new Event('online'))") and states)
    advance_clock(page, 3)
    assert "luis" not in row.inner_text()
    page.mouse.move(5, 5)  # so that the end of the press is no tap
    page.mouse.up()
    page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 0.5)
    assert "luis" not in row.inner_text()
    page.clock.resume()
    expect(row).to_contain_text("luis")


@pytest.mark.by_hand
def test_a_response_older_than_the_page_s_state_is_ignored(page, site, postgres):
    a_customer(site, postgres)
    page.reload()
    old: list[Route] = []
    nobody = {"waiting": 0, "newest": "", "at": time.time() - 60}
    page.route(f"**{POLL}", lambda route: (old.append(route), route.fulfill(json=nobody, headers={"ETag": '"0"'})))
    assert eventually(lambda: advance_clock(page) or old)
    page.unroute(f"**{POLL}")
    same: list[Response] = []
    page.on("response", lambda answer: same.append(answer) if answer.status == 304 and POLL in answer.url else None)
    assert eventually(lambda: advance_clock(page) or same)
    expect(page).to_have_title(ONE_WAITS)
    expect(page.get_by_role("status")).to_have_text("")


@pytest.mark.by_hand
def test_a_hidden_page_polls_less_often_and_refreshes_when_shown(page, site, postgres):
    polls: list[str] = []
    page.on("request", lambda request: polls.append(request.url) if POLL in request.url else None)
    page.evaluate("window.isAway = true")
    advance_clock(page, 60)
    assert 1 <= len(polls) <= 4
    folio = a_customer(site, postgres)
    eventually(lambda: advance_clock(page, 20) or page.title().startswith("(1)"))
    assert not page.get_by_text(folio).is_visible()
    page.evaluate("window.isAway = false; document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.get_by_text(folio)).to_be_visible()


@pytest.mark.by_hand
def test_without_a_connection_the_page_says_so_and_polls_less_often(page, site, postgres):
    lost: list[Route] = []
    page.route(f"**{POLL}", lambda route: (lost.append(route), route.abort()))
    eventually(lambda: advance_clock(page, 1) or page.get_by_role("status").inner_text())
    expect(page.get_by_role("status")).to_have_text("Sin conexión: la lista puede estar desactualizada.")
    before = len(lost)
    for _ in range(60):
        advance_clock(page, 1)
    assert len(lost) - before <= 5
    page.unroute(f"**{POLL}")
    folio = a_customer(site, postgres)
    page.evaluate("dispatchEvent(new Event('online'))")
    # The page gives up an answer after ten seconds of its clock, which should not pass before the server can answer.
    assert eventually(lambda: advance_clock(page, 1) or time.sleep(0.1) or page.get_by_text(folio).is_visible())
    assert page.title().startswith("(1)")
    assert "Sin conexión" not in page.get_by_role("status").inner_text()


@pytest.mark.by_hand
def test_after_a_logout_the_page_says_so_and_polls_once_a_minute(page, context):
    context.clear_cookies()
    polls: list[str] = []
    page.on("request", lambda request: polls.append(request.url) if urlsplit(request.url).path == POLL else None)
    eventually(lambda: advance_clock(page, 1) or page.get_by_role("status").inner_text())
    expect(page.get_by_role("status")).to_have_text("Tu sesión terminó: la lista no está al día. Entrar")
    asked = len(polls)
    for _ in range(300):
        advance_clock(page, 1)
    assert 1 <= len(polls) - asked <= 5


@pytest.mark.by_hand
def test_a_new_lead_makes_a_sound_after_sound_was_switched_on(page, site, postgres):
    button = page.locator("[data-sound]")
    expect(button).to_have_attribute("aria-pressed", "false")
    a_customer(site, postgres)
    eventually(lambda: advance_clock(page) or page.title().startswith("(1)"))
    assert page.evaluate("window.beeps") == 0
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("window.beeps") == 1  # switching it on plays the sound once
    a_customer(site, postgres)
    eventually(lambda: advance_clock(page) or page.title().startswith("(2)"))
    assert page.evaluate("window.beeps") == 2
    page.reload()
    expect(button).to_have_attribute("aria-pressed", "true")
