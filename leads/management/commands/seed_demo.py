import secrets
from random import Random

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from leads.ops import demo
from leads.ops.progress import Progress
from leads.ops.stoppable import Stoppable
from quoter import site

USERNAME = "demo"


class Command(Stoppable, BaseCommand):
    help = "Create a staff login to try the site out, and on request demo leads. The password is printed only once."

    after_stop = "What was done so far stays; `seed_demo --remove` removes demo leads."

    def add_arguments(self, parser):
        leads = parser.add_mutually_exclusive_group()
        leads.add_argument("--leads", type=int, metavar="N", help="also add this many leads, marked as demo leads")
        leads.add_argument("--remove", action="store_true", help="only remove every demo lead")

    def handle(self, *, leads, remove, **options):
        if remove:
            self.remove()
            return
        self.create_login()
        if leads is not None:
            self.add(leads)

    def create_login(self):
        users = get_user_model().objects
        if users.filter(is_staff=True).exists():
            self.stdout.write("A staff login exists; nothing to create.")
            return
        password = secrets.token_urlsafe(9)
        users.create_superuser(USERNAME, password=password)
        self.stdout.write(f"Staff login for /admin/: {USERNAME} / {password} (printed only now)")

    def add(self, count):
        if count < 1:
            raise CommandError("--leads must be 1 or more.")
        batches = demo.add_leads(
            count,
            book=site.price_book(),
            zone=site.zone(),
            language=site.language(),
            by=get_user_model().objects.filter(is_staff=True).order_by("pk").first(),
            now=timezone.now(),
            chance=Random(),
        )
        try:
            with Progress("leads written", self.stderr) as progress:
                for written in batches:
                    progress.show(written, written / count)
        except demo.NoQuote as error:
            raise CommandError(f"No demo leads: {error}.") from error
        self.stdout.write(f"{count} demo leads written; `seed_demo --remove` removes them")

    def remove(self):
        removed = 0
        with Progress("demo leads removed", self.stderr) as progress:
            for removed, fraction in demo.remove_leads():
                progress.show(removed, fraction)
        self.stdout.write(f"{removed} demo leads removed")
