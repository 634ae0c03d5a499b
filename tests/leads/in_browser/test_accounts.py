"""Logging in with a passkey, an authenticator app and a recovery code, in a real Chromium on a phone.

Each page is also checked at the width of a desktop.
"""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.support import live
from tests.support.browser import DESKTOP_WIDTH, HEIGHT, PHONE_WIDTH
from tests.support.codes import app_code
from tests.support.live import Postgres, Site
from tests.support.looks import assert_accessible, assert_fits_the_screen, picture
from tests.support.release import follow

pytestmark = pytest.mark.needs("chromium")

PASSWORD = "correct horse battery staple"
# A device that stores passkeys and confirms every request.
DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture(scope="module")
def ana(site: Site) -> None:
    environment = {**site.environment, "DJANGO_SUPERUSER_PASSWORD": PASSWORD}
    live.manage("createsuperuser", "--noinput", "--username=ana", "--email=", environment=environment)


@pytest.fixture
def page(ana: None, postgres: Postgres, new_context: Callable[..., BrowserContext]) -> Page:
    """The login page, for ana, who has no second factor yet."""
    postgres.query("DELETE FROM mfa_authenticator")
    page = new_context().new_page()
    page.goto("/admin/")
    return page


def assert_looks_right(page: Page, name: str) -> None:
    page.set_viewport_size({"width": DESKTOP_WIDTH, "height": HEIGHT})
    assert_fits_the_screen(page)
    picture(page, name)
    page.set_viewport_size({"width": PHONE_WIDTH, "height": HEIGHT})
    assert_accessible(page, name)


def log_in(page: Page) -> None:
    page.fill("#id_login", "ana")
    page.fill("#id_password", PASSWORD)
    page.click("input[type=submit]")


def log_out(page: Page) -> None:
    page.goto("/admin/logout/")
    page.click("input[type=submit]")
    page.wait_for_url("**/admin/login/")


def test_a_passkey_is_created_at_the_first_login_and_logs_in_later(page):
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    device.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
    assert_looks_right(page, "login")
    log_in(page)
    page.wait_for_url("**/admin/second-factor/")
    assert_looks_right(page, "set-up")

    page.click("a[href='/admin/second-factor/passkey/']")
    page.wait_for_url("**/second-factor/passkey/")
    page.fill("#id_name", "Ana")
    assert_looks_right(page, "passkey")
    page.click("[data-passkey] button")
    page.wait_for_url("**/second-factor/codes/")
    assert_looks_right(page, "codes")
    page.goto("/admin/second-factor/")
    expect(page.locator(".factors li")).to_contain_text("Ana")
    assert_looks_right(page, "factors")

    log_out(page)
    page.click("[data-passkey] button")
    page.wait_for_url("**/admin/leads/lead/")
    expect(page.locator("#user-tools")).to_be_visible()

    log_out(page)
    log_in(page)
    page.wait_for_url("**/login/second-factor/")
    assert_looks_right(page, "second-factor")
    page.click("[data-passkey] button")
    page.wait_for_url("**/admin/leads/lead/")


def test_when_the_device_refuses_the_page_says_so_and_the_password_works(page):
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    device.send("WebAuthn.addVirtualAuthenticator", {"options": {**DEVICE, "isUserVerified": False}})
    problem = page.locator("[data-passkey] [role=alert]")
    expect(problem).to_be_hidden()
    page.click("[data-passkey] button")
    expect(problem).to_be_visible()
    log_in(page)
    page.wait_for_url("**/admin/second-factor/")


@pytest.mark.by_hand
def test_an_app_is_set_up_and_after_a_lost_phone_removed_by_the_runbook(page, site):
    log_in(page)
    page.click("a[href='/admin/second-factor/app/']")
    page.wait_for_url("**/second-factor/app/")
    expect(page.locator(".qr svg path")).to_be_visible()
    assert_looks_right(page, "app")
    key = page.locator("code").inner_text()
    page.fill("#id_code", app_code(key))
    page.click("input[type=submit]")
    page.wait_for_url("**/second-factor/codes/")
    recovery_code = page.locator(".codes").inner_text().split()[0]

    log_out(page)
    log_in(page)
    page.fill("#id_code", recovery_code)
    page.click("input[type=submit]")
    expect(page.locator("#user-tools")).to_be_visible()

    [printed] = follow("deploy.md", "A lost phone", environment=site.environment)
    assert printed == "ana: 2 second factors forgotten\n"
    log_out(page)
    log_in(page)
    page.wait_for_url("**/admin/second-factor/")
