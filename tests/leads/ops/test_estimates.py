"""Postgres's guess of how many leads have a product or a source, by which it chooses how to list them."""

import re

import pytest
from django.db import connection

from leads import snapshot
from leads.models import Lead

pytestmark = pytest.mark.django_db


@pytest.fixture
def most_of_one():
    """Leads of which nine in ten have one product, and as many another source; statistics are collected."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO leads (folio, name, phone, alert_stage, quote_data) "
            "SELECT '261130-' || n, 'Ana', '+52656' || 1000000 + n, 2, "
            "jsonb_build_object('lines', jsonb_build_array(jsonb_build_object('product', "
            "CASE WHEN n %% 10 > 0 THEN 'concrete' ELSE 'mortar' END)), 'attribution', jsonb_build_object("
            "'utm_source', CASE WHEN n %% 10 > 1 THEN 'google' ELSE 'flyer' END)) FROM generate_series(1, %s) AS n",
            [2000],
        )
        cursor.execute("ANALYZE leads")


@pytest.mark.parametrize(
    ("path", "value", "count"),
    [
        (snapshot.PRODUCT, "concrete", 1800),
        (snapshot.PRODUCT, "mortar", 200),
        (snapshot.SOURCE, "google", 1600),
        (snapshot.SOURCE, "flyer", 400),
    ],
)
def test_postgres_knows_how_many_leads_have_a_product_or_a_source(most_of_one, path, value, count):
    found = Lead.objects.filter(**{path: value})
    assert found.count() == count
    [guess] = re.findall(r"rows=(\d+)", found.explain().splitlines()[0])
    assert int(guess) == pytest.approx(count, rel=0.2)
