from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from leads.inbox.restore import NothingToRestore, restore


class Command(BaseCommand):
    help = "Restore a lead from the link in its WhatsApp message. Put the link in quotes, because it contains a #."

    def add_arguments(self, parser):
        parser.add_argument("text", metavar="TOKEN-OR-URL", help="the link, its token, or the whole message")

    def handle(self, *, text, **options):
        try:
            restored = restore(text, by=None)
        except NothingToRestore as nothing:
            hint = f" It names the folio {nothing.folio}." if nothing.folio else ""
            raise CommandError(f"There is no complete link of this site in the text.{hint}") from nothing
        except DatabaseError as error:
            raise CommandError(f"The database did not take the lead ({type(error).__name__}); try again.") from error
        self.stdout.write(f"{restored.lead.folio}: {restored.effect}")
