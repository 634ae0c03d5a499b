import sys
from contextlib import ExitStack, contextmanager
from datetime import datetime, time, timedelta
from io import TextIOWrapper
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection, transaction
from django.db.models import Q
from django.utils import timezone, translation

from leads.errors import error_name
from leads.inbox.spreadsheet import Spreadsheet
from leads.models import Lead
from leads.ops.arguments import day
from leads.ops.progress import Progress
from leads.ops.stoppable import Stoppable
from leads.privacy.export import (
    BYTE_ORDER_MARK,
    Csv,
    ExportFormat,
    JsonLines,
    Ledger,
    export,
    note_exported,
)
from leads.privacy.unfinished import CompleteFile, private_directory
from quoter import site

# For one query. Nobody waits for it, and the events of a large file are written at its end, also on a busy machine.
DEADLINE_S = 60.0


class Command(Stoppable, BaseCommand):
    help = (
        "Export leads as a spreadsheet for people, or as CSV or JSON lines for programs, and note it on each. "
        "docs/privacy.md says what to do with the file."
    )

    def add_arguments(self, parser):
        parser.add_argument(
            "--format",
            type=ExportFormat,
            choices=list(ExportFormat),
            help="default: by the ending of FILE, else csv",
        )
        parser.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")
        parser.add_argument("--status", choices=Lead.Status.values)
        parser.add_argument("--since", type=day, metavar="YYYY-MM-DD", help="quoted that day or after")
        parser.add_argument("--until", type=day, metavar="YYYY-MM-DD", help="quoted that day or before")
        phone = parser.add_mutually_exclusive_group()
        phone.add_argument("--with-phone", action="store_true", help="only leads with a phone")
        phone.add_argument("--without-phone", action="store_true", help="only quotes without a phone")
        parser.add_argument("--bom", action="store_true", help="begin CSV with a byte order mark, which Excel needs")

    def handle(self, *, output, since, until, bom, **options):
        form = options["format"] or format_of(output)
        if since and until and since > until:
            raise CommandError(f"--since {since} is after --until {until}: no day is between them.")
        if form is ExportFormat.XLSX and output is None:
            raise CommandError("A spreadsheet needs --output FILE.")
        usual, connection.deadline_s = connection.deadline_s, DEADLINE_S
        self.after_stop = "No file was written." if output else "The leads that were printed have their event."
        self.written, leads, only = 0, quoted_between(since, until), lead_filter(options)
        try:
            if output:
                self.write_file(output, leads, only, form, bom)
            else:
                self.print(leads, only, form, bom)
        except DatabaseError as error:
            fault = f"The database stopped answering ({error_name(error)}) after {self.written} leads."
            raise CommandError(f"{fault} {self.after_stop}") from error
        except OSError as error:
            raise CommandError(f"{output or 'Standard output'} does not take the leads: {error.strerror}.") from error
        finally:
            connection.deadline_s = usual  # the caller's later queries
        (self.stdout if output else self.stderr).write(f"{self.written} leads exported", style_func=str)

    def write_file(self, output, leads, only, form, bom):
        """Write the whole file, then the events, and then give it its name: a failed export leaves none of them."""
        with CompleteFile(output) as complete, Ledger() as ledger, translation.override(settings.LANGUAGE_CODE):
            with writer(complete.file, form, bom) as write:
                self.write(write, leads, only, ledger.add)
                self.stderr.write("completing the file", style_func=str)
            complete.sync()
            with transaction.atomic():
                ledger.write_events(by=None, now=timezone.now(), form=form)
                complete.give_name()
            complete.complete()

    def print(self, leads, only, form, bom):
        """Print the leads as they are read. Each page has its events before it leaves."""
        sys.stdout.reconfigure(encoding="utf-8", newline="")  # the csv module writes its own line endings
        sys.stdout.write(BYTE_ORDER_MARK if bom else "")
        self.write(
            text_writer(sys.stdout, form).write,
            leads,
            only,
            lambda ids: note_exported(ids, by=None, now=timezone.now(), form=form),
        )
        sys.stdout.flush()

    def write(self, write, leads, only, note):
        with Progress("leads", self.stderr) as progress:
            for written, fraction in export(write, leads, only=only, note=note):
                self.written = written
                progress.show(written, fraction)


@contextmanager
def writer(file, form, bom):
    """Yield a function that writes rows into a binary file, which is complete at the end."""
    with ExitStack() as stack:
        if form is ExportFormat.XLSX:
            book = stack.enter_context(Spreadsheet(file, directory=stack.enter_context(private_directory())))
            yield book.write
            book.close()
            return
        text = TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        stack.callback(text.detach)
        text.write(BYTE_ORDER_MARK if bom else "")
        yield text_writer(text, form).write


def text_writer(out, form):
    return Csv(out) if form is ExportFormat.CSV else JsonLines(out)


def format_of(output):
    """Return the format that the ending of a file's name says, or CSV."""
    endings = {f".{form}": form for form in ExportFormat}
    return endings.get(output.suffix.lower() if output else "", ExportFormat.CSV)


def quoted_between(since, until):
    """Return the leads quoted between two days, both included, in the business's zone. None means no bound."""
    leads = Lead.objects.all()
    if since:
        leads = leads.filter(created_at__gte=datetime.combine(since, time(), site.zone()))
    if until:
        leads = leads.filter(created_at__lt=datetime.combine(until + timedelta(days=1), time(), site.zone()))
    return leads


def lead_filter(options):
    only = Q(status=options["status"]) if options["status"] else Q()
    if options["with_phone"]:
        only &= ~Q(phone="")
    if options["without_phone"]:
        only &= Q(phone="") | Q(phone=None)  # an adopted table may have either
    return only
