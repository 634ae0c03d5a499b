from datetime import datetime, time

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from leads.errors import error_name
from leads.models import Lead
from leads.ops.arguments import day
from leads.ops.audit import audit
from leads.ops.progress import Progress
from leads.ops.stoppable import Stoppable
from quoter import site


class Command(Stoppable, BaseCommand):
    help = "Price every stored quote again from its own prices, and report each amount that does not follow from them."

    after_stop = "Nothing was changed. Run it again: it starts from the beginning."

    def add_arguments(self, parser):
        parser.add_argument("--since", type=day, metavar="YYYY-MM-DD", help="quoted that day or after")

    def handle(self, *, since, **options):
        leads = Lead.objects.all()
        if since:
            leads = leads.filter(created_at__gte=datetime.combine(since, time(), site.zone()))
        audited, without_prices, wrong = 0, 0, set()
        try:
            with Progress("quotes audited", self.stderr) as progress:
                for page in audit(leads, zone=site.zone()):
                    audited += page.quotes
                    without_prices += page.without_prices
                    wrong |= {finding.folio for finding in page.findings}
                    for finding in page.findings:
                        self.stdout.write(str(finding))
                    progress.show(audited, page.fraction)
        except DatabaseError as error:
            fault = error_name(error)
            raise CommandError(f"The database stopped answering ({fault}) after {audited} quotes.") from error
        apart = f", {without_prices} carry no prices and cannot be checked" if without_prices else ""
        self.stdout.write(f"{audited} quotes audited, {len(wrong)} do not follow from their own prices{apart}")
        if wrong:
            raise CommandError("A person is needed: these quotes may not be what the customers were promised.")
