"""A Postgres like Supabase's, and its REST API."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leads.delivery.copy.rest_api import RestApi
from leads.delivery.journal.outbox import Outbox
from leads.ops import copy_trigger, supabase
from tests.support.copies import sql
from tests.support.live import Postgres
from tests.support.postgrest import KEY, PostgREST, postgrest
from tests.support.supabase import django_on, server


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with server() as running:
        yield running


@pytest.fixture(autouse=True)
def shop(postgres: Postgres, django_db_blocker: Any) -> Iterator[None]:
    """Django on that server, with empty tables, closed to the data API."""
    with django_db_blocker.unblock(), django_on(postgres, "postgres", user="postgres"):
        supabase.close_data_api()
        copy_trigger.create("default")
        sql("TRUNCATE leads, lead_erasures, lead_alerts CASCADE")
        yield


@pytest.fixture
def rest(postgres: Postgres) -> Iterator[PostgREST]:
    with postgrest(postgres.url) as running:
        yield running


@pytest.fixture
def api(rest: PostgREST) -> RestApi:
    return RestApi(rest.url, KEY)


@pytest.fixture
def journal(outbox_directories: list[Path]) -> Iterator[Outbox]:
    opened = Outbox(outbox_directories)
    yield opened
    opened.close()
