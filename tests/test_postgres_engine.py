"""The bound on every wait, against the pinned psycopg: its `wait` is no documented extension point."""

import time

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.db.utils import OperationalError

from settings.postgres.base import BoundedConnection, DeadlineExceeded
from tests.factories import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bounded():
    """This thread's connection, with a short deadline."""
    connection.close()
    connection.deadline_s = 0.3
    yield connection
    connection.close()
    del connection.deadline_s


def test_psycopg_is_the_one_this_was_written_for():
    assert psycopg.__version__.startswith("3.3.")


def test_a_query_that_does_not_answer_is_given_up(bounded):
    started = time.monotonic()
    with pytest.raises(OperationalError) as raised, bounded.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(30)")
    assert isinstance(raised.value.__cause__, DeadlineExceeded)
    assert time.monotonic() - started < 2


def test_its_backend_does_not_go_on(bounded):
    with pytest.raises(OperationalError), bounded.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(30)")
    bounded.close()

    def sleepers():
        with bounded.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%pg_sleep(30)%%' AND pid <> pg_backend_pid()"
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


def test_the_settings_hold_what_the_measurements_say():
    database = settings.DATABASES["default"]
    assert database["DISABLE_SERVER_SIDE_CURSORS"] is True
    assert "pool" not in database["OPTIONS"]
    assert "options" not in database["OPTIONS"]  # a transaction pooler refuses it
    assert database["OPTIONS"]["connect_timeout"] == 2
    assert not database.get("ATOMIC_REQUESTS")
