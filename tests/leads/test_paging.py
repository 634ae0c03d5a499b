"""Reading all leads a page at a time."""

import re
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from leads.models import Lead
from leads.paging import pages

pytestmark = [pytest.mark.django_db, pytest.mark.pooler]

NOW = timezone.now()


def leads_of(*moments: datetime) -> list[int]:
    rows = [Lead(folio=f"F{number}", quote_data={}, created_at=at) for number, at in enumerate(moments)]
    return [lead.pk for lead in Lead.objects.bulk_create(rows)]


def ids(page) -> list[int]:
    return list(page.leads.order_by("created_at", "id").values_list("pk", flat=True))


def test_pages_hold_every_lead_once_oldest_first():
    newest, oldest, middle = leads_of(NOW, NOW - timedelta(hours=4), NOW - timedelta(hours=3))
    found = list(pages(Lead.objects.all(), size=2))
    assert [ids(page) for page in found] == [[oldest, middle], [newest]]
    assert [page.fraction for page in found] == [0.25, 1.0]


def test_leads_of_the_same_moment_are_on_one_page_each():
    leads = leads_of(*[NOW] * 5)
    assert [ids(page) for page in pages(Lead.objects.all(), size=2)] == [leads[:2], leads[2:4], leads[4:]]


def test_pages_stay_within_the_range_of_time_of_the_queryset():
    _, second, third, _ = leads_of(*[NOW + timedelta(hours=hour) for hour in range(4)])
    some = Lead.objects.filter(created_at__gte=NOW + timedelta(hours=1), created_at__lt=NOW + timedelta(hours=3))
    assert [ids(page) for page in pages(some, size=1)] == [[second], [third]]


def test_without_leads_there_is_no_page():
    assert list(pages(Lead.objects.all())) == []


def test_leads_that_arrive_during_the_reading_are_left_out():
    first, second = leads_of(NOW, NOW + timedelta(hours=1))
    seen = []
    for number, page in enumerate(pages(Lead.objects.all(), size=1)):
        seen += ids(page)
        Lead.objects.create(folio=f"late {number}", quote_data={}, created_at=NOW + timedelta(hours=2))
    assert seen == [first, second]


def test_a_page_may_be_deleted_while_it_is_read():
    leads_of(*[NOW + timedelta(hours=hour) for hour in range(5)])
    for page in pages(Lead.objects.all(), size=2):
        page.leads.delete()
    assert not Lead.objects.exists()


def test_postgres_estimates_correctly_that_a_page_of_a_large_table_is_small():
    """With a wrong estimate it would read the whole table for each page."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO leads (folio, quote_data, created_at) "
            "SELECT number, '{}', now() + number * interval '1 minute' FROM generate_series(1, 20000) AS number"
        )
        cursor.execute("ANALYZE leads")
    whole = pages(Lead.objects.all(), size=500)
    tenth = [next(whole) for _ in range(10)][-1]
    assert ids(tenth) == list(Lead.objects.order_by("created_at").values_list("pk", flat=True)[4500:5000])
    plan = tenth.leads.explain()
    assert "lead_created" in plan
    assert int(re.search(r"rows=(\d+)", plan)[1]) < 1000
