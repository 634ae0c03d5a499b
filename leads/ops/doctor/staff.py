"""Checks whether anybody can log in, and whether the staff's groups exist."""

from collections.abc import Iterator

from django.contrib.auth.models import Group, User
from django.db import ProgrammingError

from leads.ops.doctor.finding import Finding, ok, warning
from leads.ops.roles import ROLES


def examine() -> Iterator[Finding]:
    try:
        groups = set(Group.objects.values_list("name", flat=True))
        logins = User.objects.filter(is_active=True, is_staff=True).count()
    except ProgrammingError:
        return  # the tables are missing, and the check of migrations reports that
    if missing := [role for role in ROLES if role not in groups]:
        found = f"there is no group {', '.join(missing)}"
        yield warning("staff", found, "Run `python manage.py ensure_roles` (the Procfile's release step).")
    if not logins:
        yield warning("staff", "nobody can log in to the admin", "Run `python manage.py createsuperuser`.")
    elif not missing:
        yield ok("staff", f"the groups exist; logins: {logins}")
