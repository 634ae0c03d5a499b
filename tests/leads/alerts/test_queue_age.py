"""Who waits, as the alerts worker tells it to Prometheus: asked by no scrape, and only if numbers are wanted."""

import time

import pytest

from leads.alerts.queue_age import QueueAge
from leads.models import Lead
from telemetry import numbers, series
from tests.support.factories import fill_leads

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def counting(monkeypatch) -> None:
    monkeypatch.setattr(numbers, "_memory", None)
    series.start([])


def answer() -> list[list[float]]:
    return [gauge.of_living() for gauge in (series.WAITING, series.OLDEST_AT, series.ASKED_AT)]


def test_the_oldest_who_waits_is_told(settings):
    settings.METRICS_TOKEN = "anything"
    fill_leads(30)
    waiting = list(Lead.objects.waiting())
    QueueAge().ask_when_due()
    [count], [oldest_at], [asked_at] = answer()
    assert count == len(waiting) > 0
    assert oldest_at == pytest.approx(min(lead.arrived_at for lead in waiting).timestamp())
    assert asked_at == pytest.approx(time.time(), abs=60)


def test_nobody_waits(settings):
    settings.METRICS_TOKEN = "anything"
    QueueAge().ask_when_due()
    [count], [oldest_at], [asked_at] = answer()
    assert (count, oldest_at, asked_at > 0) == (0, 0, True)


def test_postgres_is_asked_only_if_numbers_are_wanted_and_not_in_each_round(settings, django_assert_num_queries):
    queue_age = QueueAge()
    with django_assert_num_queries(0):
        queue_age.ask_when_due()
    settings.METRICS_TOKEN = "anything"
    with django_assert_num_queries(2):
        queue_age.ask_when_due()
        queue_age.ask_when_due()
