"""docs/operations.md: each of its situations is caused, its commands are run as written, and no lead is missing."""

import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support import faults, live
from tests.support.customers import PERSON, a_quote, check_out_with
from tests.support.eventually import eventually
from tests.support.live import Answer, Postgres, Site, message
from tests.support.release import blocks, follow

pytestmark = pytest.mark.long

DOCUMENT = "operations.md"
CUSTOMERS = 3


@pytest.fixture(autouse=True)
def empty_tables(postgres: Postgres) -> None:
    postgres.empty("leads", restart_ids=True)


def outbox_in(directory: Path) -> dict[str, str]:
    return {"OUTBOX_DIR": f"{directory}/outbox", "OUTBOX_SPARE_DIR": f"{directory}/outbox-spare"}


def customers(site: Site) -> list[Answer]:
    return [check_out_with(site, a_quote(site)) for _ in range(CUSTOMERS)]


def folios(answers: list[Answer]) -> Counter[str]:
    return Counter(answer.json["folio"] for answer in answers)


def arrived(postgres: Postgres, answers: list[Answer]) -> bool:
    """Return whether `leads` has exactly these leads, each once."""
    rows = postgres.query("SELECT folio FROM leads WHERE name = %s", PERSON["name"])
    return Counter(row["folio"] for row in rows) == folios(answers)


@pytest.mark.by_hand
def test_the_commands_show_the_state_of_delivery(postgres, tmp_path):
    with live.site(postgres.url, **outbox_in(tmp_path), ALLOWED_HOSTS="quotes.example.com,127.0.0.1") as site:
        customers(site)
        assert eventually(lambda: site.get("/healthz").json["outbox"]["pending"] == 0)
        [output] = follow(DOCUMENT, "Check the state", environment=site.environment)
    assert "0 pending" in output
    assert "0 leads wait" in output


@pytest.mark.by_hand
def test_after_an_outage_a_flush_delivers_without_a_wait(postgres, tmp_path):
    with live.site(postgres.url, **outbox_in(tmp_path)) as site:
        with faults.stopped(postgres, None):
            answers = customers(site)
        follow(DOCUMENT, "The database is down", environment=site.environment)
        assert arrived(postgres, answers)


@pytest.mark.by_hand
def test_sessions_can_be_deleted_in_a_read_only_database(postgres, tmp_path):
    postgres.query("INSERT INTO django_session VALUES ('old', '', now() - interval '1 day')")
    with live.site(postgres.url, **outbox_in(tmp_path)) as site:
        with faults.read_only(postgres, None):
            assert eventually(lambda: "warning" in check_out_with(site, a_quote(site)).json)
            output = follow(DOCUMENT, "The database is read-only", environment=site.environment)
        assert output == ["[('on',)]"]
        assert not postgres.query("SELECT true FROM django_session")
        assert eventually(lambda: postgres.query("SELECT true FROM leads WHERE name <> ''"))


@pytest.mark.by_hand
def test_after_a_changed_password_nobody_waits(postgres, tmp_path):
    faults.give_the_tables_to_the_site(postgres)
    old, new = (postgres.url.replace("postgres@", f"{faults.ROLE}:{word}@") for word in ("old", "right"))
    with faults.wrong_password(postgres, None):
        with live.site(old, **outbox_in(tmp_path)) as site:
            answers = customers(site)
            assert eventually(lambda: "fault=auth" in site.log)
        with live.site(new, **outbox_in(tmp_path)) as site:
            answers += customers(site)
            assert eventually(lambda: arrived(postgres, answers))  # only the old password waits
            follow(DOCUMENT, "The password was changed", environment=site.environment)


def test_refused_leads_are_delivered_after_the_table_is_repaired(postgres, tmp_path):
    with live.site(postgres.url, **outbox_in(tmp_path)) as site:
        with faults.rule(postgres, "name = ''"):
            answers = customers(site)
            assert eventually(lambda: site.get("/healthz").json["outbox"]["quarantined"] == CUSTOMERS)
        follow(DOCUMENT, "A lead was refused", environment=site.environment)
        assert arrived(postgres, answers)


# A thousand rows inserted with their ids, which does not advance the sequence, as a restore does.
ROWS_WITH_IDS = """
INSERT INTO leads (id, folio, name, phone, visitor_id, quote_data)
SELECT id + n, folio || n, '', '', '', jsonb_set(quote_data, '{folio}', to_jsonb(folio || n))
FROM leads, generate_series(1, 1000) AS n
"""


@pytest.mark.by_hand
def test_a_restored_backup_accepts_leads_after_its_sequence_is_repaired(postgres, tmp_path):
    with live.site(postgres.url, **outbox_in(tmp_path)) as site:
        a_quote(site)
        assert eventually(lambda: postgres.query("SELECT true FROM leads"))
        postgres.query(ROWS_WITH_IDS)
        answers = customers(site)
        assert eventually(lambda: "breaker opened: fault=schema" in site.log)
        assert not arrived(postgres, answers)
        follow(DOCUMENT, "Restored from a backup", environment=site.environment)
        assert eventually(lambda: arrived(postgres, answers))


@pytest.mark.by_hand
def test_an_outbox_moves_to_another_disk_with_its_leads(postgres, tmp_path):
    (tmp_path / "durable").mkdir()
    for name in ("outbox", "outbox-spare"):
        (tmp_path / name).mkdir()
    with live.site(live.NOBODY_LISTENS, **outbox_in(tmp_path)) as site:
        answers = customers(site)
    where = {"var/outbox": tmp_path / "outbox", "/mnt/durable": tmp_path / "durable"}
    [output] = follow(DOCUMENT, "Move the outbox to another disk", environment=site.environment, instead=where)
    # A quote is journaled when it is priced, and again with its person.
    assert output.startswith(f"{2 * CUSTOMERS} sound, 0 damaged")
    with live.site(postgres.url, **outbox_in(tmp_path / "durable")):
        assert eventually(lambda: arrived(postgres, answers))


def test_a_lead_from_a_lost_disk_is_restored_from_the_customer_s_message(postgres, tmp_path):
    with live.site(live.NOBODY_LISTENS, **outbox_in(tmp_path)) as site:
        [answer] = customers(site)[:1]
    shutil.rmtree(tmp_path / "outbox")
    link = message(answer.json["whatsapp_url"]).split()[-1]
    example = {"https://quotes.example.com/q/TOKEN/#SEAL": link}
    environment = {**site.environment, "DATABASE_URL": postgres.url}
    for change in ("created", "unchanged"):
        [output] = follow(DOCUMENT, "A host without a durable disk", environment=environment, instead=example)
        assert output == f"{answer.json['folio']}: {change}\n"
    assert arrived(postgres, [answer])


@pytest.mark.by_hand
def test_the_sound_records_of_a_damaged_journal_can_be_exported(tmp_path):
    with live.site(live.NOBODY_LISTENS, **outbox_in(tmp_path)) as site:
        answers = customers(site)
    file: dict[str, Any] = {"waiting.jsonl": tmp_path / "waiting.jsonl"}
    follow(DOCUMENT, "A journal is damaged", environment=site.environment, instead=file)
    text = file["waiting.jsonl"].read_text()
    assert all(folio in text for folio in folios(answers))


@pytest.mark.by_hand
def test_the_daily_job_deletes_sessions_that_have_ended(postgres, tmp_path):
    postgres.query("INSERT INTO django_session VALUES ('old', '', now() - interval '1 day')")
    environment = live.environment(postgres.url, **outbox_in(tmp_path))
    [output] = follow(DOCUMENT, "Every day", environment=environment)
    assert "0 leads quoted before" in output
    assert not postgres.query("SELECT true FROM django_session")


@pytest.mark.by_hand
def test_deleted_leads_are_brought_back_from_an_export(postgres, tmp_path):
    file: dict[str, Any] = {"leads.jsonl": tmp_path / "leads.jsonl"}
    with live.site(postgres.url, **outbox_in(tmp_path)) as site:
        answers = customers(site)
        assert eventually(lambda: arrived(postgres, answers))
        site.manage("export_leads", "--output", str(file["leads.jsonl"]))
        postgres.query("DELETE FROM lead_events")
        postgres.query("DELETE FROM leads")
        [output] = follow(DOCUMENT, "Leads were deleted", environment=site.environment, instead=file)
        assert output.count(f"{CUSTOMERS} leads") == 2
        assert arrived(postgres, answers)


def test_every_command_of_the_document_is_tested_here():
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    followed = set(re.findall(r'follow\(DOCUMENT, "([^"]+)", env', tests))
    assert {block.heading for block in blocks(DOCUMENT)} == followed
