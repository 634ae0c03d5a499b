import os
import sys
import tempfile
from contextlib import contextmanager, suppress
from datetime import date, datetime, time, timedelta
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.db.models import Q
from django.utils import timezone

from leads.errors import error_name
from leads.models import Lead
from leads.ops.progress import Progress
from leads.privacy.export import BYTE_ORDER_MARK, ExportFormat, export
from quoter import site


class Command(BaseCommand):
    help = "Export leads as CSV or JSON lines, and note it on each. docs/privacy.md says what to do with the file."

    def add_arguments(self, parser):
        formats = {"type": ExportFormat, "choices": list(ExportFormat), "default": ExportFormat.CSV}
        parser.add_argument("--format", **formats, help="default: csv")
        parser.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")
        parser.add_argument("--status", choices=Lead.Status.values)
        parser.add_argument("--since", type=date.fromisoformat, metavar="YYYY-MM-DD", help="quoted that day or after")
        parser.add_argument("--until", type=date.fromisoformat, metavar="YYYY-MM-DD", help="quoted that day or before")
        phone = parser.add_mutually_exclusive_group()
        phone.add_argument("--with-phone", action="store_true", help="only leads with a phone")
        phone.add_argument("--without-phone", action="store_true", help="only quotes without a phone")
        parser.add_argument("--bom", action="store_true", help="begin with a byte order mark, which Excel needs")

    def handle(self, *, output, bom, **options):
        written = 0
        try:
            destination = atomic_file(output) if output else standard_output()
            with destination as out, Progress("leads", self.stderr) as progress:
                out.write(BYTE_ORDER_MARK if bom else "")
                for written, fraction in export(
                    out,
                    quoted_between(options["since"], options["until"]),
                    only=lead_filter(options),
                    form=options["format"],
                    by=None,
                    clock=timezone.now,
                ):
                    progress.show(written, fraction)
        except DatabaseError as error:
            fault = error_name(error)
            raise CommandError(f"The database stopped answering ({fault}) after {written} leads.") from error
        except OSError as error:
            raise CommandError(f"{output or 'Standard output'} does not take the leads: {error.strerror}.") from error
        (self.stdout if output else self.stderr).write(f"{written} leads exported", style_func=str)


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


@contextmanager
def atomic_file(path):
    """Yield a temporary file that only its owner may read. When it is complete, it replaces `path` atomically."""
    fd, unfinished = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(fd, "w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(fd)
        os.replace(unfinished, path)
    finally:
        with suppress(OSError):  # after os.replace it no longer exists
            os.unlink(unfinished)


@contextmanager
def standard_output():
    # Always UTF-8, and no translation of newlines, because the csv module writes its own.
    sys.stdout.reconfigure(encoding="utf-8", newline="")
    yield sys.stdout
