"""Of all processes of all machines one sends alerts. Another takes over, and who was frozen sends nothing twice."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from leads.alerts import sending
from leads.alerts.lease import LEASE_S, HeldLease
from leads.alerts.sending import send_alerts
from leads.delivery.record import lead_record
from leads.models import Lease, Recipient
from tests.support.factories import a_contact, an_issued_quote, store

pytestmark = pytest.mark.django_db

SALES = "sales@example.com"


@pytest.fixture
def two_machines(settings) -> tuple[HeldLease, HeldLease]:
    settings.ALERT_EMAILS = [SALES]
    return HeldLease(), HeldLease()


def pass_s(seconds: float) -> None:
    Lease.objects.update(until=F("until") - timedelta(seconds=seconds))


def a_lead() -> None:
    store(lead_record(an_issued_quote(), a_contact(submitted_at=timezone.now())))


def test_one_holds_the_lease_and_another_takes_it_over_when_it_is_not_renewed(two_machines):
    one, two = two_machines
    assert (one.take(), two.take()) == (True, False)
    pass_s(LEASE_S - 1)
    assert (one.take(), two.take()) == (True, False)
    pass_s(LEASE_S)
    assert (two.take(), one.take()) == (True, False)
    assert (two.renew(), one.renew()) == (True, False)
    two.release()
    assert (two.renew(), one.take()) == (False, True)


def test_who_does_not_hold_the_lease_asks_with_one_read(two_machines):
    one, two = two_machines
    one.take()
    with CaptureQueriesContext(connection) as captured:
        assert not two.take()
    [query] = captured
    assert query["sql"].startswith("SELECT holder")


@pytest.mark.parametrize("is_claim_over", [False, True])
def test_a_process_that_was_frozen_before_a_message_sends_it_not_after_another(
    two_machines, mailoutbox, monkeypatch, is_claim_over
):
    one, two = two_machines
    assert one.take()
    send_alerts(timezone.now(), may_send=one.renew)  # adds the recipient
    a_lead()
    compose = sending._compose

    def freeze(*alerts: Any) -> Any:
        """Compose the message, and freeze: meanwhile the lease ends, and another process sends what is new."""
        monkeypatch.setattr(sending, "_compose", compose)
        pass_s(60)
        assert two.take()
        if is_claim_over:
            Recipient.objects.update(next_try_at=timezone.now())
        send_alerts(timezone.now(), may_send=two.renew)
        assert len(mailoutbox) == is_claim_over
        return compose(*alerts)

    monkeypatch.setattr(sending, "_compose", freeze)
    send_alerts(timezone.now(), may_send=one.renew)
    assert len(mailoutbox) == is_claim_over
    told = Recipient.objects.get().told_up_to
    for _ in range(2):
        send_alerts(timezone.now(), may_send=two.renew)
    assert len(mailoutbox) == 1
    assert Recipient.objects.get().told_up_to >= told


def test_a_process_that_was_frozen_during_a_message_takes_nothing_back(two_machines, mailoutbox, monkeypatch):
    one, two = two_machines
    assert one.take()
    send_alerts(timezone.now(), may_send=one.renew)
    a_lead()
    deliver = sending._deliver

    def freeze(*message: Any) -> None:
        monkeypatch.setattr(sending, "_deliver", deliver)
        pass_s(60)
        assert two.take()
        Recipient.objects.update(next_try_at=timezone.now())
        a_lead()
        send_alerts(timezone.now(), may_send=two.renew)
        raise ConnectionResetError

    monkeypatch.setattr(sending, "_deliver", freeze)
    send_alerts(timezone.now(), may_send=one.renew)
    [mail] = mailoutbox
    assert "2" in mail.subject
    for _ in range(2):
        send_alerts(timezone.now() + timedelta(hours=1), may_send=two.renew)
    assert len(mailoutbox) == 1
    assert Recipient.objects.get().failures == 0
