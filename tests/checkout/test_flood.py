"""What comes in a flood is flagged and set aside, and nothing is refused."""

from datetime import timedelta

import pytest
from django.test import RequestFactory
from django.utils import timezone

from checkout import contact
from checkout.flood import MOST_KEYS, PEOPLE_PER_ADDRESS, QUOTES_PER_PHONE, WINDOW_S, Tally, client_address
from leads.models import Lead
from quoter import token
from tests.support.eventually import eventually
from tests.support.factories import an_issued_quote, post_json, quoted

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def unhurried(monkeypatch) -> None:
    """Tests are faster than people."""
    monkeypatch.setattr(contact, "HUMAN_FILL_TIME", timedelta())


def checks_out(client, number: int, *, token: str = "", address: str = "203.0.113.9", path: str = "/checkout/") -> None:
    body = {"token": token or quoted(client)["token"], "name": f"Ana {number}", "phone": f"656 100 {number:04}"}
    answer = client.post(path, body, content_type="application/json", REMOTE_ADDR=address)
    assert answer.json()["success"], answer.content


def set_aside() -> list[str]:
    return sorted(Lead.objects.set_aside().values_list("set_aside", flat=True))


def test_many_people_from_one_address_are_set_aside_and_others_wait(client):
    for number in range(PEOPLE_PER_ADDRESS + 5):
        checks_out(client, number)
    checks_out(client, 99, address="203.0.113.10")
    eventually(lambda: Lead.objects.exclude(phone="").count() == PEOPLE_PER_ADDRESS + 6)
    assert set_aside() == ["many_from_address"] * 5
    assert Lead.objects.waiting().filter(name="Ana 99").exists()


def test_a_person_who_taps_again_is_counted_once(client):
    signed = quoted(client)["token"]
    for _ in range(3 * PEOPLE_PER_ADDRESS):
        checks_out(client, 1, token=signed)
    eventually(Lead.objects.waiting().exists)
    assert not set_aside()


def test_many_quotes_of_one_phone_are_set_aside(client):
    for number in range(QUOTES_PER_PHONE + 2):
        checks_out(client, 1, address=f"203.0.113.{number}")
    eventually(lambda: Lead.objects.exclude(phone="").count() == QUOTES_PER_PHONE + 2)
    assert set_aside() == ["many_of_phone"] * 2


def test_what_devices_send_late_is_counted_too(client):
    for number in range(PEOPLE_PER_ADDRESS + 3):
        checks_out(client, number, token=token.dumps(an_issued_quote()), path="/late/")
    eventually(lambda: Lead.objects.exclude(phone="").count() == PEOPLE_PER_ADDRESS + 3)
    assert set_aside() == ["many_from_address"] * 3


@pytest.mark.parametrize(("website", "reason"), [("https://spam.example", "honeypot"), ("", "too_fast")])
def test_what_looks_like_a_bot_is_set_aside_and_kept(client, monkeypatch, website, reason):
    if reason == "too_fast":
        monkeypatch.setattr(contact, "HUMAN_FILL_TIME", timedelta(seconds=3))
    body = {"token": quoted(client)["token"], "name": "Ana", "phone": "656 100 0001", "website": website}
    assert post_json(client, "/checkout/", body).json()["success"]
    eventually(lambda: set_aside() == [reason])
    assert not Lead.objects.waiting().exists()


def test_a_flood_goes_on_until_it_pauses():
    now = 0.0
    tally = Tally(2, clock=lambda: now)
    assert [tally.exceeds("an address", str(number)) for number in range(4)] == [False, False, True, True]
    for number in range(4, 40):  # without the pause, each window would let some more in
        now += WINDOW_S / 2
        assert tally.exceeds("an address", str(number))
    assert not tally.exceeds("another", "1")
    now += WINDOW_S + 1
    assert not tally.exceeds("an address", "41")


def test_the_memory_of_a_tally_is_bounded():
    tally = Tally(2)
    for number in range(MOST_KEYS + 100):
        tally.exceeds(str(number), "1")
    assert len(tally._seen) == MOST_KEYS


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "198.51.100.1", "192.0.2.1"),
        (1, "", "192.0.2.1"),
        (1, "198.51.100.1", "198.51.100.1"),
        (1, "10.0.0.1, 198.51.100.1", "198.51.100.1"),
        (2, "6.6.6.6, 198.51.100.1, 203.0.113.5", "198.51.100.1"),
        (2, "198.51.100.1", "198.51.100.1"),
        (1, "nonsense", ""),
        (1, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        (1, "::ffff:198.51.100.1", "198.51.100.1"),
    ],
)
def test_the_address_is_what_the_trusted_proxies_say(settings, proxies, forwarded, address):
    settings.TRUSTED_PROXIES = proxies
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    assert client_address(RequestFactory().get("/", headers=headers, REMOTE_ADDR="192.0.2.1")) == address


def test_arrival_is_now_whatever_a_device_claims(client):
    before = timezone.now()
    sent = {"token": token.dumps(an_issued_quote()), "name": "Ana", "phone": "656 100 0001"}
    sent["submitted_at"] = (before - timedelta(days=29)).isoformat()
    assert post_json(client, "/late/", sent).json()["success"]
    eventually(Lead.objects.exclude(phone="").exists)
    assert Lead.objects.get().arrived_at >= before
