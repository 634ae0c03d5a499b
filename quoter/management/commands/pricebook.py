import getpass
from datetime import datetime
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from quoter.engine import lint, reference
from quoter.engine.finding import PriceBookInvalid
from quoter.shop import publishing
from quoter.shop.models import Published
from quoter.shop.publishing import CannotPublish

PRICES = Published.Kind.PRICES
MOST_LISTED = 30


class Command(BaseCommand):
    help = "Check price books, and publish one without a restart: now or at a time; list, bring back, export versions."
    requires_system_checks = []

    def add_arguments(self, parser):
        actions = parser.add_subparsers(dest="action", required=True)
        check = actions.add_parser("check", help="name each place that would price a job wrongly, twice or not at all")
        check.add_argument("files", nargs="+", type=Path, metavar="FILE")
        publish = actions.add_parser("publish", help="check a book and serve it in every process within seconds")
        publish.add_argument("file", type=Path, metavar="FILE")
        publish.add_argument("--at", metavar="TIME", help="when it begins, in the shop's time zone: 2026-12-07 8:00")
        publish.add_argument("--note", default="", help="why, for the history")
        actions.add_parser("history", help="list what was published, the newest first")
        back = actions.add_parser("back", help="publish the version before this one, or another earlier one, again")
        back.add_argument("number", nargs="?", type=int, metavar="NUMBER", help="0: the book of PRICE_BOOK")
        withdraw = actions.add_parser("withdraw", help="withdraw a version that has not begun")
        withdraw.add_argument("number", type=int, metavar="NUMBER")
        export = actions.add_parser("export", help="print a version as TOML; without a number the one in force")
        export.add_argument("number", nargs="?", type=int, metavar="NUMBER")
        actions.add_parser("reference", help="print the reference of the language, docs/price-book-reference.md")
        for each in (publish, back, withdraw):
            each.add_argument("--by", default=getpass.getuser(), metavar="NAME", help="who, for the history")

    def handle(self, *, action, **options):
        try:
            getattr(self, f"_{action}")(**options)
        except CannotPublish as refused:
            for finding in refused.findings:
                self.stdout.write(str(finding))
            raise CommandError(f"Nothing was published, findings: {len(refused.findings)}.") from refused
        except DatabaseError as error:
            text = f"Postgres does not answer ({type(error).__name__}), so nothing was published. What is served stays."
            raise CommandError(text) from error

    def _check(self, *, files, **options):
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

    def _publish(self, *, file, at, note, by, **options):
        try:
            lint.load(file)  # it explains a file that cannot be read
        except PriceBookInvalid as invalid:
            raise CannotPublish(invalid.findings) from invalid
        content = file.read_text(encoding="utf-8-sig")
        self._say(*publishing.publish(PRICES, content, by=by, starts_at=_moment(at) if at else None, note=note))

    def _back(self, *, number, by, **options):
        self._say(*publishing.go_back(PRICES, number, by=by))

    def _withdraw(self, *, number, by, **options):
        if not publishing.withdraw(number, by=by):
            raise CommandError(f"Version {number} has begun, was withdrawn or does not exist. Nothing was changed.")
        self.stdout.write(f"Version {number} is withdrawn.")

    def _history(self, **options):
        in_force = Published.objects.filter(kind=PRICES).begun().first()
        versions = list(Published.objects.filter(kind=PRICES).order_by("-pk")[:MOST_LISTED])
        for row in versions:
            notes = [
                "in force" if row == in_force else "",
                f"from {_local(row.starts_at)}" if row.starts_at else "",
                f"as {row.repeats} again" if row.repeats is not None else "",
                f"withdrawn by {row.withdrawn_by} {_local(row.withdrawn_at)}" if row.withdrawn_at else "",
                row.note,
            ]
            said = "; ".join(filter(None, notes))
            self.stdout.write(f"{row.pk:>5}  {_local(row.published_at)}  {row.published_by}  {said}".rstrip())
        if in_force is None:
            self.stdout.write("The book of PRICE_BOOK is in force, because none was published.")

    def _reference(self, **options):
        self.stdout.write(reference.markdown(), ending="")

    def _export(self, *, number, **options):
        rows = Published.objects.filter(kind=PRICES)
        row = rows.begun().first() if number is None else rows.filter(pk=number).first()
        if row is None and number:
            raise CommandError(f"There is no version {number}.")
        self.stdout.write(row.content if row else publishing.first_content(PRICES), ending="")

    def _say(self, row, is_new):
        begins = f"begins {_local(row.starts_at)}" if row.starts_at else "is served in a few seconds"
        self.stdout.write(f"Version {row.pk} {begins}." if is_new else f"Version {row.pk} has these prices already.")


def _moment(text):
    try:
        naive = datetime.strptime(text.replace("T", " "), "%Y-%m-%d %H:%M")  # noqa: DTZ007  (the shop's, below)
    except ValueError as error:
        raise CommandError(f"{text} is not a time such as 2026-12-07 8:00.") from error
    return timezone.make_aware(naive)


def _local(moment):
    return timezone.localtime(moment).strftime("%Y-%m-%d %H:%M")
