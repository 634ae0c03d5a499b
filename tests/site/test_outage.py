"""In an outage of the database the customer reaches the chat, and the lead is delivered later or restored from it.

Gunicorn and Postgres are real; Postgres is stopped, or its table is renamed. test_faults.py has the other faults.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support import faults, live, mark
from tests.support.customers import CHAT, PERSON, a_token, check_out, traces_in
from tests.support.eventually import eventually
from tests.support.factories import a_line, as_form
from tests.support.live import Postgres, Site, at_once, is_up, message

# The limit of a checkout while the database is unreachable.
BUDGET_S = 3
# So many simultaneous requests that every thread of the site gets one.
EVERY_THREAD = 24


@pytest.fixture(scope="module")
def site(postgres: Postgres) -> Iterator[Site]:
    with live.site(postgres.url) as running:
        yield running


@pytest.fixture(autouse=True)
def empty_tables(site: Site, postgres: Postgres) -> None:
    empty(site, postgres)


def empty(site: Site, postgres: Postgres) -> None:
    """Empty the table once no lead is on its way into it any more."""
    assert eventually(lambda: is_up(site), or_show=lambda: site.log)
    postgres.empty("leads")


FAULTS = pytest.mark.parametrize("fault", [faults.stopped, faults.without_table])


def warm_up(site: Site) -> None:
    """Leave every worker of the site with an open connection."""
    assert eventually(
        lambda: not any("warning" in answer.json for answer in at_once(EVERY_THREAD, lambda: check_out(site)))
    )


def assert_checkout_succeeds(site: Site) -> None:
    """Go from the calculator to the chat, with forms and with JSON, while no lead can be stored."""
    assert site.get("/").status == 200
    quoted = site.post("/quote/", as_form(a_line()))
    assert quoted.status == 303
    token = quoted.location.split("/")[2]
    assert site.get(quoted.location).status == 200

    chat = site.post("/checkout/", {"token": token, **PERSON})
    assert chat.status == 303
    assert chat.location.startswith(CHAT)
    assert chat.seconds < BUDGET_S
    assert re.search(r"/q/[\w.-]{200,}/#[\w-]{80,}$", message(chat.location))

    answer = check_out(site, token)
    assert (answer.status, answer.json["success"], answer.json["warning"]) == (200, True, "db_down")
    assert answer.json["whatsapp_url"].startswith(CHAT)
    assert answer.seconds < BUDGET_S

    assert answer.json["folio"] in site.log
    assert not traces_in(site.log)


def leads(postgres: Postgres) -> list[dict[str, Any]]:
    rows = postgres.query("SELECT * FROM leads ORDER BY id")
    return [{**row, "alert_stage": 0} for row in rows]  # staff are told of a lead at any moment


def all_leads(site: Site, postgres: Postgres) -> list[dict[str, Any]]:
    """Return the leads once none is on its way any more."""
    assert eventually(lambda: is_up(site), or_show=lambda: site.log)
    return leads(postgres)


# --- During the outage ----------------------------------------------------------------------------------------------


@FAULTS
def test_checkouts_succeed_in_workers_with_open_connections(site, postgres, fault):
    warm_up(site)
    with fault(postgres, None):
        assert_checkout_succeeds(site)
    assert eventually(lambda: "warning" not in check_out(site).json)


@FAULTS
def test_checkouts_succeed_when_the_site_starts_during_the_outage(postgres, fault):
    with fault(postgres, None), live.site(postgres.url) as site:
        assert_checkout_succeeds(site)


@pytest.mark.parametrize(
    "database_url", mark.by_hand_but(1, ["garbage", live.NOBODY_LISTENS, ""]), ids=["garbage", "nobody", "empty"]
)
def test_checkouts_succeed_with_an_unusable_database_url(database_url):
    with live.site(database_url) as site:
        assert_checkout_succeeds(site)
        is_reported_at_the_start = "ERROR leads.apps DATABASE_URL " in site.log
    assert is_reported_at_the_start == (database_url != live.NOBODY_LISTENS)


def test_postgres_logs_no_personal_data_when_it_refuses_a_lead(site, postgres):
    with faults.without_table(postgres, None):
        check_out(site)
    assert not traces_in(postgres.log)


# --- After the outage -----------------------------------------------------------------------------------------------


def test_every_thread_stores_leads_after_a_restart_of_postgres(site, postgres):
    warm_up(site)
    with faults.stopped(postgres, None):
        pass
    eventually(lambda: is_up(site), or_show=lambda: site.log)
    assert not any("warning" in answer.json for answer in at_once(EVERY_THREAD, lambda: check_out(site)))


def test_every_thread_shows_stored_quotes_after_a_restart_of_postgres(site, postgres):
    warm_up(site)
    folio = check_out(site).json["folio"]
    with faults.stopped(postgres, None):
        pass
    eventually(lambda: is_up(site), or_show=lambda: site.log)
    before = len(site.log)

    shown: list[int] = []

    def each_thread_has_shown_it() -> bool:
        answers = at_once(EVERY_THREAD, lambda: site.get(f"/q/{folio}/"))
        shown.extend(answer.status for answer in answers if answer.status == 200)
        return len(shown) >= 4 * EVERY_THREAD

    # So many at once may find no place where they may wait for the database, but no query may fail.
    assert eventually(each_thread_has_shown_it)
    assert "Quote page without the database" not in site.log[before:]


def test_a_quote_made_during_an_outage_becomes_a_lead_after_it(site, postgres):
    with faults.stopped(postgres, None):
        quoted = site.post_json("/quote/", {"lines": [a_line()]}).json
    check_out(site, quoted["token"])
    [lead] = eventually(lambda: [lead for lead in leads(postgres) if lead["name"]])
    assert (lead["folio"], lead["name"]) == (quoted["folio"], PERSON["name"])
    assert lead["created_at"] == datetime.fromisoformat(quoted["quote"]["issued_at"])


def test_a_lead_of_an_outage_is_delivered_and_its_message_restores_the_same_lead(site, postgres):
    warm_up(site)
    empty(site, postgres)
    visitor = {"Cookie": "visitor=abcdefghijklmnopqrstuv"}
    token = a_token(site)
    with faults.stopped(postgres, None):
        chat = site.post("/checkout/", {"token": token, **PERSON, "privacy_accepted": "on"}, **visitor)
    [arrived] = all_leads(site, postgres)
    postgres.query("DELETE FROM leads")

    folio = arrived["folio"]
    assert site.manage("restore_lead", message(chat.location)) == f"{folio}: created"
    [restored] = leads(postgres)
    assert without_times(restored) == without_times(arrived)
    submitted_at = restored["submitted_at"]
    assert abs(submitted_at - arrived["submitted_at"]) < timedelta(seconds=1)
    assert datetime.fromisoformat(restored["quote_data"]["privacy"]["accepted_at"]) == submitted_at

    assert site.manage("restore_lead", message(chat.location)) == f"{folio}: unchanged"
    assert leads(postgres) == [restored]
    assert postgres.query("SELECT kind, detail FROM lead_events") == [{"kind": "restored", "detail": "created"}]


def without_times(lead: dict[str, Any]) -> dict[str, Any]:
    """Leave out the id, the flags and the times of the checkout, which differ in a restored lead."""
    data = {**lead["quote_data"], "flags": [], "privacy": {**lead["quote_data"]["privacy"], "accepted_at": ""}}
    return {**lead, "id": 0, "submitted_at": None, "arrived_at": None, "set_aside": "", "quote_data": data}


# --- Quotes by folio, and /healthz ----------------------------------------------------------------------------------


def test_in_an_outage_the_page_of_a_quote_by_folio_offers_the_chat(site, postgres):
    folio = check_out(site).json["folio"]
    with faults.stopped(postgres, None):
        page = site.get(f"/q/{folio}/")
    assert page.status == 503
    assert f'href="{CHAT}' in page.text
    assert folio in page.text


@pytest.mark.parametrize("fault", mark.by_hand_but(1, [faults.stopped, faults.frozen]))
def test_healthz_shows_an_outage_and_its_end_in_every_process_without_visitors(postgres, fault):
    # A site of its own: the others' journals know leads that this database has lost, when it was emptied.
    with live.site(postgres.url) as site:
        assert eventually(lambda: health(site) == {("ok", "up")})
        with fault(postgres, None):
            assert eventually(lambda: health(site) == {("degraded", "down")}, within_s=10)
            assert eventually(lambda: site.log.count("breaker opened") == 2)  # each relay has found it
        assert eventually(lambda: health(site) == {("ok", "up")}, within_s=15)


def health(site: Site) -> set[tuple[str, str]]:
    """Return what eight answers say, which come from every process."""
    answers = at_once(8, lambda: site.get("/healthz"))
    assert {answer.status for answer in answers} == {200}
    return {(answer.json["status"], answer.json["database"]) for answer in answers}


# --- One row for each folio -----------------------------------------------------------------------------------------


def test_a_double_tap_is_one_lead(site, postgres):
    token = a_token(site)
    assert [check_out(site, token).json["success"] for _ in range(2)] == [True, True]
    assert len(all_leads(site, postgres)) == 1


def test_eight_identical_simultaneous_checkouts_are_one_lead(site, postgres):
    token = a_token(site)
    answers = at_once(8, lambda: check_out(site, token))
    assert all(answer.json["success"] for answer in answers)
    [lead] = all_leads(site, postgres)
    assert lead["name"] == PERSON["name"]


def test_another_phone_is_another_lead_and_keeps_what_was_typed(site, postgres):
    token = a_token(site)
    check_out(site, token)
    check_out(site, token, phone="656 111 2233")
    typed = {lead["phone"]: lead["quote_data"]["customer"]["phone_raw"] for lead in all_leads(site, postgres)}
    assert typed == {"+526567654321": PERSON["phone"], "+526561112233": "656 111 2233"}


def test_two_quotes_are_two_leads_in_any_order_of_checkout(site, postgres):
    first, second = a_token(site), a_token(site)
    for token in (second, first, second):
        check_out(site, token)
    assert [lead["name"] for lead in all_leads(site, postgres)] == [PERSON["name"]] * 2


def test_one_quote_in_two_tabs_is_one_lead_with_the_latest_details(site, postgres):
    page = site.post("/quote/", as_form(a_line())).location
    token, same_token = (site.get(page).text.split('name="token" value="')[1].split('"')[0] for _ in range(2))
    check_out(site, token, name="Zoila")
    check_out(site, same_token, name="Zoila Vaca")
    assert [lead["name"] for lead in all_leads(site, postgres)] == ["Zoila Vaca"]
