"""While the running site cannot reach Postgres, its leads are copied through Supabase's REST API, which can."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from leads.ops import copy_trigger, supabase
from tests.support import faults, live, mark
from tests.support.customers import an_unhurried_quote, check_out_with, traces_in
from tests.support.eventually import eventually
from tests.support.live import Postgres, Site, is_up
from tests.support.postgrest import KEY, PostgREST, postgrest
from tests.support.proxy import Mode, Proxy, proxy
from tests.support.supabase import django_on, server

pytestmark = pytest.mark.long

ANOTHER = {"name": "Another Person", "phone": "(656) 222-3344"}


class Shop(NamedTuple):
    """The site reaches Postgres by way of `between`; the API, and another machine's commands, reach it directly."""

    postgres: Postgres
    between: Proxy
    rest: PostgREST
    site: Site

    def leads(self, *folios: str) -> list[dict[str, Any]]:
        """Return these leads without what staff were told of them, which may change at any time."""
        rows = self.postgres.query("SELECT * FROM leads WHERE folio = ANY (%s) ORDER BY arrived_at", list(folios))
        return [{column: value for column, value in row.items() if column != "alert_stage"} for row in rows]

    def status(self) -> str:
        return self.site.manage("outbox", "status")

    def settled(self) -> bool:
        return is_up(self.site)

    def waiting(self) -> int:
        pending: int = self.site.get("/healthz").json["outbox"]["pending"]
        return pending


@pytest.fixture(scope="module")
def shop(django_db_blocker: Any) -> Iterator[Shop]:
    with server() as postgres, proxy(postgres.data) as between, postgrest(postgres.url) as rest:
        with django_db_blocker.unblock(), django_on(postgres, "postgres", user="postgres"):
            supabase.close_data_api()
            copy_trigger.create("default")
        variables = {"SUPABASE_URL": rest.url, "SUPABASE_SERVICE_ROLE_KEY": KEY, "SUPABASE_REST_COPY": "true"}
        with live.site(between.url, METRICS_TOKEN="m" * 20 + "etrics-token-of-a-test", **variables) as site:
            yield Shop(postgres, between, rest, site)


@pytest.fixture(autouse=True)
def settled(shop: Shop) -> None:
    eventually(shop.settled, or_show=lambda: shop.site.log)


def test_leads_of_an_outage_are_seen_during_it_and_are_the_same_after_it(shop):
    before = an_unhurried_quote()
    check_out_with(shop.site, before)
    eventually(shop.settled)
    quotes = [an_unhurried_quote() for _ in range(4)]
    folios = [quote["folio"] for quote in (before, *quotes)]
    with shop.between.mode(Mode.HANG):
        for quote in quotes:
            check_out_with(shop.site, quote)
        check_out_with(shop.site, quotes[0], name="Zoila Vaca Peña")
        check_out_with(shop.site, before, **ANOTHER)
        # The one from before may not be in the journal yet when the outage begins. Then it is copied as well.
        all_copied = re.compile(r"([67]) pending \(\1 copied\), ")
        eventually(lambda: all_copied.match(shop.status()), or_show=lambda: shop.status() + shop.site.log)
        during = shop.leads(*folios)
        assert shop.waiting() in (6, 7)
    eventually(shop.settled, or_show=lambda: shop.site.log)
    # In any order: who corrected a name came with the first of both names or with the second, as they were copied.
    people = {(lead["folio"], lead["name"], lead["is_first"]): lead for lead in during}
    assert people.keys() == {
        (before["folio"], "Zoila Vaca", True),
        (quotes[0]["folio"], "Zoila Vaca Peña", True),
        *((quote["folio"], "Zoila Vaca", True) for quote in quotes[1:]),
        (before["folio"], "Another Person", False),
    }
    assert len(during) == len(people)
    assert shop.leads(*folios) == during
    corrected = people[quotes[0]["folio"], "Zoila Vaca Peña", True]
    assert [version["customer"]["name"] for version in corrected["quote_data"]["earlier"]] == ["Zoila Vaca"]
    assert traces_in(shop.site.log) == []
    assert KEY not in shop.site.log
    token = shop.site.environment["METRICS_TOKEN"]
    metrics = shop.site.get("/metrics", Authorization=f"Bearer {token}").text
    assert 'folio_copies_total{result="copied"}' in metrics


def test_a_person_who_is_erased_meanwhile_does_not_come_back(shop, tmp_path):
    quote = an_unhurried_quote()
    elsewhere = {"OUTBOX_DIR": str(tmp_path / "outbox"), "OUTBOX_SPARE_DIR": str(tmp_path / "spare")}
    with shop.between.mode(Mode.REFUSE):
        check_out_with(shop.site, quote, name="Rosa Sol", phone="(656) 333-4455")
        check_out_with(shop.site, quote, **ANOTHER)
        eventually(lambda: len(shop.leads(quote["folio"])) == 2, or_show=lambda: shop.site.log)
        other_machine = {**shop.site.environment, "DATABASE_URL": shop.postgres.url, **elsewhere}
        erased = live.manage("privacy", "erase", "656 333 4455", "--yes", environment=other_machine)
        assert erased.startswith("1 leads anonymised")
        asked = len(shop.rest.asked)
        forget_copies(shop.site.outbox)
        for pid in shop.site.workers():
            os.kill(pid, 9)
        eventually(lambda: len(shop.rest.asked) >= asked + 2, or_show=lambda: shop.site.log)
        assert [lead["name"] for lead in shop.leads(quote["folio"])] == ["", "Another Person"]
    eventually(shop.settled, or_show=lambda: shop.site.log)
    after = shop.leads(quote["folio"])
    assert [(lead["name"], lead["phone"]) for lead in after] == [("", ""), ("Another Person", "+526562223344")]
    assert "Rosa" not in str(after)


@pytest.mark.parametrize("fault", mark.by_hand_but(1, [faults.stopped, faults.frozen]))
def test_an_outage_of_postgres_itself_ends_as_without_the_copy(shop, fault):
    quotes = [an_unhurried_quote() for _ in range(3)]
    with fault(shop.postgres, shop.between):
        asked = len(shop.rest.asked)
        for quote in quotes:
            check_out_with(shop.site, quote)
        eventually(lambda: len(shop.rest.asked) > asked, or_show=lambda: shop.site.log)
    eventually(shop.settled, or_show=lambda: shop.site.log)
    folios = [quote["folio"] for quote in quotes]
    assert [lead["folio"] for lead in shop.leads(*folios)] == folios


def forget_copies(outbox: Path) -> None:
    for note in outbox.glob("*.copied"):
        note.unlink()
