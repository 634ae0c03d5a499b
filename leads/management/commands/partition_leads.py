import re
from argparse import ArgumentTypeError

from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, DatabaseError
from django.utils import timezone

from leads.errors import error_name
from leads.management.commands.migrate import alone, migration_connection
from leads.ops.partitions import conversion, months
from leads.ops.partitions.months import Month
from leads.ops.stoppable import Stoppable


def month(text):
    """Return the Month of a text such as 2027-01."""
    if not re.fullmatch(r"20[0-9]{2}-(0[1-9]|1[0-2])", text):
        raise ArgumentTypeError("a month, such as 2027-01")
    year, number = map(int, text.split("-"))
    return Month(year, number)


class Command(Stoppable, BaseCommand):
    help = (
        "Partition the table leads by month, for shops of tens of millions of leads; of one that is partitioned, add "
        "the months to come. Without --apply it only reports what it would do."
    )
    after_stop = "leads is as it was. Run it again."

    def add_arguments(self, parser):
        parser.add_argument("--apply", "--yes", action="store_true", help="do it; without this nothing is changed")
        parser.add_argument(
            "--from",
            type=month,
            dest="first",
            metavar="2027-01",
            help="the first month with a partition of its own; what is older stays together, and newer leads are "
            "written again (the month after next, so that none is)",
        )

    def handle(self, *, apply, first, **options):
        try:
            with migration_connection(DEFAULT_DB_ALIAS), alone(DEFAULT_DB_ALIAS, self.stderr):
                self.partition(apply=apply, first=first)
        except DatabaseError as error:
            raise CommandError(f"Postgres refused ({error_name(error)}); leads is as it was. Run it again.") from error

    def partition(self, *, apply, first):
        today = timezone.localdate()
        if months.is_partitioned(DEFAULT_DB_ALIAS):
            missing = months.missing_months(DEFAULT_DB_ALIAS, today)
            if apply:
                months.add_missing_months(DEFAULT_DB_ALIAS, today)
            self.stdout.write("leads is partitioned; " + self.added(missing, apply=apply))
            return
        if conversion.drop_proof(DEFAULT_DB_ALIAS):
            self.stderr.write("What an earlier run left when it was killed was removed.", style_func=str)
        plan = conversion.plan(DEFAULT_DB_ALIAS, this_month=Month.of(today), first=first)
        self.stdout.write(
            f"About {plan.leads:,} leads: those before {plan.first} stay together in {plan.before}, "
            f"{plan.moving:,} are written again, and {plan.months} months from {plan.first} on have partitions of "
            f"their own. Postgres reads the table {'before it is' if plan.is_proved else 'while it is'} locked."
        )
        if not apply:
            self.stdout.write("Nothing was changed: --apply does it.")
            return
        conversion.convert(DEFAULT_DB_ALIAS, plan)
        self.stdout.write("leads is partitioned. Collecting its statistics ...")
        months.analyze(DEFAULT_DB_ALIAS)
        self.stdout.write("Done.")

    def added(self, missing, *, apply):
        if not missing:
            return "all months to come have partitions."
        listed = ", ".join(map(str, missing))
        return (
            f"added: {listed}."
            if apply
            else f"these months lack one: {listed}. Nothing was changed: --apply adds them."
        )
