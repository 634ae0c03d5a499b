"""The list is filtered by hand, says what filters it, and each filter is removed with one tap."""

import re
from datetime import datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from leads import snapshot
from leads.inbox import filters
from leads.inbox.filters import conditions
from leads.inbox.person import arrange
from leads.models import Lead
from quoter import site

pytestmark = pytest.mark.django_db

LIST = "/admin/leads/lead/"
NOW = datetime(2026, 11, 20, 12, tzinfo=site.zone())


def a_lead(name: str, *, total: Any = "100.00", at: datetime = NOW, product: str = "concrete", **attribution) -> Lead:
    number = Lead.objects.count()
    lines = [{"product": product}]
    return Lead.objects.create(
        folio=f"F{number}",
        name=name,
        phone=f"+52656555{number:04}",
        created_at=at,
        submitted_at=at,
        quote_data={"total": total, "lines": lines, "attribution": attribution},
    )


def listed(client, **query: str) -> list[str]:
    page = client.get(LIST, {"status": "all", **query})
    assert page.status_code == 200
    return sorted(row.lead.name for row in page.context["cl"].rows)


def said(client, **query: str) -> dict[str, str]:
    """Return what the page says that filters it, each with the address that removes it."""
    text = client.get(LIST, {"status": "all", **query}).content.decode()
    chips = re.findall(r'<a class="chip" href="([^"]+)">(.*?)</a>', text, re.DOTALL)
    return {re.sub(r"<.*?>|×|Quitar:", "", inner).strip(): unescape(address) for address, inner in chips}


@pytest.fixture
def shop(admin_user) -> dict[str, Lead]:
    names = ("ana", "beto", "carla", "dora")
    return {
        name: a_lead(
            name,
            total=f"{1000 * (number + 1)}.50",
            at=NOW - timedelta(days=number),
            product="concrete" if number % 2 else "pump",
            **({"utm_source": "facebook"} if number else {"referrer": "https://m.facebook.com/l.php"}),
        )
        for number, name in enumerate(names)
    }


def test_each_filter_and_all_together(admin_client, admin_user, shop):
    arrange.sold(shop["ana"].pk, 10, by=admin_user, now=timezone.now())
    arrange.lost(shop["beto"].pk, "Precio", by=admin_user, now=timezone.now())
    expected = {
        ("seller", str(admin_user.pk)): ["ana", "beto"],
        ("seller", "nobody"): ["carla", "dora"],
        ("seller", "elsewhere"): [],
        ("seller", "99999"): [],
        ("seller", "x" * 500): [],
        ("since", "2026-11-19"): ["ana", "beto"],
        ("until", "2026-11-18"): ["carla", "dora"],
        ("least", "2,000.50"): ["beto", "carla", "dora"],
        ("most", "$2000.50"): ["ana", "beto"],
        ("product", "pump"): ["ana", "carla"],
        ("source", "facebook"): ["beto", "carla", "dora"],
        ("source", "m.facebook.com"): ["ana"],
        ("outcome", "won"): ["ana"],
        ("outcome", "lost"): ["beto"],
        ("outcome", "lost:Precio"): ["beto"],
        ("outcome", "lost:Fecha"): [],
        ("campaign", "facebook"): ["beto", "carla", "dora"],
        ("without", "campaign"): ["ana"],
    }
    for (name, value), names in expected.items():
        assert listed(admin_client, **{name: value}) == names, (name, value)
    both = {"since": "2026-11-18", "until": "2026-11-19", "least": "3000"}
    assert listed(admin_client, **both) == ["carla"]
    assert listed(admin_client, **both, status="contacted") == []
    assert listed(admin_client, **both, q="carla") == ["carla"]


def test_the_list_says_what_filters_it_and_removes_each_with_one_tap(admin_client, admin_user, shop):
    User.objects.filter(pk=admin_user.pk).update(first_name="Ana", last_name="Ruiz")
    query = {"since": "2026-11-18", "until": "2026-11-20", "least": "1000", "product": "concrete", "p": "1"}
    chips = said(admin_client, **query, outcome="lost:Precio", seller=str(admin_user.pk))
    product = site.price_book().products[0].label.es
    assert list(chips) == [
        "18/11/2026 – 20/11/2026",
        "Ana Ruiz",
        "$1,000.00 – …",
        f"Producto: {product}",
        "Perdido: Precio",
    ]
    assert "since" not in chips["18/11/2026 – 20/11/2026"]
    assert "until" not in chips["18/11/2026 – 20/11/2026"]
    assert "product=concrete" in chips["Ana Ruiz"]
    assert "seller" not in chips["Ana Ruiz"]
    page = admin_client.get(LIST + chips["Ana Ruiz"])
    assert page.status_code == 200
    assert len(page.context["cl"].filtered_by) == 4
    assert said(admin_client) == {}
    assert (
        '<a href="?status=all">Quitar todos los filtros</a>'
        in admin_client.get(LIST, {"status": "all", **query}).content.decode()
    )


def test_the_form_has_what_filters_and_carries_on_what_only_links_set(admin_client, shop):
    query = {"status": "all", "since": "2026-11-18", "most": "x", "q": "a", "phone__gt": "", "campaign": "facebook"}
    page = admin_client.get(LIST, query)
    form = page.content.decode().partition('<details class="filters" open>')[2].partition("</details>")[0]
    for field in ('value="2026-11-18"', 'name="campaign" value="facebook"', 'name="phone__gt"', 'name="q" value="a"'):
        assert field in form
    assert "Escribe el monto así: 1,234.50." in form
    assert 'value="x"' in form
    assert 'name="p"' not in form
    assert page.context["cl"].rows == []  # nothing is listed, or downloaded, that was not meant


def test_a_form_that_is_sent_with_empty_fields_gets_a_short_address(admin_client):
    sent = {"status": "all", "seller": "", "since": " ", "least": "5", "q": "a"}
    answer = admin_client.get(LIST, sent)
    assert (answer.status_code, answer["Location"]) == (302, "?status=all&least=5&q=a")


@pytest.mark.parametrize(
    "query",
    [
        {"since": "yesterday"},
        {"until": "2026-13-45"},
        {"since": "0001-01-01"},
        {"until": "9999-12-31"},
        {"least": "1e999"},
        {"most": "9" * 60},
        {"outcome": ":::"},
        {"product": "'; --"},
        {"source": "a\\b%"},
        {"without": "phone"},
    ],
)
def test_no_address_breaks_the_list(admin_client, shop, query):
    assert admin_client.get(LIST, {"status": "all", **query}).status_code == 200


def test_what_has_no_index_is_looked_for_among_the_first_leads_of_the_tab(admin_client, shop, monkeypatch):
    monkeypatch.setattr(filters, "MOST_READ", 2)
    monkeypatch.setattr(conditions, "MOST_READ", 2)
    assert listed(admin_client, product="concrete") == ["beto"]
    text = admin_client.get(LIST, {"status": "all", "product": "concrete"}).content.decode()
    assert "entre las primeras 2 solicitudes" in text
    assert listed(admin_client, product="concrete", until="2026-11-18") == ["dora"]
    assert (
        "entre las primeras"
        not in admin_client.get(LIST, {"status": "all", "product": "concrete", "until": "2026-11-18"}).content.decode()
    )
    assert listed(admin_client, seller="nobody") == ["ana", "beto", "carla", "dora"]
    for status in ("waiting", "contacted", "set_aside", "put_aside", "anonymous", "today", "mine"):
        assert admin_client.get(LIST, {"status": status, "product": "concrete"}).status_code == 200


@pytest.mark.hypothesis
@given(
    st.dictionaries(
        st.sampled_from(["utm_source", "source", "referrer"]),
        st.sampled_from(["", "facebook", "https://a.example/b", "a://b", "://", 5, None]),
    )
)
def test_sql_reads_a_source_as_python_does(attribution):
    lead = Lead.objects.create(folio="F", quote_data={"attribution": attribution})
    try:
        read = Lead.objects.filter(pk=lead.pk).values_list(conditions.source(), flat=True).get()
        if all(isinstance(value, str) for value in attribution.values()):
            assert (read or "") == snapshot.source_of(attribution)
    finally:
        lead.delete()


@pytest.mark.parametrize(("total", "amount"), [("12.50", "12.5"), (7, "7"), ("1,234", None), ("-5", None), ({}, None)])
def test_only_a_plain_number_is_an_amount(admin_client, total, amount):
    a_lead("ana", total=total)
    assert listed(admin_client, least="0.01") == (["ana"] if amount else [])


def test_the_leads_of_a_seller_are_found_by_their_index(admin_user):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(
            "EXPLAIN SELECT id FROM leads WHERE contacted_by = %s ORDER BY created_at DESC, id DESC", [admin_user.pk]
        )
        assert "lead_of_seller" in "\n".join(line for (line,) in cursor.fetchall())
