"""The running site behind poolers like Supabase's: refused passwords behind SCRAM, and sessions that are taken."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from leads.delivery.turns import AUTH_BLOCK, GAP_S, WINDOW_S
from tests.support import faults, live
from tests.support.customers import a_quote, check_out_with
from tests.support.eventually import eventually
from tests.support.live import Postgres, Site, at_once, is_up
from tests.support.pgbouncer import RIGHT, PgBouncer, pgbouncer
from tests.support.processes import run
from tests.support.proxy import proxy
from tests.support.staff import log_in

pytestmark = [pytest.mark.by_hand, pytest.mark.quiet]

STAFF_PAGE = "/admin/leads/lead/"
FULL = "(EMAXCONNSESSION) max clients reached in session mode - max clients are limited to pool_size: 15"


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with live.postgres() as server:
        faults.give_the_tables_to_the_site(server)
        yield server


def doctor(site: Site, subject: str) -> list[dict[str, str]]:
    done = run("manage.py", "doctor", "--json", environment=site.environment)
    return [each for each in json.loads(done.stdout)["findings"] if each["subject"] == subject]


# --- A password that a SCRAM PgBouncer refuses ------------------------------------------------------------------------


def later(site: Site, seconds: float, *, refused: int) -> None:
    """Move what was refused back in time, as if it had been longer ago, once the site has noted so many refusals.

    It notes one after the pooler has logged it, and what it writes at the same moment would be lost.
    """
    file = site.outbox / AUTH_BLOCK
    assert eventually(lambda: file.exists() and len(file.read_text().splitlines()) == refused)
    lines = [line.split(" ") for line in file.read_text().splitlines()]
    moved = [f"{float(until) - seconds} {float(at) - seconds} {more} {of}\n" for until, at, more, of in lines]
    unfinished = site.outbox / "moved"
    unfinished.write_text("".join(moved))
    unfinished.replace(file)


@pytest.mark.needs("pgbouncer")
def test_a_password_that_a_pooler_refuses_is_tried_rarely_and_used_soon_after_it_is_mended(postgres):
    with pgbouncer(postgres, mode="transaction") as pooler:
        pooler.set(password="changed")
        with live.site(pooler.url) as site:
            eventually(lambda: pooler.refused, or_show=lambda: site.log)
            answers = at_once(4, lambda: check_out_with(site, a_quote(site)))
            for path in ("/admin/", "/admin/login/"):
                assert {answer.status for answer in at_once(8, lambda path=path: site.get(path))} == {503}
            assert "not tried again for" in doctor(site, "database")[0]["found"]
            assert pooler.refused == 1, site.log
            assert "breaker opened: fault=auth" in site.log
            assert "because=the password is wrong" in site.log

            later(site, GAP_S, refused=1)
            # The doctor has asked, so the site tries it again.
            assert eventually(lambda: pooler.refused == 2, or_show=lambda: site.log)
            later(site, GAP_S, refused=2)
            assert "not tried again for" in doctor(site, "database")[0]["found"]
            assert pooler.refused == 2, site.log

            pooler.set(password=RIGHT)
            later(site, WINDOW_S - 2 * GAP_S, refused=2)
            assert doctor(site, "database")[0]["level"] == "ok"
            eventually(lambda: is_up(site), or_show=lambda: site.log)
            assert pooler.refused == 2, site.log
            folios = {answer.json["folio"] for answer in answers}
            assert folios <= {row["folio"] for row in postgres.query("SELECT folio FROM leads")}


@pytest.mark.needs("pgbouncer")
def test_a_release_lets_the_site_use_a_password_that_was_mended(postgres):
    with pgbouncer(postgres, mode="transaction") as pooler:
        pooler.set(password="changed")
        with live.site(pooler.url, WEB_CONCURRENCY="1") as site:
            eventually(lambda: pooler.refused, or_show=lambda: site.log)
            pooler.set(password=RIGHT)
            site.manage("ensure_roles")
            assert eventually(lambda: is_up(site))
            assert pooler.refused == 1, site.log


# --- A session pooler whose sessions are taken ------------------------------------------------------------------------


@contextmanager
def of_pgbouncer(pooler: PgBouncer, sessions: int) -> Iterator[None]:
    pooler.set(most=sessions)
    try:
        yield
    finally:
        pooler.set()


def sessions(postgres: Postgres) -> int:
    [row] = postgres.query("SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'folio'")
    return int(row["n"])


# Two relays, one alerts worker, and one that asks for published versions.
KEPT = 4


@pytest.mark.needs("pgbouncer")
@pytest.mark.parametrize("kind", ["pgbouncer", "supavisor"])
def test_staff_who_get_no_session_take_nothing_from_customers(kind, postgres):
    with (
        pgbouncer(postgres, mode="session") as pooler,
        proxy(postgres.data, user=faults.ROLE) as stand_in,
        live.site(pooler.url if kind == "pgbouncer" else stand_in.url, application="tests.support.returning") as site,
    ):
        assert eventually(lambda: is_up(site))
        cookie = log_in(site)
        seen = [(at_once(8, lambda: site.get(STAFF_PAGE, Cookie=cookie)), sessions(postgres)) for _ in range(3)]
        assert 200 in {page.status for pages, _ in seen for page in pages}
        assert max(count for _, count in seen) <= KEPT + 2 * 3
        assert eventually(lambda: sessions(postgres) == KEPT)  # nobody asks any more

        log_before = len(site.log)
        quotes = [a_quote(site) for _ in range(10)]
        full = of_pgbouncer(pooler, KEPT) if kind == "pgbouncer" else stand_in.having(KEPT, FULL)
        with full:
            for _ in range(3):
                pages = at_once(6, lambda: site.get(STAFF_PAGE, Cookie=cookie))
                assert {page.status for page in pages} == {503}
                answers = [check_out_with(site, quotes.pop()) for _ in range(3)]
                assert not any("warning" in answer.json for answer in answers)
        assert "breaker opened" not in site.log[log_before:]
        assert eventually(lambda: site.get(STAFF_PAGE, Cookie=cookie).status == 200)


ANOTHER_MACHINE = """
INSERT INTO lead_machines (key, name, place, version, pending, quarantined, damaged, inaccessible, refused, is_durable,
    seen_at, heard_since)
VALUES ('another', 'web-2', 'there', '0', 0, 0, 0, 0, '[]', true, now(), now() - interval '1 day')
"""


@pytest.mark.needs("pgbouncer")
def test_the_doctor_counts_a_release_and_every_machine_against_the_session_pool(postgres, tmp_path):
    postgres.empty("lead_machines")
    outbox = {"OUTBOX_DIR": str(tmp_path / "outbox"), "OUTBOX_SPARE_DIR": str(tmp_path / "spare")}
    with pgbouncer(postgres, mode="session") as pooler:

        def connections(workers: str) -> tuple[str, str]:
            environment = live.environment(pooler.url, WEB_CONCURRENCY=workers, **outbox)
            found = json.loads(run("manage.py", "doctor", "--json", environment=environment).stdout)["findings"]
            return next((each["level"], each["found"]) for each in found if each["subject"] == "connections")

        assert connections("1")[0] == "ok"  # 14 while a release takes over
        level, found = connections("2")
        assert (level, "24 on 1 machine while" in found) == ("warning", True), found
        postgres.query(ANOTHER_MACHINE)
        level, found = connections("1")
        assert (level, "28 on 2 machines while" in found) == ("warning", True), found
