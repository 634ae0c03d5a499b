"""The first login is never made with a password that is weak or missing. test_deploy.py makes one as documented."""

from io import StringIO

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from leads.ops.doctor import staff
from leads.staff.management.commands import createsuperuser
from leads.staff.roles import ensure_roles

PASSWORD = "correct horse battery staple"


def make(**options: object) -> str:
    out = StringIO()
    names = {"username": "ana", "email": "ana@example.com"}
    call_command("createsuperuser", **{"interactive": False, **names, **options}, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_a_login_made_without_a_terminal_has_its_password(monkeypatch):
    monkeypatch.setenv(createsuperuser.PASSWORD, PASSWORD)
    assert "created successfully" in make()
    assert User.objects.get(username="ana", is_superuser=True).check_password(PASSWORD)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "password", [None, "", " ", " " * 20, "1", "password123", "short1", "1234567890", "ana@example.com"]
)
def test_without_a_terminal_a_weak_or_missing_password_makes_no_login(monkeypatch, password):
    monkeypatch.delenv(createsuperuser.PASSWORD, raising=False)
    if password is not None:
        monkeypatch.setenv(createsuperuser.PASSWORD, password)
    with pytest.raises(CommandError, match="DJANGO_SUPERUSER_PASSWORD"):
        make()
    assert not User.objects.exists()


@pytest.mark.django_db
def test_a_password_like_a_name_from_the_environment_makes_no_login(monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_USERNAME", "concretosnorte")
    monkeypatch.setenv(createsuperuser.PASSWORD, "concretosnorte1")
    with pytest.raises(CommandError, match="DJANGO_SUPERUSER_PASSWORD"):
        make(username=None)


@pytest.mark.django_db
def test_a_shell_without_a_terminal_is_an_error_instead_of_no_login():
    with pytest.raises(CommandError, match="no terminal"):
        make(interactive=True, stdin=StringIO())


# --- What the doctor counts -------------------------------------------------------------------------------------------


def found() -> list[tuple[str, str]]:
    return [(finding.level, finding.found) for finding in staff.examine()]


@pytest.fixture
def groups(db: None) -> None:
    ensure_roles()


@pytest.mark.parametrize("change", [{"password": ""}, {"password": "!x"}, {"is_active": False}, {"is_staff": False}])
def test_the_doctor_does_not_count_a_login_that_cannot_log_in(groups, change):
    ana = User.objects.create_superuser("ana", password=PASSWORD)
    assert found() == [("ok", "the groups exist; logins: 1, without a second factor yet: 1")]
    User.objects.filter(pk=ana.pk).update(**change)
    assert found() == [("warning", "nobody can log in to the admin")]


def test_the_doctor_counts_a_login_with_a_passkey_and_no_password(groups):
    ana = User.objects.create_superuser("ana")
    Authenticator.objects.create(user=ana, type=Authenticator.Type.WEBAUTHN, data={})
    assert found() == [("ok", "the groups exist; logins: 1, without a second factor yet: 0")]
