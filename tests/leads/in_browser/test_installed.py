"""The inbox can be installed on a phone's home screen, as iPhones require for notifications, and shows them."""

import json
import struct
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import pytest
from playwright.sync_api import Browser, expect

from tests.leads.in_browser.conftest import LIST
from tests.support import mark
from tests.support.browser import CHROMIUM, launched, worker_of
from tests.support.eventually import eventually

pytestmark = pytest.mark.needs("whole chromium")


@pytest.fixture(scope="module")
def browser(browser: Browser) -> Iterator[Browser]:
    with launched(browser.browser_type, CHROMIUM) as whole:
        yield whole


def test_a_browser_reports_no_error_in_the_manifest(visit):
    page = visit()
    found = page.context.new_cdp_session(page).send("Page.getAppManifest")
    assert (found["url"], found["errors"]) == (f"{page.url}app.webmanifest", [])
    app = json.loads(found["data"])
    assert (app["name"], app["start_url"], app["scope"], app["display"]) == ("Folio", LIST, "/admin/", "standalone")
    assert {(icon["sizes"], icon.get("purpose", "any")) for icon in app["icons"]} == {
        ("any", "any"),
        ("192x192", "any"),
        ("512x512", "any"),
        ("512x512", "maskable"),
    }
    installable = page.context.new_cdp_session(page).send("Page.getInstallabilityErrors")
    # The only error, because contexts of tests are incognito.
    assert [error["errorId"] for error in installable["installabilityErrors"]] == ["in-incognito"]


@pytest.mark.by_hand
def test_the_login_links_the_manifest_and_each_icon_has_its_declared_size(new_context):
    page = new_context().new_page()
    page.goto("/admin/login/")
    app = page.request.get(page.locator("link[rel=manifest]").get_attribute("href")).json()
    assert page.request.get(page.locator("link[rel=apple-touch-icon]").get_attribute("href")).ok
    for icon in app["icons"]:
        answer = page.request.get(icon["src"])
        assert (answer.status, answer.headers["content-type"]) == (200, icon["type"])
        if icon["type"] == "image/png":
            width, height = struct.unpack(">II", answer.body()[16:24])
            assert f"{width}x{height}" == icon["sizes"]


# Tests cannot reach a push service. This is a subscription as one would return it, with the keys of RFC 8291's example.
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


def test_a_click_switches_notifications_on_and_off_and_the_worker_shows_them(staff_context, postgres):
    context = staff_context()
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
    chrome, worker = worker_of(page)
    text = '{"title": "1 new lead", "body": "261123-7F3K-Q2M9-X", "url": "/admin/leads/lead/"}'
    shown = "navigator.serviceWorker.ready.then(r => r.getNotifications()).then(all => all.map(n => [n.title, n.body]))"
    # A browser may drop a push while its worker starts, so send it repeatedly. It is shown once, because of its tag.
    push = partial(chrome.send, "ServiceWorker.deliverPushMessage", {**worker, "data": text})

    def pushed_and_shown():
        push()
        with suppress(AssertionError):
            return eventually(lambda: page.evaluate(shown), within_s=2)

    seen = eventually(pushed_and_shown)
    assert seen == [["1 new lead", "261123-7F3K-Q2M9-X"]]

    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    assert eventually(lambda: not postgres.query(subscribed))


NO_SERVICE = "PushManager.prototype.subscribe = async () => { throw new DOMException('no service', 'AbortError'); };"
IPHONE = "Object.defineProperty(navigator, 'userAgent', { value: 'iPhone' }); delete window.PushManager;"


@pytest.mark.parametrize(
    ("script", "is_granted", "answer", "sentence"),
    mark.by_hand_but(
        1,
        [
            (SUBSCRIBED, True, 422, "no aceptó los avisos"),
            ("", False, None, "no permite avisos"),
            (NO_SERVICE, True, None, "no tiene servicio de avisos"),
            ("delete window.PushManager;", True, None, "no puede recibir avisos"),
            (IPHONE, True, None, "Compartir, luego Agregar a inicio"),
            (SUBSCRIBED, True, 403, "no aceptó los avisos"),
        ],
    ),
    ids=["refused", "denied", "no service", "no API", "iPhone", "no token"],
)
def test_the_switch_stays_off_and_a_sentence_beside_it_says_why(staff_context, script, is_granted, answer, sentence):
    context = staff_context(expected=["Failed to load resource"])
    context.grant_permissions(["notifications"] if is_granted else [])
    context.add_init_script(script)
    if answer:
        context.route("**/alerts/", lambda route: route.fulfill(status=answer))
    page = context.new_page()
    page.goto(LIST)
    button = page.locator("[data-notify]")
    button.click()
    expect(page.get_by_role("alert")).to_contain_text(sentence)
    expect(button).to_have_attribute("aria-pressed", "false")
    expect(button).to_be_in_viewport()
    expect(page.get_by_role("alert")).to_be_in_viewport()


@pytest.mark.by_hand
def test_the_switch_is_on_after_a_reload_only_when_the_site_took_the_subscription_again(staff_context):
    context = staff_context(expected=["Failed to load resource"])
    context.grant_permissions(["notifications"])
    context.add_init_script(SUBSCRIBED)
    page = context.new_page()
    page.goto(LIST)
    page.locator("[data-notify]").click()
    expect(page.locator("[data-notify]")).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(page.locator("[data-notify]")).to_have_attribute("aria-pressed", "true")
    context.route("**/alerts/", lambda route: route.fulfill(status=422))
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("no aceptó los avisos")
    expect(page.locator("[data-notify]")).to_have_attribute("aria-pressed", "false")
    context.unroute("**/alerts/")
    page.reload()
    expect(page.locator("[data-notify]")).to_have_attribute("aria-pressed", "true")
