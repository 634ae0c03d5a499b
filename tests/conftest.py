"""What every test finds, and what many ask for; a fixture of one subject stays in its file."""

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.template import Context, Template
from django.test import TransactionTestCase, signals
from django.test import utils as django_test_utils

from checkout import flood
from leads.delivery import health, relay
from leads.delivery.journal import writer
from quoter.shop import served
from tests.support import live, partitioned
from tests.support.emptying import empty_what_was_filled
from tests.support.live import Postgres

pytest_plugins = ["tests.support.lacking"]

# Whoever ends pytest ends the servers that it started, too.
signal.signal(signal.SIGTERM, signal.default_int_handler)

# Collecting thousands of tests creates almost no garbage, and searching for it would take a quarter of the time.
gc.disable()

TransactionTestCase._fixture_teardown = empty_what_was_filled


def _render(template: Template, context: Context) -> str:
    """Tell Django's test client of a page, but not of its hundreds of parts, each with a copy of the context."""
    if context.template is template:
        signals.template_rendered.send(sender=template, template=template, context=context)
    rendered: str = template.nodelist.render(context)
    return rendered


django_test_utils.instrumented_test_render = _render
# Passwords that are to be hard to guess take a tenth of a second each.
django_settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# A slow machine is no finding: properties assert what is true, never how fast. `EXAMPLES=1000` looks more closely, as
# `make test-long` does.
hypothesis.settings.register_profile("folio", deadline=None, max_examples=int(os.environ.get("EXAMPLES", 25)))
hypothesis.settings.load_profile("folio")


def pytest_report_header() -> str:
    return f"database: {django_settings.DATABASE_KIND}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish() -> None:
    """Keep the garbage collector from visiting, again and again, all that stays until the end anyway."""
    gc.freeze()
    gc.set_threshold(20_000)
    gc.enable()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """The database, in a time zone that nobody here is in: what is right in UTC only is found out."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        name = connection.ops.quote_name(connection.settings_dict["NAME"])
        cursor.execute(f"ALTER DATABASE {name} SET timezone TO 'Asia/Kathmandu'")
        if partitioned.IS_WANTED:
            partitioned.partition()
        connection.close()


@pytest.fixture(autouse=True)
def outbox_directories(tmp_path: Path, settings: Any) -> Iterator[list[Path]]:
    """An outbox of the test's own, and no relay left from it."""
    settings.OUTBOX_DIRECTORIES = [tmp_path / "outbox", tmp_path / "outbox-spare"]
    health.forget()
    flood.forget()
    served.forget()
    yield settings.OUTBOX_DIRECTORIES
    relay.stop()


@pytest.fixture(autouse=True)
def patience(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow machine is no outage: where Postgres or the disk answers at all, a lead is stored."""
    settings.LEAD_WAIT_MS = 5000
    monkeypatch.setattr(writer, "DISK_WAIT_S", 5.0)


# --- On request -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A Postgres of the module's own, to be broken."""
    with live.postgres() as server:
        yield server
