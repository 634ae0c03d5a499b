from django.core.management.base import BaseCommand, CommandError

from leads.staff import encryption


class Command(BaseCommand):
    help = "After a change of SECRET_KEY: encrypt the second factors with it, so that they no longer need the old one."

    def handle(self, **options):
        changed, unreadable = encryption.encrypt_anew()
        self.stdout.write(f"{changed} second factors encrypted anew")
        if unreadable:
            raise CommandError(
                f"{unreadable} need a key that SECRET_KEY_FALLBACKS lacks. Add it, or let their owners set up new ones:"
                " manage.py forget_second_factor."
            )
