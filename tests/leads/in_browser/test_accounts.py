"""Getting in, in a real Chromium on a phone: with a passkey, an authenticator app, a recovery code.

How each page looks on a desktop is seen on the way.
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
# A device that keeps passkeys and whose owner's finger is always on it.
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
    """The login, for ana, who has no second factor yet."""
    postgres.query("DELETE FROM mfa_authenticator")
    page = new_context().new_page()
    page.goto("/admin/")
    return page


def looks_right(page: Page, name: str) -> None:
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


def test_a_passkey_is_made_at_the_first_login_and_logs_in_from_then_on(page):
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    device.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
    looks_right(page, "login")
    log_in(page)
    page.wait_for_url("**/admin/second-factor/")
    looks_right(page, "set-up")

    page.click("a[href='/admin/second-factor/passkey/']")
    page.wait_for_url("**/second-factor/passkey/")
    page.fill("#id_name", "Ana")
    looks_right(page, "passkey")
    page.click("[data-passkey] button")
    page.wait_for_url("**/second-factor/codes/")
    looks_right(page, "codes")
    page.goto("/admin/second-factor/")
    expect(page.locator(".factors li")).to_contain_text("Ana")
    looks_right(page, "factors")

    log_out(page)
    page.click("[data-passkey] button")
    page.wait_for_url("**/admin/")
    expect(page.locator("#user-tools")).to_be_visible()

    log_out(page)
    log_in(page)
    page.wait_for_url("**/login/second-factor/")
    looks_right(page, "second-factor")
    page.click("[data-passkey] button")
    page.wait_for_url("**/admin/")


def test_a_device_that_refuses_is_told_of_and_the_password_still_works(page):
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    device.send("WebAuthn.addVirtualAuthenticator", {"options": {**DEVICE, "isUserVerified": False}})
    problem = page.locator("[data-passkey] [role=alert]")
    expect(problem).to_be_hidden()
    page.click("[data-passkey] button")
    expect(problem).to_be_visible()
    log_in(page)
    page.wait_for_url("**/admin/second-factor/")


def test_an_authenticator_app_is_set_up_from_the_page_and_a_lost_phone_is_forgotten(page, site):
    log_in(page)
    page.click("a[href='/admin/second-factor/app/']")
    page.wait_for_url("**/second-factor/app/")
    expect(page.locator(".qr svg path")).to_be_visible()
    looks_right(page, "app")
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

    [said] = follow("deploy.md", "A lost phone", environment=site.environment)
    assert said == "ana: 2 second factors forgotten\n"
    log_out(page)
    log_in(page)
    page.wait_for_url("**/admin/second-factor/")
