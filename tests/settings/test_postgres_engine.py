"""The Postgres engine: a deadline for every wait, and no settings in a session.

Every test also runs through a transaction pooler.
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
def short_deadline():
    """This thread's connection, with a short deadline."""
    connection.close()
    connection.deadline_s = 0.3
    yield connection
    connection.close()
    connection.deadline_s = DEFAULT_DEADLINE_S


def test_the_installed_psycopg_is_the_version_that_the_driver_relies_on():
    assert psycopg.__version__.startswith("3.3.")


def test_a_query_without_an_answer_fails_at_the_deadline(short_deadline):
    started = time.monotonic()
    with pytest.raises(OperationalError) as raised, short_deadline.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(30)")
    assert isinstance(raised.value.__cause__, DeadlineExceeded)
    assert time.monotonic() - started < 2


def test_the_backend_of_an_abandoned_query_is_cancelled(short_deadline):
    with pytest.raises(OperationalError), short_deadline.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(30)")
    short_deadline.close()

    def sleepers():
        with short_deadline.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE query LIKE '%%pg_sleep(30)%%' AND state = 'active' AND pid <> pg_backend_pid()"
            )
            return cursor.fetchone()[0]

    eventually(lambda: sleepers() == 0)


def test_the_next_query_after_a_deadline_gets_a_new_connection(short_deadline):
    with pytest.raises(OperationalError), short_deadline.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(30)")
    short_deadline.close()
    with short_deadline.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def test_a_query_within_the_deadline_succeeds(short_deadline):
    with short_deadline.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.1)")


def test_every_connection_has_a_deadline():
    connection.close()
    connection.ensure_connection()
    assert isinstance(connection.connection, BoundedConnection)
    assert connection.connection.deadline_s == 5.0


def test_a_new_deadline_applies_to_an_open_connection(short_deadline):
    short_deadline.ensure_connection()
    short_deadline.deadline_s = None
    with short_deadline.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.4)")


def test_after_an_error_a_request_closes_its_connection_without_checking_it(short_deadline):
    with pytest.raises(ProgrammingError), short_deadline.cursor() as cursor:
        cursor.execute("SELECT nothing")
    close_old_connections()
    assert short_deadline.connection is None


def test_a_request_without_an_error_keeps_its_connection_open(short_deadline):
    short_deadline.ensure_connection()
    kept = short_deadline.connection
    close_old_connections()
    assert short_deadline.connection is kept


# --- Sessions -------------------------------------------------------------------------------------------------------

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def session_setting(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s)", [name])
        return cursor.fetchone()[0]


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/Ciudad_Juarez", "UTC"])
def test_a_time_is_read_correctly_in_any_time_zone_of_the_session(zone):
    Lead.objects.create(folio="1", quote_data={}, created_at=NOON)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('TimeZone', %s, true)", [zone])
        (read,) = Lead.objects.values_list("created_at", flat=True)
        assert session_setting("TimeZone") == zone
    assert (read, read.tzinfo) == (NOON, UTC)


def test_connecting_leaves_the_session_s_settings_unchanged():
    connection.close()
    with psycopg.connect(**connection.get_connection_params()) as plain:
        (default_zone,) = plain.execute("SHOW TimeZone").fetchone()
    assert session_setting("TimeZone") == default_zone


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


def test_a_statement_is_prepared_on_demand_except_through_a_transaction_pooler():
    with connection.cursor():
        pass
    for _ in range(20):
        connection.connection.execute("SELECT %s::int", [1], prepare=True)
        connection.connection.execute("SELECT %s::text", ["1"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements")
        assert cursor.fetchone()[0] == (0 if settings.DATABASE_KIND == "transaction pooler" else 1)


# --- Migrations -----------------------------------------------------------------------------------------------------


def test_a_migration_has_no_deadline(short_deadline):
    def dawdle(**kwargs):
        with connections[kwargs["using"]].cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.5)")

    leads = apps.get_app_config("leads")
    post_migrate.connect(dawdle, sender=leads)
    try:
        call_command("migrate", verbosity=0)
    finally:
        post_migrate.disconnect(dawdle, sender=leads)
    assert short_deadline.deadline_s == 0.3


def test_the_database_settings_suit_a_transaction_pooler():
    database = settings.DATABASES["default"]
    assert database["DISABLE_SERVER_SIDE_CURSORS"] is True
    assert "pool" not in database["OPTIONS"]
    assert "options" not in database["OPTIONS"]  # a transaction pooler refuses it
    assert database["OPTIONS"]["connect_timeout"] == 2
    assert not database.get("ATOMIC_REQUESTS")
