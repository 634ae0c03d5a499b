"""axe finds no fault on staff pages, by its rules for WCAG 2.2 AA and good practice.

The pages between login and list are in test_accounts.py.
"""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from leads.inbox.tabs import TABS
from tests.leads.in_browser.conftest import LIST
from tests.support import faults, mark
from tests.support.browser import DESKTOP_WIDTH, PHONE_WIDTH
from tests.support.customers import an_unhurried_quote, check_out_with
from tests.support.eventually import eventually
from tests.support.live import Postgres, Site
from tests.support.looks import assert_accessible

EVERY_WIDTH = (PHONE_WIDTH, DESKTOP_WIDTH)

pytestmark = [pytest.mark.usefixtures("demo_leads"), pytest.mark.needs("chromium"), pytest.mark.long]


def a_contacted_lead(postgres: Postgres) -> int:
    """Mark a lead as contacted by a colleague; return its id."""
    [lead] = postgres.query(
        "UPDATE leads SET status = 'contacted', contacted_at = now(),"
        " contacted_by = (SELECT id FROM auth_user WHERE username = 'luis')"
        " WHERE id = (SELECT max(id) FROM leads WHERE phone <> '') RETURNING id"
    )
    number: int = lead["id"]
    return number


def is_delivered(folio: str, site: Site, postgres: Postgres) -> bool:
    """Return whether a lead is stored, and nothing waits that could arrive during another test."""
    stored = postgres.query("SELECT 1 FROM leads WHERE folio = %s", folio)
    outbox = site.get("/healthz").json["outbox"]
    return bool(stored) and outbox["pending"] == outbox["quarantined"] == 0


@pytest.mark.parametrize(("name", "path"), [("list", LIST), ("desk", "/admin/?days=30")])
def test_the_list_and_the_desk_are_accessible(visit, name, path):
    assert_accessible(visit(path), name, *EVERY_WIDTH)


def test_a_lead_s_page_is_accessible(visit, postgres):
    assert_accessible(visit(f"{LIST}{a_contacted_lead(postgres)}/change/"), "lead", *EVERY_WIDTH)


def test_the_login_is_accessible(new_context):
    page = new_context().new_page()
    page.goto("/admin/login/")
    assert_accessible(page, "login", *EVERY_WIDTH)


def unfolded(page: Page) -> None:
    page.evaluate("() => document.querySelectorAll('main details').forEach((each) => { each.open = true; })")


def behind_the_dots(page: Page) -> None:
    page.locator("[data-more]").first.click()


def planned(page: Page) -> None:
    behind_the_dots(page)
    page.locator("[data-menu] [data-does=plan]").first.click()
    expect(page.locator("[data-step] [data-undo]")).to_be_visible()


def sold_and_undoable(page: Page) -> None:
    behind_the_dots(page)
    page.locator("[data-menu] [data-does=sold]").click()
    expect(page.locator(".box [data-undo]")).to_be_visible()


def a_person(page: Page) -> None:
    page.locator("a.name").first.click()
    page.wait_for_url("**/change/**")
    unfolded(page)


def sold_and_kept(page: Page) -> None:
    a_person(page)
    page.locator("[formaction$='/sold/']").click()
    expect(page.locator(".outcome.won").first).to_be_visible()
    unfolded(page)


def corrected(page: Page) -> None:
    a_person(page)
    page.locator("[name=new_name]").fill("Zoila Corregida")
    page.locator("[formaction$='/correct/']").click()
    expect(page.locator("[formaction$='/uncorrect/']").first).to_be_visible()


def wrong(page: Page) -> None:
    a_person(page)
    page.locator("[name=new_phone]").fill("12")
    page.locator("[formaction$='/correct/']").click()
    expect(page.locator(".errorlist")).to_be_visible()
    unfolded(page)


def quoted_for_a_caller(page: Page) -> None:
    page.locator("button.tile").first.click()
    page.locator("[name='lines.0.options.service'] + label").first.click()
    for name in ("length_m", "width_m"):
        page.locator(f"[name='lines.0.measure.solid_dimensions.{name}']").fill("5")
    page.keyboard.press("Enter")
    expect(page.locator("#name")).to_be_visible()
    page.locator("details.fold-out").evaluate_all("all => all.forEach((each) => { each.open = true; })")


def sent_by(selector: str) -> Callable[[Page], None]:
    """Return what sends a form as it is, and is shown the page again."""

    def act(page: Page) -> None:
        unfolded(page)
        page.evaluate("() => [...document.forms].forEach((each) => { each.noValidate = true; })")
        with page.expect_navigation():
            page.locator(selector).first.click()
        unfolded(page)

    return act


# The states of the staff's pages: the path, and what is done there.
STATES: dict[str, tuple[str, Callable[[Page], None] | None]] = {
    "person-sold": (LIST, sold_and_kept),
    "menu": (LIST, behind_the_dots),
    "filters": (f"{LIST}?status=all&least=y", None),
    "away": ("/admin/away/", unfolded),
    **{f"tab-{tab.value}": (f"{LIST}?status={tab.value}", None) for tab in TABS},
    "filtered": (f"{LIST}?status=all&seller=nobody&least=1&product=concrete&source=Facebook", unfolded),
    "filtered-nothing": (f"{LIST}?status=contacted&least=99999999", None),
    "nothing-found": (f"{LIST}?q=nobody-is-called-this", None),
    "card-planned": (LIST, planned),
    "card-sold": (LIST, sold_and_undoable),
    "person-corrected": (LIST, corrected),
    "person-wrong": (LIST, wrong),
    "desk-7": ("/admin/?days=7", unfolded),
    "desk-90": ("/admin/?days=90", unfolded),
    "quote": (f"{LIST}quote/", None),
    "quote-offer": (f"{LIST}quote/", quoted_for_a_caller),
    "away-wrong": ("/admin/away/", sent_by("main [name=action]")),
    "team": ("/admin/team/", unfolded),
    "team-wrong": ("/admin/team/", sent_by("[value=add]")),
    "second-factor": ("/admin/second-factor/", None),
    "app": ("/admin/second-factor/app/", None),
    "password": ("/admin/password/", None),
    "password-change": ("/admin/password_change/", sent_by("main [type=submit]")),
    "old-link": ("/admin/join/MQ/c8a-0123456789abcdef/", None),
    "restore": (f"{LIST}restore/", sent_by("main form button")),
    "logout": ("/admin/logout/", None),
    "not-allowed": (f"{LIST}add/", None),
    "start": ("/admin/start/", None),
}


@pytest.mark.parametrize("locale", mark.by_hand_but(1, ["es-MX", "en-US"]))
@pytest.mark.parametrize("state", mark.by_hand_but(4, STATES))
def test_every_state_is_accessible(visit, state, locale):
    path, act = STATES[state]
    page = visit(path, locale=locale, expected=["status of 4"])
    if act:
        act(page)
    assert_accessible(page, f"{state}-{locale}", *EVERY_WIDTH)


@pytest.mark.by_hand
def test_the_page_that_names_the_first_colleague_is_accessible(visit, postgres):
    page = visit(f"{LIST}{a_contacted_lead(postgres)}/change/", expected=["status of 409"])
    with page.expect_popup() as opened:
        page.locator("button.whatsapp").click()
    expect(opened.value.get_by_role("alert")).to_contain_text("luis")
    assert_accessible(opened.value, "second")


@pytest.mark.by_hand
def test_the_page_of_an_altered_message_is_accessible(visit, postgres):
    [lead] = postgres.query("SELECT folio FROM leads WHERE phone <> '' LIMIT 1")
    page = visit()
    page.fill("#searchbar", f"Hola. Me interesa la cotización *{lead['folio']}*: *Total: $1.50 MXN*")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("1.50")
    assert_accessible(page, "altered")


@pytest.mark.by_hand
def test_the_quarantine_is_accessible(visit, site, postgres):
    with faults.rule(postgres, "name <> 'Zoila Vaca'"):
        folio = check_out_with(site, an_unhurried_quote()).json["folio"]
        assert eventually(lambda: site.get("/healthz").json["outbox"]["quarantined"])
    page = visit(f"{LIST}quarantine/")
    expect(page.get_by_text(folio)).to_be_visible()
    assert_accessible(page, "quarantine")
    page.locator("main form :is(button, [type=submit])").click()
    assert eventually(lambda: is_delivered(folio, site, postgres))


def test_the_outage_page_is_accessible(visit, site, postgres):
    page = visit(expected=["status of 503"])
    with faults.without_table(postgres, None):
        folio = check_out_with(site, an_unhurried_quote()).json["folio"]
        page.reload()
        expect(page.get_by_text(folio)).to_be_visible()
        assert_accessible(page, "outage")
    assert eventually(lambda: is_delivered(folio, site, postgres) and site.get("/admin/login/").status == 200)
