"""Checks whether anybody can log in, whether the staff's groups exist, and which key second factors need."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from allauth.mfa.models import Authenticator
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.models import Group, Permission, User
from django.contrib.sessions.models import Session
from django.db import ProgrammingError
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from leads.ops.doctor.finding import Finding, ok, warning
from leads.staff import encryption
from leads.staff.roles import ROLES

LATE = timedelta(days=3)
_FACTORS = Authenticator.objects.filter(user=OuterRef("pk"))
_HAS_PASSWORD = ~Q(password="") & ~Q(password__startswith=UNUSABLE_PASSWORD_PREFIX)
_HAS_PASSKEY = Exists(_FACTORS.filter(type=Authenticator.Type.WEBAUTHN))


def examine() -> Iterator[Finding]:
    yield from daily_job(now=timezone.now())
    try:
        groups = set(Group.objects.values_list("name", flat=True))
        lacking = [role for role in ROLES if role in groups and ROLES[role] - _permissions(role)]
        able = User.objects.filter(_HAS_PASSWORD | Q(_HAS_PASSKEY), is_active=True, is_staff=True)
        logins, without_factor = able.count(), able.exclude(Exists(_FACTORS)).count()
        useless = able.filter(is_superuser=False, groups=None, user_permissions=None).count()
        old_factors = len(encryption.of_earlier_keys())
    except ProgrammingError:
        return  # the tables are missing, and the check of migrations reports that
    if missing := [role for role in ROLES if role not in groups]:
        found = f"there is no group {', '.join(missing)}"
        yield warning("staff", found, "Run `python manage.py ensure_roles` (the Procfile's release step).")
    if lacking:
        found = f"groups lack permissions of their role: {', '.join(lacking)}; their members are refused pages"
        yield warning("staff", found, "Run `python manage.py ensure_roles`, which gives each exactly its own.")
    if useless:
        found = f"logins that may see nothing, because they are in no group: {useless}"
        yield warning("staff", found, "Add each to Sales, Sales manager or Owner (Users, in the admin).")
    if not logins:
        yield warning("staff", "nobody can log in to the admin", "Run `python manage.py createsuperuser`.")
    elif not missing and not lacking:
        yield ok("staff", f"the groups exist; logins: {logins}, without a second factor yet: {without_factor}")
    if old_factors:
        cure = "Run `python manage.py reencrypt_second_factors`, before SECRET_KEY_FALLBACKS loses the key."
        yield warning("staff", f"second factors that an earlier SECRET_KEY has encrypted: {old_factors}", cure)


def _permissions(role: str) -> set[str]:
    """Return what a group may do, as app.codename."""
    held = Permission.objects.filter(group__name=role).values_list("content_type__app_label", "codename")
    return {".".join(each) for each in held}


def daily_job(*, now: datetime) -> Iterator[Finding]:
    """Yield whether `manage.py daily` has not run for days: it would have deleted sessions that ended."""
    try:
        is_old = Session.objects.filter(expire_date__lt=now - LATE).exists()
    except ProgrammingError:
        return  # the check of tables reports that
    if is_old:
        found = f"sessions of staff that ended over {LATE.days} days ago are still stored: `daily` does not run"
        yield warning("daily", found, "Run `python manage.py daily` every day (docs/operations.md, Every day).")
