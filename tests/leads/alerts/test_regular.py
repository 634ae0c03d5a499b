"""The mails that come by the shop's hours arrive once, at the right time, and name no customer."""

import smtplib
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.mail.backends.locmem import EmailBackend

from leads.alerts.lease import HeldLease
from leads.alerts.once import CLAIMED_S, Once
from leads.alerts.regular import Kind, RegularMails, due
from leads.inbox.person import arrange
from leads.models import Absence, FollowUp, Lead, Lease
from tests.leads.alerts.test_lease import pass_s
from tests.support.desk import BETO, JUAREZ, a_lead

pytestmark = pytest.mark.django_db

BOSS = "boss@example.com"
# The shop is open from 8 to 18, on Saturdays to 14, in Ciudad Juárez.
MONDAY = datetime(2026, 11, 23, 8, 0, tzinfo=JUAREZ)
LAST_WEDNESDAY = datetime(2026, 11, 18, 12, 0, tzinfo=JUAREZ)


@pytest.fixture(autouse=True)
def shop(settings) -> None:
    settings.LANGUAGE_CODE = "en"
    settings.PUBLIC_HOST = "quotes.example.com"
    settings.ALERT_MANAGER_EMAILS = [BOSS]


def a_seller(name: str, *, codename: str = "contact_lead", **values: Any) -> User:
    user = User.objects.create_user(name, f"{name}@example.com", is_staff=True, **values)
    user.user_permissions.set(Permission.objects.filter(codename=codename))
    return user


def titles(mailoutbox: list[Any]) -> list[tuple[str, str]]:
    return [(mail.to[0], mail.subject.partition(": ")[2]) for mail in mailoutbox]


# --- The week ---------------------------------------------------------------------------------------------------------


def test_on_monday_s_opening_the_owner_gets_last_week_s_figures(mailoutbox, admin_user):
    sold = a_lead(LAST_WEDNESDAY, total="1000")
    lost = a_lead(LAST_WEDNESDAY, phone=BETO, total="300")
    a_lead(LAST_WEDNESDAY - timedelta(days=3), phone="+526561234570", total="70000")  # the Sunday before
    a_lead(MONDAY, phone="+526561234571", total="80000")
    written = a_lead(LAST_WEDNESDAY, phone="+526561234572", total="500")
    for lead in (sold, lost, written):
        Lead.objects.contact(lead.pk, by=admin_user, now=LAST_WEDNESDAY + timedelta(minutes=9))
    arrange.sold(sold.pk, 900, by=admin_user, now=LAST_WEDNESDAY)
    arrange.lost(lost.pk, "Price", by=admin_user, now=LAST_WEDNESDAY)
    Lead.objects.update(arrived_at=LAST_WEDNESDAY)

    assert RegularMails().send(MONDAY - timedelta(seconds=1)) == 0
    assert RegularMails().send(MONDAY) == 1

    [mail] = mailoutbox
    assert (mail.to, mail.subject) == ([BOSS], "Folio: Last week: $900 sold, $1,800 quoted")
    here = "https://quotes.example.com/admin/"
    assert mail.body.splitlines() == [
        "From November 16 to November 22:",
        "",
        "Sold: $900, 1 sale, 50% of what was quoted",
        "Quoted: $1,800, 3 people",
        "Answered: 3 of 3 people, half within 9 min, 9 of 10 within 9 min",
        "Lost: $300, 1 person",
        "  Price: 1 person",
        "",
        "Waiting now for longer than promised: 2 people",
        f"{here}leads/lead/?status=waiting",
        "One message in the last 30 days and nothing more: 1 person, $500",
        f"{here}leads/lead/?status=all&follow=forgotten-30",
        "",
        f"The desk: {here}?days=7",
    ]


def test_the_week_s_mail_is_sent_once_by_all_machines_and_after_a_restart(mailoutbox):
    a_lead(LAST_WEDNESDAY)
    running = RegularMails()
    sent = [running.send(MONDAY), running.send(MONDAY + timedelta(minutes=1)), RegularMails().send(MONDAY)]
    assert sent == [1, 0, 0]
    assert RegularMails().send(MONDAY + timedelta(days=2)) == 0
    a_lead(MONDAY)
    assert running.send(MONDAY + timedelta(days=7)) == 1
    assert len(mailoutbox) == 2


def test_a_week_without_figures_sends_nothing_and_is_not_looked_at_again(mailoutbox, django_assert_num_queries):
    a_lead(LAST_WEDNESDAY - timedelta(days=20))
    mails = RegularMails()
    assert mails.send(MONDAY) == 0
    with django_assert_num_queries(0):
        assert mails.send(MONDAY + timedelta(seconds=5)) == 0
    assert mailoutbox == []


def test_a_mail_that_the_server_refuses_is_sent_later_and_once(mailoutbox, monkeypatch):
    a_lead(LAST_WEDNESDAY)
    refusals = [smtplib.SMTPServerDisconnected(), ConnectionRefusedError()]
    send = EmailBackend.send_messages

    def refuse(*args: Any) -> int:
        if refusals:
            raise refusals.pop()
        return send(*args)

    monkeypatch.setattr(EmailBackend, "send_messages", refuse)
    mails = RegularMails()
    assert [mails.send(MONDAY), mails.send(MONDAY)] == [0, 0]  # the second waits for a minute
    for _minute in range(2):
        pass_s(61)
        mails.send(MONDAY)
    assert len(mailoutbox) == 1


def test_a_process_that_died_while_it_wrote_the_mail_leaves_it_to_another(mailoutbox):
    a_lead(LAST_WEDNESDAY)
    assert Once("mail week", "2026-11-23").claim()
    assert RegularMails().send(MONDAY) == 0
    pass_s(CLAIMED_S + 1)
    assert RegularMails().send(MONDAY) == 1


def test_one_that_lost_its_lease_meanwhile_sends_nothing(mailoutbox):
    a_lead(LAST_WEDNESDAY)
    assert RegularMails().send(MONDAY, may_send=HeldLease().renew) == 0
    assert mailoutbox == []


def test_without_a_mail_server_nothing_is_noted_as_sent(settings):
    a_lead(LAST_WEDNESDAY)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "localhost"
    assert RegularMails().send(MONDAY) == 0
    assert not Lease.objects.exists()


# --- Morning and evening ----------------------------------------------------------------------------------------------


def test_in_the_morning_each_seller_gets_the_number_of_what_is_due(mailoutbox, settings):
    settings.ALERT_MANAGER_EMAILS = []
    ana, beto, away = a_seller("ana"), a_seller("beto"), a_seller("away")
    a_seller("office", codename="view_lead")
    a_seller("gone", is_active=False)
    Absence.objects.create(user=away, until=MONDAY.date() + timedelta(days=1))
    for number, (seller, at) in enumerate([(ana, 0), (ana, 9), (beto, 30)]):
        lead = a_lead(LAST_WEDNESDAY, phone=f"+52656000000{number}")
        step = arrange.Step(MONDAY + timedelta(hours=at), "call Ana", seller)
        arrange.plan(lead.pk, step, by=seller, now=LAST_WEDNESDAY)

    assert RegularMails().send(MONDAY) == 1
    assert RegularMails().send(MONDAY + timedelta(hours=2)) == 0

    [mail] = mailoutbox
    assert titles(mailoutbox) == [("ana@example.com", "2 customers for today")]
    assert "https://quotes.example.com/admin/leads/lead/?status=today" in mail.body
    assert "call" not in mail.body
    RegularMails().send(MONDAY + timedelta(days=1))  # away is back, with nothing of their own
    assert titles(mailoutbox)[1:] == [
        ("ana@example.com", "2 customers for today"),
        ("beto@example.com", "1 customer for today"),
    ]


def test_what_is_due_of_somebody_away_goes_to_the_managers(mailoutbox):
    ana, beto = a_seller("ana"), a_seller("beto")
    days = {"since": MONDAY.date() - timedelta(days=1), "until": MONDAY.date() + timedelta(days=2)}
    Absence.objects.create(user=ana, **days)
    Absence.objects.create(user=beto, **days)  # with nothing of their own
    lead = a_lead(LAST_WEDNESDAY)
    arrange.plan(lead.pk, arrange.Step(MONDAY, "call", ana), by=ana, now=LAST_WEDNESDAY)
    RegularMails().send(MONDAY)
    assert RegularMails().send(MONDAY) == 0
    [mail] = [mail for mail in mailoutbox if "week" not in mail.subject]
    assert titles([mail]) == [(BOSS, "ana is away: 1 customer for today")]
    assert mail.body.splitlines() == [
        "Until November 24, what ana planned is under Today for everybody:",
        "https://quotes.example.com/admin/leads/lead/?status=today",
    ]


def test_in_the_evening_managers_get_the_number_of_steps_that_were_not_done(mailoutbox):
    seller = User.objects.create_user("beto", is_staff=True)  # without an address
    for number, hours in enumerate([-100, 9, 11]):
        lead = a_lead(MONDAY, phone=f"+52656000000{number}")
        arrange.plan(lead.pk, arrange.Step(MONDAY + timedelta(hours=hours)), by=seller, now=LAST_WEDNESDAY)
    closing = MONDAY + timedelta(hours=10)
    mails = RegularMails()
    assert [mails.send(closing - timedelta(seconds=1)), mails.send(closing), mails.send(closing)] == [0, 1, 0]
    assert titles(mailoutbox) == [(BOSS, "2 next steps were not done")]
    assert "https://quotes.example.com/admin/leads/lead/?status=all&follow=overdue" in mailoutbox[0].body
    FollowUp.objects.update(is_open=False)
    assert RegularMails().send(closing + timedelta(days=1)) == 0


@pytest.mark.parametrize(
    ("at", "kinds"),
    [
        ("2026-11-22T12:00", [Kind.WEEK]),  # a Sunday: the shop is closed, and the week's mail is that of its Monday
        ("2026-11-23T07:59", []),
        ("2026-11-23T08:00", [Kind.WEEK, Kind.MORNING]),
        ("2026-11-23T18:00", [Kind.WEEK, Kind.EVENING]),
        ("2026-11-23T22:00", [Kind.WEEK]),
        ("2026-11-28T14:00", [Kind.WEEK, Kind.EVENING]),
        ("2026-12-28T12:00", []),  # closed until Tuesday
        ("2026-12-29T08:00", [Kind.WEEK, Kind.MORNING]),
    ],
)
def test_the_mails_are_due_by_the_shop_s_hours(settings, at, kinds):
    settings.HOLIDAYS = ("12-28",)
    assert [kind for kind, _day in due(datetime.fromisoformat(at).replace(tzinfo=JUAREZ), JUAREZ)] == kinds


def test_a_shop_that_never_closes_gets_its_mails_too(settings):
    settings.BUSINESS_HOURS = (((timedelta(0), timedelta(hours=24)),),) * 7
    midnight = datetime(2026, 11, 24, 0, 0, tzinfo=JUAREZ)
    assert [(kind, day.day) for kind, day in due(midnight, JUAREZ)] == [
        (Kind.WEEK, 23),
        (Kind.EVENING, 23),
        (Kind.MORNING, 24),
    ]
    settings.BUSINESS_HOURS = ((),) * 7
    nine = datetime(2026, 11, 23, 9, 0, tzinfo=JUAREZ)
    assert [list(due(at, JUAREZ)) for at in (nine - timedelta(seconds=1), nine)] == [[], [(Kind.WEEK, nine.date())]]
