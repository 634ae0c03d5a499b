import os
import sys
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from leads.errors import error_name
from leads.ops.progress import Progress
from leads.ops.stoppable import Stoppable
from leads.privacy.restore import Restored, restore


class Command(Stoppable, BaseCommand):
    help = (
        "Add the leads of a file that are missing in the table. The file is of `export_leads --format jsonl` or of "
        "`outbox export`. No row that exists is changed, so running it twice is harmless."
    )

    def add_arguments(self, parser):
        parser.add_argument("file", type=Path, help="JSON lines; - for standard input")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be done")

    def handle(self, *, file, dry_run, **options):
        done = Restored()
        try:
            with sys.stdin.buffer if str(file) == "-" else open(file, "rb") as lines:
                size = os.fstat(lines.fileno()).st_size
                with Progress("leads restored", self.stderr) as progress:
                    for done in restore(lines, now=timezone.now(), keep=not dry_run):
                        for refusal in done.refusals:
                            self.stdout.write(f"line {refusal.line}: {refusal.reason}")
                        is_known = size and lines.seekable()
                        progress.show(done.restored, min(1.0, lines.tell() / size) if is_known else 0.0)
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}.") from error
        except DatabaseError as error:
            raise CommandError(f"The database stopped answering ({error_name(error)}). {self.after_stop}") from error
        did = "would be restored" if dry_run else "restored"
        self.stdout.write(f"{done.restored} leads {did}, {done.present} were there already, {done.erased} stay erased")
        if done.uncontacted:
            self.stdout.write(f"{done.uncontacted} of them wait again: who contacted them has no login here")
        if done.refused:
            raise CommandError(f"{done.refused} lines were refused; each is named above.")
