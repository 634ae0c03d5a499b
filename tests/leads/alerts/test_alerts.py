"""Staff are notified of new leads, of leads that nobody answers, and once a day that alerts still work."""

import json
import os
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.contrib.auth.models import Group, Permission, User
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from leads.alerts import push, sending
from leads.alerts.creation import HEARTBEAT_HOUR
from leads.alerts.sending import send_alerts
from leads.alerts.worker import AlertsWorker
from leads.delivery import relay
from leads.delivery.record import lead_record, quote_record
from leads.models import Alert, Lead, Recipient
from leads.ops.doctor import reporting
from leads.staff.roles import ensure_roles
from tests.support import live
from tests.support.customers import an_unhurried_quote, check_out_with
from tests.support.eventually import eventually
from tests.support.factories import NAME, PHONE_E164, a_contact, an_issued_quote, fill_leads, store
from tests.support.mail_server import a_mail_server

# A Monday, 8:00 where the shop is, in Ciudad Juárez; it is open from 8 to 18.
OPENING = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
SALES = "sales@example.com"
BOSS = "boss@example.com"


@pytest.fixture(autouse=True)
def shop(settings) -> None:
    settings.LANGUAGE_CODE = "en"
    settings.PUBLIC_HOST = "quotes.example.com"
    settings.ALERT_EMAILS, settings.ALERT_MANAGER_EMAILS = [], []


def a_lead(asked_at: datetime = OPENING, **contact: Any) -> Lead:
    issued = an_issued_quote()
    store(lead_record(issued, a_contact(submitted_at=asked_at, **contact)))
    Lead.objects.filter(folio=issued.quote.folio).update(created_at=asked_at, arrived_at=asked_at)
    return Lead.objects.get(folio=issued.quote.folio)


def after(**passed: float) -> datetime:
    return OPENING + timedelta(**passed)


# --- A phone and its push service -------------------------------------------------------------------------------------


class Phone:
    """A browser's subscription: its keys, and the decryption of its messages."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._key, self._auth = ec.generate_private_key(ec.SECP256R1()), os.urandom(16)
        self._point = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.keys = {"p256dh": b64(self._point), "auth": b64(self._auth)}

    def decrypt(self, body: bytes) -> dict[str, str]:
        """Decrypt a message as a browser does, by RFC 8291."""
        salt, size, length = body[:16], int.from_bytes(body[16:20]), body[20]
        sender, record = body[21 : 21 + length], body[21 + length :]
        assert len(record) <= size
        shared = self._key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender))
        secret = hkdf(shared, self._auth, b"WebPush: info\0" + self._point + sender, 32)
        nonce = hkdf(secret, salt, b"Content-Encoding: nonce\0", 12)
        text = AESGCM(hkdf(secret, salt, b"Content-Encoding: aes128gcm\0", 16)).decrypt(nonce, record, None)
        assert text[-1:] == b"\x02"
        shown: dict[str, str] = json.loads(text[:-1])
        return shown


class PushService:
    """A push service on this machine. answers: the status for each of the next messages; after those, 201."""

    def __init__(self, port: int) -> None:
        self.url, self.answers, self.received = f"http://127.0.0.1:{port}/", list[int](), list[tuple[Any, bytes]]()


@contextmanager
def a_push_service() -> Iterator[PushService]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            service.received.append((self.headers, body))
            self.send_response(service.answers.pop(0) if service.answers else 201)
            self.send_header("Location", f"{service.url}elsewhere")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service = PushService(server.server_port)
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield service
        server.shutdown()
        thread.join()


@pytest.fixture
def service(settings) -> Iterator[PushService]:
    with a_push_service() as service:
        settings.PUSH_SERVICES = [service.url]
        yield service


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def hkdf(material: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(material)


def test_a_message_is_encrypted_as_in_the_example_of_rfc_8291():
    # Appendix A: every value as printed there.
    private = int.from_bytes(unb64("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"))
    body = push.encrypt(
        b"When I grow up, I want to be a watermelon",
        p256dh="BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        auth="BTBZMqHH6r4Tts7J_aSIgg",
        key=ec.derive_private_key(private, ec.SECP256R1()),
        salt=unb64("DGv6ra1nlYgDCS1FRnbzlw"),
    )
    assert b64(body) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_y"
        "l95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


# --- Push -------------------------------------------------------------------------------------------------------------

SWITCH = "/admin/leads/lead/alerts/"


def switch_on(client: Any, service: PushService, name: str = "phone") -> Phone:
    phone = Phone(service.url + name)
    assert client.post(SWITCH, {"endpoint": phone.endpoint, **phone.keys}).status_code == 204
    return phone


def shown_on(phone: Phone, service: PushService) -> list[dict[str, str]]:
    """Return the messages that a phone got, oldest first."""
    return [phone.decrypt(body) for _, body in service.received]


@pytest.mark.django_db
def test_a_new_lead_is_pushed_to_the_phone_that_switched_alerts_on(admin_client, service):
    phone = switch_on(admin_client, service)
    lead = a_lead(timezone.now())
    assert send_alerts(timezone.now()).delivered == 1

    [(headers, body)] = service.received
    assert phone.decrypt(body) == {
        "title": "1 new lead",
        "body": f"{lead.folio} · $17,622.10 MXN · María",
        "url": "/admin/leads/lead/",
    }
    assert (headers["Content-Encoding"], headers["Urgency"]) == ("aes128gcm", "high")
    assert int(headers["TTL"]) > 3600
    assert PHONE_E164.encode() not in body
    assert NAME.encode() not in body


@pytest.mark.django_db
def test_a_push_is_signed_with_the_site_s_vapid_key(admin_client, service):
    switch_on(admin_client, service)
    a_lead(timezone.now())
    send_alerts(timezone.now())

    scheme, token, key = service.received[0][0]["Authorization"].replace(",", "").split()
    signed, _, signature = token.removeprefix("t=").rpartition(".")
    claims = json.loads(unb64(signed.split(".")[1]))
    assert (scheme, claims["aud"]) == ("vapid", service.url.rstrip("/"))
    assert claims["sub"].startswith("mailto:")
    assert 0 < claims["exp"] - timezone.now().timestamp() <= 24 * 3600
    assert json.loads(unb64(signed.split(".")[0])) == {"typ": "JWT", "alg": "ES256"}
    raw = unb64(signature)
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), unb64(key.removeprefix("k=")))
    # Raises when the signature is wrong.
    public.verify(
        encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:])),
        signed.encode(),
        ec.ECDSA(hashes.SHA256()),
    )
    assert key.removeprefix("k=") == push.public_key()


@pytest.mark.parametrize("refusal", [400, 401, 403])
@pytest.mark.django_db
def test_a_phone_that_subscribed_before_a_change_of_the_key_goes_on(admin_client, service, settings, refusal):
    phone = switch_on(admin_client, service)
    old_key = push.public_key()
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another key", ["an even older key", settings.SECRET_KEY]
    a_lead(timezone.now())
    service.answers = [refusal, refusal]
    assert send_alerts(timezone.now()).delivered == 1
    assert [headers["Authorization"].rpartition("k=")[2] for headers, _ in service.received][::2] == [
        push.public_key(),
        old_key,
    ]
    assert shown_on(phone, service)[-1]["title"] == "1 new lead"


@pytest.mark.django_db
def test_without_the_earlier_key_the_fault_of_a_push_is_what_the_service_answers(admin_client, service, settings):
    switch_on(admin_client, service)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another key", []
    a_lead(timezone.now())
    service.answers = [403]
    assert send_alerts(timezone.now()).failed == 1
    assert Recipient.objects.get().fault == "the push service answers 403"


@pytest.mark.parametrize("name", ["pague.en.evil.example", "Ana, pague en https://evil.example/p", "María " * 12])
@pytest.mark.django_db
def test_an_alert_repeats_no_message_for_a_name(admin_client, service, name):
    phone = switch_on(admin_client, service)
    lead = a_lead(timezone.now(), name=name)
    send_alerts(timezone.now())
    [shown] = shown_on(phone, service)
    assert shown["body"] == f"{lead.folio} · $17,622.10 MXN"


@pytest.mark.django_db
def test_first_names_can_be_left_out_of_alerts(admin_client, service, settings):
    settings.ALERT_NAMES = False
    phone = switch_on(admin_client, service)
    lead = a_lead(timezone.now())
    send_alerts(timezone.now())
    assert shown_on(phone, service)[0]["body"] == f"{lead.folio} · $17,622.10 MXN"


@pytest.mark.parametrize("answer", [404, 410])
@pytest.mark.django_db
def test_an_ended_subscription_is_removed(admin_client, service, answer):
    switch_on(admin_client, service)
    a_lead(timezone.now())
    service.answers = [answer]
    send_alerts(timezone.now())
    assert not Recipient.objects.exists()


@pytest.mark.parametrize("answer", [429, 500, 307])
@pytest.mark.django_db
def test_a_push_that_fails_is_retried_and_delivered_once(admin_client, service, answer):
    phone = switch_on(admin_client, service)
    now = timezone.now()
    a_lead(now)
    service.answers = [answer]
    assert send_alerts(now).failed == 1
    assert send_alerts(now + timedelta(seconds=5))[1:] == (0, 0)
    assert send_alerts(now + timedelta(seconds=31)).delivered == 1
    assert send_alerts(now + timedelta(minutes=50)).delivered == 0
    assert [shown["title"] for shown in shown_on(phone, service)] == ["1 new lead"] * 2


@pytest.mark.django_db
def test_leads_that_arrive_during_a_fault_share_one_message(admin_client, service):
    phone = switch_on(admin_client, service)
    now = timezone.now()
    service.answers = [503]
    a_lead(now)
    send_alerts(now)
    leads = [a_lead(now) for _ in range(9)]
    send_alerts(now + timedelta(minutes=10))
    *_, last = shown_on(phone, service)
    assert last["title"] == "10 new leads"
    assert last["body"].splitlines()[-1] == "and 5 more"
    assert leads[0].folio in last["body"]
    assert len(service.received) == 2


@pytest.mark.pooler
@pytest.mark.django_db
def test_thirteen_leads_in_a_minute_make_two_messages(admin_client, service):
    phone = switch_on(admin_client, service)
    now = timezone.now()
    for second in range(0, 61, 5):
        a_lead(now)
        send_alerts(now + timedelta(seconds=second))
    assert [shown["title"] for shown in shown_on(phone, service)] == ["1 new lead", "12 new leads"]


@pytest.mark.django_db
def test_no_alert_is_sent_for_a_lead_that_was_answered_before_it(admin_client, admin_user, service):
    switch_on(admin_client, service)
    now = timezone.now()
    lead = a_lead(now)
    Lead.objects.contact(lead.pk, by=admin_user, now=now)
    store(quote_record(an_issued_quote(), visitor_id=""))  # anonymous, so there is nobody to answer
    send_alerts(now)
    service.answers = [503]
    late = a_lead(now)
    send_alerts(now)
    Lead.objects.contact(late.pk, by=admin_user, now=now)
    send_alerts(now + timedelta(hours=1))
    assert len(service.received) == 1


@pytest.mark.django_db
def test_a_new_subscription_gets_alerts_of_later_leads_only(admin_client, service):
    switch_on(admin_client, service, "first")
    now = timezone.now()
    a_lead(now)
    send_alerts(now)
    phone = switch_on(admin_client, service, "second")
    lead = a_lead(now)
    send_alerts(now + timedelta(minutes=2))
    assert lead.folio in phone.decrypt(service.received[-1][1])["body"]
    assert len(service.received) == 3


@pytest.mark.pooler
@pytest.mark.django_db
def test_two_processes_that_send_at_the_same_time_send_once(admin_client, service):
    switch_on(admin_client, service)
    now = timezone.now()
    a_lead(now)
    first, second = Recipient.objects.get(), Recipient.objects.get()
    assert first.claim(until=now + sending.CLAIMED_FOR)
    assert not second.claim(until=now + sending.CLAIMED_FOR)
    assert send_alerts(now).delivered == 0
    # As if the first process had died: its claim has expired.
    assert send_alerts(now + sending.CLAIMED_FOR).delivered == 1


@pytest.mark.django_db
def test_staff_who_may_not_see_leads_any_more_get_no_alerts(client, service):
    seller = User.objects.create_user("seller", is_staff=True)
    seller.user_permissions.add(Permission.objects.get(codename="view_lead"))
    client.force_login(seller)
    switch_on(client, service)
    seller.user_permissions.clear()
    a_lead(timezone.now())
    send_alerts(timezone.now())
    assert (service.received, Recipient.objects.count()) == ([], 0)


@pytest.mark.django_db
def test_switching_on_needs_the_permission_a_post_and_a_known_push_service(client, admin_client, service):
    phone = Phone(service.url + "phone")
    client.force_login(User.objects.create_user("nobody", is_staff=True))
    assert client.post(SWITCH, {"endpoint": phone.endpoint, **phone.keys}).status_code == 403
    assert client.get("/admin/leads/lead/worker.js").status_code == 403
    assert admin_client.get(SWITCH).status_code == 302
    for wrong in (
        {"endpoint": "http://169.254.169.254/"},
        {"endpoint": "file:///etc/passwd"},
        {"p256dh": b64(b"\x04" * 65)},
        {"p256dh": "ñ"},
        {"auth": b64(b"short")},
    ):
        answer = admin_client.post(SWITCH, {"endpoint": phone.endpoint, **phone.keys, **wrong})
        assert answer.status_code == 422, wrong
    assert not Recipient.objects.exists()


@pytest.mark.parametrize(
    ("endpoint", "is_known"),
    [
        ("https://fcm.googleapis.com/fcm/send/abc", True),
        ("https://updates.push.services.mozilla.com/wpush/v2/abc", True),
        ("https://web.push.apple.com/abc", True),
        ("https://wns2-by3p.notify.windows.com/w/?token=abc", True),
        ("https://fcm.googleapis.com.example.com/", False),
        ("https://example.com/fcm.googleapis.com/", False),
        ("http://fcm.googleapis.com/fcm/send/abc", False),
        ("https://a@example.com/.push.apple.com/", False),
    ],
)
def test_only_push_services_of_browsers_are_accepted(endpoint, is_known):
    phone = Phone(endpoint)
    try:
        push.check(endpoint=endpoint, **phone.keys)
    except push.InvalidSubscription:
        assert not is_known
    else:
        assert is_known


@pytest.mark.django_db
def test_only_its_own_user_can_switch_a_browser_off(admin_client, client, service):
    phone = switch_on(admin_client, service)
    other = User.objects.create_superuser("other")
    client.force_login(other)
    client.post(SWITCH, {"endpoint": phone.endpoint, "off": "1"})
    assert Recipient.objects.count() == 1
    admin_client.post(SWITCH, {"endpoint": phone.endpoint, "off": "1"})
    assert not Recipient.objects.exists()


@pytest.mark.django_db
def test_a_shared_browser_belongs_to_the_user_who_switched_on_last(admin_client, client, service):
    phone = switch_on(admin_client, service)
    other = User.objects.create_superuser("other")
    client.force_login(other)
    client.post(SWITCH, {"endpoint": phone.endpoint, **phone.keys})
    assert Recipient.objects.get().user == other


# --- Mail -------------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_new_lead_is_mailed_to_the_configured_addresses(settings, mailoutbox):
    settings.ALERT_EMAILS = [SALES, "ana@example.com"]
    lead = a_lead()
    send_alerts(after(minutes=1))
    assert {mail.to[0] for mail in mailoutbox} == {SALES, "ana@example.com"}
    assert mailoutbox[0].subject == "Folio: 1 new lead"
    assert mailoutbox[0].body.splitlines() == [
        f"{lead.folio} · $17,622.10 MXN · María",
        "",
        "https://quotes.example.com/admin/leads/lead/",
    ]


@pytest.mark.django_db
def test_an_address_that_was_removed_from_the_setting_gets_no_more_mail(settings, mailoutbox):
    settings.ALERT_EMAILS = [SALES]
    send_alerts(after(minutes=1))
    settings.ALERT_EMAILS = []
    a_lead()
    send_alerts(after(minutes=2))
    assert mailoutbox == []
    assert not Recipient.objects.exists()


@pytest.mark.django_db
def test_a_customer_s_name_breaks_no_header_and_no_line(settings, mailoutbox):
    settings.ALERT_EMAILS = [SALES]
    a_lead(name="Eve\r\nBcc: all")
    send_alerts(after(minutes=1))
    [mail] = mailoutbox
    assert "Bcc" not in mail.message().as_string()


@pytest.mark.django_db
def test_mail_is_retried_until_the_mail_server_is_back(settings, caplog):
    settings.ALERT_EMAILS = [SALES]
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_USE_TLS = "127.0.0.1", False
    settings.EMAIL_PORT = 1  # nobody listens there
    lead, now = a_lead(), after(minutes=1)
    with caplog.at_level("INFO", "leads.alerts"):
        for failures in range(1, 5):
            assert send_alerts(now).failed == 1
            now = Recipient.objects.get().next_try_at
            assert Recipient.objects.get().failures == failures
    assert [record.levelname for record in caplog.records if "not delivered" in record.message].count("WARNING") == 1
    assert "ConnectionRefusedError" in caplog.text
    assert SALES not in caplog.text
    with a_mail_server() as (port, mails):
        settings.EMAIL_PORT = port
        assert send_alerts(now).delivered == 1
        assert len(mails) == 1
        assert lead.folio in mails[0]
    assert Recipient.objects.get().failures == 0


# --- Unanswered leads -------------------------------------------------------------------------------------------------


def titles(mailoutbox: list[Any], to: str) -> list[str]:
    return [mail.subject.removeprefix("Folio: ") for mail in mailoutbox if mail.to == [to]]


@pytest.mark.django_db
def test_managers_are_notified_once_of_an_unanswered_lead(settings, mailoutbox):
    settings.ALERT_MANAGER_EMAILS = [BOSS]
    a_lead()
    for minutes in (1, 59, 60, 61, 600):
        send_alerts(after(minutes=minutes))
    assert "1 lead unanswered for 60 minutes" in titles(mailoutbox, BOSS)
    assert len([title for title in titles(mailoutbox, BOSS) if "unanswered" in title]) == 1


@pytest.mark.parametrize(
    ("minutes", "is_notified"),
    [(-60 + 59, False), (59, False), (60, True)],
)
@pytest.mark.django_db
def test_only_business_hours_count_until_a_lead_is_unanswered(settings, mailoutbox, minutes, is_notified):
    settings.ALERT_MANAGER_EMAILS = [BOSS]
    a_lead(OPENING - timedelta(hours=10))  # Sunday night
    send_alerts(OPENING - timedelta(hours=9, minutes=59))
    send_alerts(after(minutes=minutes))
    assert any("unanswered" in title for title in titles(mailoutbox, BOSS)) == is_notified


@pytest.mark.django_db
def test_no_lead_becomes_unanswered_on_a_holiday(settings, mailoutbox):
    settings.ALERT_MANAGER_EMAILS = [BOSS]
    settings.HOLIDAYS = (OPENING.date().isoformat(),)
    a_lead()
    send_alerts(after(hours=8))
    assert not any("unanswered" in title for title in titles(mailoutbox, BOSS))
    send_alerts(after(days=1, hours=1))
    assert any("unanswered" in title for title in titles(mailoutbox, BOSS))


@pytest.mark.django_db
def test_a_lead_that_was_answered_in_time_is_not_reported_to_managers(settings, mailoutbox, admin_user):
    settings.ALERT_MANAGER_EMAILS = [BOSS]
    lead = a_lead()
    Lead.objects.contact(lead.pk, by=admin_user, now=after(minutes=59))
    send_alerts(after(minutes=60))
    assert not any("unanswered" in title for title in titles(mailoutbox, BOSS))


@pytest.mark.django_db
def test_without_a_configured_address_the_sales_managers_are_notified(settings, mailoutbox):
    ensure_roles()
    for name, role in (("ana", "Sales"), ("eva", "Sales manager"), ("leo", "Sales manager")):
        user = User.objects.create_user(name, f"{name}@example.com", is_staff=True, is_active=name != "leo")
        user.groups.add(Group.objects.get(name=role))
    a_lead()
    send_alerts(after(minutes=60))
    assert {mail.to[0] for mail in mailoutbox} == {"eva@example.com"}


@pytest.mark.django_db
def test_a_manager_s_phone_gets_new_and_unanswered_leads_in_one_message(client, service):
    ensure_roles()
    manager = User.objects.create_user("eva", is_staff=True)
    manager.groups.add(Group.objects.get(name="Sales manager"))
    client.force_login(manager)
    phone = switch_on(client, service)
    Recipient.objects.update(next_try_at=OPENING)
    a_lead()
    a_lead(after(minutes=60))
    send_alerts(after(minutes=60))
    assert [shown["title"] for shown in shown_on(phone, service)] == ["1 lead unanswered for 60 minutes, 2 new leads"]


# --- The daily heartbeat ----------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_every_morning_a_mail_and_a_log_line_say_that_alerts_are_working(settings, mailoutbox, caplog):
    settings.ALERT_MANAGER_EMAILS = [BOSS]
    with caplog.at_level("INFO", "leads.alerts"):
        for hours in range(0, 48):
            send_alerts(after(hours=hours))
    assert titles(mailoutbox, BOSS) == ["Alerts are working"] * 2
    assert caplog.text.count("alerts are working: 0 waiting") == 2


@pytest.mark.django_db
def test_old_alerts_are_deleted_and_not_sent_again(settings, mailoutbox):
    settings.ALERT_EMAILS = [SALES]
    a_lead()
    for days in range(0, 70, 5):
        send_alerts(after(days=days, hours=2))
    assert len(mailoutbox) == 1
    assert not Alert.objects.filter(kind="came").exists()


# --- The doctor, the command and the cost of a round ------------------------------------------------------------------


@pytest.mark.django_db
def test_the_doctor_reports_the_last_delivery(settings, mailoutbox):
    [nobody] = reporting.alerts()
    assert "nobody is alerted" in nobody.found
    settings.ALERT_EMAILS = [SALES]
    a_lead()
    send_alerts(after(minutes=1))
    [found] = reporting.alerts()
    assert (found.level, found.found) == ("ok", "recipients: 1, behind: 0; last delivery: 2026-11-23 08:01")


@pytest.mark.django_db
def test_the_doctor_and_the_command_report_the_fault(settings, capsys):
    settings.ALERT_EMAILS = [SALES]
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_USE_TLS, settings.EMAIL_PORT = "127.0.0.1", False, 1
    a_lead(timezone.now())
    call_command("send_alerts")
    assert capsys.readouterr().out.endswith("0 delivered, 1 failed; 1 of 1 recipients wait\n")
    Recipient.objects.update(failures=2, next_try_at=timezone.now())
    with pytest.raises(CommandError, match="1 cannot be notified .ConnectionRefusedError."):
        call_command("send_alerts")
    [found] = reporting.alerts()
    assert (found.level, "failing: 1, ConnectionRefusedError" in found.found) == ("warning", True)


@pytest.mark.django_db
def test_the_doctor_warns_when_no_process_sends_alerts():
    hours_ago = timezone.now() - timedelta(hours=3)
    Recipient.objects.create(address=f"mailto:{SALES}", told_up_to=Alert.last_id(), next_try_at=hours_ago)
    Alert.objects.create(kind="came", subject="261123-7F3K-Q2M9-X", at=hours_ago)
    [found] = reporting.alerts()
    assert (found.level, "waited for hours" in found.found) == ("warning", True)


@pytest.mark.django_db
@pytest.mark.parametrize(("hour", "queries"), [(HEARTBEAT_HOUR - 1, 8), (HEARTBEAT_HOUR, 9)])
def test_a_round_without_new_alerts_writes_nothing_and_uses_the_index(django_assert_num_queries, hour, queries):
    now = timezone.localtime().replace(hour=hour)
    for _ in range(3):
        a_lead(now)
    fill_leads()
    send_alerts(now)
    with django_assert_num_queries(queries) as captured:
        send_alerts(now)
    written = [query["sql"] for query in captured if not query["sql"].startswith("SELECT")]
    assert written == []
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for query in captured:
            if re.search('FROM "?leads', query["sql"]):
                cursor.execute("EXPLAIN " + query["sql"])
                plan = "\n".join(row[0] for row in cursor.fetchall())
                assert re.search("lead_(to_announce|set_aside)", plan), plan


# --- The worker -------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_the_worker_sends_once_the_relay_has_found_postgres_up(settings, mailoutbox):
    settings.ALERT_EMAILS = [SALES]
    a_lead(timezone.now())
    workers = [AlertsWorker(every_s=0.01) for _ in range(2)]
    for worker in workers:
        worker.start()
    eventually(lambda: mailoutbox)
    for worker in workers:
        worker.stop()
    assert len(mailoutbox) == 1
    assert relay.of_this_process().database_state == "up"


def test_leads_of_an_outage_are_notified_when_they_arrive():
    with live.postgres() as postgres, a_mail_server() as (port, mails):
        mail = {"EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": str(port), "ALERT_EMAILS": SALES}
        with live.site(postgres.url, **mail, LANGUAGE_CODE="en") as site:
            postgres.stop()
            folio = check_out_with(site, an_unhurried_quote()).json["folio"]
            postgres.start()
            assert eventually(lambda: [mail for mail in mails if folio in mail], within_s=20)
