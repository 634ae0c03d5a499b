from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from leads.staff import second_factor


class Command(BaseCommand):
    help = "Remove a login's second factors, for somebody who lost theirs. The next login sets up a new one."

    def add_arguments(self, parser):
        parser.add_argument("username")

    def handle(self, *, username, **options):
        users = get_user_model().objects.filter(username=username)
        if not users:
            raise CommandError(f"There is no login {username}.")
        _, deleted = second_factor.factors_of(users).delete()
        self.stdout.write(f"{username}: {deleted.get('mfa.Authenticator', 0)} second factors forgotten")
