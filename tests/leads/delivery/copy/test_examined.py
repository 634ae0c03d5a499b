"""What the doctor says of the copy, after it has asked the API."""

from typing import Any

import pytest

from leads.ops import copy_trigger
from leads.ops.doctor import rest_copy
from leads.ops.doctor.finding import Finding
from tests.support.copies import rows, sql
from tests.support.postgrest import INSERTS, KEY, LEADS, Fault, PostgREST


@pytest.fixture
def switched_on(settings: Any, rest: PostgREST) -> None:
    settings.SUPABASE_URL, settings.SUPABASE_SERVICE_ROLE_KEY, settings.SUPABASE_REST_COPY = rest.url, KEY, True


def finding() -> Finding:
    [found] = rest_copy.examine()
    assert KEY not in str(found)
    return found


def test_an_api_in_order_is_asked_and_changed_in_nothing(switched_on, rest):
    assert str(finding()).startswith("ok       rest copy    Supabase's REST API takes copies of leads in an outage")
    assert rest.asked == [f"GET {LEADS}", f"POST {INSERTS}"]
    assert rows() == []


@pytest.mark.parametrize(
    ("answer", "found", "cure"),
    [
        (401, "refuses the key: 401", "Copy the secret key"),
        (403, "refuses the key: 403", "Copy the secret key"),
        (404, "does not show the table leads: 404", "Let the API serve"),
        (503, "does not show the table leads: 503", "see its log"),
        (Fault.PAGE, "does not show the table leads: 200", "Let the API serve"),
        (Fault.REDIRECT, "does not show the table leads: 307", "Let the API serve"),
        (Fault.LOSE, "does not answer: RemoteDisconnected", "Check SUPABASE_URL"),
        (Fault.HUGE, "does not show the table leads: 200", "Let the API serve"),
    ],
    ids=str,
)
def test_each_fault_of_the_api_is_named(switched_on, rest, answer, found, cure):
    rest.answer = answer
    assert found in finding().found
    assert cure in finding().cure
    assert rest.elsewhere == []


def test_a_missing_trigger_is_named(switched_on):
    sql(f"DROP FUNCTION {copy_trigger.NAME} CASCADE")
    assert finding().found == "leads has no trigger folio_copied"
    assert "manage.py migrate" in finding().cure


def test_nothing_is_asked_while_it_is_switched_off(settings, rest):
    settings.SUPABASE_URL, settings.SUPABASE_SERVICE_ROLE_KEY = rest.url, KEY
    assert list(rest_copy.examine()) == []
    assert rest.asked == []
