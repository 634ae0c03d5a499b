"""The bound on every wait, and sessions that nothing relies on, against the pinned Django and psycopg.

Every test runs through a transaction pooler, too.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg
import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import close_old_connections, connection, connections, transaction
from django.db.models.signals import post_migrate
from django.db.utils import OperationalError, ProgrammingError

from leads.models import Lead
from settings.postgres.driver import DEFAULT_DEADLINE_S, BoundedConnection, DeadlineExceeded
from tests.support.eventually import eventually

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.pooler]


@pytest.fixture
def bounded():
    """This thread's connection, with a short deadline."""
    connection.close()
    connection.deadline_s = 0.3
    yield connection
    connection.close()
    connection.deadline_s = DEFAULT_DEADLINE_S


def test_psycopg_is_the_one_this_was_written_for():
    assert psycopg.__version__.startswith("3.3.")


def test_a_query_that_does_not_answer_is_given_up(bounded):
    started = time.monotonic()
    with pytest.raises(OperationalError) as raised, bounded.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(30)")
    assert isinstance(raised.value.__cause__, DeadlineExceeded)
    assert time.monotonic() - started < 2


def test_the_backend_of_a_query_that_was_given_up_does_not_go_on(bounded):
    with pytest.raises(OperationalError), bounded.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(30)")
    bounded.close()

    def sleepers():
        with bounded.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE query LIKE '%%pg_sleep(30)%%' AND state = 'active' AND pid <> pg_backend_pid()"
            )
            return cursor.fetchone()[0]

    eventually(lambda: sleepers() == 0)


def test_the_connection_serves_again_after_it(bounded):
    with pytest.raises(OperationalError), bounded.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(30)")
    bounded.close()
    with bounded.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def test_a_query_within_the_bound_is_left_alone(bounded):
    with bounded.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.1)")


def test_every_connection_of_the_site_is_bounded():
    connection.close()
    connection.ensure_connection()
    assert isinstance(connection.connection, BoundedConnection)
    assert connection.connection.deadline_s == 5.0


def test_a_bound_holds_at_once_on_an_open_connection(bounded):
    bounded.ensure_connection()
    bounded.deadline_s = None
    with bounded.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.4)")


def test_after_an_error_a_request_closes_its_connection_and_does_not_ask_whether_it_works(bounded):
    with pytest.raises(ProgrammingError), bounded.cursor() as cursor:
        cursor.execute("SELECT nothing")
    close_old_connections()
    assert bounded.connection is None


def test_a_request_leaves_a_sound_connection_for_the_next_one(bounded):
    bounded.ensure_connection()
    kept = bounded.connection
    close_old_connections()
    assert bounded.connection is kept


# --- Sessions -------------------------------------------------------------------------------------------------------

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def session_setting(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s)", [name])
        return cursor.fetchone()[0]


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/Ciudad_Juarez", "UTC"])
def test_a_moment_is_read_right_in_whatever_zone_the_session_is(zone):
    Lead.objects.create(folio="1", quote_data={}, created_at=NOON)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('TimeZone', %s, true)", [zone])
        (read,) = Lead.objects.values_list("created_at", flat=True)
        assert session_setting("TimeZone") == zone
    assert (read, read.tzinfo) == (NOON, UTC)


def test_connecting_sets_nothing_in_a_session_that_others_may_get():
    connection.close()
    with psycopg.connect(**connection.get_connection_params()) as plain:
        (as_found,) = plain.execute("SHOW TimeZone").fetchone()
    assert session_setting("TimeZone") == as_found


def test_clients_that_share_sessions_read_back_what_they_wrote():
    def write_and_read(number: int) -> bool:
        folio, at = f"{number}", datetime(2026, 11, 22, 12, number % 60, tzinfo=UTC)
        try:
            with transaction.atomic():
                Lead.objects.create(folio=folio, quote_data={"number": number}, created_at=at)
                seen_inside = Lead.objects.get(folio=folio)
            seen_outside = Lead.objects.get(folio=folio, created_at=at)
            return [seen.created_at for seen in (seen_inside, seen_outside)] == [at, at]
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(write_and_read, range(80)))


def test_a_statement_is_prepared_on_demand_and_only_where_it_stays():
    with connection.cursor():
        pass
    for _ in range(20):
        connection.connection.execute("SELECT %s::int", [1], prepare=True)
        connection.connection.execute("SELECT %s::text", ["1"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements")
        assert cursor.fetchone()[0] == (0 if settings.DATABASE_KIND == "transaction pooler" else 1)


# --- Migrations -----------------------------------------------------------------------------------------------------


def test_a_migration_takes_as_long_as_it_takes(bounded):
    def dawdle(**kwargs):
        with connections[kwargs["using"]].cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.5)")

    leads = apps.get_app_config("leads")
    post_migrate.connect(dawdle, sender=leads)
    try:
        call_command("migrate", verbosity=0)
    finally:
        post_migrate.disconnect(dawdle, sender=leads)
    assert bounded.deadline_s == 0.3


def test_the_settings_hold_what_the_measurements_say():
    database = settings.DATABASES["default"]
    assert database["DISABLE_SERVER_SIDE_CURSORS"] is True
    assert "pool" not in database["OPTIONS"]
    assert "options" not in database["OPTIONS"]  # a transaction pooler refuses it
    assert database["OPTIONS"]["connect_timeout"] == 2
    assert not database.get("ATOMIC_REQUESTS")
