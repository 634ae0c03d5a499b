from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from leads.alerts.sending import queue_state, send_alerts
from leads.errors import error_name


class Command(BaseCommand):
    help = "Send the pending alerts about new and unanswered leads now. The site itself does so every few seconds."

    def handle(self, **options):
        try:
            done, left = send_alerts(timezone.now()), queue_state()
        except DatabaseError as error:
            raise CommandError(f"The database does not answer ({error_name(error)}): run this again.") from error
        waiting = f"{left.behind} of {left.recipients} recipients wait"
        self.stdout.write(f"{done.created} created, {done.delivered} delivered, {done.failed} failed; {waiting}")
        if left.failing:
            raise CommandError(f"{left.failing} cannot be notified ({left.fault}); docs/alerts.md says what to do.")
