from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from quoter.engine import lint
from quoter.engine.pricebook import PriceBookInvalid


class Command(BaseCommand):
    help = "Check price books: name each place that would price a job wrongly, twice or not at all."
    requires_system_checks = []

    def add_arguments(self, parser):
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("check", help=self.help).add_argument("files", nargs="+", type=Path, metavar="FILE")

    def handle(self, *, files, **options):
        findings = 0
        for file in files:
            try:
                for doubt in lint.warnings(lint.load(file)):
                    self.stderr.write(f"{file}: {doubt} (a warning)")
            except PriceBookInvalid as invalid:
                findings += len(invalid.findings)
                for finding in invalid.findings:
                    self.stdout.write(f"{file}: {finding}")
        if findings:
            raise CommandError(f"Price books checked: {len(files)}, findings: {findings}.")
        self.stdout.write(f"Price books checked: {len(files)}, findings: none.")
