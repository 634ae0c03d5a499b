from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from leads.errors import error_name
from leads.staff.roles import ROLES, PermissionsMissing, ensure_roles


class Command(BaseCommand):
    help = "Create the groups of staff, with exactly the permissions of their roles. Run it after migrate."

    def handle(self, **options):
        try:
            changes = ensure_roles()
        except PermissionsMissing as missing:
            raise CommandError(f"There is no {missing} yet: run `manage.py migrate` first.") from None
        except DatabaseError as error:
            raise CommandError(f"The database did not take the roles ({error_name(error)}); try again.") from error
        self.stdout.write(
            f"{', '.join(ROLES)}: {changes.created} created, "
            f"{changes.granted} permissions granted, {changes.revoked} revoked"
        )
