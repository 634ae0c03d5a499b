"""axe finds no fault on staff pages, by its rules for WCAG 2.2 AA and good practice.

The pages between login and list are in test_accounts.py.
"""

import pytest
from playwright.sync_api import expect

from tests.leads.in_browser.conftest import LIST
from tests.support import faults
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


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("contacted", f"{LIST}?status=contacted"),
        ("nothing-found", f"{LIST}?q=nobody-is-called-this"),
        ("restore", f"{LIST}restore/"),
        ("logout", "/admin/logout/"),
        ("password", "/admin/password/"),
    ],
)
def test_the_less_frequent_pages_are_accessible(visit, name, path):
    assert_accessible(visit(path), name)


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
