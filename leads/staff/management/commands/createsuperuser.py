import os

from django.contrib.auth.management.commands import createsuperuser
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

PASSWORD = "DJANGO_SUPERUSER_PASSWORD"
# A password must not be like them.
NAMES = ("username", "email")


class Command(createsuperuser.Command):
    """Django's command, which with --noinput would accept any password, and without one make a useless login."""

    def handle(self, *args, **options):
        if not options["interactive"]:
            self._check_password(options)
        elif not self.stdin.isatty():
            raise CommandError(f"There is no terminal to type a password at. Set {PASSWORD}, and add --noinput.")
        return super().handle(*args, **options)

    def _check_password(self, options):
        password = os.environ.get(PASSWORD, "")
        if not password.strip():
            raise CommandError(f"{PASSWORD} is not set. Without --noinput, the command asks for a password.")
        names = {name: options[name] or os.environ.get(f"DJANGO_SUPERUSER_{name.upper()}", "") for name in NAMES}
        try:
            validate_password(password, self.UserModel(**names))
        except ValidationError as error:
            raise CommandError(f"{PASSWORD}: {' '.join(error.messages)}") from None
