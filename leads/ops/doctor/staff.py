"""Checks whether anybody can log in, whether the staff's groups exist, and which key second factors need."""

from collections.abc import Iterator

from allauth.mfa.models import Authenticator
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.models import Group, User
from django.db import ProgrammingError
from django.db.models import Exists, OuterRef, Q

from leads.ops.doctor.finding import Finding, ok, warning
from leads.ops.roles import ROLES
from leads.staff import encryption

_FACTORS = Authenticator.objects.filter(user=OuterRef("pk"))
_HAS_PASSWORD = ~Q(password="") & ~Q(password__startswith=UNUSABLE_PASSWORD_PREFIX)
_HAS_PASSKEY = Exists(_FACTORS.filter(type=Authenticator.Type.WEBAUTHN))


def examine() -> Iterator[Finding]:
    try:
        groups = set(Group.objects.values_list("name", flat=True))
        able = User.objects.filter(_HAS_PASSWORD | Q(_HAS_PASSKEY), is_active=True, is_staff=True)
        logins, without_factor = able.count(), able.exclude(Exists(_FACTORS)).count()
        old_factors = len(encryption.of_earlier_keys())
    except ProgrammingError:
        return  # the tables are missing, and the check of migrations reports that
    if missing := [role for role in ROLES if role not in groups]:
        found = f"there is no group {', '.join(missing)}"
        yield warning("staff", found, "Run `python manage.py ensure_roles` (the Procfile's release step).")
    if not logins:
        yield warning("staff", "nobody can log in to the admin", "Run `python manage.py createsuperuser`.")
    elif not missing:
        yield ok("staff", f"the groups exist; logins: {logins}, without a second factor yet: {without_factor}")
    if old_factors:
        cure = "Run `python manage.py reencrypt_second_factors`, before SECRET_KEY_FALLBACKS loses the key."
        yield warning("staff", f"second factors that an earlier SECRET_KEY has encrypted: {old_factors}", cure)
