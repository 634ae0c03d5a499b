from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from leads.alerts.sending import queue, send_alerts
from leads.errors import named


class Command(BaseCommand):
    help = "Tell at once whom new and unanswered leads concern. The site does so by itself every few seconds."

    def handle(self, **options):
        try:
            done, left = send_alerts(timezone.now()), queue()
        except DatabaseError as error:
            raise CommandError(f"The database does not answer ({named(error)}): run this again.") from error
        waiting = f"{left.behind} of {left.recipients} recipients wait"
        self.stdout.write(f"{done.noted} noted, {done.delivered} delivered, {done.failed} failed; {waiting}")
        if left.failing:
            raise CommandError(f"{left.failing} cannot be told ({left.fault}); docs/alerts.md says what to do.")
