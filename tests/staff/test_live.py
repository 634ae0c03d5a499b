"""An open inbox keeps itself current: what comes and goes is there, heard and told, without a reload."""

import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, Response, Route, expect

from tests.customers import a_quote, check_out_with
from tests.live import Postgres, Site, eventually

LIST = "/admin/leads/lead/"
POLL = f"{LIST}live/"
ONE_WAITS = re.compile(r"^\(1\) ")
# What no test can hear or see is counted where the page asks for it.
WITNESS = """
window.beeps = 0; window.isAway = false;
const create = AudioContext.prototype.createOscillator;
AudioContext.prototype.createOscillator = function () { window.beeps += 1; return create.call(this); };
Object.defineProperty(document, "hidden", { get: () => window.isAway });
"""


@pytest.fixture
def context(staff_context: Callable[..., BrowserContext], postgres: Postgres) -> BrowserContext:
    """A browser of the staff, with no lead in the list."""
    postgres.query("TRUNCATE leads CASCADE")
    context = staff_context(expected=["Failed to load resource", "AudioContext was not allowed"])
    context.add_init_script(WITNESS)
    return context


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """The inbox, on a clock that the test winds on, so that it need not wait for it."""
    page = context.new_page()
    page.clock.install()
    page.goto(LIST)
    return page


def a_customer(site: Site, postgres: Postgres) -> str:
    folio: str = check_out_with(site, a_quote(site)).json["folio"]
    assert eventually(lambda: postgres.query("SELECT 1 FROM leads WHERE folio = %s AND phone <> ''", folio))
    return folio


def wind_on(page: Page, seconds: float = 6) -> None:
    page.clock.run_for(seconds * 1000)


def test_a_new_lead_appears_within_six_seconds_without_a_reload(context, site, postgres):
    page = context.new_page()
    page.goto(LIST)
    page.evaluate("window.isTheSame = true")
    folio = a_customer(site, postgres)
    expect(page.get_by_text(folio)).to_be_visible(timeout=6_000)
    expect(page).to_have_title(ONE_WAITS)
    expect(page.get_by_role("status")).to_have_text("1 cliente nuevo")
    assert page.evaluate("window.isTheSame")


def test_a_lead_that_a_colleague_answered_goes_and_the_focus_stays(page, site, postgres):
    first, second = a_customer(site, postgres), a_customer(site, postgres)
    page.reload()
    page.get_by_role("link", name=second).focus()
    postgres.query(
        "UPDATE leads SET status = 'contacted', contacted_at = now(),"
        " contacted_by = (SELECT id FROM auth_user LIMIT 1) WHERE folio = %s",
        first,
    )
    eventually(lambda: wind_on(page) or not page.get_by_text(first).is_visible())
    expect(page).to_have_title(ONE_WAITS)
    expect(page.get_by_role("link", name=second)).to_be_focused()
    expect(page.get_by_role("status")).to_have_text("")


def test_an_answer_older_than_what_the_page_knows_is_let_pass(page, site, postgres):
    a_customer(site, postgres)
    page.reload()
    old: list[Route] = []
    nobody = {"waiting": 0, "newest": "", "at": time.time() - 60}
    page.route(f"**{POLL}", lambda route: (old.append(route), route.fulfill(json=nobody, headers={"ETag": '"0"'})))
    assert eventually(lambda: wind_on(page) or old)
    page.unroute(f"**{POLL}")
    same: list[Response] = []
    page.on("response", lambda answer: same.append(answer) if answer.status == 304 and POLL in answer.url else None)
    assert eventually(lambda: wind_on(page) or same)
    expect(page).to_have_title(ONE_WAITS)
    expect(page.get_by_role("status")).to_have_text("")


def test_away_it_asks_less_often_and_coming_back_at_once(page, site, postgres):
    polls: list[str] = []
    page.on("request", lambda request: polls.append(request.url) if POLL in request.url else None)
    page.evaluate("window.isAway = true")
    wind_on(page, 60)
    assert 1 <= len(polls) <= 4
    folio = a_customer(site, postgres)
    eventually(lambda: wind_on(page, 20) or page.title().startswith("(1)"))
    assert not page.get_by_text(folio).is_visible()
    page.evaluate("window.isAway = false; document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.get_by_text(folio)).to_be_visible()


def test_without_an_answer_it_says_so_and_asks_less_and_less_often(page, site, postgres):
    lost: list[Route] = []
    page.route(f"**{POLL}", lambda route: (lost.append(route), route.abort()))
    eventually(lambda: wind_on(page, 1) or page.get_by_role("status").inner_text())
    expect(page.get_by_role("status")).to_have_text("Sin conexión: la lista puede estar desactualizada.")
    before = len(lost)
    for _ in range(60):
        wind_on(page, 1)
    assert len(lost) - before <= 5
    page.unroute(f"**{POLL}")
    folio = a_customer(site, postgres)
    page.evaluate("dispatchEvent(new Event('online'))")
    assert eventually(lambda: wind_on(page) or page.get_by_text(folio).is_visible())
    expect(page.get_by_role("status")).to_have_text("1 cliente nuevo")


def test_signed_out_it_says_so_and_asks_no_more(page, context):
    context.clear_cookies()
    polls: list[str] = []
    page.on("request", lambda request: polls.append(request.url) if POLL in request.url else None)
    eventually(lambda: wind_on(page, 1) or page.get_by_role("status").inner_text())
    expect(page.get_by_role("status")).to_have_text("Tu sesión se cerró: vuelve a cargar la página.")
    asked = len(polls)
    wind_on(page, 300)
    assert len(polls) == asked


def test_it_sounds_for_a_new_lead_once_sound_was_switched_on(page, site, postgres):
    button = page.locator("[data-sound]")
    expect(button).to_have_attribute("aria-pressed", "false")
    a_customer(site, postgres)
    eventually(lambda: wind_on(page) or page.title().startswith("(1)"))
    assert page.evaluate("window.beeps") == 0
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("window.beeps") == 1  # so that one knows what to listen for
    a_customer(site, postgres)
    eventually(lambda: wind_on(page) or page.title().startswith("(2)"))
    assert page.evaluate("window.beeps") == 2
    page.reload()
    expect(button).to_have_attribute("aria-pressed", "true")


# No push service can be reached from here: a subscription as one would give it, with the keys of RFC 8291's example.
SUBSCRIBED = """
let subscription = null;
const made = {
  options: { applicationServerKey: new ArrayBuffer(0) },
  toJSON: () => ({ endpoint: "https://fcm.googleapis.com/fcm/send/a-phone", keys: {
    auth: "BTBZMqHH6r4Tts7J_aSIgg",
    p256dh: "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
  } }),
  unsubscribe: async () => { subscription = null; return true; },
};
PushManager.prototype.getSubscription = async () => subscription;
PushManager.prototype.subscribe = async (options) => {
  made.options = { applicationServerKey: options.applicationServerKey.buffer };
  return (subscription = made);
};
"""


def test_notices_are_switched_on_and_off_by_a_click_and_shown_by_the_worker(context, site, postgres):
    context.grant_permissions(["notifications"])
    context.add_init_script(SUBSCRIBED)
    page = context.new_page()
    page.goto(LIST)
    button = page.locator("[data-notify]")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    subscribed = "SELECT address FROM alert_recipients WHERE user_id IS NOT NULL"
    assert eventually(lambda: postgres.query(subscribed))

    assert page.evaluate("navigator.serviceWorker.ready.then(r => new URL(r.scope).pathname)") == LIST
    push = pushing_to(page)
    text = '{"title": "1 new lead", "body": "261123-7F3K-Q2M9-X", "url": "/admin/leads/lead/"}'
    shown = "navigator.serviceWorker.ready.then(r => r.getNotifications()).then(all => all.map(n => [n.title, n.body]))"
    # A browser may drop a push while its worker starts. One that comes twice is shown once.
    seen = eventually(lambda: push(text) or eventually(lambda: page.evaluate(shown), within_s=2))
    assert seen == [["1 new lead", "261123-7F3K-Q2M9-X"]]

    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    assert eventually(lambda: not postgres.query(subscribed))


def pushing_to(page: Page) -> Callable[[str], None]:
    """Return what delivers a push message to the page's service worker, as the browser does when one comes for it."""
    registered: dict[str, str] = {}
    chrome = page.context.new_cdp_session(page)
    chrome.on(
        "ServiceWorker.workerRegistrationUpdated",
        lambda event: registered.update({each["scopeURL"]: each["registrationId"] for each in event["registrations"]}),
    )
    chrome.send("ServiceWorker.enable")
    scope = page.evaluate("navigator.serviceWorker.ready.then(registration => registration.scope)")
    number = eventually(lambda: page.evaluate("1") and registered.get(scope))
    message = {"origin": page.evaluate("location.origin"), "registrationId": number}

    def push(text: str) -> None:
        chrome.send("ServiceWorker.deliverPushMessage", {**message, "data": text})

    return push
