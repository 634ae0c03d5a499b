"""An added view with an ordinary query: it survives a restart of Postgres and never delays customers."""

from collections.abc import Iterator

import pytest

from tests.support import faults, live, mark
from tests.support.customers import a_token, check_out
from tests.support.eventually import eventually
from tests.support.live import Postgres, Site, at_once
from tests.support.proxy import Proxy, proxy

pytestmark = pytest.mark.quiet

# The limit of a checkout. It waits for Postgres for 0.4 s at most; the rest is for a busy machine.
BUDGET_S = 1.0
THREADS = 4
# So many requests that every thread gets one, even if some are faster.
EVERY_THREAD = 6 * THREADS


@pytest.fixture(scope="module")
def network(postgres: Postgres) -> Iterator[Proxy]:
    with proxy(postgres.data) as running:
        yield running


@pytest.fixture(scope="module")
def site(network: Proxy) -> Iterator[Site]:
    # One process, so that /healthz reports what any of its threads has found.
    size = {"WEB_CONCURRENCY": "1", "WEB_THREADS": str(THREADS)}
    with live.site(network.url, application="tests.support.added_view", **size) as running:
        eventually(lambda: health(running) == ("ok", "up"))
        yield running


def statuses(site: Site) -> set[int]:
    return {answer.status for answer in at_once(EVERY_THREAD, lambda: site.get("/count/"))}


def health(site: Site) -> tuple[str, str]:
    answer = site.get("/healthz").json
    return answer["status"], answer["database"]


def test_an_added_view_survives_a_restart_of_postgres(site, postgres, network):
    assert statuses(site) == {200}
    with faults.stopped(postgres, network):
        pass
    assert statuses(site) == {200}
    assert health(site) == ("ok", "up")


def test_healthz_reports_postgres_as_down_when_an_added_view_fails(site, postgres, network):
    assert statuses(site) == {200}
    with faults.stopped(postgres, network):
        assert statuses(site) == {500}
        eventually(lambda: health(site) == ("degraded", "down"))
    eventually(lambda: health(site) == ("ok", "up"))
    assert statuses(site) == {200}


def test_the_form_of_an_added_view_needs_the_csrf_token(site):
    assert site.post("/count/").status == 403


@pytest.mark.parametrize(
    "fault", mark.by_hand_but(1, [faults.stopped, faults.frozen, faults.hung]), ids=lambda fault: fault.__name__
)
def test_checkouts_are_fast_on_threads_whose_connections_are_dead(site, postgres, network, fault):
    assert statuses(site) == {200}
    tokens = [a_token(site) for _ in range(EVERY_THREAD)]
    with fault(postgres, network):
        answers = at_once(THREADS, lambda: [check_out(site, tokens.pop()) for _ in range(EVERY_THREAD // THREADS)])
    seconds = [answer.seconds for several in answers for answer in several]
    assert max(seconds) < BUDGET_S
    eventually(lambda: health(site) == ("ok", "up"))
