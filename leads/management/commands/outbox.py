import json
import sys
import time
from argparse import ArgumentTypeError
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError
from django.db import DatabaseError
from django.utils import timezone

from leads.delivery import trouble
from leads.delivery.flush import flush
from leads.delivery.journal import census, copied, disk, kept, quarantine
from leads.errors import error_name
from leads.ops.owner import RunByOwner
from leads.ops.progress import Progress
from leads.ops.stoppable import Stoppable
from leads.privacy.replay import Replayed, replay
from leads.privacy.unfinished import CompleteFile
from leads.snapshot import journal_record, loads, readable


def moment(text):
    """Return the datetime of an ISO time; without an offset, it is the shop's."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError("a time such as 2026-11-28T03:00, or a day") from error
    return at if at.tzinfo else timezone.make_aware(at)


class Command(Stoppable, RunByOwner):
    help = (
        "Count, deliver, list, export or verify this machine's leads that Postgres has not confirmed, and give back to "
        "a restored database those that it has forgotten."
    )

    def add_arguments(self, parser):
        does = parser.add_subparsers(dest="does", required=True)
        does.add_parser("status", help="how many wait, since when, and on which disk")
        flush = does.add_parser("flush", help="deliver now, even while the relay waits before its next attempt")
        flush.add_argument("--quarantined", action="store_true", help="also retry leads that Postgres refused before")
        flush.add_argument("--timeout", type=float, default=60, help="seconds to wait for running processes (60)")
        does.add_parser("list", help="the waiting leads, oldest first, with name and phone")
        export = does.add_parser("export", help="every waiting and quarantined lead as JSON lines")
        export.add_argument("file", nargs="?", type=Path, help="default: standard output")
        does.add_parser("verify", help="read every record and check it")
        again = does.add_parser(
            "replay", help="add the delivered leads of the last days that the database has forgotten"
        )
        again.add_argument(
            "--since", type=moment, metavar="2026-11-28T03:00", help="only what reached the site after this"
        )

    def handle(self, *, does, **options):
        self.directories = settings.OUTBOX_DIRECTORIES
        getattr(self, does)(**options)

    def status(self, **options):
        counts = census.census(self.directories)
        now = time.time()
        age = counts.age_s(now)
        copies = f" ({copied.count_copied(self.directories)} copied)" if settings.SUPABASE_REST_COPY else ""
        self.stdout.write(
            f"{counts.pending} pending{copies}, oldest {age:.0f} s, {counts.quarantined} quarantined, "
            f"{counts.damaged} damaged segments; {self._kept()}; {self._disks()}"
        )
        self._refuse_to_leave_out()
        if any(trouble.on_disk(counts, self.directories, now=now)):
            raise CommandError("A person is needed: docs/operations.md says what to do.")

    def flush(self, *, quarantined, timeout, **options):
        try:
            done = flush(self.directories, timeout_s=timeout, with_quarantined=quarantined, say=self._progress)
        except OSError as error:
            raise CommandError(f"No directory of the outbox takes the refused leads: {error.strerror}.") from error
        self.stdout.write(
            f"{done.delivered} delivered, {done.left.pending} pending, {done.left.quarantined} quarantined"
        )
        if done.fault:
            raise CommandError(f"Postgres does not accept the leads ({done.fault}); they stay on this disk.")
        self._refuse_to_leave_out()
        if done.left.pending or done.left.quarantined:
            raise CommandError("Not everything was delivered; see `outbox list` and docs/operations.md.")

    def list(self, **options):
        now, count = time.time(), 0
        for path in census.segment_paths(self.directories):
            for item in census.waiting(path):
                record, count = journal_record(loads(item.text)), count + 1
                self.stdout.write(f"{_printable(item.folio)}\t{now - item.at:.0f} s\t{self._person(record)}")
        for path, refused in quarantine.quarantined(self.directories):
            record, count = journal_record(readable(refused["record"])), count + 1
            folio, reason = quarantine.folio_of(path), _printable(str(refused["reason"]))
            self.stdout.write(f"{folio}\trefused: {reason}\t{self._person(record)}\t{path.name}")
        self.stdout.write(f"{count} leads wait")
        self._refuse_to_leave_out()

    def export(self, *, file, **options):
        self.after_stop = "No file was written."
        count = 0
        try:
            with CompleteFile(file) if file else nullcontext() as complete:
                for text in self._records():
                    complete.file.write(text + b"\n") if complete else self.stdout.write(text.decode())
                    count += 1
                if complete:
                    complete.sync()
                    complete.give_name()
                    complete.complete()
        except OSError as error:
            raise CommandError(f"{file or 'Standard output'} does not take the leads: {error.strerror}.") from error
        self.stderr.write(f"{count} leads exported")
        self._refuse_to_leave_out()

    def verify(self, **options):
        sound = damaged = torn = 0
        for path in census.segment_paths(self.directories):
            good, bad, is_torn = census.verify(path)
            sound, damaged, torn = sound + good, damaged + bad, torn + is_torn
            self._progress(f"{sound} sound")
        self.stdout.write(f"{sound} sound, {damaged} damaged, {torn} torn tails (never acknowledged)")
        self._refuse_to_leave_out()
        if damaged:
            raise CommandError("Damaged records are set aside with their segment when it is delivered.")

    def replay(self, *, since, **options):
        done = Replayed()
        try:
            with Progress("records compared", self.stderr) as progress:
                for done in replay(self.directories, now=timezone.now(), since=since):
                    for refusal in done.refusals:
                        self.stdout.write(f"{refusal.folio}: {refusal.reason}")
                    progress.show(done.read, done.fraction)
        except DatabaseError as error:
            raise CommandError(f"The database stopped answering ({error_name(error)}). {self.after_stop}") from error
        self.stdout.write(
            f"{done.read} records compared: {done.restored} leads and quotes were missing and are back, {done.updated} "
            f"had older details, {done.erased} stay erased"
        )
        reasons = []
        if done.refused:
            reasons.append(f"{done.refused} leads were refused; each is named above.")
        if done.locked:
            reasons.append(f"{done.locked} records need a key that is not in use; `manage.py doctor` names it.")
        if not done.read and not settings.OUTBOX_KEEP_DAYS:
            reasons.append("Nothing is kept: OUTBOX_KEEP_DAYS is 0.")
        if reasons:
            raise CommandError(" ".join(reasons))

    def _records(self):
        """Yield the JSON of every waiting lead and of every one in quarantine."""
        for path in census.segment_paths(self.directories):
            for item in census.waiting(path):
                yield item.text
        for _, refused in quarantine.quarantined(self.directories):
            yield json.dumps(refused["record"]).encode()

    def _refuse_to_leave_out(self):
        if left_out := census.left_out(self.directories):
            raise CommandError(left_out)

    def _kept(self):
        """Describe the delivered leads that stay."""
        found = kept.kept(self.directories)
        if found.since is None:
            return "no delivered leads kept"
        since = timezone.localtime(datetime.fromtimestamp(found.since, UTC))
        return f"delivered leads kept since {since:%Y-%m-%d %H:%M}, {found.bytes / 1024**2:,.1f} MB"

    def _disks(self):
        descriptions = []
        for directory in self.directories:
            kind = "ephemeral" if disk.is_ephemeral(directory) else "durable"
            free = disk.free_bytes(directory) / 1024**2
            descriptions.append(f"{directory}: {kind} ({disk.file_system(directory)}), {free:,.0f} MB free")
        return "; ".join(descriptions)

    def _person(self, record):
        return f"{_printable(record.name)}\t{_printable(record.phone)}"

    def _progress(self, text):
        if sys.stderr.isatty():
            self.stderr.write(f"\r{text}", ending="")


def _printable(text):
    """Return a customer's text without control characters, which a terminal would interpret."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
