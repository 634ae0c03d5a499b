"""A change of SECRET_KEY, as docs/operations.md says it: what goes on, and what ends with the old key."""

import secrets
from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from tests.support import faults, live
from tests.support.codes import app_code
from tests.support.customers import PERSON, a_token, check_out
from tests.support.eventually import eventually
from tests.support.live import Answer, Postgres, Site, message
from tests.support.processes import run
from tests.support.release import follow
from tests.support.staff import Browser, first_login, logged_in

pytestmark = [pytest.mark.by_hand, pytest.mark.quiet]

DOCUMENT = "operations.md"
OLD_KEY, NEW_KEY = secrets.token_urlsafe(50), secrets.token_urlsafe(50)
LIST, CODE = "/admin/leads/lead/", "/admin/login/second-factor/"
ERASED = {"name": "Eva Borrada", "phone": "656 555 0199"}


class Circulating(NamedTuple):
    """What was given out under the old key. tokens: of quotes; erased: of the quote of somebody who was erased."""

    tokens: list[str]
    erased: str
    chat_link: str
    browser: Browser
    unfinished: str
    app: str
    recovery_codes: list[str]


def test_with_the_old_key_as_a_fallback_everything_goes_on_and_without_it_ends_what_the_document_says(postgres):
    changes = {"ALLOWED_HOSTS": "quotes.example.com,127.0.0.1", "LEAD_WAIT_MS": "0"}  # each message carries its lead
    with live.site(postgres.url, SECRET_KEY=OLD_KEY, **changes) as site:
        given = given_out(site, postgres)
        with faults.stopped(postgres, None):
            restart(site, SECRET_KEY=NEW_KEY, SECRET_KEY_FALLBACKS=OLD_KEY)
            an_outage_goes_on(site, given)
        eventually(lambda: site.get("/healthz").json["outbox"]["pending"] == 0, or_show=lambda: site.log)
        customers_go_on(site, postgres, given)
        staff_go_on(site, given)
        [_, output] = follow(DOCUMENT, "Change the signing key", environment=site.environment)
        assert "2 second factors encrypted anew" in output
        assert "earlier keys that still count: 1" in output
        assert "an earlier SECRET_KEY" not in output

        under_the_new_key = a_token(site)
        restart(site, SECRET_KEY_FALLBACKS="")
        assert site.get(f"/q/{under_the_new_key}/").status == 200
        the_old_key_is_gone(site, given)


def restart(site: Site, **changes: str) -> None:
    site.stop()
    site.environment = {**site.environment, **changes}
    site.start()


# --- Before -----------------------------------------------------------------------------------------------------------


def given_out(site: Site, postgres: Postgres) -> Circulating:
    erased = a_token(site)
    assert check_out(site, erased, **ERASED).json["success"]
    assert eventually(lambda: named(postgres, ERASED["name"]))
    # Her record is still in the journal of the running process, which another adopts after the restart.
    done = run("manage.py", "privacy", "erase", ERASED["phone"], "--yes", environment=site.environment)
    assert done.stdout.startswith("1 leads anonymised")
    chat = check_out(site).json["whatsapp_url"]
    assert eventually(lambda: named(postgres, PERSON["name"]))
    browser, app, recovery_codes = first_login(site)
    [lead] = named(postgres, PERSON["name"])
    return Circulating(
        [a_token(site) for _ in range(3)],
        erased,
        message(chat).split()[-1],
        browser,
        an_unfinished_form(browser, lead["id"]),
        app,
        recovery_codes,
    )


def named(postgres: Postgres, name: str) -> list[dict]:
    return postgres.query("SELECT id, folio FROM leads WHERE name = %s", name)


def an_unfinished_form(browser: Browser, lead_id: int) -> str:
    """Send a form after the end of the session; return the page that offers it after the login."""
    page, cookies = browser.get(f"{LIST}{lead_id}/change/"), dict(browser.cookies)
    del browser.cookies["sessionid"]
    answer = browser.post(f"{LIST}{lead_id}/change/", page, notes="Llamar el lunes")
    browser.cookies |= cookies
    return answer.location.removeprefix("/admin/login/?next=")


# --- With the old key as a fallback -----------------------------------------------------------------------------------


def late(site: Site, token: str, **person: str) -> Answer:
    sent = {**PERSON, **person, "token": token, "submitted_at": datetime.now(UTC).isoformat()}
    return site.post_json("/late/", sent)


def an_outage_goes_on(site: Site, given: Circulating) -> None:
    """An open page checks out, and staff see who waits by the cookie of before."""
    assert check_out(site, given.tokens[0], name="Quien Espera").json["success"]
    eventually(lambda: "Quien Espera" in given.browser.get(LIST).text, or_show=lambda: site.log)


def customers_go_on(site: Site, postgres: Postgres, given: Circulating) -> None:
    assert site.get(f"/q/{given.tokens[0]}/").status == 200
    assert late(site, given.erased, **ERASED).status == 200
    assert late(site, given.tokens[1], name="Desde el Teléfono").status == 200
    assert eventually(lambda: named(postgres, "Desde el Teléfono"))
    assert eventually(lambda: site.get("/healthz").json["outbox"]["pending"] == 0)
    assert not named(postgres, ERASED["name"])
    assert site.manage("restore_lead", given.chat_link).endswith(("created", "unchanged"))


def staff_go_on(site: Site, given: Circulating) -> None:
    assert given.browser.get(LIST).status == 200
    assert "Llamar el lunes" in given.browser.get(given.unfinished).text
    another = Browser(site)
    assert logged_in(another).location == CODE
    assert another.post(CODE, another.get(CODE), code=app_code(given.app, ahead=1)).location == "/admin/leads/lead/"


# --- Without it -------------------------------------------------------------------------------------------------------


def the_old_key_is_gone(site: Site, given: Circulating) -> None:
    assert site.get(f"/q/{given.tokens[2]}/").status == 404
    assert check_out(site, given.tokens[2]).status == 422
    assert late(site, given.tokens[2]).status == 422  # the device keeps it: test_without_server.py
    assert run("manage.py", "restore_lead", given.chat_link, environment=site.environment).returncode == 1
    assert given.browser.get(LIST).status == 200  # it was used since the change
    another = Browser(site)
    assert logged_in(another).location == CODE
    assert another.post(CODE, another.get(CODE), code=given.recovery_codes[0]).location == "/admin/leads/lead/"
