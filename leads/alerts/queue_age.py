"""Asks Postgres who waits, for Prometheus: the alerts worker does it, so that no scrape ever waits for Postgres."""

import time

from django.conf import settings

from leads.inbox.changelist import capped_count
from leads.models import Lead
from telemetry import series

EVERY_S = 15.0


class QueueAge:
    """Only the alerts worker that is on duty calls it."""

    def __init__(self) -> None:
        self._ask_at = 0.0  # by the monotonic clock

    def ask_when_due(self) -> None:
        if not settings.METRICS_TOKEN or time.monotonic() < self._ask_at:
            return
        self._ask_at = time.monotonic() + EVERY_S
        waiting = Lead.objects.waiting()
        oldest = waiting.values_list("arrived_at", flat=True).first()
        series.WAITING.set(capped_count(waiting))
        series.OLDEST_AT.set(oldest.timestamp() if oldest else 0)
        series.ASKED_AT.set(time.time())
