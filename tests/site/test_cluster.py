"""Three machines behind a balancer are one site: for customers, for staff, and for who removes a dead one."""

import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support import faults, live
from tests.support.cluster import Cluster, cluster
from tests.support.customers import A_LINE, an_unhurried_quote, check_out_with
from tests.support.eventually import eventually
from tests.support.live import Answer, Postgres, Site
from tests.support.mail_server import a_mail_server
from tests.support.release import follow
from tests.support.staff import Staff

pytestmark = [pytest.mark.by_hand, pytest.mark.quiet, pytest.mark.needs("haproxy"), pytest.mark.needs("pgbouncer")]

DOCUMENT = "operations.md"
LIST = "/admin/leads/lead/"
REFUSED = f"{LIST}quarantine/"
PASSWORD = "a long password of the staff"
NOBODY = "Refused Person"
# More than there are machines, so that each answers.
RELOADS = 6


@pytest.fixture(scope="module")
def mails() -> Iterator[tuple[int, list[str]]]:
    with a_mail_server() as server:
        yield server


@pytest.fixture(scope="module")
def shop(postgres: Postgres, mails: tuple[int, list[str]]) -> Iterator[Cluster]:
    mail = {"EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": str(mails[0]), "ALERT_EMAILS": "sales@example.com"}
    with cluster(postgres, **mail, LANGUAGE_CODE="en", REQUIRE_SECOND_FACTOR="false") as running:
        environment = {**running.machines["web-1"].environment, "DJANGO_SUPERUSER_PASSWORD": PASSWORD}
        live.manage("createsuperuser", "--noinput", "--username=ana", "--email=a@example.com", environment=environment)
        yield running


@pytest.fixture(scope="module")
def ana(shop: Cluster) -> Staff:
    """A member of staff who has logged in through the balancer: one machine showed the form, another took it."""
    staff = Staff(shop.balancer)
    login = staff.get("/admin/login/")
    assert staff.post("/admin/login/", login, login="ana", password=PASSWORD).status == 302
    return staff


def words(answer: Answer) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())


def check_out(site: Site, **person: str) -> str:
    return check_out_with(site, an_unhurried_quote(), **person).json["folio"]


def rows(postgres: Postgres, folios: list[str]) -> Counter[str]:
    found = postgres.query("SELECT folio FROM leads WHERE folio = ANY(%s) AND phone > ''", folios)
    return Counter(row["folio"] for row in found)


def test_customers_and_staff_need_no_machine_of_their_own(shop, ana):
    quote = shop.balancer.post_json("/quote/", {"lines": [A_LINE]}).json
    assert {shop.balancer.get(f"/q/{quote['token']}/").status for _ in range(RELOADS)} == {200}
    folios = [check_out(shop.balancer) for _ in range(RELOADS)]
    eventually(lambda: rows(shop.postgres, folios) == Counter(folios), or_show=lambda: shop.balancer.log)
    assert {ana.get(LIST).status for _ in range(RELOADS)} == {200}
    for folio in folios:
        [lead] = shop.postgres.query("SELECT id FROM leads WHERE folio = %s", folio)
        page = ana.get(f"{LIST}{lead['id']}/change/")
        assert ana.post(f"{LIST}{lead['id']}/contact/", page).status == 302
    assert shop.postgres.query("SELECT DISTINCT status FROM leads WHERE folio = ANY(%s)", folios) == [
        {"status": "contacted"}
    ]


def test_every_reload_says_the_same_and_a_refused_lead_of_any_machine_is_tried_again(shop, ana):
    with faults.rule(shop.postgres, f"name <> '{NOBODY}'"):
        shop.wait_for_rows(3)
        folios = [check_out(shop.machines[name], name=NOBODY) for name in ("web-2", "web-3")]
        told = "SELECT count(*) AS n FROM lead_machines WHERE quarantined = 1"
        eventually(lambda: shop.postgres.query(told) == [{"n": 2}], or_show=lambda: shop.machines["web-2"].log)
        for _ in range(RELOADS):
            assert "2 leads were refused by the database" in words(ana.get(LIST))
            assert "2 refused by the database" in words(ana.get("/admin/"))
            page = ana.get(REFUSED)
            assert all(folio in page.text for folio in folios)
    ana.post(REFUSED, page)
    eventually(lambda: rows(shop.postgres, folios) == Counter(folios), or_show=lambda: shop.machines["web-3"].log)


def test_nobody_sees_that_a_machine_dies_with_their_request_in_hand(shop):
    three, quotes = shop.machines["web-3"], [an_unhurried_quote() for _ in range(RELOADS)]
    with ThreadPoolExecutor(RELOADS) as customers:
        three.freeze()
        sent = [customers.submit(check_out_with, shop.balancer, quote) for quote in quotes]
        eventually(lambda: sum(one.done() for one in sent) >= RELOADS // 2, or_show=lambda: shop.balancer.log)
        assert not all(one.done() for one in sent), "none of them reached the frozen machine"
        three.stop()
        folios = [one.result().json["folio"] for one in sent]
    eventually(lambda: rows(shop.postgres, folios) == Counter(folios), or_show=lambda: shop.balancer.log)
    three.start()
    eventually(lambda: {shop.balancer.get("/healthz").status for _ in range(RELOADS)} == {200})


def test_a_machine_that_dies_in_an_outage_is_named_and_its_leads_arrive_once(shop, ana, mails):
    one, three = shop.machines["web-1"], shop.machines["web-3"]
    key = ana.cookies["sessionid"]
    with shop.pooler.stopped():
        folios = [check_out(site) for site in (one, three, shop.machines["web-2"])]
        eventually(lambda: ana.get(LIST).status == 503)
        seen = words(one.get(LIST, Cookie=f"sessionid={key}"))
        assert folios[0] in seen
        assert folios[1] not in seen
        assert "Leads may wait on web-2, web-3 as well" in seen
        assert folios[0] not in one.get(LIST, Cookie="sessionid=another").text
        three.stop()
        folios += [check_out(shop.balancer) for _ in range(RELOADS)]
    of_the_others = [folio for folio in folios if folio != folios[1]]
    eventually(lambda: set(of_the_others) <= set(rows(shop.postgres, folios)), or_show=lambda: one.log)
    minutes_pass_without(shop, "web-3")
    eventually(lambda: ana.get(LIST).status == 200)
    for _ in range(RELOADS):
        assert "The web machine web-3 was last heard of at" in words(ana.get(LIST))

    carry_over(three.outbox, one)
    eventually(lambda: rows(shop.postgres, folios) == Counter(folios), or_show=lambda: one.log)
    for _ in range(RELOADS):
        assert "web-3" not in words(ana.get(LIST))
    assert_one_alert_each(shop, mails[1], folios)


def minutes_pass_without(shop: Cluster, name: str) -> None:
    """Let minutes pass in which a machine is not heard of, and the process that sent alerts died with it."""
    shop.postgres.query("UPDATE lead_machines SET heard_since = now() - interval '5 minutes' WHERE name <> %s", name)
    shop.postgres.query("UPDATE lead_machines SET seen_at = now() - interval '5 minutes' WHERE name = %s", name)
    shop.postgres.query("UPDATE lead_leases SET until = now()")


def carry_over(outbox: Path, to: Site) -> None:
    """Do what docs/operations.md says."""
    where = {
        "/mnt/old-machine/outbox": outbox,
        "var/outbox-arriving": to.outbox.parent / "outbox-arriving",
        "var/outbox/": f"{to.outbox}/",
        "old-machine": "web-3",
    }
    follow(DOCUMENT, "Several machines", environment=to.environment)
    follow(DOCUMENT, "Remove a machine", environment=to.environment, instead=where)


def assert_one_alert_each(shop: Cluster, mails: list[str], folios: list[str]) -> None:
    alerts = (
        "SELECT folio FROM lead_alerts a JOIN leads l ON subject = l.id::text WHERE kind = 'came' AND folio = ANY(%s)"
    )
    announced = lambda: Counter(row["folio"] for row in shop.postgres.query(alerts, folios))  # noqa: E731
    eventually(lambda: announced() == Counter(folios), or_show=lambda: shop.machines["web-1"].log)
    named = lambda: Counter(folio for mail in mails for folio in re.findall(r"\d{6}-\w{4}-\w{4}-\w", mail))  # noqa: E731
    assert set(eventually(named).values()) == {1}
