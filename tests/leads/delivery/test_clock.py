"""A clock that was ahead for a while silences nothing for longer than it would have been silent anyway."""

import os
import time
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from leads.alerts import creation, sending, trouble_mail
from leads.alerts.trouble_mail import TroubleMail
from leads.delivery import health, relay, trouble
from leads.delivery.breaker import POLICIES, Fault, Policy
from leads.delivery.journal import census
from leads.delivery.journal.outbox import WORRYING_S, Outbox
from leads.delivery.record import lead_record
from leads.delivery.trouble import Begun, Trouble
from leads.delivery.turns import AUTH_BLOCK, AUTH_BLOCK_S, RETRY_NOW, ConnectionTurns
from leads.desk import days
from leads.inbox import notes
from leads.models import MAILTO, Alert, Lead, LeadDay, Recipient
from leads.privacy.anonymise import anonymise
from tests.support.eventually import eventually
from tests.support.factories import a_contact, an_issued_quote, store
from tests.support.users import as_user

DAY_S = 86_400.0
DAY = timedelta(days=1)


# --- Files -----------------------------------------------------------------------------------------------------------


def test_a_refused_password_is_barred_for_all_processes_whatever_the_clock_does(outbox_directories, monkeypatch):
    turns = ConnectionTurns(outbox_directories)
    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() + DAY_S)
    turns.block()
    for ahead_s in (0.0, DAY_S, -DAY_S):
        monkeypatch.setattr(time, "time", lambda ahead_s=ahead_s: clock() + ahead_s)
        assert AUTH_BLOCK_S - 60 < turns.seconds_blocked() <= AUTH_BLOCK_S
    assert as_user(os.geteuid(), lambda: ConnectionTurns(outbox_directories).seconds_blocked()) > AUTH_BLOCK_S - 60


@pytest.mark.parametrize("until", [2e9, 0.0, -5.0, 1e300, float("nan"), float("inf"), "soon", ""])
def test_a_bar_that_is_longer_than_any_bars_nobody(until, outbox_directories):
    turns = ConnectionTurns(outbox_directories)
    outbox_directories[0].mkdir()
    (outbox_directories[0] / AUTH_BLOCK).write_text(str(until))
    assert turns.seconds_blocked() == 0


@pytest.mark.django_db(transaction=True)
def test_a_retry_is_asked_for_although_the_last_one_is_of_tomorrow(outbox_directories, monkeypatch):
    turns = ConnectionTurns(outbox_directories)
    turns.ask_all_to_retry()
    os.utime(outbox_directories[0] / RETRY_NOW, (time.time() + DAY_S,) * 2)
    running = relay.of_this_process()
    monkeypatch.setitem(POLICIES, Fault.AUTH, Policy(opens_at=1, first=600, longest=600))
    running.breaker.failed(Fault.AUTH)
    turns.ask_all_to_retry()
    eventually(lambda: not running.breaker.is_open)


def test_troubles_of_tomorrow_are_those_of_a_site_that_has_stopped(outbox_directories):
    trouble.store(outbox_directories, {Trouble.DISK: Begun(1.0)})
    assert trouble.current(outbox_directories)
    os.utime(outbox_directories[0] / trouble.FILE, (time.time() + DAY_S,) * 2)
    assert trouble.current(outbox_directories) == {}


def test_the_manager_is_mailed_although_the_clock_was_ahead(settings, outbox_directories, mailoutbox, monkeypatch):
    settings.ALERT_MANAGER_EMAILS = ["boss@example.com"]
    now = [time.time() + DAY_S]
    watch = TroubleMail(lambda: [], clock=lambda: now[0])
    health.forget()
    watch.look(database="down", alerts_fault="")  # begins tomorrow
    monkeypatch.setattr(trouble_mail.EmailMessage, "send", lambda mail: (_ for _ in ()).throw(OSError()))
    now[0] += 61
    watch.look(database="down", alerts_fault="")  # fails tomorrow
    monkeypatch.undo()
    now[0] = time.time()
    watch.look(database="down", alerts_fault="")
    os.utime(outbox_directories[0] / trouble.FILE, (0, 0))
    now[0] += 61
    watch.look(database="down", alerts_fault="")
    assert len(mailoutbox) == 1
    assert trouble.current(outbox_directories)[Trouble.DATABASE].is_told


@pytest.mark.django_db(transaction=True)
def test_a_lead_that_was_journaled_tomorrow_is_worrying_now(outbox_directories, client):
    Outbox(outbox_directories, clock=lambda: time.time() + DAY_S).append("F-1", b"{}")
    counts = census.census(outbox_directories)
    assert Trouble.OUTBOX in dict(trouble.on_disk(counts, outbox_directories, now=time.time()))
    assert client.get("/healthz").json()["outbox"]["oldest_seconds"] == WORRYING_S + 1
    assert counts.age_s(counts.oldest_at - 1) == 0
    assert counts.age_s(counts.oldest_at + 7) == 7


# --- Rows ------------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_correction_wins_against_a_lead_that_was_sent_tomorrow():
    issued, now = an_issued_quote(), timezone.now()
    for name, at in (("Ana", now + DAY), ("Anna", now + DAY + timedelta(seconds=2)), ("Ana Ruiz", timezone.now())):
        store(lead_record(issued, a_contact(name=name, submitted_at=max(at, timezone.now()))))
    [lead] = Lead.objects.all()
    assert lead.name == "Ana Ruiz"
    assert lead.submitted_at <= timezone.now()
    assert {earlier.customer.name for earlier in lead.snapshot.earlier} == {"Ana", "Anna"}


@pytest.mark.django_db
def test_whoever_asks_again_waits_again_although_the_contact_is_of_tomorrow():
    issued = an_issued_quote()
    first = lead_record(issued, a_contact(submitted_at=timezone.now() - DAY))
    store(first)
    [lead] = Lead.objects.all()
    Lead.objects.contact(lead.pk, by=User.objects.create_user("beto"), now=timezone.now() + DAY)
    store(first)
    assert not Lead.objects.waiting().exists()
    store(lead_record(issued, a_contact(submitted_at=timezone.now())))
    assert Lead.objects.waiting().get() == lead


@pytest.mark.django_db
def test_an_erased_person_may_ask_again_although_the_erasure_was_tomorrow():
    issued = an_issued_quote()
    store(lead_record(issued, a_contact(submitted_at=timezone.now() - DAY)))
    anonymise([Lead.objects.get().pk], by=None, now=timezone.now() + DAY, detail="request")
    store(lead_record(issued, a_contact(submitted_at=timezone.now() - DAY)))
    assert not Lead.objects.exclude(phone="").exists()
    store(lead_record(issued, a_contact(submitted_at=timezone.now())))
    assert Lead.objects.exclude(phone="").count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("fails", [False, True])
def test_staff_are_alerted_although_the_last_alert_was_tomorrow(fails, settings, mailoutbox, monkeypatch):
    settings.ALERT_EMAILS, settings.EMAIL_HOST = ["sales@example.com"], "mail.example.com"
    now = timezone.now()
    sending.send_alerts(now)
    store(lead_record(an_issued_quote(), a_contact()))
    if fails:
        monkeypatch.setattr(sending.EmailMessage, "send", lambda mail: (_ for _ in ()).throw(OSError()))
    sending.send_alerts(now + DAY)
    monkeypatch.undo()
    recipient = Recipient.objects.get(address=f"{MAILTO}sales@example.com")
    assert recipient.next_try_at > now + DAY

    store(lead_record(an_issued_quote(), a_contact(phone="+526560000002")))
    assert sending.send_alerts(now).delivered == 1


@pytest.mark.django_db
def test_a_flood_is_told_of_although_the_last_one_was_tomorrow():
    Alert.objects.create(kind=Alert.Kind.SET_ASIDE, subject="1", at=timezone.now() + DAY)
    store(lead_record(an_issued_quote(), a_contact(flags=("honeypot",))))
    creation.create_alerts(timezone.now())
    assert Alert.objects.filter(kind=Alert.Kind.SET_ASIDE).count() == 2


@pytest.mark.django_db
def test_a_note_and_a_day_s_count_of_tomorrow_keep_nothing_from_today():
    store(lead_record(an_issued_quote(), a_contact()))
    lead, by, now = Lead.objects.get(), User.objects.create_user("beto"), timezone.now()
    for at in (now + DAY, now, now + timedelta(seconds=1)):
        notes.add(lead, "Llamé", by=by, now=at)
    assert lead.kept_notes.count() == 2
    row = LeadDay(day=(now - 30 * DAY).date(), counted_at=now + DAY, is_outdated=False)
    assert not days._is_fresh(row, now, timezone.get_current_timezone())
