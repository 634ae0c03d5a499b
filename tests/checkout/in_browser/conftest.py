"""One Chromium, and one site without a database, for all tests of customer pages in a browser."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser

from quoter import token
from tests.support import live
from tests.support.browser import chromium
from tests.support.live import NOBODY_LISTENS, Site
from tests.support.quotes import A_MOMENT, CONCRETE, concrete, priced

LONG_AGO = A_MOMENT - timedelta(days=300)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    # Not for longer: while one runs in its thread, Django takes that for asynchronous and keeps off the database.
    with chromium() as running:
        yield running


@pytest.fixture(scope="package")
def site() -> Iterator[Site]:
    with live.site(NOBODY_LISTENS) as running:
        yield running


@pytest.fixture
def expired_token(site: Site, settings: Any) -> str:
    """A token of the site, of a quote for 5.6 m³ that expired long ago."""
    settings.SECRET_KEY = site.environment["SECRET_KEY"]
    return token.dumps(token.issue(CONCRETE, priced(CONCRETE, concrete("5.6"), at=LONG_AGO)))
