from importlib import import_module

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, DatabaseError
from django.utils import timezone

from leads.errors import error_name
from leads.management.commands.migrate import alone, migration_connection
from leads.management.commands.purge_leads import age
from leads.models import FollowUp
from leads.ops import adopted_folios
from leads.ops.owner import RunByOwner
from leads.ops.partitions import upkeep
from leads.ops.stoppable import Stoppable
from leads.privacy import columns


class Command(Stoppable, RunByOwner):
    help = (
        "What has to be done every day: delete ended sessions of staff, give folios to leads that other programs wrote "
        "into an adopted table and, only with --anonymise or --delete, delete or anonymise old leads. Run it on each "
        "machine that runs the site. Twice, or at once on several, is harmless."
    )

    def add_arguments(self, parser):
        old = parser.add_mutually_exclusive_group()
        old.add_argument("--anonymise", type=age, metavar="365d", help="leads quoted longer ago lose their person")
        old.add_argument("--delete", type=age, metavar="365d", help="leads quoted longer ago are deleted")
        columns.add_argument(parser)

    def handle(self, *, anonymise, delete, keep_columns, **options):
        try:
            import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
            FollowUp.objects.sweep()  # other programs delete leads, too
        except DatabaseError as error:
            raise CommandError(f"The database does not answer ({error_name(error)}): run this again.") from error
        self.stdout.write("ended sessions of staff were deleted")
        self.fill_folios()
        fault = self.keep_partitions_up()
        if oldest := anonymise or delete:
            call_command(
                "purge_leads",
                f"--older-than={oldest.days}d",
                anonymise=bool(anonymise),
                apply=True,
                keep_columns=keep_columns,
                stdout=self.stdout,
                stderr=self.stderr,
            )
        if fault:
            raise CommandError(fault)

    def fill_folios(self):
        try:
            filled = adopted_folios.fill_folios(DEFAULT_DB_ALIAS, out=self.stderr)
        except DatabaseError as error:
            raise CommandError(
                f"Leads of other programs got no folios ({error_name(error)}): run this again."
            ) from error
        if filled:
            self.stdout.write(filled)

    def keep_partitions_up(self):
        """Return why that failed, or None."""
        try:
            if upkeep.is_due(DEFAULT_DB_ALIAS):
                with migration_connection(DEFAULT_DB_ALIAS), alone(DEFAULT_DB_ALIAS, self.stderr):
                    done = upkeep.keep_up(DEFAULT_DB_ALIAS, timezone.localdate())
                self.stdout.write(done or "leads has partitions for the months to come")
        except DatabaseError as error:
            return (
                f"Postgres refused new partitions of leads ({error_name(error)}); the doctor says when they are urgent."
            )
