"""What there is to tell, found in the leads themselves: nothing is asked of the customer's path, and nothing gets lost.

A lead that an outage kept in the outbox is news when it arrives, however old it is by then.
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

# A quote is asked for within days; an alert about an older one would be about a neglected inbox.
NEWS_FOR = timedelta(days=14)
KEPT_FOR = timedelta(days=60)
ALIVE_HOUR = 9

logger = logging.getLogger("leads.alerts")


def note(now: datetime) -> int:
    """Add what is new to the alerts; return how much that was."""
    if not _who_came(now).exists() and not _besides(now):
        return 0
    with transaction.atomic():
        with connection.cursor() as cursor:
            # Recipients are told up to an id: a lower one must not appear after a higher one was read.
            cursor.execute("LOCK TABLE lead_alerts IN SHARE ROW EXCLUSIVE MODE")
            # Thousands may come with the end of an outage. They stay in Postgres: customers need the process's time.
            came = _who_came(now).values_list(Value(Alert.Kind.CAME), "folio", Value(now))
            select, parameters = came.query.sql_with_params()
            cursor.execute(f"INSERT INTO lead_alerts (kind, subject, at) {select}", parameters)
            count: int = cursor.rowcount
        found = _besides(now)
        Alert.objects.bulk_create(found)
    if any(alert.kind == Alert.Kind.ALIVE for alert in found):
        # The log has it even where nobody gets mail.
        logger.info("alerts are alive: %d waiting", recently_waiting(now).count())
        Alert.objects.filter(at__lt=now - KEPT_FOR).delete()
    return count + len(found)


def recently_waiting(now: datetime) -> LeadQuerySet:
    """Return who waits for an answer and may be news."""
    return Lead.objects.waiting().filter(created_at__gt=now - NEWS_FOR)


def _who_came(now: datetime) -> LeadQuerySet:
    return _waiting_without(Alert.Kind.CAME, now)


def _besides(now: datetime) -> list[Alert]:
    """Return what is new besides who came: whom nobody has answered and, once a day, that all this works."""
    found = [Alert(kind=Alert.Kind.UNANSWERED, subject=folio, at=now) for folio in _overdue(now)]
    here = timezone.localtime(now)
    today = here.date().isoformat()
    if here.hour >= ALIVE_HOUR and not Alert.objects.filter(kind=Alert.Kind.ALIVE, subject=today).exists():
        found.append(Alert(kind=Alert.Kind.ALIVE, subject=today, at=now))
    return found


def _overdue(now: datetime) -> list[str]:
    unnoted = _waiting_without(Alert.Kind.UNANSWERED, now).annotate(asked=Coalesce("submitted_at", "created_at"))
    long_ago = unnoted.filter(asked__lte=now - settings.ESCALATE_AFTER).values_list("folio", "asked")
    after, hours, zone = settings.ESCALATE_AFTER, settings.BUSINESS_HOURS, site.zone()
    return [folio for folio, asked in long_ago if due_at(asked, promise=after, hours=hours, zone=zone) <= now]


def _waiting_without(kind: Alert.Kind, now: datetime) -> LeadQuerySet:
    noted = Alert.objects.filter(kind=kind, subject=OuterRef("folio"))
    return recently_waiting(now).filter(~Exists(noted)).order_by("created_at", "id")
