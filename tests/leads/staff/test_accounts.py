"""Logins of staff: password and second factor, and sessions."""

import re
from io import StringIO

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from leads.delivery.record import lead_record
from leads.models import Lead
from leads.ops.doctor import staff
from leads.staff import sessions
from tests.support.codes import app_code
from tests.support.factories import a_contact, an_issued_quote, store

# Sessions, login attempts and codes are committed one by one, as in production.
pytestmark = pytest.mark.django_db(transaction=True)

LOGIN, SET_UP, LIST = "/admin/login/", "/admin/second-factor/", "/admin/leads/lead/"
CODE = "/admin/login/second-factor/"
PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
def second_factor_required(settings):
    settings.REQUIRE_SECOND_FACTOR = True
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the real one is slow on purpose


@pytest.fixture
def ana() -> User:
    return User.objects.create_superuser("ana", password=PASSWORD)


def logged_in(password: str = PASSWORD, *, username: str = "ana"):
    """Return a client that has posted the login form, and the response."""
    browser = Client()
    return browser, browser.post(LOGIN, {"login": username, "password": password})


def set_up_app(browser: Client) -> tuple[str, list[str]]:
    """Set an authenticator app up; return its secret and the recovery codes."""
    secret = browser.get(f"{SET_UP}app/").context["form"].secret
    done = browser.post(f"{SET_UP}app/", {"code": app_code(secret)}, follow=True)
    return secret, re.findall(r"^(?:<pre[^>]*>)?(\d{8})$", done.content.decode(), re.MULTILINE)


def a_lead() -> Lead:
    issued = an_issued_quote()
    store(lead_record(issued, a_contact()))
    return Lead.objects.get(folio=issued.quote.folio)


# --- Logging in -----------------------------------------------------------------------------------------------------


def test_the_keyboard_of_a_phone_does_not_change_the_user_name(client):
    [field] = re.findall(r'<input[^>]* name="login"[^>]*>', client.get(LOGIN).content.decode())
    assert 'autocapitalize="none"' in field
    assert 'autocorrect="off"' in field


def test_allauth_s_login_replaces_the_admin_s(client):
    assert client.get(LIST).url == f"{LOGIN}?next={LIST}"
    page = client.get(LOGIN)
    assert [template.name for template in page.templates][0] == "account/login.html"
    assert client.get("/admin/logout/").url == LOGIN


def test_with_a_password_alone_staff_can_only_set_up_a_second_factor(ana):
    lead = a_lead()
    browser, answer = logged_in()
    assert answer.url == LIST
    for path in ("/admin/", LIST, f"{LIST}{lead.pk}/change/", "/admin/auth/user/", "/admin/password_change/"):
        assert browser.get(path).url == SET_UP, path
    assert browser.post(f"{LIST}{lead.pk}/contact/").url == SET_UP
    assert Lead.objects.waiting().filter(pk=lead.pk).exists()
    assert browser.get(SET_UP).status_code == 200


def test_a_password_alone_gives_no_access_to_leads_during_an_outage(ana, settings):
    browser, _ = logged_in()
    browser.get(SET_UP)
    known = settings.OUTBOX_DIRECTORIES[0] / sessions.DIRECTORY
    assert not known.exists()
    set_up_app(browser)
    browser.get(LIST)
    assert len(list(known.iterdir())) == 1


def test_when_no_second_factor_is_required_a_password_is_enough(ana, settings):
    settings.REQUIRE_SECOND_FACTOR = False
    browser, _ = logged_in()
    assert browser.get(LIST).status_code == 200


def test_an_authenticator_app_gives_access_and_is_required_at_the_next_login(ana):
    browser, _ = logged_in()
    secret, _ = set_up_app(browser)
    assert browser.get(LIST).status_code == 200

    browser, answer = logged_in()
    assert answer.url == CODE
    assert browser.get(LIST).url == f"{LOGIN}?next={LIST}"
    assert "errorlist" in browser.post(CODE, {"code": "000000"}).content.decode()
    assert browser.get(LIST).url == f"{LOGIN}?next={LIST}"
    assert browser.post(CODE, {"code": app_code(secret)}).url == LIST
    assert browser.get(LIST).status_code == 200


def test_a_code_of_the_app_works_once(ana):
    secret, _ = set_up_app(logged_in()[0])
    first, second = logged_in()[0], logged_in()[0]
    code = app_code(secret)
    assert first.post(CODE, {"code": code}).status_code == 302
    assert second.post(CODE, {"code": code}).status_code == 200


def test_each_recovery_code_is_shown_once_and_works_once(ana):
    browser, _ = logged_in()
    _, codes = set_up_app(browser)
    assert len(codes) == 10
    assert codes[0] not in browser.get(f"{SET_UP}codes/").content.decode()

    assert logged_in()[0].post(CODE, {"code": codes[0]}).status_code == 302
    assert logged_in()[0].post(CODE, {"code": codes[0]}).status_code == 200
    assert logged_in()[0].post(CODE, {"code": codes[1]}).status_code == 302


def test_after_removing_the_last_second_factor_staff_must_set_up_another(ana):
    browser, _ = logged_in()
    set_up_app(browser)
    browser.post(f"{SET_UP}app/remove/")
    assert not Authenticator.objects.exists()
    assert browser.get(LIST).url == SET_UP


def test_after_some_minutes_a_change_needs_the_password_again(ana, settings):
    browser, _ = logged_in()
    set_up_app(browser)
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 0
    refused = browser.post(f"{SET_UP}app/remove/")
    assert refused.url.startswith("/admin/password/?next=")
    assert "errorlist" in browser.post(refused.url, {"password": "wrong"}).content.decode()
    assert Authenticator.objects.filter(type="totp").exists()


def test_a_second_factor_counts_only_for_the_user_who_showed_it(ana):
    browser, _ = logged_in()
    session = browser.session
    session["second_factor"] = ana.pk + 1  # another user's
    session.save()
    assert browser.get(LIST).url == SET_UP


def test_nobody_can_sign_up(client):
    form = {"username": "eve", "email": "eve@example.com", "password1": PASSWORD, "password2": PASSWORD}
    for path in ("/admin/signup/", "/admin/login/signup/", "/accounts/signup/", "/signup/"):
        assert client.post(path, form).status_code in (302, 404), path
    assert not User.objects.exists()


@pytest.mark.parametrize("change", [{"is_staff": False}, {"is_active": False}])
def test_a_disabled_login_loses_access_immediately(ana, settings, change):
    settings.REQUIRE_SECOND_FACTOR = False
    browser, _ = logged_in()
    assert browser.get(LIST).status_code == 200
    User.objects.filter(pk=ana.pk).update(**change)
    assert browser.get(LIST).url == f"{LOGIN}?next={LIST}"
    assert logged_in()[1].status_code == 200


def test_after_a_login_the_requested_page_opens_but_no_other_site(ana, settings):
    settings.REQUIRE_SECOND_FACTOR = False
    credentials = {"login": "ana", "password": PASSWORD}
    assert Client().post(LOGIN, {**credentials, "next": LIST}).url == LIST
    assert Client().get("/admin/", follow=True).redirect_chain[-1][0] == LOGIN  # who then lands on who waits
    assert Client().post(LOGIN, {**credentials, "next": "https://evil.example.com/"}).url == LIST


def test_a_weak_password_is_refused(ana, settings):
    settings.REQUIRE_SECOND_FACTOR = False
    browser, _ = logged_in()
    for weak in ("short1", "password123", "ana-ana-ana"):
        browser.post("/admin/auth/user/add/", {"username": "ana-ana", "password1": weak, "password2": weak})
    assert not User.objects.filter(username="ana-ana").exists()


# --- Sessions and secrets -------------------------------------------------------------------------------------------


def test_a_session_lasts_twelve_hours_and_its_cookie_is_for_staff_pages_only(ana):
    browser, _ = logged_in()
    cookie = browser.cookies["sessionid"]
    assert (cookie["max-age"], cookie["path"], cookie["httponly"]) == (12 * 3600, "/admin/", True)
    browser.get(SET_UP)
    assert browser.cookies["sessionid"] is cookie  # another page does not renew it


def test_a_customer_s_page_queries_neither_session_nor_cache(ana, django_assert_num_queries):
    browser, _ = logged_in()
    with django_assert_num_queries(0):
        assert browser.get("/").status_code == 200
        assert browser.get("/nothing/there/").status_code == 404


def test_the_secrets_of_an_app_are_encrypted_in_the_table(ana, settings):
    secret, codes = set_up_app(logged_in()[0])
    stored = str(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret not in stored
    assert not [code for code in codes if code in stored]


def reencrypt() -> str:
    out = StringIO()
    call_command("reencrypt_second_factors", stdout=out)
    return out.getvalue().strip()


def test_second_factors_outlive_the_key_that_encrypted_them_when_they_are_encrypted_anew(ana, settings):
    secret, codes = set_up_app(logged_in()[0])
    old = settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another key", [old]
    assert logged_in()[0].post(CODE, {"code": app_code(secret, ahead=1)}).status_code == 302
    assert logged_in()[0].post(CODE, {"code": codes[0]}).status_code == 302
    assert "second factors that an earlier SECRET_KEY has encrypted: 2" in [each.found for each in staff.examine()]
    assert [reencrypt(), reencrypt()] == ["2 second factors encrypted anew", "0 second factors encrypted anew"]
    assert not [each for each in staff.examine() if "encrypted" in each.found]

    settings.SECRET_KEY_FALLBACKS = []
    assert logged_in()[0].post(CODE, {"code": codes[0]}).status_code == 200  # it is still used
    assert logged_in()[0].post(CODE, {"code": codes[1]}).status_code == 302


def test_second_factors_that_no_key_decrypts_are_reported(ana, settings):
    secret, _ = set_up_app(logged_in()[0])
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another key", []
    assert logged_in()[0].post(CODE, {"code": app_code(secret, ahead=1)}).status_code == 200
    with pytest.raises(CommandError, match="^2 need a key that SECRET_KEY_FALLBACKS lacks"):
        reencrypt()


# --- A lost phone ---------------------------------------------------------------------------------------------------


def test_after_the_command_staff_with_a_lost_phone_set_up_a_new_second_factor(ana):
    set_up_app(logged_in()[0])
    out = StringIO()
    for printed in ("ana: 2 second factors forgotten", "ana: 0 second factors forgotten"):
        call_command("forget_second_factor", "ana", stdout=out)
        assert printed in out.getvalue()
    assert logged_in()[0].get(LIST).url == SET_UP


def test_the_command_refuses_an_unknown_user_name():
    with pytest.raises(CommandError, match="There is no login eve"):
        call_command("forget_second_factor", "eve")


def test_a_superuser_removes_second_factors_in_the_admin_and_the_history_notes_it(ana, settings):
    set_up_app(logged_in()[0])
    settings.REQUIRE_SECOND_FACTOR = False
    browser = Client()
    browser.force_login(User.objects.create_superuser("bea"))
    assert "icon-yes" in browser.get("/admin/auth/user/?q=ana").content.decode()
    browser.post("/admin/auth/user/", {"action": "forget_second_factor", "_selected_action": [ana.pk]})
    assert not Authenticator.objects.exists()
    assert "Forgot the second factor" in browser.get(f"/admin/auth/user/{ana.pk}/history/").content.decode()
