import logging

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from leads.delivery import machines
from leads.errors import error_name
from leads.models import Machine

logger = logging.getLogger("leads.machines")


class Command(BaseCommand):
    help = "List the site's web machines and what waits on each, or forget one that was removed."

    def add_arguments(self, parser):
        does = parser.add_subparsers(dest="does")
        does.add_parser("list", help="the machines, when each was last heard of, and what waited there then")
        forget = does.add_parser("forget", help="name a removed machine no more; one that works appears again")
        forget.add_argument("name", help="as it is listed")

    def handle(self, *, does, **options):
        try:
            getattr(self, does or "list")(**options)
        except DatabaseError as error:
            raise CommandError(f"The database does not answer ({error_name(error)}): run this again.") from error

    def list(self, **options):
        for state in machines.states():
            counts = state.counts
            seen = f"{timezone.localtime(state.seen_at):%Y-%m-%d %H:%M:%S}" if state.seen_at else "has no row yet"
            waits = (
                f"{counts.pending} pending, {counts.quarantined} quarantined, {counts.damaged} damaged, "
                f"{state.inaccessible} inaccessible"
            )
            notes = ["this machine"] * state.is_this + ["not heard of"] * state.is_silent
            self.stdout.write("\t".join([state.name, seen, waits, state.version, *notes]))

    def forget(self, *, name, **options):
        found = [state for state in machines.states() if state.name == name and state.seen_at]
        if not found:
            raise CommandError(f"No machine is called {name}; `manage.py machines` lists them.")
        [state] = found
        Machine.objects.filter(key=state.key).delete()
        logger.info("machine forgotten: name=%s pending=%s", state.name, state.counts.pending)
        self.stdout.write(f"{name} is forgotten. If it works, it appears again within seconds.")
