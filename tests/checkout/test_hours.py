"""Customers read when the shop answers, by its hours, holidays and promise; and computers show the chat's QR code."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from checkout import hours, qr
from quoter import token
from tests.support.factories import an_issued_quote

JUAREZ = ZoneInfo("America/Ciudad_Juarez")
DAY = ((timedelta(hours=8), timedelta(hours=18)),)
MONDAY = "Te respondemos el lunes 7 de diciembre de 2026, antes de las 8:30 a.\xa0m."
WEEK = (DAY, DAY, DAY, DAY, DAY, ((timedelta(hours=8), timedelta(hours=14)),), ())


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of December 2026, whose 5th is a Saturday."""
    return datetime(2026, 12, day, hour, minute, tzinfo=JUAREZ)


@pytest.fixture(autouse=True)
def shop(settings):
    settings.BUSINESS_HOURS, settings.HOLIDAYS, settings.ANSWER_PROMISE = WEEK, (), timedelta(minutes=30)
    return settings


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (at(5, 10), "Respondemos en unos 30 minutos. Hoy, hasta las 2:00 p.\xa0m."),
        (at(5, 13, 45), MONDAY),
        (at(5, 21), f"Ahora estamos cerrados. {MONDAY}"),
        (at(7, 7), f"Ahora estamos cerrados. {MONDAY}"),
    ],
)
def test_a_customer_reads_when_the_shop_answers(now, said):
    assert hours.sentences(now, "es")[0].text == said


def test_a_holiday_is_no_day_of_answers_and_a_long_promise_runs_over_days(shop):
    shop.HOLIDAYS = ("12-07",)
    assert "martes 8" in hours.sentences(at(6, 12), "es")[0].text
    shop.ANSWER_PROMISE = timedelta(hours=12)
    # Twelve hours after the shop closes: ten on the 9th and two on the 10th.
    assert hours.sentences(at(8, 9), "en")[0].text == "We answer on Thursday, December 10, 2026, before 10:00 a.m."
    shop.ANSWER_PROMISE = timedelta(hours=2)
    assert hours.sentences(at(8, 9), "en")[0].text == "We answer in about 2 hours. Today until 6:00 p.m."


def test_the_sentences_follow_one_another_and_a_shop_that_never_opens_has_none(shop):
    ends = [sentence.until for sentence in hours.sentences(at(5, 10), "es")]
    assert ends == sorted(ends)
    assert ends[0] == at(5, 13, 30)
    shop.BUSINESS_HOURS = ((),) * 7
    assert hours.sentences(at(5, 10), "es") == []


def test_the_code_is_drawn_square_by_square_and_an_address_that_is_too_long_has_none():
    size, path = qr.code("https://wa.me/526561234567?text=Hola")
    assert path.count("M0 ") == size
    rows = [row.replace("m", " m").replace("h", " h").split() for row in path.split("M0 ")[1:]]
    steps = [[int(part[1:]) for part in row if part[0] in "mh"] for row in rows]
    assert {sum(row) for row in steps} == {size}
    assert qr.code("x" * 701) is None


@pytest.mark.django_db
def test_only_a_computer_gets_the_code_and_it_has_no_personal_data(client):
    address = f"/q/{token.dumps(an_issued_quote())}/"
    assert 'class="card qr"' in client.get(address).content.decode()
    phone = client.get(address, headers={"user-agent": "Mozilla/5.0 (Linux; Android 15) Mobile"})
    assert 'class="card qr"' not in phone.content.decode()
