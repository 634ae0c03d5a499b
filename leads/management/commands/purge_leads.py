import re
import tempfile
from argparse import ArgumentTypeError
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError
from django.db import DatabaseError
from django.utils import timezone

from leads.delivery.flush import finish_journals, flush
from leads.delivery.journal import census
from leads.errors import error_name
from leads.ops.owner import RunByOwner
from leads.ops.progress import Progress
from leads.ops.stoppable import Stoppable
from leads.privacy import columns, purge
from leads.privacy.unfinished import remove_unfinished


def age(text):
    """Return the timedelta of an age such as 365d."""
    if not re.fullmatch(r"[1-9][0-9]{0,4}d", text):
        raise ArgumentTypeError("an age in days, such as 365d")
    return timedelta(days=int(text[:-1]))


class Command(Stoppable, RunByOwner):
    help = "Delete or anonymise old leads. Without --apply it only reports what it would do."

    def add_arguments(self, parser):
        parser.add_argument("--older-than", type=age, required=True, metavar="365d", help="quoted longer ago than this")
        parser.add_argument("--anonymise", action="store_true", help="remove only personal data; amounts stay")
        parser.add_argument("--apply", "--yes", action="store_true", help="do it; without this nothing is changed")
        columns.add_argument(parser)
        parser.add_argument("--timeout", type=float, default=60, help="seconds to wait for the outbox (60)")

    def handle(self, *, older_than, apply, **options):
        self.directories = settings.OUTBOX_DIRECTORIES
        now = timezone.now()
        cutoff = now - older_than
        before = f"quoted before {timezone.localtime(cutoff):%Y-%m-%d %H:%M}"
        try:
            if apply:
                self.purge(cutoff, before, now, **options)
            else:
                self.preview(cutoff, before, **options)
        except DatabaseError as error:
            raise CommandError(f"The database stopped answering ({error_name(error)}); run this again.") from error

    def preview(self, cutoff, before, *, anonymise, **options):
        found = self.run_with_progress("leads counted", purge.count(cutoff)).leads
        on_disk = purge.count_on_disk(cutoff, self.directories)
        would = "would be anonymised" if anonymise else "would be deleted"
        self.stdout.write(
            f"{found} leads {before} {would}, and {on_disk.refused} refused records; "
            f"{on_disk.waiting} waiting records would be delivered first. Nothing was changed: --apply does it."
        )
        if left_out := census.left_out(self.directories):
            raise CommandError(left_out)

    def purge(self, cutoff, before, now, *, anonymise, timeout, keep_columns, **options):
        if purge.count_on_disk(cutoff, self.directories).journaled:
            flushed = flush(self.directories, timeout_s=timeout)
            if waiting := purge.count_on_disk(cutoff, self.directories).waiting:
                why = flushed.fault or "a running process has them"
                raise CommandError(f"{waiting} records of that age wait in the outbox ({why}); nothing was changed.")
            finish_journals(
                self.directories,
                until=lambda: not purge.count_on_disk(cutoff, self.directories).journaled,
                timeout_s=timeout,
            )
        # First the disk: what stayed there could be replayed after its row is deleted.
        refused = purge.clear_disk(cutoff, directories=self.directories, keeps_amounts=anonymise)
        if anonymise:
            changed = self.run_with_progress("leads anonymised", purge.forget_people(cutoff, now=now))
        else:
            changed = self.run_with_progress("leads deleted", purge.delete(cutoff, directories=self.directories))
        did = "were anonymised" if anonymise else "were deleted"
        self.stdout.write(f"{changed.leads} leads {before} {did}, and {refused} refused, kept or damaged records")
        if exports := remove_unfinished(Path(), Path(tempfile.gettempdir())):
            self.stdout.write(f"{exports} unfinished exports were deleted")
        left = []
        if journaled := purge.count_on_disk(cutoff, self.directories).journaled:
            left.append(
                f"{journaled} records of that age are still in the journal of a running process: "
                "restart the site, then run this again."
            )
        if left_out := census.left_out(self.directories):
            left.append(left_out)
        if held := columns.report(changed.held, where=f"created_at < '{cutoff.isoformat()}'", known=keep_columns):
            left.append(held)
        if left:
            raise CommandError("\n".join(left))

    def run_with_progress(self, what, steps):
        step = purge.Purged(0, 1.0)
        with Progress(what, self.stderr) as progress:
            for step in steps:
                progress.show(step.leads, step.fraction)
        return step
