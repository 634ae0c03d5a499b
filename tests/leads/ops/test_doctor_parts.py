"""Parts of the doctor that need no broken server: files, certificates, host names, mail, and what libpq says."""

import json
from datetime import timedelta
from fcntl import LOCK_EX, flock

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from django.conf import settings
from django.db import OperationalError
from django.utils import timezone

from leads.ops import checks
from leads.ops.doctor import certificate, clock, environment, reporting, session, web
from leads.ops.doctor import connection as way_in
from leads.ops.doctor.finding import Level
from leads.ops.hosts import corrected, malformed

PASSWORD = "Wr0ng-P4ssword"

# --- Mail -------------------------------------------------------------------------------------------------------------


def test_a_test_mail_goes_to_the_address_that_is_given(settings, mailoutbox):
    assert [str(each.level) for each in reporting._mail(send=True, to=["ops@example.com"])] == ["ok"]
    (mail,) = mailoutbox
    assert mail.to == ["ops@example.com"]


def test_a_mail_server_that_does_not_answer_is_an_error(settings):
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "django.core.mail.backends.smtp.EmailBackend", "127.0.0.1"
    settings.EMAIL_PORT = 1
    (finding,) = reporting._mail(send=True, to=["ops@example.com"])
    assert finding.level is Level.ERROR
    assert "EMAIL_HOST" in finding.cure


def test_a_mail_server_is_asked_without_a_mail(settings):
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "django.core.mail.backends.smtp.EmailBackend", "127.0.0.1"
    settings.EMAIL_PORT = 1
    (finding,) = reporting._mail(send=False, to=[])
    assert (finding.level, "127.0.0.1:1 cannot be used" in finding.found) == (Level.ERROR, True)


# --- Files and processes --------------------------------------------------------------------------------------------


def test_the_release_that_runs_is_compared_with_these_files(settings, tmp_path):
    lock = tmp_path / "alerts.lock"
    assert web._running(lock).level is Level.WARNING
    with lock.open("w") as file:
        json.dump({"version": settings.VERSION}, file)
        file.flush()
        assert "does not run" in web._running(lock).found
        flock(file, LOCK_EX)
        assert web._running(lock).level is Level.OK
        file.truncate(0)
        finding = web._running(lock)
        assert (finding.level, "Restart the site" in finding.cure) == (Level.WARNING, True)


def test_a_file_of_secrets_that_anybody_may_read_or_that_does_not_count_is_named(settings, tmp_path):
    settings.DEBUG = False
    file = tmp_path / ".env"
    file.write_text("WHATSAPP_NUMBER=526141111111\nBUSINESS_NAME=Same\nLOG_LEVEL=INFO\n")
    file.chmod(0o644)
    found = list(environment._file(file, {"WHATSAPP_NUMBER": "526142222222", "BUSINESS_NAME": "Same"}))
    assert [each.level for each in found] == [Level.WARNING, Level.WARNING]
    assert "can be read by everybody" in found[0].found
    assert found[1].found.endswith("do not count: WHATSAPP_NUMBER")
    file.chmod(0o640)
    assert list(environment._file(file, {})) == []


@pytest.mark.parametrize(("days", "levels"), [(-1, [Level.ERROR]), (10, [Level.WARNING]), (90, [])])
def test_a_certificate_that_ends_is_named_in_time(tmp_path, days, levels):
    file = tmp_path / "ca.crt"
    now = timezone.now()
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ca")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(days=100)).not_valid_after(now + timedelta(days=days))
    file.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    assert [each.level for each in certificate.examine(str(file), now=now)] == levels


@pytest.mark.parametrize(
    ("hosts", "wrong", "right"),
    [
        ("quotes.example.com", 0, "quotes.example.com"),
        (".example.com", 0, ".example.com"),
        ("[::1]", 0, "[::1]"),
        ("*", 0, "*"),
        ("https://quotes.example.com/", 1, "quotes.example.com"),
        ("quotes.example.com:443", 1, "quotes.example.com"),
        ("a.example.com b.example.com", 1, "a.example.com,b.example.com"),
        ("a.example.com;b.example.com", 1, "a.example.com,b.example.com"),
        ("'quotes.example.com'", 1, "quotes.example.com"),
        ("*.example.com", 1, ".example.com"),
        ("quotes.example.com.", 1, "quotes.example.com"),
        ("cotización.mx", 1, "xn--cotizacin-d7a.mx"),
    ],
)
def test_names_that_no_request_has_are_named_and_corrected(settings, hosts, wrong, right):
    settings.ALLOWED_HOSTS, settings.DEBUG = [hosts], False
    assert len(malformed([hosts])) == wrong == len(checks.host_names_before_a_deploy(None))
    assert corrected([hosts]) == right


def test_a_deploy_without_host_names_is_stopped(settings):
    settings.ALLOWED_HOSTS, settings.DEBUG = ["localhost", "127.0.0.1", "[::1]"], False
    (fault,) = checks.host_names_before_a_deploy(None)
    assert fault.is_serious()


# --- Faults that cannot be made here --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ('server certificate for "db.example.com" does not match host name "10.0.0.1"', "of another host name"),
        ("SSL error: certificate verify failed: certificate has expired", "has expired"),
        ('FATAL:  database "shop" is not currently accepting connections', "closed to everybody"),
        ("FATAL:  the database system is not yet accepting connections", "is starting up"),
        ("FATAL:  no more connections allowed (max_client_conn)", "of the pooler is taken"),
        ("FATAL:  server login has been failing, cached error: connect failed", "behind it"),
    ],
)
def test_what_libpq_and_poolers_say_is_explained(message, found):
    assert found in way_in.explained(OperationalError(message))[0]


@pytest.mark.parametrize(
    ("encrypted", "verified", "local", "level"),
    [
        (True, True, False, "ok"),
        (True, False, False, "warning"),
        (False, False, False, "error"),
        (False, False, True, "ok"),
    ],
)
def test_a_connection_that_is_not_encrypted_or_not_verified_is_reported(encrypted, verified, local, level):
    assert session.transport(is_encrypted=encrypted, is_verified=verified, is_local=local).level == level


@pytest.mark.parametrize(("now", "level"), [(0.0, "error"), (1_800_000_000.0, "ok"), (5_000_000_000.0, "error")])
def test_a_clock_with_an_implausible_year_is_an_error(now, level):
    assert [finding.level for finding in clock.examine(now)] == [level]


@pytest.mark.parametrize(("apart_s", "level"), [(-5.1, "warning"), (-4.9, "ok"), (4.9, "ok"), (5.1, "warning")])
def test_a_clock_may_be_five_seconds_off(apart_s, level):
    assert clock.compare_with_postgres(apart_s).level == level


def test_an_unknown_message_of_libpq_is_shown_without_the_password(monkeypatch):
    monkeypatch.setitem(settings.DATABASES["default"], "PASSWORD", PASSWORD)
    found, _ = way_in.explained(OperationalError(f"something new about {PASSWORD}\nand more"))
    assert found == "OperationalError: something new about ****"
