"""Creates alerts from the rows of `leads`, so that a checkout does no work for them.

A lead that was delayed by an outage gets its alert when its row arrives.
"""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from leads.business_hours import due_at
from leads.models import Alert, Lead, LeadQuerySet
from quoter import site

# Customers ask for a quote within days of seeing it; an alert about an older one would only show a neglected inbox.
ALERT_AGE_LIMIT = timedelta(days=14)
KEPT_FOR = timedelta(days=60)
HEARTBEAT_HOUR = 9

logger = logging.getLogger("leads.alerts")


def create_alerts(now: datetime) -> int:
    """Add an alert for each new or overdue lead, and the day's heartbeat; return how many were added."""
    if not _new_leads(now).exists() and not _overdue_and_heartbeat(now):
        return 0
    with transaction.atomic():
        with connection.cursor() as cursor:
            # A recipient's cursor is an id, so a lower id must not become visible after a higher one was read.
            cursor.execute("LOCK TABLE lead_alerts IN SHARE ROW EXCLUSIVE MODE")
            # Thousands may arrive when an outage ends. One statement inside Postgres leaves the CPU to customers.
            new = _new_leads(now).values_list(Value(Alert.Kind.CAME), "folio", Value(now))
            select, parameters = new.query.sql_with_params()
            cursor.execute(f"INSERT INTO lead_alerts (kind, subject, at) {select}", parameters)
            count: int = cursor.rowcount
        others = _overdue_and_heartbeat(now)
        Alert.objects.bulk_create(others)
    if any(alert.kind == Alert.Kind.ALIVE for alert in others):
        # Also a sign of life for shops that have no mail set up.
        logger.info("alerts are working: %d waiting", recently_waiting(now).count())
        Alert.objects.filter(at__lt=now - KEPT_FOR).delete()
    return count + len(others)


def recently_waiting(now: datetime) -> LeadQuerySet:
    """Return the waiting leads that are recent enough for an alert."""
    return Lead.objects.waiting().filter(created_at__gt=now - ALERT_AGE_LIMIT)


def _new_leads(now: datetime) -> LeadQuerySet:
    return _waiting_without(Alert.Kind.CAME, now)


def _overdue_and_heartbeat(now: datetime) -> list[Alert]:
    """Return an alert for each lead that is overdue and, once a day, the heartbeat."""
    alerts = [Alert(kind=Alert.Kind.UNANSWERED, subject=folio, at=now) for folio in _overdue(now)]
    local_now = timezone.localtime(now)
    today = local_now.date().isoformat()
    if local_now.hour >= HEARTBEAT_HOUR and not Alert.objects.filter(kind=Alert.Kind.ALIVE, subject=today).exists():
        alerts.append(Alert(kind=Alert.Kind.ALIVE, subject=today, at=now))
    return alerts


def _overdue(now: datetime) -> list[str]:
    without_alert = _waiting_without(Alert.Kind.UNANSWERED, now).annotate(asked=Coalesce("submitted_at", "created_at"))
    # Time outside business hours does not count, so this finds more leads than are due.
    candidates = without_alert.filter(asked__lte=now - settings.ESCALATE_AFTER).values_list("folio", "asked")
    after, hours, zone = settings.ESCALATE_AFTER, settings.BUSINESS_HOURS, site.zone()
    return [folio for folio, asked in candidates if due_at(asked, promise=after, hours=hours, zone=zone) <= now]


def _waiting_without(kind: Alert.Kind, now: datetime) -> LeadQuerySet:
    alerts = Alert.objects.filter(kind=kind, subject=OuterRef("folio"))
    return recently_waiting(now).filter(~Exists(alerts)).order_by("created_at", "id")
