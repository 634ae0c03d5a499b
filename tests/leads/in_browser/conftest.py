"""One Postgres, one site and one Chromium for all tests of staff pages. Each module adds its own leads."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.support import live
from tests.support.browser import HEIGHT, PHONE_WIDTH, chromium, silent_context
from tests.support.customers import an_unhurried_quote, check_out_with
from tests.support.eventually import eventually
from tests.support.live import Postgres, Site

LEADS = 600
LIST = "/admin/leads/lead/"
THE_LIST = re.compile(rf"{LIST}(\?.*)?$")
CHAT = "https://wa.me/"
CHAT_PAGE = '<!doctype html><link rel="icon" href="data:,"><p>chat</p>'
NOTE = "Pide factura; entrega viernes 7am"
A_SESSION = """
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from leads.staff.second_factor import SECOND_FACTOR_KEY
user = User.objects.create(username="eva", is_staff=True, is_superuser=True)
User.objects.create(username="luis", is_staff=True)
session = SessionStore()
session["_auth_user_id"] = str(user.pk)
session["_auth_user_backend"] = settings.AUTHENTICATION_BACKENDS[0]
session["_auth_user_hash"] = user.get_session_auth_hash()
session[SECOND_FACTOR_KEY] = user.pk
session.create()
print(session.session_key)
"""


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    # Not for longer: while one runs in its thread, Django takes that for asynchronous and keeps off the database.
    with chromium() as running:
        yield running


@pytest.fixture(scope="package")
def postgres() -> Iterator[Postgres]:
    with live.postgres() as server:
        yield server


@pytest.fixture(scope="package")
def site(postgres: Postgres) -> Iterator[Site]:
    """A site on localhost, where browsers allow passkeys without https. Other settings are those of production."""
    here = {"DEBUG": "true", "ALLOWED_HOSTS": "127.0.0.1,localhost", "TRUSTED_PROXIES": "1"}
    with live.site(postgres.url, REQUIRE_SECOND_FACTOR="true", **here) as running:
        yield running


@pytest.fixture(scope="module")
def demo_leads(site: Site, postgres: Postgres) -> None:
    """A year of leads, and an event that only an outage causes, so that every page shows all its parts."""
    postgres.empty("leads", "lead_days", "lead_follow_ups")  # another file may have opened the desk
    site.manage("seed_demo", "--leads", str(LEADS))
    # Of so few, sometimes only one or two wait, and a test that answers one would leave none to the next.
    postgres.query(
        "UPDATE leads SET status = 'new', contacted_at = NULL, contacted_by = NULL WHERE id IN"
        " (SELECT id FROM leads WHERE phone <> '' AND set_aside = '' ORDER BY id DESC LIMIT 20)"
    )
    postgres.query(
        "INSERT INTO lead_events (lead_id, at, kind, detail) SELECT min(id), now(), 'restored', 'created' FROM leads"
    )
    postgres.query("UPDATE lead_follow_ups SET worth = 1234567.89 WHERE is_open")


@pytest.fixture
def folio(site: Site, postgres: Postgres) -> str:
    """The only lead, which waits."""
    postgres.empty("leads")
    number: str = check_out_with(site, an_unhurried_quote()).json["folio"]
    assert eventually(lambda: postgres.query("SELECT 1 FROM leads WHERE folio = %s AND phone <> ''", number))
    return number


@pytest.fixture(scope="package")
def session(site: Site) -> str:
    return site.manage("shell", "--verbosity=0", "--command", A_SESSION).split()[-1]


@pytest.fixture
def new_context(browser: Browser, site: Site) -> Iterator[Callable[..., BrowserContext]]:
    """A function that makes browser contexts without a login, by default of a phone."""
    with ExitStack() as contexts:

        def make(*, width: int = PHONE_WIDTH, scheme: str = "light", scripts: bool = True, **more) -> BrowserContext:
            circumstances = {
                "base_url": site.url.replace("127.0.0.1", "localhost"),  # an IP address cannot have passkeys
                "viewport": {"width": width, "height": HEIGHT},
                "color_scheme": scheme,
                "java_script_enabled": scripts,
                "service_workers": "allow",  # one shows the notifications
            }
            context = contexts.enter_context(silent_context(browser, **circumstances, **more))
            context.route(f"{CHAT}**", lambda route: route.fulfill(body=CHAT_PAGE, content_type="text/html"))
            return context

        yield make


@pytest.fixture
def staff_context(new_context: Callable[..., BrowserContext], session: str) -> Callable[..., BrowserContext]:
    """A function that makes browser contexts in which eva, a superuser, is logged in."""

    def make(**circumstances) -> BrowserContext:
        context = new_context(**circumstances)
        context.add_cookies([{"name": "sessionid", "value": session, "domain": "localhost", "path": "/admin/"}])
        return context

    return make


@pytest.fixture
def visit(staff_context: Callable[..., BrowserContext]) -> Callable[..., Page]:
    """A function that opens a page as eva, in a new context."""

    def open_page(path: str = "/admin/leads/lead/", **circumstances) -> Page:
        page = staff_context(**circumstances).new_page()
        page.goto(path)
        return page

    return open_page
