"""What is wrong is mailed once when it begins and once when it ends, and all processes and commands say the same."""

import json
import logging
import os
import re
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from leads.alerts import trouble_mail
from leads.alerts.sending import send_alerts
from leads.alerts.trouble_mail import RETRY_S, WAIT_S, TroubleMail
from leads.delivery import health, trouble
from leads.delivery.journal.outbox import WORRYING_S, Outbox
from leads.delivery.journal.quarantine import put_aside
from leads.delivery.journal.segment import Item
from leads.delivery.notices import notice
from leads.delivery.record import lead_record
from leads.delivery.trouble import Trouble
from leads.models import Alert, Lead
from leads.ops.doctor import reporting, storage
from leads.snapshot import Flag
from tests.leads.privacy.test_replay import deliver, forget, people, run
from tests.support import live
from tests.support.factories import a_contact, an_issued_quote, fill_leads, store

BOSS = "boss@example.com"


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(settings, clock):
    settings.LANGUAGE_CODE, settings.ALERT_MANAGER_EMAILS, settings.MACHINE_NAME = "en", [BOSS], "web-1"
    return TroubleMail(lambda: [BOSS], clock=clock)


def look(watch, database="unknown", alerts_fault=""):
    health.forget()
    watch.look(database=database, alerts_fault=alerts_fault)


def refuse_a_lead(directory) -> None:
    put_aside(directory, Item("261122-7F3K-Q2M9-X", 0.0, b"{}"), reason="CheckViolation 23514", at=0.0)


def test_an_outage_is_mailed_once_when_it_begins_and_once_when_it_ends(watch, clock, mailoutbox):
    for _ in range(30):
        look(watch, "down")
        clock.now += 5
    [began] = mailoutbox
    assert (began.to, "The database takes no leads (web-1)" in began.subject) == ([BOSS], True)
    assert "WhatsApp" in began.body

    for _ in range(5):
        look(watch)
        clock.now += 5
    assert len(mailoutbox) == 2
    assert "Over" in mailoutbox[1].subject
    assert "after 2 min" in mailoutbox[1].body or "after 3 min" in mailoutbox[1].body


def test_a_short_outage_is_not_mailed(watch, clock, mailoutbox):
    look(watch, "down")
    clock.now += WAIT_S[Trouble.DATABASE] / 2
    look(watch, "down")
    look(watch)
    clock.now += 1000
    look(watch)
    assert not mailoutbox


def test_another_process_after_a_restart_does_not_mail_it_again_and_mails_the_end(watch, clock, mailoutbox):
    look(watch, "down")
    clock.now += 61
    look(watch, "down")
    restarted = TroubleMail(lambda: [BOSS], clock=clock)
    look(restarted, "down")
    assert len(mailoutbox) == 1
    look(restarted)
    assert len(mailoutbox) == 2


def test_a_mail_that_fails_is_sent_again(watch, clock, mailoutbox, monkeypatch):
    def fails(mail):
        raise OSError("no mail server")

    monkeypatch.setattr(trouble_mail.EmailMessage, "send", fails)
    look(watch, "down")
    clock.now += 61
    look(watch, "down")
    monkeypatch.undo()
    look(watch, "down")
    assert not mailoutbox
    clock.now += RETRY_S
    look(watch, "down")
    assert len(mailoutbox) == 1


def test_a_refused_lead_and_one_that_waits_long_are_mailed(watch, clock, mailoutbox, outbox_directories):
    refuse_a_lead(outbox_directories[0])
    journal = Outbox(outbox_directories, clock=lambda: clock.now - WORRYING_S - 1)
    journal.append("261122-7F3K-Q2M9-X", b"{}")
    look(watch)
    [mail] = mailoutbox
    assert "refused a lead" in mail.body
    assert "quarter of an hour" in mail.body
    journal.close()


def test_a_disk_that_fills_up_is_mailed(watch, clock, mailoutbox, monkeypatch):
    monkeypatch.setattr(trouble, "LOW_DISK_BYTES", 1 << 60)
    look(watch)
    clock.now += 11
    look(watch)
    assert "disk" in mailoutbox[0].subject


@pytest.mark.django_db
@pytest.mark.parametrize(("limit", "is_mailed"), [(1, True), (1_000_000, False), (0, False)])
def test_a_database_that_fills_up_is_mailed_and_the_doctor_warns(watch, mailoutbox, settings, limit, is_mailed):
    settings.DATABASE_LIMIT_MB = limit
    look(watch, "up")
    assert bool(mailoutbox) == is_mailed
    [found] = storage.examine()
    assert (found.level == "warning") == is_mailed


def test_supabase_has_a_limit_by_default():
    code = "from django.conf import settings; print(settings.DATABASE_LIMIT_MB)"
    url = "postgresql://postgres:x@db.abcdefghijklmnopqrst.supabase.co:5432/postgres"
    done = live.run(
        "-c", code, environment={"DEBUG": "true", "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "settings"}
    )
    assert done.stdout.strip() == "500", done.stderr


@pytest.mark.django_db(transaction=True)
def test_a_database_that_has_forgotten_leads_is_mailed_once_and_once_when_they_are_back(
    watch, clock, client, mailoutbox, outbox_directories
):
    deliver(outbox_directories, *people(2))
    look_for_an_hour(watch, clock)
    assert (client.get("/healthz").json()["status"], mailoutbox) == ("ok", [])

    forget()
    look_for_an_hour(watch, clock)
    [began] = mailoutbox
    assert "The database has forgotten leads (web-1)" in began.subject
    assert "outbox replay" in began.body
    assert client.get("/healthz").json()["status"] == "degraded"

    restarted = TroubleMail(lambda: [BOSS], clock=clock)
    look(restarted, "down")  # nobody can ask Postgres
    assert Trouble.FORGOTTEN in trouble.current(outbox_directories)

    run()
    look_for_an_hour(restarted, clock)
    assert ["Over" in mail.subject for mail in mailoutbox] == [False, True]
    assert client.get("/healthz").json()["status"] == "ok"


def look_for_an_hour(watch, clock) -> None:
    for _ in range(0, 3600, 60):
        clock.now += 60
        look(watch, "up")


@pytest.mark.django_db(transaction=True)
def test_every_process_s_health_check_says_what_the_worker_found(watch, clock, client):
    assert client.get("/healthz").json()["status"] == "ok"
    look(watch, alerts_fault="IntegrityError 23502")
    health.forget()
    assert client.get("/healthz").json()["status"] == "degraded"
    look(watch)
    assert client.get("/healthz").json()["status"] == "ok"


@pytest.mark.django_db
def test_the_doctor_says_that_alerts_fail(watch):
    look(watch, alerts_fault="IntegrityError 23502")
    found = list(reporting.alerts())
    assert ("error", True) in [(each.level, "IntegrityError 23502" in each.found) for each in found]


def test_a_file_of_a_site_that_has_stopped_or_that_is_damaged_is_ignored(watch, outbox_directories):
    look(watch, alerts_fault="x")
    file = outbox_directories[0] / trouble.FILE
    os.utime(file, (0, 0))
    assert trouble.current(outbox_directories) == {}
    for text in ("", "[]", '{"database": 5}', '{"else": [1, true, ""]}', json.dumps({"database": []})):
        file.write_text(text)
        assert trouble.current(outbox_directories) == {}


def test_nobody_to_mail_and_no_mail_server_are_no_fault(settings, clock, mailoutbox):
    settings.ALERT_MANAGER_EMAILS = []
    watch = TroubleMail(lambda: [], clock=clock)
    look(watch, "down")
    clock.now += 61
    look(watch, "down")
    assert not mailoutbox


def test_the_leads_of_an_outage_are_one_event_for_sentry(caplog):
    with caplog.at_level(logging.INFO):
        for number in range(60):
            notice("queued", folio=number)
            notice("quarantined", folio=number)
    assert sum(record.levelno >= logging.WARNING for record in caplog.records) <= 1
    assert len(caplog.records) == 120


# --- Alerts of leads --------------------------------------------------------------------------------------------------


@pytest.fixture
def sales(settings) -> None:
    settings.LANGUAGE_CODE, settings.ALERT_EMAILS = "en", ["sales@example.com"]
    send_alerts(timezone.now() - timedelta(days=1))  # the recipient begins here


@pytest.mark.django_db
def test_a_lead_of_another_program_without_a_folio_stops_nobody_s_alert(sales, mailoutbox):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE leads ALTER folio DROP NOT NULL")  # as in an adopted table
        cursor.execute("INSERT INTO leads (name, phone, quote_data) VALUES ('Ana', '+526561234567', '{}')")
    store(lead_record(an_issued_quote(), a_contact(submitted_at=timezone.now())))
    send_alerts(timezone.now())
    [mail] = mailoutbox
    assert "2 new leads" in mail.subject


@pytest.mark.django_db
def test_a_late_lead_is_announced_however_old_it_claims_to_be(sales, mailoutbox):
    asked = timezone.now() - timedelta(days=29)
    store(lead_record(an_issued_quote(), a_contact(submitted_at=asked, flags=(Flag.LATE,))))
    Lead.objects.update(created_at=asked)
    send_alerts(timezone.now())
    assert "1 new lead" in mailoutbox[0].subject


@pytest.mark.django_db
def test_each_person_of_a_quote_and_whoever_asks_again_is_announced(sales, mailoutbox, admin_user):
    issued, now = an_issued_quote(), timezone.now()
    given = {"visitor_id": "", "submitted_at": now - timedelta(hours=1)}
    store(lead_record(issued, a_contact(**given, name="Ana")))
    send_alerts(now)
    store(lead_record(issued, a_contact(**given, name="Luis", phone="+526560000002")))
    send_alerts(now + timedelta(minutes=10))
    Lead.objects.contact(Lead.objects.get(name="Ana").pk, by=admin_user, now=now)
    store(lead_record(issued, a_contact(**given | {"submitted_at": now + timedelta(seconds=1)}, name="Ana")))
    send_alerts(now + timedelta(minutes=20))
    assert ["1 new lead" in mail.subject for mail in mailoutbox] == [True, True, True]


@pytest.mark.django_db
def test_a_flood_is_one_alert_an_hour(sales, mailoutbox):
    now = timezone.now()
    for number in range(30):
        contact = a_contact(submitted_at=now, phone=f"+5265600{number:05}", flags=(Flag.MANY_FROM_ADDRESS,))
        store(lead_record(an_issued_quote(), contact))
        send_alerts(now + timedelta(minutes=number))
    [mail] = mailoutbox
    assert "set aside" in mail.subject
    assert Alert.objects.filter(kind="set_aside").count() == 1


@pytest.mark.django_db
def test_to_find_what_is_new_costs_the_same_however_many_wait():
    def pages_read() -> int:
        cursor.execute("ANALYZE leads")
        cursor.execute(
            "EXPLAIN (ANALYZE, BUFFERS) SELECT id FROM leads WHERE status = 'new' AND phone > '' "
            "AND set_aside = '' AND alert_stage < 2 AND alert_stage = 0 AND arrived_at <= 'infinity'"
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
        assert "lead_to_announce" in plan
        return int(re.search(r"Buffers: shared hit=(\d+)", plan)[1])

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        fill_leads()
        before = pages_read()  # entries of rows that other tests rolled back
        cursor.execute(
            "INSERT INTO leads (folio, name, phone, quote_data, alert_stage, arrived_at) "
            "SELECT 'f' || n, 'Ana', '+52656' || n, '{}', 1, now() FROM generate_series(1, 3000) AS n"
        )
        assert pages_read() < before + 10
