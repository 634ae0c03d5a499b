"""Limits on attempts to log in, and the log line of a failed one."""

import logging
import os
import re
import threading
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from allauth.core.internal.ratelimit import get_rates
from allauth.mfa.models import Authenticator
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from leads.staff import hashing
from leads.staff.attempts import log_failure
from leads.staff.models import CacheEntry
from settings import LOGGING
from settings.scrubbing import LineFormatter
from tests.support.codes import app_code
from tests.support.processes import ROOT

pytestmark = pytest.mark.django_db(transaction=True)

LOGIN, LIST, CODE = "/admin/login/", "/admin/leads/lead/", "/admin/login/second-factor/"
PASSWORD = "correct horse battery staple"
LOCKED = "Demasiados intentos"


@pytest.fixture(autouse=True)
def quick_hashes(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the real one is slow on purpose
    settings.REQUIRE_SECOND_FACTOR = False
    settings.TRUSTED_PROXIES = 1


@pytest.fixture
def ana() -> User:
    return User.objects.create_superuser("ana", password=PASSWORD)


def attempt(
    password: str = "wrong", *, login: str = "ana", address: str = "198.51.100.7", browser: Client | None = None
):
    """Post the login form from an address; return the answer's text, "" after a login."""
    headers = {"X-Forwarded-For": f"192.0.2.1, {address}"}  # a visitor can forge what is before the last one
    return (browser or Client()).post(LOGIN, {"login": login, "password": password}, headers=headers).content.decode()


def shown_time(text: str) -> datetime:
    """Return the moment that a page names by a clock time of the shop."""
    hour, minute = map(int, re.search(r"a las (\d\d):(\d\d)", text).groups())
    now = timezone.localtime()
    moment = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return moment if moment > now - timedelta(hours=12) else moment + timedelta(days=1)


def test_after_five_wrong_passwords_the_right_one_is_refused_from_any_address(ana):
    for number in range(5):
        assert LOCKED not in attempt(address=f"198.51.100.{number}")
    assert LOCKED in attempt(PASSWORD, address="203.0.113.1")
    assert CacheEntry.objects.filter(cache_key__contains="login_failed").exists()  # for every process and machine


def test_the_refusal_says_until_when_by_the_shop_s_clock_however_often_it_is_tried(ana):
    for number in range(5):
        attempt(address=f"198.51.100.{number}")
    end = timezone.now() + timedelta(minutes=5)
    for zone in ("Asia/Kathmandu", "America/Ciudad_Juarez"):
        with timezone.override(ZoneInfo(zone)):
            until = shown_time(attempt(address="203.0.113.1"))
            assert timedelta() <= until - end + timedelta(seconds=5) <= timedelta(seconds=70)


def test_one_address_cannot_try_many_user_names():
    texts = [attempt(login=f"name{number}") for number in range(11)]
    assert LOCKED not in texts[9]
    assert LOCKED in texts[10]
    assert shown_time(texts[10]) - timezone.now() <= timedelta(minutes=2)
    assert LOCKED not in attempt(login="name11", address="203.0.113.10")


def test_the_page_of_too_many_requests_says_until_when():
    for number in range(31):
        text = attempt(login=f"name{number}")
    assert "<h1>Demasiados intentos</h1>" in text
    assert shown_time(text) - timezone.now() <= timedelta(minutes=2)


def test_nobody_is_refused_for_longer_than_five_minutes():
    rates = get_rates(app="allauth.account", action="login_failed")
    assert max(rate.duration for rate in rates) == 300


# --- In one's own browser --------------------------------------------------------------------------------------------


@pytest.fixture
def own_browser(ana) -> Client:
    """Ana's browser, after a login and a logout."""
    browser = Client()
    attempt(PASSWORD, browser=browser)
    browser.post("/admin/logout/")
    assert browser.get(LIST).status_code == 302
    return browser


def lock_out(login: str = "ana") -> None:
    for number in range(6):
        text = attempt(login=login, address=f"198.51.100.{number}")
    assert LOCKED in text


@pytest.mark.parametrize("login", ["ana", "ANA"])
def test_failures_elsewhere_do_not_lock_the_own_browser(own_browser, login):
    lock_out(login)
    attempt(PASSWORD, browser=own_browser)
    assert own_browser.get(LIST).status_code == 200


def test_failures_at_the_same_address_do_not_lock_the_own_browser(own_browser):
    for number in range(12):
        attempt(login=f"name{number}")
    attempt(PASSWORD, browser=own_browser)
    assert own_browser.get(LIST).status_code == 200


def test_the_own_browser_has_five_attempts_as_well(own_browser):
    for _ in range(5):
        assert LOCKED not in attempt(browser=own_browser)
    text = attempt(PASSWORD, browser=own_browser)
    assert LOCKED in text
    assert shown_time(text) - timezone.now() <= timedelta(minutes=6)
    assert own_browser.get(LIST).status_code == 302


def test_a_browser_is_its_user_s_alone_and_its_cookie_cannot_be_forged(own_browser):
    User.objects.create_superuser("bea", password=PASSWORD)
    lock_out("bea")
    assert LOCKED in attempt(PASSWORD, login="bea", browser=own_browser)
    lock_out()
    own_browser.cookies["staff-user"] = own_browser.cookies["staff-user"].value[:-1] + "x"
    assert LOCKED in attempt(PASSWORD, browser=own_browser)


def test_in_the_own_browser_the_password_can_be_asked_for_again_during_a_lockout(own_browser, ana, settings):
    attempt(PASSWORD, browser=own_browser)
    own_browser.get(LIST)
    lock_out()
    answer = own_browser.post("/admin/password/?next=/admin/", {"password": PASSWORD})
    assert answer.status_code == 302


def test_passkeys_are_never_refused_for_attempts(ana):
    lock_out()
    for _ in range(12):
        answer = Client(headers={"X-Forwarded-For": "198.51.100.7"}).post(f"{LOGIN}passkey/", {"credential": "{}"})
        assert (answer.status_code, answer.url) == (302, LOGIN)


def test_a_hash_is_django_s_and_computed_at_low_priority():
    encoded = hashing.PasswordHasher().encode(PASSWORD, "salt", 1000)
    assert encoded == PBKDF2PasswordHasher().encode(PASSWORD, "salt", 1000)
    priority = hashing._thread.submit(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
    assert priority.result() == hashing.NICENESS
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) < hashing.NICENESS


# --- The log ---------------------------------------------------------------------------------------------------------


def failures(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "leads.staff.attempts"]


@pytest.mark.parametrize(
    ("address", "logged"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("Ana 656 123 4567", "unknown"),
    ],
)
def test_a_failed_login_leaves_one_line_with_the_address_and_nothing_that_was_typed(ana, caplog, address, logged):
    caplog.set_level(logging.INFO)
    attempt("a secret", login="typed by mistake", address=address)
    assert failures(caplog) == [f"A login failed from {logged}: wrong or too many attempts"]
    assert not [word for word in ("a secret", "typed by mistake", "ana") if word in caplog.text]


def test_refused_attempts_and_wrong_codes_are_failures_and_a_login_is_none(ana, caplog, settings):
    caplog.set_level(logging.INFO)
    browser = Client()
    attempt(PASSWORD, browser=browser)
    assert failures(caplog) == []
    lock_out()
    assert len(failures(caplog)) == 6

    caplog.clear()
    settings.REQUIRE_SECOND_FACTOR = True
    secret = browser.get("/admin/second-factor/app/").context["form"].secret
    browser.post("/admin/second-factor/app/", {"code": app_code(secret)})
    assert Authenticator.objects.exists()
    CacheEntry.objects.all().delete()
    attempt(PASSWORD, browser=(again := Client()))
    assert failures(caplog) == []
    for _ in range(6):
        text = again.post(CODE, {"code": "000000"}).content.decode()
    assert LOCKED in text
    assert shown_time(text) - timezone.now() > timedelta(minutes=4)
    assert len(failures(caplog)) == 6


@pytest.mark.parametrize("address", ["192.168.100.200", "198.51.100.7", "2001:db8:1234:5678:9012:3456:7890:1234"])
def test_the_line_in_the_log_has_the_whole_address_and_is_what_the_document_s_expression_finds(address, rf, caplog):
    caplog.set_level(logging.INFO)
    log_failure(rf.get("/", REMOTE_ADDR=address))
    formatter = LOGGING["formatters"]["text"]
    line = LineFormatter(formatter["fmt"], formatter["redact"]).format(caplog.records[-1])
    [expression] = re.findall(r"`failregex = (.*?)`", (ROOT / "docs" / "operations.md").read_text())
    [found] = re.findall(expression.replace("<HOST>", r"(\S+)"), line)
    assert found == address


def test_a_request_past_a_proxy_is_no_fault(settings, ana):
    settings.TRUSTED_PROXIES = 2
    answer = Client(headers={"X-Forwarded-For": "198.51.100.7"}).post(LOGIN, {"login": "ana", "password": "x"})
    assert answer.status_code == 200
