"""The end of a session and a login in another tab: an open list goes on, and a tap or a note is not lost."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.leads.in_browser.conftest import CHAT, LIST, NOTE, THE_LIST
from tests.support import live, mark
from tests.support.browser import DESKTOP_WIDTH, PHONE_WIDTH
from tests.support.live import Postgres, Site
from tests.support.looks import assert_accessible

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.long]

PASSWORD = "correct horse battery staple"
# Only a password, so that a login takes one form.
WITHOUT_SECOND_FACTOR = {"DEBUG": "true", "ALLOWED_HOSTS": "127.0.0.1,localhost", "REQUIRE_SECOND_FACTOR": "false"}


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A Postgres of the module's own, because its tests end every session."""
    with live.postgres() as server:
        yield server


@pytest.fixture(scope="module")
def site(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Site:
    outbox: Path = tmp_path_factory.mktemp("outbox")
    with live.site(postgres.url, **WITHOUT_SECOND_FACTOR, OUTBOX_DIR=str(outbox)) as running:
        environment = {**running.environment, "DJANGO_SUPERUSER_PASSWORD": PASSWORD}
        live.manage("createsuperuser", "--noinput", "--username=rosa", "--email=", environment=environment)
        yield running


@pytest.fixture
def staff(new_context: Callable[..., BrowserContext], folio: str) -> Callable[..., Page]:
    """A function that returns the list, opened after a login in a new browser."""

    def open_list(*, scripts: bool = True) -> Page:
        page = new_context(scripts=scripts, expected=["status of 403"]).new_page()
        page.goto(LIST)
        log_in(page)
        page.wait_for_url(f"**{LIST}")
        return page

    return open_list


def log_in(page: Page) -> None:
    page.fill("#id_login", "rosa")
    page.fill("#id_password", PASSWORD)
    page.click("form:not([data-passkey]) [type=submit]")


def end_session(postgres: Postgres) -> None:
    postgres.query("DELETE FROM django_session")


def status_of(postgres: Postgres, folio: str) -> str:
    [lead] = postgres.query("SELECT status FROM leads WHERE folio = %s", folio)
    return str(lead["status"])


def log_in_in_another_tab(page: Page) -> None:
    other = page.context.new_page()
    other.goto(LIST)
    log_in(other)
    other.wait_for_url(f"**{LIST}")
    other.close()


@pytest.mark.parametrize("scripts", mark.by_hand_but(1, [True, False]), ids=["js", "no-js"])
def test_a_tap_without_a_session_opens_the_chat_after_the_login(staff, postgres, folio, scripts):
    page = staff(scripts=scripts)
    end_session(postgres)
    with page.expect_popup() as opened:
        page.locator("button.whatsapp").click()
    login = opened.value
    expect(login.get_by_text("Tu sesión terminó. Entra y sigue con lo que tocaste.")).to_be_visible()
    assert_accessible(login, "expired-login", DESKTOP_WIDTH, PHONE_WIDTH) if scripts else None
    log_in(login)
    button = login.get_by_role("button", name="Abrir WhatsApp con")
    expect(button).to_be_visible()
    assert_accessible(login, "expired-tap", DESKTOP_WIDTH, PHONE_WIDTH) if scripts else None
    assert status_of(postgres, folio) == "new"
    button.click()
    login.wait_for_url(f"{CHAT}526567654321**")
    assert status_of(postgres, folio) == "contacted"


@pytest.mark.by_hand
@pytest.mark.parametrize("scripts", mark.by_hand_but(1, [True, False]), ids=["js", "no-js"])
def test_a_note_without_a_session_is_saved_after_the_login(staff, postgres, folio, scripts):
    page = staff(scripts=scripts)
    page.get_by_role("link", name=folio).click()
    page.fill("[name=notes]", NOTE)
    end_session(postgres)
    page.click("[name=_save]")
    log_in(page)
    expect(page.get_by_label("Lo que escribiste")).to_have_value(NOTE)
    assert_accessible(page, "expired-note", DESKTOP_WIDTH, PHONE_WIDTH) if scripts else None
    page.get_by_role("button", name="Guardar lo que escribiste").click()
    page.wait_for_url(THE_LIST)
    assert [row["text"] for row in postgres.query("SELECT text FROM lead_notes")] == [NOTE]


@pytest.mark.by_hand
def test_an_open_list_says_that_the_session_has_ended_and_goes_on_after_a_login_elsewhere(staff, postgres, folio):
    page = staff()
    page.goto(f"{LIST}?status=waiting&p=1")
    page.evaluate("window.isTheSame = true")
    end_session(postgres)
    link = page.get_by_role("status").get_by_role("link", name="Entrar")
    expect(link).to_be_visible()
    assert_accessible(page, "expired-list", DESKTOP_WIDTH, PHONE_WIDTH)
    assert link.get_attribute("href").endswith("?next=%2Fadmin%2Fleads%2Flead%2F%3Fstatus%3Dwaiting%26p%3D1")

    log_in_in_another_tab(page)
    page.evaluate("dispatchEvent(new Event('focus'))")
    expect(link).to_have_count(0)
    with page.expect_popup() as opened:
        page.locator("button.whatsapp").click()
    opened.value.wait_for_url(f"{CHAT}526567654321**")
    assert page.evaluate("window.isTheSame")  # not loaded again
    expect(page.locator("[data-lead]").get_by_role("button", name="Deshacer")).to_be_visible()


@pytest.mark.by_hand
def test_the_link_of_an_ended_session_comes_back_to_the_same_list(staff, postgres):
    page = staff()
    page.goto(f"{LIST}?status=all")
    end_session(postgres)
    page.evaluate("dispatchEvent(new Event('focus'))")
    page.get_by_role("status").get_by_role("link", name="Entrar").click()
    log_in(page)
    page.wait_for_url(f"**{LIST}?status=all")


def test_the_form_of_a_note_works_after_a_login_in_another_tab(staff, postgres, folio):
    page = staff()
    page.get_by_role("link", name=folio).click()
    page.fill("[name=notes]", NOTE)
    end_session(postgres)
    log_in_in_another_tab(page)
    page.click("[name=_save]")
    page.wait_for_url(THE_LIST)
    assert [row["text"] for row in postgres.query("SELECT text FROM lead_notes")] == [NOTE]


def test_without_scripts_a_form_with_an_old_token_is_offered_again(staff, postgres, folio):
    page = staff(scripts=False)
    page.get_by_role("link", name=folio).click()
    page.fill("[name=notes]", NOTE)
    end_session(postgres)
    log_in_in_another_tab(page)
    page.click("[name=_save]")
    expect(page.get_by_label("Lo que escribiste")).to_have_value(NOTE)
    page.get_by_role("button", name="Guardar lo que escribiste").click()
    page.wait_for_url(THE_LIST)
    assert [row["text"] for row in postgres.query("SELECT text FROM lead_notes")] == [NOTE]


@pytest.mark.by_hand
def test_a_page_without_permission_says_what_is_missing_and_fits(staff, postgres):
    page = staff()
    postgres.query("UPDATE auth_user SET is_superuser = false WHERE username = 'rosa'")
    try:
        page.goto(LIST)
        expect(page.get_by_text("Falta este permiso: Clientes: ver.")).to_be_visible()
        assert_accessible(page, "refused", DESKTOP_WIDTH, PHONE_WIDTH)
    finally:
        postgres.query("UPDATE auth_user SET is_superuser = true WHERE username = 'rosa'")
