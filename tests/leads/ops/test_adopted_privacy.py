"""Erasing people from an adopted table: quotes of another program, and columns that Folio does not know."""

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from leads.models import FollowUp, Lead, LeadEvent, LeadOutcome
from leads.privacy import anonymise as anonymising
from leads.privacy.anonymise import anonymise
from tests.leads.ops.test_adoption import (  # noqa: F401  (fixtures)
    SUPABASE_S_OWN_WAY,
    migrate,
    others_migrated,
    postgres,
    shop,
    sql,
)

pytestmark = pytest.mark.long

WHO = ["Juan", "Pérez", "1234567", "juan@", "Río Nilo", "visitor-7", "fbclid", "Mozilla", "10.1.2.3"]
# As the calculator of a shop that moves to Folio stores them, one with a cart and one with a summary.
CART = """{
    "folio": "WEB-20261128-9866",
    "items": [
        {"id": "a1", "label": "Concreto Bomba - f'c 200", "name": "Concreto 200", "volume": 6.50, "subtotal": 15300.5},
        {"id": "a2", "label": "Fibra", "name": "Fibra", "service": {"name": "Bomba"}, "additives": [{"name": "Fibra"}]}
    ],
    "financials": {"subtotal": 15300.50, "vat": 1224.04, "total": 16524.54, "currency": "MXN"},
    "breakdownLines": [{"label": "Base", "value": 15300.50, "type": "base"}],
    "metadata": {"source": "web_calculator", "pricing_version": 2, "userAgent": "Mozilla/5.0", "ip": "10.1.2.3"},
    "customer": {"name": "Juan Pérez", "phone": "(656) 123-4567", "email": "juan@example.com", "visitorId": "visitor-7"}
}"""
CART_LEFT = """{
    "folio": "WEB-20261128-9866",
    "items": [
        {"id": "a1", "label": "Concreto Bomba - f'c 200", "name": "Concreto 200", "volume": 6.50, "subtotal": 15300.5},
        {"id": "a2", "label": "Fibra", "name": "Fibra", "service": {"name": "Bomba"}, "additives": [{"name": "Fibra"}]}
    ],
    "financials": {"subtotal": 15300.50, "vat": 1224.04, "total": 16524.54, "currency": "MXN"},
    "breakdownLines": [{"label": "Base", "value": 15300.50, "type": "base"}],
    "metadata": {"source": "web_calculator", "pricing_version": 2}
}"""
SUMMARY = """{
    "summary": {"product": "Concreto 200", "volume": "6.5", "total": 98765432109876543210.10},
    "context": {"folio": "W-1", "chat": "https://wa.me/526561234567", "title": "De JUAN PEREZ", "a": 526561234567},
    "attribution": {"utm_source": "fb", "fbclid": "fbclid-1"},
    "history": [{"at": "2026-03-01", "who": "juan@example.com"}, "llamó juan perez", "6 m3"]
}"""
SUMMARY_LEFT = """{
    "summary": {"product": "Concreto 200", "volume": "6.5", "total": 98765432109876543210.10},
    "context": {"folio": "W-1", "chat": "", "title": "", "a": null},
    "history": [{"at": "2026-03-01", "who": ""}, "", "6 m3"]
}"""
TABLE = """
CREATE TABLE leads (
    id bigserial PRIMARY KEY, name text NOT NULL, phone text NOT NULL, quote_data jsonb NOT NULL,
    status text NOT NULL DEFAULT 'new', visitor_id text, created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz DEFAULT now(), privacy_accepted boolean DEFAULT false, correo text,
    delivery_address text, phone_norm text, "Odd % name" int DEFAULT 0, tags text[] DEFAULT '{}',
    city text DEFAULT 'Juárez'
);
"""


def add(quote: str, **columns: Any) -> None:
    given = {"name": "Juan Pérez", "phone": "656 123 4567", "correo": "juan@example.com"} | columns
    names = ", ".join(f'"{name}"' for name in given).replace("%", "%%")
    places = ", ".join(["%s"] * len(given))
    sql(
        f"INSERT INTO leads (quote_data, created_at, {names}) VALUES (%s, '2025-01-01', {places})",
        quote,
        *given.values(),
    )


@pytest.fixture
def adopted(shop: str) -> Iterator[None]:  # noqa: F811
    sql(TABLE)
    add(CART, delivery_address="Calle Río Nilo 123", phone_norm="6561234567", tags=["vip"])
    add(SUMMARY, phone_norm="6561234567", **{"Odd % name": 0})
    add('{"total": 5}', name="Otra", phone="656 999 8888", correo="", delivery_address="Otra calle")
    migrate()
    return


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def run_and_fail(*arguments: str) -> tuple[str, str]:
    out = StringIO()
    with pytest.raises(CommandError) as ended:
        call_command(*arguments, stdout=out, stderr=StringIO())
    return out.getvalue(), str(ended.value)


def quotes() -> list[str]:
    return [text for (text,) in sql("SELECT quote_data::text FROM leads ORDER BY id")]


def normal(quote: str) -> str:
    """Return a JSON text as Postgres stores it, with its numbers as they are written."""
    [(text,)] = sql("SELECT %s::jsonb::text", quote)
    return str(text)


def test_erasing_a_person_takes_out_the_person_and_leaves_the_amounts(adopted):
    out, why = run_and_fail("privacy", "erase", "656 123 4567", "--yes")

    assert out == "2 leads anonymised, 0 records removed from this disk\n"
    assert quotes() == [normal(CART_LEFT), normal(SUMMARY_LEFT), normal('{"total": 5}')]
    own = sql("SELECT name, phone, quote_data::text, visitor_id, notes FROM leads WHERE id < 3")
    assert [trace for trace in WHO if trace.casefold() in str(own).casefold()] == []
    assert Lead.objects.get(pk=3).name == "Otra"
    assert "still hold values: correo (2), delivery_address (1), phone_norm (2), tags (1)." in why
    assert "city" not in why
    assert "updated_at" not in why

    sql(why[why.index("UPDATE leads") :].partition(";")[0])
    assert sql("SELECT delivery_address FROM leads ORDER BY id") == [(None,), (None,), ("Otra calle",)]
    assert LeadEvent.objects.filter(kind="anonymised").count() == 2


def test_a_purge_names_the_columns_until_they_are_empty_or_known(adopted):
    purge = ("purge_leads", "--older-than", "30d", "--anonymise", "--apply")
    out, why = run_and_fail(*purge)
    assert out.startswith("3 leads")
    assert "correo (2), delivery_address (2), phone_norm (2), tags (1)" in why
    before = quotes()

    out, why = run_and_fail(*purge)
    assert out.startswith("0 leads")
    assert "delivery_address (2)" in why
    assert quotes() == before

    out, why = run_and_fail(*purge, "--keep-columns", "tags,correo")
    assert "delivery_address (2), phone_norm (2)." in why
    assert run(*purge, "--keep-columns", "tags, correo,delivery_address,phone_norm").startswith("0 leads")
    sql(why[why.index("UPDATE leads") :].partition(";")[0])
    assert run(*purge, "--keep-columns", "tags,correo").startswith("0 leads")
    assert run("purge_leads", "--older-than", "30d", "--apply").startswith("3 leads")


def test_a_quoted_name_of_a_column_can_be_run_as_printed(adopted):
    sql('UPDATE leads SET "Odd % name" = 3 WHERE id = 1')
    _out, why = run_and_fail("privacy", "erase", "656 123 4567", "--yes")
    assert "Odd % name (1)" in why
    sql(why[why.index("UPDATE leads") :].partition(";")[0])
    assert sql('SELECT "Odd % name" FROM leads WHERE id = 1') == [(0,)]


@pytest.mark.by_hand
def test_keys_that_are_uuids_are_erased_and_named(shop):  # noqa: F811
    sql(SUPABASE_S_OWN_WAY)
    sql("UPDATE leads SET phone = '656 123 4567', created_at = '2025-01-01' WHERE name = 'Ana'")
    migrate()
    _out, why = run_and_fail("privacy", "erase", "656 123 4567", "--yes")
    assert "email (1), Odd name (1), tags (1)" in why
    sql(why[why.index("UPDATE leads") :].partition(";")[0])
    assert sql('SELECT email, "Odd name", tags, score FROM leads WHERE name = %s', "") == [(None, None, None, 0)]


def test_a_row_that_another_program_changes_meanwhile_is_read_again(adopted, monkeypatch):
    read, changes = anonymising._rows_with_person, iter(range(3))

    def change_after(*arguments: Any) -> Iterator[Any]:
        rows = list(read(*arguments))
        if (number := next(changes, None)) is not None:
            sql(
                "UPDATE leads SET quote_data = quote_data || %s::jsonb WHERE id = 1",
                json.dumps({"total": number, "contact": {"name": "Juan"}}),
            )
        return iter(rows)

    monkeypatch.setattr(anonymising, "_rows_with_person", change_after)
    assert anonymise([1, 2], by=None, now=timezone.now(), detail="test") == 2
    assert json.loads(quotes()[0])["total"] == 2
    assert "contact" not in quotes()[0]
    assert LeadEvent.objects.filter(kind="anonymised").count() == 2


def test_the_file_of_an_adopted_table_is_restored_into_an_enum_and_plain_times(shop, tmp_path):  # noqa: F811
    sql(SUPABASE_S_OWN_WAY)
    migrate()
    file = tmp_path / "leads.jsonl"
    Lead.objects.filter(name="Beto").update(phone="656 999 8888")
    LeadOutcome.objects.create(lead=Lead.objects.get(name="Beto"), kind="lost", reason="precio", at=timezone.now())
    FollowUp.objects.create(key="6569998888", step="Llamar", is_open=False)
    run("export_leads", "--output", str(file))
    columns = "folio, name, phone, quote_data, status, visitor_id, created_at, notes"
    before = sql(f"SELECT {columns} FROM leads ORDER BY folio")
    sql("DELETE FROM lead_events; DELETE FROM lead_follow_ups; DELETE FROM leads WHERE name = 'Beto'")
    assert not LeadOutcome.objects.exists()
    connection.close()
    assert run("restore_leads", str(file)).startswith("1 leads restored, 1 were there already")
    after = sql(f"SELECT {columns} FROM leads ORDER BY folio")
    assert [tuple(value or "" for value in row) for row in after] == [
        tuple(value or "" for value in row) for row in before
    ]
    assert LeadOutcome.objects.get(reason="precio").lead == Lead.objects.get(name="Beto")
    assert FollowUp.objects.get().step == "Llamar"
