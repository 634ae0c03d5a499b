"""The page of numbers, and the log, of a site with several processes."""

import json
import os
import re
import signal
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support import faults, live
from tests.support.customers import PERSON, a_quote, check_out_with
from tests.support.eventually import eventually
from tests.support.live import Postgres, Site

TOKEN = "tok-9fK2x8Qm4Lw7Zr1Vb6Np3Hs5Yd0Jc"


@pytest.fixture(scope="module")
def site(postgres: Postgres) -> Iterator[Site]:
    with live.site(postgres.url, METRICS_TOKEN=TOKEN, LOG_FORMAT="json") as running:
        eventually(lambda: live.is_up(running))
        yield running


def numbers(site: Site) -> dict[str, float]:
    """Return each number by its name and labels, as in `folio_leads_total{kind=quote,outcome=stored}`."""
    # As Prometheus asks: this machine, by another name, without TLS.
    answer = site.get(
        "/metrics", Authorization=f"Bearer {TOKEN}", Host="10.0.0.1:8000", **{"X-Forwarded-Proto": "http"}
    )
    assert answer.status == 200, answer.text
    return {
        sample.name
        + (f"{{{','.join(f'{k}={v}' for k, v in sorted(sample.labels.items()))}}}" if sample.labels else ""): (
            sample.value
        )
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


STORED = "folio_leads_total{kind=checkout,outcome=stored}"
QUEUED = "folio_leads_total{kind=checkout,outcome=queued}"


@pytest.mark.parametrize("given", ["", "Bearer ", f"Bearer {TOKEN[:-1]}", TOKEN, f"bearer {TOKEN}é"])
def test_without_the_token_there_are_no_numbers(given, site):
    for proxied in ({}, {"X-Forwarded-For": "127.0.0.1"}):
        answer = site.get("/metrics", **({"Authorization": given} if given else {}), **proxied)
        assert (answer.status, "folio_" in answer.text) == (401, False)


def test_the_numbers_of_all_processes_are_added_up_and_survive_their_death_and_a_reload(site):
    before = numbers(site).get(STORED, 0)
    for _ in range(8):  # so that each process gets some
        check_out_with(site, a_quote(site))
    assert eventually(lambda: numbers(site)[STORED] == before + 8)
    workers = site.workers()
    os.kill(workers[0], signal.SIGKILL)
    assert eventually(lambda: len(set(site.workers()) - set(workers)) == 1)
    assert numbers(site)[STORED] == before + 8
    workers = site.workers()
    os.kill(site.process.pid, signal.SIGHUP)
    assert eventually(lambda: len(site.workers()) == 2 and not set(site.workers()) & set(workers))
    check_out_with(site, a_quote(site))
    now = numbers(site)
    assert now[STORED] == before + 9
    waits = "folio_checkout_wait_seconds_count{on=postgres}"
    assert now[waits] >= 9
    assert now["folio_request_seconds_count{route=checkout:checkout,status=2xx}"] >= 9
    assert now["folio_relay_batches_total{result=delivered}"] > 0
    assert now[f"folio_build_info{{version={json.loads(site.log.splitlines()[-1])['version']}}}"] == 1


def test_an_outage_is_in_the_numbers_and_the_page_does_not_wait_for_postgres(site, postgres):
    assert eventually(lambda: "folio_leads_waiting" in numbers(site))
    before = numbers(site)
    with faults.stopped(postgres, None):
        check_out_with(site, a_quote(site))
        assert eventually(lambda: numbers(site)["folio_breaker_open"] > 0)
        now = numbers(site)
        assert now[QUEUED] == before.get(QUEUED, 0) + 1
        assert eventually(lambda: numbers(site)["folio_outbox_pending"] > 0)
        opened = "folio_breaker_transitions_total{to=open}"
        assert now[opened] > before[opened]
        assert now["folio_leads_waiting"] == before["folio_leads_waiting"]
    assert eventually(lambda: numbers(site)["folio_breaker_open"] == 0)
    assert eventually(lambda: numbers(site)["folio_outbox_pending"] == 0)


def test_no_number_has_a_label_that_a_stranger_chose(site):
    site.get("/stranger-1/?x=stranger-2", Host="stranger-3.example.com")
    site.get("/q/stranger-4/")
    site.get("/admin/stranger-5/")
    site._request("STRANGER-6", "/", {})
    assert not [name for name in numbers(site) if "stranger" in name.lower()]


def test_each_line_of_the_log_is_one_json_object_also_gunicorn_s_and_once(site):
    """After the tests above: it has lines of an outage, a killed worker and a reload."""
    answer = site.get("/nothing/")
    lines = [json.loads(line) for line in site.log.splitlines()]
    assert all({"time", "level", "logger", "message", "version", "process"} <= set(line) for line in lines)
    assert {"gunicorn.error", "leads.outbox", "telemetry.requests", "settings.wsgi"} <= {
        line["logger"] for line in lines
    }
    by_message: dict[tuple[object, ...], int] = {}
    for line in lines:
        if line["logger"] == "gunicorn.error":
            key = (line["message"], line["process"])
            by_message[key] = by_message.get(key, 0) + 1
    assert [key for key, count in by_message.items() if count > 1] == []
    assert [line["message"] for line in lines if "Hang up" in line["message"]]
    [queued] = [line for line in lines if line["message"].startswith("queued")][:1]
    assert queued["fault"] == "infrastructure"
    assert re.fullmatch(r".{4}-.{4}", queued["request_id"])
    [last] = [line for line in lines if line.get("request_id") == answer.headers["X-Request-ID"]]
    assert (last["route"], last["status"]) == ("-", 404)
    assert not [text for text in PERSON.values() if text in site.log]
