import json
from contextlib import nullcontext
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError
from django.db import DatabaseError
from django.utils import timezone

from leads.delivery.flush import finish_journals, flush
from leads.delivery.journal import census
from leads.errors import error_name
from leads.models import LeadEvent
from leads.ops.owner import RunByOwner
from leads.ops.progress import Progress
from leads.ops.stoppable import Stoppable
from leads.privacy import columns, erased, person
from leads.privacy.replay import replay
from leads.privacy.unfinished import CompleteFile
from leads.snapshot import journal_record, readable

# The leads of one person whose keys fit into a line.
MOST_NAMED = 20


class Command(Stoppable, RunByOwner):
    help = (
        "Export or erase everything that is stored about one person, found by phone; and carry erasures over a "
        "restored backup."
    )

    def add_arguments(self, parser):
        does = parser.add_subparsers(dest="does", required=True)
        export = does.add_parser("export", help="print it as JSON")
        erase = does.add_parser("erase", help="remove the personal data from their leads; folios and amounts stay")
        for subparser in (export, erase):
            subparser.add_argument("phone", help="in any spelling, quoted: '656 123 4567'")
        erase.add_argument("--yes", action="store_true", help="do not ask")
        columns.add_argument(erase)
        listing = does.add_parser("list-erased", help="who was erased, as hashes, for erase-listed")
        listing.add_argument("file", type=Path, nargs="?", help="default: standard output")
        listed = does.add_parser("erase-listed", help="after a restored backup: erase again who is in such a list")
        listed.add_argument("file", type=Path)
        for subparser in (erase, listed):
            subparser.add_argument("--timeout", type=float, default=60, help="seconds to wait for the outbox (60)")

    def handle(self, *, does, **options):
        self.directories = settings.OUTBOX_DIRECTORIES
        if does == "list-erased":
            self.list_erased(**options)
        elif does == "erase-listed":
            self.erase_listed(**options)
        else:
            self.of_one_person(does, **options)

    def list_erased(self, *, file, **options):
        self.after_stop = "No file was written." if file else "Run it again."
        count = 0
        try:
            with CompleteFile(file) if file else nullcontext() as complete:
                for line in erased.listed():
                    complete.file.write(f"{line}\n".encode()) if complete else self.stdout.write(line)
                    count += 1
                if complete:
                    complete.sync()
                    complete.give_name()
                    complete.complete()
        except DatabaseError as error:
            raise CommandError(f"The database does not answer ({error_name(error)}): run this again.") from error
        except OSError as error:
            raise CommandError(f"{file or 'Standard output'} does not take the list: {error.strerror}.") from error
        self.stderr.write(f"{count} erasures listed", style_func=str)

    def erase_listed(self, *, file, timeout, **options):
        again = 0
        try:
            count = erased.add(file.read_text(encoding="utf-8").splitlines())
            flush(self.directories, timeout_s=timeout)  # an erased person who waits is refused from now on
            with Progress("erased again", self.stderr) as progress:
                for again, fraction in erased.erase_again(now=timezone.now()):
                    progress.show(again, fraction)
        except erased.NotAList as error:
            raise CommandError(f"{file} is no list of `privacy list-erased`: {error}. Nothing was changed.") from error
        except UnicodeDecodeError as error:
            raise CommandError(f"{file} is no list of `privacy list-erased`. Nothing was changed.") from error
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}.") from error
        except DatabaseError as error:
            raise CommandError(f"The database does not answer ({error_name(error)}): run this again.") from error
        self.stdout.write(f"{count} erasures listed, {again} leads erased again")

    def of_one_person(self, does, *, phone, **options):
        try:
            self.phone = person.Phone(phone)
        except person.NotAPhone as error:
            raise CommandError(f"Nothing was searched: {error}.") from error
        self.after_stop = "Run it again." if does == "export" else Stoppable.after_stop
        getattr(self, does)(**options)

    def export(self, **options):
        leads, follow_ups, fault = [], [], ""
        try:
            self.phone.find_joined()
            on_disk = person.records_on_disk(self.phone, self.directories)
            ids = self.lead_ids()
            leads, follow_ups = person.leads_with_events(ids), person.follow_ups(self.phone, ids)
            LeadEvent.objects.note(LeadEvent.Kind.EXPORTED, ids, by=None, now=timezone.now(), detail="request")
        except DatabaseError as error:
            fault, on_disk = error_name(error), person.records_on_disk(self.phone, self.directories)
        held = {"leads": leads, "follow_ups": follow_ups, "waiting": on_disk.waiting, "refused": on_disk.refused}
        if any(held.values()):
            text = json.dumps(held, ensure_ascii=False, indent=2)
            # Half a character, which a refused record may hold, cannot be printed; JSON has an escape for it.
            self.stdout.write(text.encode(errors="backslashreplace").decode())
        if fault:
            raise CommandError(f"The database does not answer ({fault}): only this machine's disk was searched.")
        if left_out := census.left_out(self.directories):
            raise CommandError(left_out)
        if not any(held.values()):
            raise CommandError("Nothing is held under this phone.")

    def erase(self, *, yes, timeout, keep_columns, **options):
        try:
            self.phone.find_joined()
            self.deliver(timeout)
            for _ in replay(self.directories, now=timezone.now(), only=self.phone.is_in_item):
                pass  # what the database has forgotten would not be noted as erased
            ids = self.lead_ids()
            leads, on_disk = person.leads_with_events(ids), person.records_on_disk(self.phone, self.directories)
            self.confirm(leads, on_disk.refused, yes)
            done = person.erase(self.phone, ids, directories=self.directories, by=None, now=timezone.now())
        except DatabaseError as error:
            raise CommandError(f"The database does not answer ({error_name(error)}): run this again.") from error
        left = person.count_journaled(self.phone, self.directories)
        is_found = done.leads or done.records or done.arranged
        if is_found or left:
            self.stdout.write(f"{done.leads} leads anonymised, {done.records} records removed from this disk")
        reasons = [columns.report(done.held, where=where(ids), known=keep_columns)]
        if left:
            reasons.append(
                f"{left} records are still in the journal of a running process: restart the site, then run this again."
            )
        reasons.append(census.left_out(self.directories))
        if any(reasons):
            raise CommandError("\n".join(filter(None, reasons)))
        if not is_found:
            raise CommandError("Nothing is held under this phone.")

    def deliver(self, timeout):
        """Deliver the person's waiting records, and have the journals finished: one in use is never rewritten."""
        if not person.count_journaled(self.phone, self.directories):
            return
        flushed = flush(self.directories, timeout_s=timeout)
        if waiting := len(person.records_on_disk(self.phone, self.directories).waiting):
            why = flushed.fault or "a running process has them"
            raise CommandError(f"{waiting} of this person's records wait in the outbox ({why}); nothing was erased.")
        finish_journals(
            self.directories,
            until=lambda: not person.count_journaled(self.phone, self.directories),
            timeout_s=timeout,
        )

    def lead_ids(self):
        ids = []
        with Progress("found", self.stderr) as progress:
            for ids, fraction in self.phone.lead_ids():
                progress.show(len(ids), fraction)
        return ids

    def confirm(self, leads, refused, yes):
        if yes or not (leads or refused):
            return
        for record in map(journal_record, map(readable, [*leads, *refused])):
            day = f"{record.created_at:%Y-%m-%d}" if record.created_at else ""
            self.stdout.write("\t".join(map(printable, [record.folio, day, record.name, record.phone])))
        try:
            answer = input("Erase this person for good? Type yes: ")
        except EOFError:
            answer = ""
        if answer.strip().lower() != "yes":
            raise CommandError("Nothing was erased.")


def where(ids):
    """Return the condition of these leads in SQL."""
    if len(ids) > MOST_NAMED:
        return "id IN (SELECT lead_id FROM lead_events WHERE kind = 'anonymised')"
    return f"id IN ({', '.join(str(key) if isinstance(key, int) else repr(str(key)) for key in ids)})"


def printable(text):
    """Return a customer's text without control characters, which a terminal would interpret."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text or "")
