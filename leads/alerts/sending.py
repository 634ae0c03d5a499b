"""Sends alerts to their recipients, at least once. Each recipient has a cursor, which moves only after a delivery.

One message covers all alerts since the cursor, even after an hour without a mail server. A new recipient's cursor
begins at the newest alert.
"""

import json
import logging
import smtplib
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.db.models import Exists, Max, Min, OuterRef, Q
from django.utils import translation

from leads.alerts import creation, message, push
from leads.inbox.changelist import capped_count
from leads.models import MAILTO, Alert, Lead, LeadQuerySet, Recipient
from quoter.shop.values import shop
from telemetry import series

INBOX = "/admin/leads/lead/"
MANAGERS = ["Sales manager", "Owner"]
# The shortest time between two messages; alerts that are created meanwhile share the next one.
BROWSER_PAUSE = timedelta(minutes=1)
MAIL_PAUSE = timedelta(minutes=5)
# Longer than a delivery can take. When a process dies during one, another process tries again after this time.
CLAIMED_FOR = timedelta(minutes=2)
FIRST_RETRY = timedelta(seconds=30)
LAST_RETRY = timedelta(hours=1)
WORRYING_FAILURES = 3

logger = logging.getLogger("leads.alerts")


class SendResult(NamedTuple):
    """created: new alerts; delivered, failed: messages."""

    created: int
    delivered: int
    failed: int


class QueueState(NamedTuple):
    """How many recipients there are, and how many of them wait for an alert.

    behind: recipients with an alert that was not delivered to them, the oldest of `oldest_at`. failing: recipients with
    WORRYING_FAILURES or more failures since the last delivery. fault: the last failing one's. delivered_at: the last
    delivery to any recipient.
    """

    recipients: int
    behind: int
    oldest_at: datetime | None
    failing: int
    fault: str
    delivered_at: datetime | None


def send_alerts(now: datetime, *, may_send: Callable[[], bool] = lambda: True) -> SendResult:
    """Create new alerts and send what is due. A later call retries failed messages; calls may run in parallel.

    may_send: asked immediately before each message whether this process is still the one that sends.
    """
    _sync_mail_recipients(now)
    created = creation.create_alerts(now)
    last_id = Alert.last_id()
    behind = Recipient.objects.filter(told_up_to__lt=last_id).select_related("user")
    due = [recipient for recipient in behind if recipient.is_due(now, longest_pause=_longest_pause(recipient))]
    results = [_send(recipient, last_id, now, may_send) for recipient in due]
    return SendResult(created, results.count(True), results.count(False))


def queue_state() -> QueueState:
    undelivered = Alert.objects.filter(id__gt=OuterRef("told_up_to"))
    behind = Recipient.objects.filter(Exists(undelivered))
    failing = Recipient.objects.filter(failures__gte=WORRYING_FAILURES)
    oldest = behind.aggregate(up_to=Min("told_up_to"))["up_to"]
    return QueueState(
        recipients=Recipient.objects.count(),
        behind=behind.count(),
        oldest_at=Alert.objects.filter(id__gt=oldest).aggregate(at=Min("at"))["at"] if oldest is not None else None,
        failing=failing.count(),
        fault=failing.order_by("-next_try_at").values_list("fault", flat=True).first() or "",
        delivered_at=Recipient.objects.aggregate(at=Max("told_at"))["at"],
    )


def mail_is_set_up() -> bool:
    return settings.EMAIL_HOST != "localhost" or not settings.EMAIL_BACKEND.endswith(".smtp.EmailBackend")


def manager_addresses() -> set[str]:
    """Return the addresses that get alerts of unanswered leads: ALERT_MANAGER_EMAILS, or else the managers' group."""
    if shop.ALERT_MANAGER_EMAILS or not mail_is_set_up():
        return set(shop.ALERT_MANAGER_EMAILS)
    managers = User.objects.filter(is_active=True, groups__name=MANAGERS[0]).exclude(email="")
    return set(managers.values_list("email", flat=True))


def _sync_mail_recipients(now: datetime) -> None:
    """Add and delete recipients so that their e-mail addresses are those of the settings and the managers' group."""
    wanted = {MAILTO + address for address in {*shop.ALERT_EMAILS, *manager_addresses()}}
    mailed = Recipient.objects.filter(address__startswith=MAILTO)
    known = set(mailed.values_list("address", flat=True))
    if known - wanted:
        mailed.filter(address__in=known - wanted).delete()
    for address in wanted - known:
        Recipient.objects.get_or_create(
            address=address, defaults={"told_up_to": Alert.last_id(), "next_try_at": now, "user": None}
        )


def _send(recipient: Recipient, last_id: int, now: datetime, may_send: Callable[[], bool]) -> bool | None:
    """Return whether a message was delivered; None when there was nothing to send, or another process sends it.

    A process that was frozen for longer than its claim changes nothing of what another has done meanwhile.
    """
    kinds = _kinds_for(recipient)
    if not kinds:
        recipient.delete()  # no longer a staff member, or no longer in the settings
        return None
    if not recipient.claim(until=now + CLAIMED_FOR):
        return None
    composed = _compose(Alert.objects.filter(id__gt=recipient.told_up_to, id__lte=last_id, kind__in=kinds), now)
    this_one = recipient.unchanged()
    way = "mail" if recipient.email else "browser"
    if composed is None:
        this_one.update(told_up_to=last_id, next_try_at=now)
        return None
    if not (this_one.exists() and may_send()):
        this_one.update(next_try_at=now)
        return None
    try:
        _deliver(composed, recipient)
    except push.SubscriptionEnded:
        this_one.delete()
        return None
    except (push.PushFailed, OSError, smtplib.SMTPException) as error:
        series.MESSAGES.add(way, "failed")
        failures = recipient.failures + 1
        fault = str(error) if isinstance(error, push.PushFailed) else type(error).__name__
        this_one.update(failures=failures, fault=fault, next_try_at=now + _retry_pause(failures))
        level = logging.WARNING if failures == WORRYING_FAILURES else logging.INFO
        logger.log(level, "alert not delivered: recipient=%s failures=%s fault=%s", recipient.pk, failures, fault)
        return False
    series.MESSAGES.add(way, "sent")
    this_one.update(told_up_to=last_id, told_at=now, failures=0, fault="", next_try_at=now + _pause(recipient))
    logger.info("alert delivered: recipient=%s", recipient.pk)
    return True


def _pause(recipient: Recipient) -> timedelta:
    return MAIL_PAUSE if recipient.email else BROWSER_PAUSE


def _retry_pause(failures: int) -> timedelta:
    return min(FIRST_RETRY * int(2 ** min(failures - 1, 10)), LAST_RETRY)


def _longest_pause(recipient: Recipient) -> timedelta:
    return max(CLAIMED_FOR, _retry_pause(recipient.failures) if recipient.failures else _pause(recipient))


def _kinds_for(recipient: Recipient) -> set[Alert.Kind]:
    """Return the kinds of alert that a recipient gets; none for one that must not get any more."""
    kinds: set[Alert.Kind] = set()
    if email := recipient.email:
        if email in shop.ALERT_EMAILS:
            kinds |= {Alert.Kind.CAME, Alert.Kind.SET_ASIDE}
        if email in manager_addresses():
            kinds |= {Alert.Kind.UNANSWERED, Alert.Kind.SET_ASIDE, Alert.Kind.ALIVE}
    elif (user := recipient.user) and user.is_staff and user.has_perm("leads.view_lead"):
        kinds |= {Alert.Kind.CAME, Alert.Kind.SET_ASIDE}
        if user.is_superuser or user.groups.filter(name__in=MANAGERS).exists():
            kinds.add(Alert.Kind.UNANSWERED)
    return kinds


def _compose(alerts: Iterable[Alert], now: datetime) -> message.Notification | None:
    """Return one message about all the alerts; None when every lead in them has been answered meanwhile."""
    subjects: dict[str, set[str]] = {kind: set() for kind in Alert.Kind.values}
    for alert in alerts:
        subjects[alert.kind].add(alert.subject)
    came, unanswered = subjects[Alert.Kind.CAME], subjects[Alert.Kind.UNANSWERED]
    waiting = list(_waiting_of(came | unanswered))
    with translation.override(settings.LANGUAGE_CODE):
        parts = []
        if waiting:
            parts += [
                message.about_leads(
                    came=[lead for lead in waiting if {str(lead.pk), lead.folio} & came],
                    unanswered=[lead for lead in waiting if {str(lead.pk), lead.folio} & unanswered],
                )
            ]
        if counts := subjects[Alert.Kind.SET_ASIDE]:
            parts += [message.about_set_aside(sorted(counts))]
        if parts:
            return message.together(parts)
        if subjects[Alert.Kind.ALIVE]:
            a_day_ago = now - timedelta(days=1)
            return message.heartbeat(
                came=Alert.objects.filter(kind=Alert.Kind.CAME, at__gt=a_day_ago).count(),
                waiting=capped_count(Lead.objects.waiting()),
            )
    return None


def _waiting_of(subjects: Collection[str]) -> LeadQuerySet:
    """Return the leads of alerts that still wait. subjects: ids, and folios in alerts of an earlier release."""
    keys = [key for subject in subjects if (key := Lead.key_of(subject)) is not None]
    return Lead.objects.waiting().filter(Q(pk__in=keys) | Q(folio__in=subjects))


def _deliver(composed: message.Notification, recipient: Recipient) -> None:
    if email := recipient.email:
        body = "\n".join([*composed.lines, "", _inbox_address()])
        EmailMessage(f"{shop.BUSINESS_NAME}: {composed.title}", body, to=[email]).send()
        return
    shown = {"title": composed.title, "body": "\n".join(composed.lines), "url": INBOX}
    push.send(
        json.dumps(shown, ensure_ascii=False),
        endpoint=recipient.address,
        p256dh=recipient.p256dh,
        auth=recipient.auth,
    )


def _inbox_address() -> str:
    return f"https://{settings.PUBLIC_HOST}{INBOX}" if settings.PUBLIC_HOST else INBOX
