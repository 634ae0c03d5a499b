import secrets

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand

USERNAME = "demo"


class Command(BaseCommand):
    help = "Create a staff login for trying the site out; its password is printed this once."

    def handle(self, **options):
        users = get_user_model().objects
        if users.filter(is_staff=True).exists():
            self.stdout.write("A staff login exists; nothing to create.")
            return
        password = secrets.token_urlsafe(9)
        users.create_superuser(USERNAME, password=password)
        self.stdout.write(f"Staff login for /admin/: {USERNAME} / {password} (printed only now)")
