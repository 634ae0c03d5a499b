"""Creates alerts from the rows of `leads`, so that a checkout does no work for them.

Each lead stores what staff were told of it, and an index holds only those of which there is still something to tell. So
a round costs the same however many wait. A lead that was delayed by an outage gets its alert when its row arrives, and
so does one that another program writes.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from leads.business_hours import due_since
from leads.inbox.changelist import capped_count, count_text
from leads.models import Alert, Lead
from quoter import site
from quoter.shop.values import shop

KEPT_FOR = timedelta(days=60)
HEARTBEAT_HOUR = 9
# A flood is one alert an hour, however many leads it has.
SET_ASIDE_PAUSE = timedelta(hours=1)

# The person's newer phone is announced instead.
_IS_NEWEST = """
NOT EXISTS (
    SELECT FROM leads AS newer WHERE newer.folio = leads.folio AND newer.phone > '' AND newer.id <> leads.id
    AND newer.submitted_at > leads.submitted_at
    AND (upper(newer.name) = upper(leads.name) OR newer.visitor_id > '' AND newer.visitor_id = leads.visitor_id)
)
"""
_TO_ANNOUNCE = """
FROM leads WHERE status = 'new' AND phone > '' AND set_aside = '' AND alert_stage < 2
AND alert_stage = %(before)s AND arrived_at <= %(until)s::timestamptz
"""
# One statement inside Postgres, which leaves the CPU to customers: thousands may arrive when an outage ends.
_ANNOUNCE = f"""
WITH announced AS (
    UPDATE leads SET alert_stage = %(after)s WHERE id IN (SELECT id {_TO_ANNOUNCE}) RETURNING id
)
INSERT INTO lead_alerts (kind, subject, at)
SELECT %(kind)s, announced.id::text, %(now)s FROM announced JOIN leads USING (id) WHERE {_IS_NEWEST}
"""

logger = logging.getLogger("leads.alerts")


def create_alerts(now: datetime) -> int:
    """Add an alert for each new or overdue lead, and the day's heartbeat; return how many were added."""
    overdue_since = due_since(
        now,
        promise=shop.ESCALATE_AFTER,
        hours=shop.BUSINESS_HOURS,
        zone=site.zone(),
        holidays=shop.HOLIDAYS,
    )
    rounds = [
        (Alert.Kind.CAME, Lead.AlertStage.NOTHING, Lead.AlertStage.CAME, "infinity"),
        (Alert.Kind.UNANSWERED, Lead.AlertStage.CAME, Lead.AlertStage.UNANSWERED, overdue_since),
    ]
    steps: list[dict[str, Any]] = [
        {"kind": kind, "before": before, "after": after, "until": until, "now": now}
        for kind, before, after, until in rounds
    ]
    set_aside, needs_heartbeat = _newly_set_aside(now), _needs_heartbeat(now)
    if not set_aside and not needs_heartbeat and not any(map(_has_some, steps)):
        return 0
    count = 0
    with transaction.atomic(), connection.cursor() as cursor:
        # A recipient's cursor is an id, so a lower id must not become visible after a higher one was read.
        cursor.execute("LOCK TABLE lead_alerts IN SHARE ROW EXCLUSIVE MODE")
        for step in steps:
            cursor.execute(_ANNOUNCE, step)
            count += cursor.rowcount
        if set_aside and _newly_set_aside(now):  # another process may have been first
            Alert.objects.create(kind=Alert.Kind.SET_ASIDE, subject=count_text(set_aside), at=now)
            count += 1
        if needs_heartbeat:
            Alert.objects.get_or_create(kind=Alert.Kind.ALIVE, subject=_day(now), defaults={"at": now})
    if needs_heartbeat:
        # Also a sign of life for shops that have no mail set up.
        logger.info("alerts are working: %s waiting", count_text(capped_count(Lead.objects.waiting())))
        Alert.objects.filter(at__lt=now - KEPT_FOR).delete()
    return count + needs_heartbeat


def _newly_set_aside(now: datetime) -> int:
    """Return how many leads were set aside since the last alert of some, at most MOST_COUNTED; 0 soon after that."""
    last = Alert.objects.filter(kind=Alert.Kind.SET_ASIDE).order_by("id").last()
    # The clock was ahead when an alert of the future was added; whoever was set aside since then is told of again.
    if last and timedelta(0) <= now - last.at < SET_ASIDE_PAUSE:
        return 0
    since = last.at if last and last.at <= now else now - SET_ASIDE_PAUSE
    return capped_count(Lead.objects.set_aside().filter(arrived_at__gt=since))


def _has_some(step: dict[str, Any]) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS (SELECT {_TO_ANNOUNCE})", step)
        return bool(cursor.fetchone()[0])


def _needs_heartbeat(now: datetime) -> bool:
    is_time = timezone.localtime(now).hour >= HEARTBEAT_HOUR
    return is_time and not Alert.objects.filter(kind=Alert.Kind.ALIVE, subject=_day(now)).exists()


def _day(now: datetime) -> str:
    return timezone.localdate(now).isoformat()
