"""Faults of the database and of the outbox's disk on the running site: checkouts succeed, leads are delivered once.

Gunicorn and Postgres are real; tests/support/faults.py and proxy.py break them and the network between them.
"""

import os
import re
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import psycopg
import pytest
from django.test import override_settings

from leads.delivery.journal.segment import SUFFIX, Item, encode
from leads.delivery.record import lead_record
from tests.support import faults, live, mark
from tests.support.customers import PERSON, a_quote, check_out_with, traces_in
from tests.support.eventually import PATIENCE_S, eventually
from tests.support.factories import a_contact, an_issued_quote
from tests.support.live import Answer, Postgres, Site, at_once, is_up, message
from tests.support.proxy import Mode, Proxy, proxy
from tests.support.staff import log_in

pytestmark = pytest.mark.quiet

# The limit of a checkout. It waits for Postgres for 0.4 s at most; the rest is for a busy machine.
BUDGET_S = 1.0
# The limit of a page that may ask Postgres: a second for the name, two for each of two addresses, and the page itself.
PAGE_S = 6.0
# From the end of a fault until Postgres has every waiting lead.
RECOVERY_S = 3.0
# From SIGTERM until the host kills. Docker's ten seconds are the shortest time among hosts.
HOST_KILLS_AFTER_S = 10
# More simultaneous customers than the site has threads.
CUSTOMERS = 10
# Two workers, each with a main thread, four for requests, the journal writer, the relay, the alerts worker, health, and
# the worker for published versions.
THREADS = 2 * (1 + 4 + 5)
# LONG_OUTAGE_S=70 tests longer backoffs: one that doubled without a limit would wait for over half a minute.
LONG_OUTAGE_S = float(os.environ.get("LONG_OUTAGE_S", 6))


@contextmanager
def a_database() -> Iterator[tuple[Postgres, Proxy]]:
    with live.postgres() as server:
        faults.give_the_tables_to_the_site(server)
        # Postgres asks for this password only during the fault wrong_password.
        with proxy(server.data, user=f"{faults.ROLE}:wrong") as running:
            yield server, running


@pytest.fixture(scope="module")
def a_server() -> Iterator[tuple[Postgres, Proxy]]:
    with a_database() as running:
        yield running


@pytest.fixture(scope="module")
def postgres(a_server: tuple[Postgres, Proxy]) -> Postgres:
    return a_server[0]


@pytest.fixture(scope="module")
def network(a_server: tuple[Postgres, Proxy]) -> Proxy:
    return a_server[1]


@pytest.fixture(scope="module")
def site(network: Proxy) -> Iterator[Site]:
    with live.site(network.url) as running:
        yield running


@pytest.fixture(autouse=True)
def empty_tables(postgres: Postgres) -> None:
    postgres.empty("leads")


def folios(postgres: Postgres) -> Counter[str]:
    """Count the rows of each folio that has its person."""
    return Counter(row["folio"] for row in postgres.query("SELECT folio FROM leads WHERE name <> ''"))


def arrived(postgres: Postgres, expected: set[str]) -> bool:
    """Return whether `leads` has each of these once. Leads of an earlier test may still be delivered, too."""
    rows = folios(postgres)
    return all(rows[folio] == 1 for folio in expected)


def threads(site: Site) -> int:
    statuses = [Path(f"/proc/{pid}/status").read_text() for pid in site.workers()]
    return sum(int(re.search(r"^Threads:\s+(\d+)", status, re.MULTILINE)[1]) for status in statuses)


def warm_up(site: Site) -> None:
    """Leave every worker with an open connection."""
    eventually(lambda: is_up(site), or_show=lambda: site.log)


def quotes_for(site: Site, rounds: int, customers: int = CUSTOMERS) -> list[dict[str, Any]]:
    return [a_quote(site) for _ in range(rounds * (customers + 1))]


def check_out_many(
    site: Site, *, rounds: int = 2, customers: int = CUSTOMERS, quotes: Sequence[dict[str, Any]] = ()
) -> list[Answer]:
    """Check out singly and simultaneously, by turns; each checkout must succeed within the budget."""
    quotes = list(quotes or quotes_for(site, rounds, customers))
    answers = []
    for _ in range(rounds):
        answers.append(check_out_with(site, quotes.pop()))
        answers += at_once(customers, lambda: check_out_with(site, quotes.pop()))
        time.sleep(0.3)
    assert max(answer.seconds for answer in answers) < BUDGET_S
    return answers


def folios_of(answers: list[Answer]) -> set[str]:
    return {answer.json["folio"] for answer in answers}


@contextmanager
def within(seconds: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    took = time.monotonic() - started
    assert took < seconds, f"it took {took:.2f} s"


# --- Faults of the database -----------------------------------------------------------------------------------------

DROPPED = pytest.param(faults.dropped, marks=pytest.mark.needs("iptables"))

# Faults that come while connections are open; and COLD, those that are also tested before a connection is made, because
# the code takes another path there. One of each kind is enough: tests/leads/delivery/test_breaker.py has every error.
WARM = [
    faults.stopped,
    faults.hung_and_cut,
    faults.reply_lost,
    faults.frozen,
    DROPPED,
    faults.locked,
    faults.connections_ended,
    faults.too_many_connections,
    faults.without_table,
    *mark.by_hand_but(0, [faults.read_only, faults.without_policy]),  # both are a statement that is refused
]
COLD = [faults.frozen, faults.dropped]
ENDS_IMMEDIATELY = [faults.connections_ended]


def cold(fault: faults.Fault) -> Any:
    """Return the fault as a parameter that first closes all connections."""

    @contextmanager
    def cold_fault(postgres: Postgres, network: Proxy) -> Iterator[None]:
        network.cut()
        with fault(postgres, network):
            yield

    marks = DROPPED.marks if fault is faults.dropped else ()
    return pytest.param(cold_fault, id=f"{fault.__name__}-cold", marks=marks)


@pytest.mark.parametrize("fault", [*WARM, *map(cold, COLD)], ids=lambda fault: fault.__name__)
def test_checkouts_succeed_and_every_lead_is_delivered_once(fault, site, postgres, network, record_property):
    warm_up(site)
    log_before = len(site.log)

    with fault(postgres, network):
        answers = check_out_many(site, rounds=3)
        log_during_fault = site.log[log_before:]
    with_warning = sum("warning" in answer.json for answer in answers)
    started = time.monotonic()

    eventually(lambda: arrived(postgres, folios_of(answers)), or_show=lambda: site.log[log_before:])
    assert eventually(lambda: is_up(site))
    recovery = time.monotonic() - started
    assert site.get("/healthz").json["outbox"]["quarantined"] == 0
    record_property("slowest_s", round(max(answer.seconds for answer in answers), 3))
    record_property("queued", f"{with_warning} of {len(answers)}")
    record_property("recovery_s", round(recovery, 2))

    # With a margin, because other tests run at the same time, and is_up() takes a while.
    assert recovery < RECOVERY_S + 3, site.log[log_before:]
    if fault not in ENDS_IMMEDIATELY:
        assert with_warning
        assert "breaker closed" not in log_during_fault
    assert not traces_in(site.log)
    assert threads(site) <= THREADS
    assert not [line for line in site.log.splitlines() if "Traceback" in line]


def test_a_connection_that_ends_during_a_write_loses_no_lead(site, postgres, network):
    warm_up(site)
    with faults.slow_insert(postgres, network):
        quotes = [a_quote(site) for _ in range(CUSTOMERS)]
        ending = Thread(target=lambda: [postgres.end_connections() or time.sleep(0.1) for _ in range(10)])
        ending.start()
        answers = at_once(CUSTOMERS, lambda: check_out_with(site, quotes.pop()))
        ending.join()
    assert eventually(lambda: arrived(postgres, folios_of(answers)))
    assert max(answer.seconds for answer in answers) < BUDGET_S


@pytest.mark.parametrize("mode", [Mode.DELAY, Mode.TRICKLE], ids=["200-ms-round-trips", "40-kB-a-second"])
def test_a_slow_network_delays_leads_and_never_customers(mode, site, postgres, network):
    warm_up(site)
    with network.mode(mode):
        # Each waits for 0.4 s while the breaker is closed, so no more of them than the site has threads.
        answers = check_out_many(site, customers=3)
        eventually(lambda: arrived(postgres, folios_of(answers)), or_show=lambda: site.log)
    assert eventually(lambda: is_up(site))


def test_a_backlog_is_delivered_over_a_slow_network(site, postgres, network):
    warm_up(site)
    with network.mode(Mode.TRICKLE):
        with faults.locked(postgres, network):
            answers = check_out_many(site)
        eventually(lambda: arrived(postgres, folios_of(answers)), or_show=lambda: site.log[-3000:])
    assert eventually(lambda: is_up(site))


def test_repeated_failing_trials_leave_no_statements_waiting_in_postgres(site, postgres, network):
    warm_up(site)
    with faults.locked(postgres, network):
        check_out_many(site, rounds=4)
        waiting = "SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        # One of each relay, and of the alerts worker, which asks every five seconds.
        assert postgres.query(waiting)[0]["n"] <= len(site.workers()) + 1


# --- Who connects, and how often ------------------------------------------------------------------------------------


def test_a_checkout_is_one_statement_in_one_round_trip(site, postgres, network):
    for _try in range(3):
        quotes = [a_quote(site) for _ in range(5)]
        warm_up(site)
        network.messages.clear()
        assert not any("warning" in check_out_with(site, quote).json for quote in quotes)
        network.messages.pop("Query", None)  # of idle relays, which ask for a sign of life every few seconds
        if not network.messages["Parse"]:  # else a round of the alerts worker, every five seconds, came in between
            break
    assert +network.messages == {"Bind": 5, "other": 5, "Execute": 5, "Sync": 5}  # other: Describe


def test_many_simultaneous_checkouts_share_statements(site, postgres, network):
    quotes = [a_quote(site) for _ in range(256)]
    warm_up(site)
    network.messages.clear()
    answers = [
        answer
        for batch in at_once(64, lambda: [check_out_with(site, quotes.pop()) for _ in range(4)])
        for answer in batch
    ]
    assert eventually(lambda: arrived(postgres, folios_of(answers)))
    assert network.messages["Execute"] < len(answers)
    # A round trip for each, and another where a connection prepares a statement for the first time.
    round_trips = network.messages["Sync"]
    assert network.messages["Execute"] <= round_trips <= network.messages["Execute"] + network.messages["Parse"]


@pytest.mark.parametrize(
    "fault", mark.by_hand_but(1, [faults.wrong_password, faults.tenant_not_found]), ids=lambda fault: fault.__name__
)
def test_all_processes_together_try_a_refused_password_once(fault):
    # Its own server, because no other site may connect to it, and the refused password blocks connections for minutes.
    with a_database() as (postgres, network), live.site(network.url) as site:
        # Wait until both workers have connected, so that later connections can be counted.
        eventually(lambda: network.connections >= 2, or_show=lambda: site.log)
        warm_up(site)
        log_before = len(postgres.log)
        network.connections = 0
        with fault(postgres, network):
            answers = check_out_many(site)
            for path in ("/admin/", "/admin/login/", f"/q/{answers[0].json['folio']}/"):
                assert {answer.status for answer in at_once(8, lambda path=path: site.get(path))} == {503}
            with live.site(network.url, OUTBOX_DIR=str(site.outbox)) as newcomer:
                answers += check_out_many(newcomer, rounds=1)
            assert network.connections == 1
            if fault is faults.wrong_password:
                assert postgres.log[log_before:].count("password authentication failed") == 1
            with pytest.raises(AssertionError, match="outbox"):
                site.manage("outbox", "flush", "--timeout=3")
            assert network.connections == 2  # the one retry that the command asked for
        assert not arrived(postgres, folios_of(answers))
        assert "0 pending" in site.manage("outbox", "flush")
        assert eventually(lambda: is_up(site))
        assert arrived(postgres, folios_of(answers))


# --- Rows that Postgres refuses -------------------------------------------------------------------------------------


def test_a_refused_lead_is_quarantined_and_the_others_in_its_batch_are_delivered(site, postgres, network):
    warm_up(site)
    postgres.query("ALTER TABLE leads ADD CONSTRAINT by_hand CHECK (name <> 'Bruno') NOT VALID")
    try:
        with faults.locked(postgres, network):
            quotes = [a_quote(site) for _ in range(5)]
            answers = [check_out_with(site, quote) for quote in quotes[:-1]]
            refused = check_out_with(site, quotes[-1], name="Bruno")
        assert eventually(lambda: arrived(postgres, folios_of(answers)))
        assert eventually(lambda: site.get("/healthz").json["outbox"]["quarantined"]) == 1
        assert not traces_in(site.log)
        assert "Bruno" not in site.log
    finally:
        postgres.query("ALTER TABLE leads DROP CONSTRAINT by_hand")
    assert "0 pending, 0 quarantined" in site.manage("outbox", "flush", "--quarantined")
    assert arrived(postgres, folios_of([*answers, refused]))


def test_a_database_that_refuses_every_row_is_probed_rarely(postgres, network):
    postgres.query("ALTER TABLE leads ADD CONSTRAINT by_hand CHECK (false) NOT VALID")
    try:
        with live.site(network.url, WEB_CONCURRENCY="1") as site:
            network.messages.clear()
            time.sleep(1)
            assert network.messages["Execute"] < 20  # without pauses it would be hundreds
            answer = check_out_with(site, a_quote(site))
            assert eventually(lambda: site.get("/healthz").json["database"] == "down")
            network.messages.clear()
            time.sleep(2)
            assert network.messages["Execute"] < 50  # two or three trials of two rows, each with a probe
            assert site.get("/healthz").json["outbox"]["quarantined"] == 0
            postgres.query("ALTER TABLE leads DROP CONSTRAINT by_hand")
            assert eventually(lambda: arrived(postgres, folios_of([answer])))
            assert eventually(lambda: is_up(site))
    finally:
        postgres.query("ALTER TABLE leads DROP CONSTRAINT IF EXISTS by_hand")


def test_a_stale_sequence_of_ids_loses_no_lead(site, postgres):
    first = [check_out_with(site, a_quote(site)) for _ in range(3)]
    postgres.query("SELECT setval(pg_get_serial_sequence('leads', 'id'), (SELECT min(id) FROM leads), false)")
    more = [check_out_with(site, a_quote(site)) for _ in range(2)]
    eventually(lambda: arrived(postgres, folios_of(first + more)), or_show=lambda: site.log[-2000:])
    assert eventually(lambda: is_up(site))
    assert site.get("/healthz").json["outbox"]["quarantined"] == 0


def test_a_lead_sent_twice_during_an_outage_is_one_row_for_each_person_with_their_newest_details(
    site, postgres, network
):
    warm_up(site)
    with faults.refused(postgres, network):
        quote = a_quote(site)
        check_out_with(site, quote, name="Zoila")
        check_out_with(site, quote)
        check_out_with(site, quote, phone="656 111 2233")
    rows = "SELECT name, phone FROM leads WHERE folio = %s ORDER BY phone"
    newest = [{"name": PERSON["name"], "phone": phone} for phone in ("+526561112233", "+526567654321")]
    assert eventually(lambda: postgres.query(rows, quote["folio"]) == newest)
    assert eventually(lambda: is_up(site))
    assert postgres.query(rows, quote["folio"]) == newest


# --- Threads for staff and customers --------------------------------------------------------------------------------

STAFF_PAGE = "/admin/leads/lead/"


def warm_up_for_staff(site: Site, session: str) -> None:
    """Leave each request thread with an open connection. Four requests at a time, because of the bulkhead."""
    for _ in range(6):
        assert eventually(lambda: at_once(4, lambda: site.get(STAFF_PAGE, Cookie=session).status) == [200] * 4)


@pytest.mark.parametrize("fault", [faults.refused, faults.hung], ids=lambda fault: fault.__name__)
def test_staff_with_open_connections_get_the_outage_page_from_the_first_request_on(fault, site, postgres, network):
    warm_up(site)
    session = log_in(site)
    warm_up_for_staff(site, session)
    with fault(postgres, network):
        pages = at_once(8, lambda: site.get(STAFF_PAGE, Cookie=session))
    assert {page.status for page in pages} == {503}
    assert eventually(lambda: is_up(site))


def test_hanging_staff_pages_leave_threads_for_customers(site, postgres, network):
    warm_up(site)
    cookie = {"Cookie": log_in(site)}
    warm_up_for_staff(site, cookie["Cookie"])
    quotes = quotes_for(site, 3)
    with faults.hung(postgres, network):
        hanging = [Thread(target=site.get, args=[STAFF_PAGE], kwargs=cookie) for _ in range(16)]
        for thread in hanging:
            thread.start()
        answers = check_out_many(site, rounds=3, quotes=quotes)
    for thread in hanging:
        thread.join()
    assert eventually(lambda: arrived(postgres, folios_of(answers)))
    assert eventually(lambda: is_up(site))


# --- Starts, stops, kills -------------------------------------------------------------------------------------------


def outbox_in(tmp_path: Path) -> dict[str, str]:
    """Return the variables of an outbox that is kept when its site stops."""
    return {"OUTBOX_DIR": str(tmp_path / "outbox"), "OUTBOX_SPARE_DIR": str(tmp_path / "outbox-spare")}


@pytest.mark.parametrize("fault", mark.by_hand_but(1, [faults.frozen, faults.locked]), ids=lambda fault: fault.__name__)
def test_a_site_starts_runs_its_checks_and_stops_during_an_outage(fault, postgres, network, tmp_path):
    with fault(postgres, network), live.site(network.url, **outbox_in(tmp_path)) as site:
        with within(10):
            assert "no issues" in site.manage("check")
        health = site.get("/healthz")
        assert (health.status, health.json["database"]) in {(200, "down"), (200, "unknown")}
        answers = check_out_many(site)
        assert not traces_in(site.log)
        with within(HOST_KILLS_AFTER_S):
            site.process.terminate()
            site.process.wait(PATIENCE_S)
    with live.site(network.url, **outbox_in(tmp_path)):
        assert eventually(lambda: arrived(postgres, folios_of(answers)))


def test_a_site_stopped_during_a_write_loses_no_lead(postgres, network, tmp_path):
    with live.site(network.url, **outbox_in(tmp_path)) as site:
        warm_up(site)
        with faults.frozen(postgres, network):
            answers = check_out_many(site, rounds=1)
            with within(HOST_KILLS_AFTER_S):
                site.process.terminate()
                site.process.wait(PATIENCE_S)
    with live.site(network.url, **outbox_in(tmp_path)):
        assert eventually(lambda: arrived(postgres, folios_of(answers)))


def test_two_sites_share_an_outbox_and_one_adopts_the_other_s_journals(postgres, network, tmp_path):
    with (
        live.site(network.url, **outbox_in(tmp_path)) as adopting,
        live.site(network.url, **outbox_in(tmp_path)) as dying,
    ):
        warm_up(adopting)
        with faults.hung_and_cut(postgres, network):
            answers = check_out_many(adopting) + check_out_many(dying)
            for pid in [dying.process.pid, *dying.workers()]:
                os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: arrived(postgres, folios_of(answers)))
        assert eventually(lambda: is_up(adopting))


def test_a_restart_with_ten_thousand_waiting_leads_delivers_each_once(postgres, network, tmp_path):
    directory = Path(outbox_in(tmp_path)["OUTBOX_DIR"])
    directory.mkdir()
    lead = lead_record(an_issued_quote(), a_contact())
    waiting = {f"260101-AAAA-{number:04X}-0" for number in range(10_000)}
    lines = (encode(Item(folio, 0.0, replace(lead, folio=folio).as_json())) for folio in sorted(waiting))
    with override_settings(SECRET_KEY=live.SECRET_KEY):
        (directory / f"1-1-aaaaaaaa{SUFFIX}").write_bytes(b"".join(lines))
    with live.site(network.url, **outbox_in(tmp_path)) as site:
        answers = check_out_many(site)
        eventually(lambda: arrived(postgres, waiting | folios_of(answers)), within_s=60)
        assert eventually(lambda: is_up(site))


def test_postgres_is_used_again_within_seconds_of_a_long_outage(site, postgres, network):
    warm_up(site)
    ends_at = time.monotonic() + LONG_OUTAGE_S
    with faults.refused(postgres, network):
        answers = []
        while time.monotonic() < ends_at:
            answers += check_out_many(site, rounds=1)
            time.sleep(1)
    with within(RECOVERY_S):
        assert eventually(lambda: arrived(postgres, folios_of(answers)))
        assert eventually(lambda: is_up(site))


def test_checkouts_succeed_with_an_unknown_database_host():
    with live.site("postgresql://shop:wrong@nowhere.invalid") as site:
        check_out_many(site)


@pytest.mark.needs("mounting")
def test_checkouts_succeed_when_dns_never_answers(tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.53", 53))
        resolver = tmp_path / "resolv.conf"
        resolver.write_text("nameserver 127.0.0.53\n")
        under = ["unshare", "-m", "sh", "-c", f'mount --bind {resolver} /etc/resolv.conf && exec "$@"', "sh"]
        with live.site("postgresql://shop:wrong@database.example.com/shop", under=under) as site:
            folio = check_out_many(site)[0].json["folio"]
            pages = [f"/q/{folio}/", "/admin/login/", "/healthz"] * 3
            answers = at_once(len(pages), lambda: site.get(pages.pop()))
            assert {answer.status for answer in answers} == {200, 503}
            assert max(answer.seconds for answer in answers) < PAGE_S
            with within(HOST_KILLS_AFTER_S):
                site.process.terminate()
                site.process.wait(PATIENCE_S)


def test_checkouts_succeed_when_the_server_s_listen_queue_is_full():
    with socket.socket() as full, ExitStack() as stack:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        with live.site(f"postgresql://shop:wrong@127.0.0.1:{full.getsockname()[1]}/shop") as site:
            check_out_many(site)


# --- A transaction pooler, as Supabase's on port 6543 ---------------------------------------------------------------


@pytest.fixture(scope="module")
def pooler(postgres: Postgres) -> Iterator[str]:
    """Yield the URL of a PgBouncer with two connections to Postgres."""
    with TemporaryDirectory(prefix="folio-pooler-") as directory, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        (Path(directory) / "users").write_text(f'"{faults.ROLE}" ""\n')
        (Path(directory) / "ini").write_text(
            f"[databases]\npostgres = host={postgres.data}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {directory}/users\npool_mode = transaction\ndefault_pool_size = 2\n"
        )
        Path(directory).chmod(0o755)
        command = ["pgbouncer", "--quiet", f"{directory}/ini"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, **postgres.account) as process:
            yield f"postgresql://{faults.ROLE}@127.0.0.1:{port}/postgres?pgbouncer=true"
            process.terminate()


@pytest.mark.needs("pgbouncer")
@pytest.mark.parametrize("is_declared", mark.by_hand_but(1, [True, False]))
def test_the_site_works_through_a_transaction_pooler(is_declared, pooler, postgres):
    with live.site(pooler if is_declared else pooler.partition("?")[0]) as site:
        warm_up(site)
        answers = check_out_many(site)
        assert eventually(lambda: arrived(postgres, folios_of(answers)))
        cookie = {"Cookie": log_in(site)}
        for page in ("/admin/leads/lead/", f"/q/{answers[0].json['folio']}/"):
            assert {site.get(page, **cookie).status for _ in range(8)} == {200}
        assert "breaker opened" not in site.log.split("breaker closed")[-1]


@pytest.mark.needs("pgbouncer")
def test_checkouts_succeed_while_the_pooler_has_no_free_connection(pooler, postgres):
    with live.site(pooler) as site, ExitStack() as stack:
        warm_up(site)
        for _ in range(2):
            stack.enter_context(psycopg.connect(pooler.partition("?")[0])).execute("SELECT 1")
        answers = check_out_many(site)
        assert any("warning" in answer.json for answer in answers)
        stack.close()
        assert eventually(lambda: arrived(postgres, folios_of(answers)))
        assert eventually(lambda: is_up(site))


# --- Faults of the outbox's disk ------------------------------------------------------------------------------------


@contextmanager
def small_disk(directory: Path) -> Iterator[Path]:
    """Mount a file system of 8 MiB that becomes read-only after an error, as those of most machines do."""
    image = directory.with_suffix(".image")
    with image.open("wb") as file:
        file.truncate(8 * 1024 * 1024)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    directory.mkdir()
    subprocess.run(["mount", "-o", "loop,errors=remount-ro", image, directory], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", directory], check=True)


def fill(disk: Path) -> None:
    with suppress(OSError), (disk / "filling").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 100)


def make_read_only(disk: Path) -> None:
    findmnt = subprocess.run(["findmnt", "-no", "SOURCE", disk], check=True, capture_output=True, text=True)
    device = Path(findmnt.stdout.strip()).name
    Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("by hand")


def is_queued(site: Site, answer: Answer) -> bool:
    return f"queued: folio={answer.json['folio']}" in site.log


@pytest.mark.needs("mkfs.ext4", "mounting")
@pytest.mark.parametrize(
    ("spoil", "database"), mark.by_hand_but(1, [(fill, faults.refused), (make_read_only, faults.hung)])
)
def test_the_spare_directory_replaces_a_disk_that_cannot_be_written(spoil, database, postgres, network, tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        outbox = {"OUTBOX_DIR": f"{disk}/outbox", "OUTBOX_SPARE_DIR": f"{tmp_path}/spare"}
        with live.site(network.url, **outbox) as site:
            warm_up(site)
            with database(postgres, network):
                answers = check_out_many(site, rounds=1)
                spoil(disk)
                answers += check_out_many(site, rounds=2)
                # The first sync of a new file may take too long for a lead on a busy disk; later leads are journaled.
                assert eventually(lambda: is_queued(site, check_out_with(site, a_quote(site))))
            eventually(lambda: arrived(postgres, folios_of(answers)), or_show=lambda: site.log)
            assert "spare: " in site.log
            assert not traces_in(site.log)


def test_leads_are_stored_without_any_disk_and_carried_without_a_database(postgres, network, tmp_path):
    (tmp_path / "file").touch()
    nowhere = {"OUTBOX_DIR": f"{tmp_path}/file/outbox", "OUTBOX_SPARE_DIR": f"{tmp_path}/file/spare"}
    with live.site(network.url, **nowhere) as site:
        assert eventually(lambda: is_up(site))
        stored = check_out_many(site, rounds=1)
        assert arrived(postgres, folios_of(stored))
        assert "carried" not in site.log
        with faults.refused(postgres, network):
            carried = check_out_many(site)
        assert all(f"carried: folio={folio}" in site.log for folio in folios_of(carried))
        assert not traces_in(site.log)
        assert eventually(lambda: is_up(site))
        # The process still has them in memory; the chat messages have them in any case.
        eventually(lambda: arrived(postgres, folios_of(stored + carried)), or_show=lambda: site.log)
        for answer in carried[:3]:
            output = site.manage("restore_lead", message(answer.json["whatsapp_url"]))
            assert output == f"{answer.json['folio']}: unchanged"


@contextmanager
def a_hanging_disk(site: Site, seconds: float) -> Iterator[None]:
    """Make every sync take this many seconds, except those already under way."""
    delay = ["-e", "trace=fdatasync", "-e", f"inject=fdatasync:delay_enter={seconds * 1e6:.0f}"]
    workers = [argument for pid in site.workers() for argument in ("-p", str(pid))]
    tracer = subprocess.Popen(["strace", "-f", *delay, *workers], stderr=subprocess.PIPE, text=True)
    try:
        for _ in site.workers():
            assert "attached" in tracer.stderr.readline()
        yield
    finally:
        tracer.terminate()
        tracer.communicate()


@pytest.mark.needs("strace")
@pytest.mark.parametrize("database", mark.by_hand_but(1, ["up", "down"]))
def test_a_hanging_disk_delays_no_customer(database, postgres, network):
    with live.site(network.url) as site, ExitStack() as fault:
        warm_up(site)
        quotes = [a_quote(site) for _ in range(30)]
        if database == "down":
            fault.enter_context(faults.refused(postgres, network))
        with a_hanging_disk(site, 2.0):
            answers = [check_out_with(site, quotes.pop()) for _ in range(10)]
            answers += at_once(CUSTOMERS, lambda: check_out_with(site, quotes.pop()))
            assert max(answer.seconds for answer in answers) < BUDGET_S
            assert any("warning" in answer.json for answer in answers) == (database == "down")
        assert ("carried: " in site.log) == (database == "down")
        fault.close()
        eventually(lambda: arrived(postgres, folios_of(answers)), or_show=lambda: site.log)
        assert eventually(lambda: is_up(site))


def test_a_journal_deleted_in_use_loses_no_lead(postgres, network):
    with live.site(network.url) as site:
        warm_up(site)
        with faults.refused(postgres, network):
            answers = check_out_many(site, rounds=1)
            for segment in site.outbox.glob(f"*{SUFFIX}"):
                segment.unlink()
            answers += check_out_many(site, rounds=2)
        eventually(lambda: arrived(postgres, folios_of(answers)), or_show=lambda: site.log)
        assert "deleted: " in site.log


def test_damage_in_a_journal_loses_only_the_damaged_record(postgres, network, tmp_path):
    with faults.refused(postgres, network):
        with live.site(network.url, **outbox_in(tmp_path), WEB_CONCURRENCY="1") as site:
            answers = [check_out_with(site, a_quote(site)) for _ in range(5)]
        [segment] = site.outbox.glob(f"*{SUFFIX}")
        lines = segment.read_bytes().splitlines(True)
        theirs = max(n for n, line in enumerate(lines) if answers[2].json["folio"].encode() in line)
        lines[theirs] = lines[theirs][:-10] + b"damaged" + lines[theirs][-3:]
        segment.write_bytes(b"".join(lines) + b"0a1b2c3d 17")  # with a torn last line
    with live.site(network.url, **outbox_in(tmp_path)) as site:
        survivors = folios_of(answers) - {answers[2].json["folio"]}
        eventually(lambda: arrived(postgres, survivors), or_show=lambda: site.log)
        assert eventually(lambda: site.get("/healthz").json["status"] == "degraded")
        assert "damaged: " in site.log
        assert len(list((site.outbox / "damaged").iterdir())) == 1
