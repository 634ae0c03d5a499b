"""The upsert of `leads` is idempotent and independent of the order of arrival."""

from datetime import timedelta
from decimal import Decimal
from itertools import permutations

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from leads.delivery.record import lead_record, quote_record
from leads.models import Lead, LeadEvent
from quoter import site, token
from quoter.engine import pricing
from quoter.engine.pricebook import PriceBook
from tests.support.factories import NAME, PHONE, PHONE_E164, a_contact, a_line, an_issued_quote, store

pytestmark = pytest.mark.django_db


@pytest.mark.pooler
def test_a_quote_is_a_row_without_a_person():
    issued = an_issued_quote()

    store(quote_record(issued, visitor_id="a-visitor"))

    lead = Lead.objects.get()
    assert lead.folio == issued.quote.folio
    assert (lead.name, lead.phone, lead.submitted_at) == ("", "", None)
    assert (lead.status, lead.contacted_at, lead.contacted_by, lead.notes) == ("new", None, None, "")
    assert lead.visitor_id == "a-visitor"
    assert lead.created_at == issued.quote.issued_at


@pytest.mark.pooler
def test_a_lead_completes_its_quote():
    issued, contact = an_issued_quote(), a_contact()

    store(quote_record(issued, visitor_id=""))
    store(lead_record(issued, contact))

    lead = Lead.objects.get()
    assert (lead.name, lead.phone, lead.submitted_at) == (NAME, PHONE_E164, contact.submitted_at)
    assert lead.quote_data["customer"] == {"name": NAME, "phone": PHONE_E164, "phone_raw": PHONE}
    assert lead.quote_data["privacy"] == {
        "accepted_at": "2026-11-22T19:30:00+00:00",
        "marketing_accepted_at": None,
        "notice_version": "2026-11",
    }


@pytest.mark.pooler
def test_any_order_of_arrival_gives_the_same_row():
    issued = an_issued_quote()
    older = a_contact(name="Older")
    newer = a_contact(name="Newer", submitted_at=older.submitted_at + timedelta(seconds=1))
    arrivals = [quote_record(issued, visitor_id=""), lead_record(issued, older), lead_record(issued, newer)]

    for order in permutations(arrivals):
        Lead.objects.all().delete()
        for arrived in [*order, *order]:
            store(arrived)
        assert list(Lead.objects.values_list("name", flat=True)) == ["Newer"]


@pytest.mark.pooler
def test_the_upsert_never_changes_what_staff_wrote():
    issued = an_issued_quote()
    store(lead_record(issued, a_contact()))
    seller = User.objects.create_user("ana")
    lead = Lead.objects.get()
    Lead.objects.contact(lead.pk, by=seller, now=timezone.now())
    Lead.objects.update(notes="Llamar el lunes")
    before = Lead.objects.values("status", "contacted_at", "contacted_by", "notes", "created_at").get()

    store(lead_record(issued, a_contact(submitted_at=timezone.now() - timedelta(minutes=1), name="María P.")))

    assert Lead.objects.get().name == "María P."
    assert Lead.objects.values("status", "contacted_at", "contacted_by", "notes", "created_at").get() == before


def test_every_amount_can_be_recomputed_from_the_stored_quote():
    lines = [
        a_line(),
        a_line(options={"strength": "250", "service": "pumped"}, extras=["fiber", "accelerant"]),
        a_line(measure={"kind": "coffered_area", "area_m2": "811.3", "block_cm": "10"}, extras=[]),
    ]
    store(lead_record(an_issued_quote(*lines), a_contact()))

    stored = Lead.objects.get().snapshot.issued
    again = pricing.price(
        PriceBook.model_validate(stored.prices),
        pricing.requests(stored.quote),
        folio=stored.quote.folio,
        issued_at=stored.quote.issued_at,
        zone=site.zone(),
        language=stored.language,
    )

    assert again == stored.quote
    # 6 m³ at 2,569.46 and fibre at 150; 6 m³ at 3,254.56, fibre and accelerant; 88 m³ at 2,569.46.
    assert [line.amount for line in again.lines] == [
        Decimal("16316.76"),
        Decimal("19527.36") + Decimal("900.00") + Decimal("1080.00"),
        Decimal("226112.48"),
    ]
    assert again.total == Decimal("263936.60") + Decimal("21114.93")


def test_a_stored_quote_can_be_signed_again():
    issued = an_issued_quote()
    store(lead_record(issued, a_contact()))
    signed = token.dumps(Lead.objects.get().snapshot.issued)
    again = token.loads(signed, zone=site.zone())
    assert (again.quote, again.prices) == (issued.quote, issued.prices)


def test_the_database_fills_in_the_defaults():
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO leads (folio, quote_data) VALUES ('by hand', '{}')")
    lead = Lead.objects.get()
    assert (lead.name, lead.phone, lead.status, lead.visitor_id, lead.notes) == ("", "", "new", "", "")
    assert timezone.now() - lead.created_at < timedelta(minutes=1)


@pytest.mark.parametrize(
    "wrong",
    [
        "status = 'lost'",
        "contacted_at = now()",
        "name = NULL",
        "phone = NULL",
        "quote_data = NULL",
    ],
)
def test_the_database_refuses_an_inconsistent_row(wrong):
    store(quote_record(an_issued_quote(), visitor_id=""))
    with connection.cursor() as cursor, pytest.raises(IntegrityError), transaction.atomic():
        cursor.execute(f"UPDATE leads SET {wrong}")


def test_the_columns_are_those_of_the_data_model():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name, data_type, is_nullable FROM information_schema.columns "
            "WHERE table_schema = 'public' AND table_name = 'leads'"
        )
        columns = {name: (kind, nullable) for name, kind, nullable in cursor.fetchall()}
        cursor.execute(
            "SELECT is_identity FROM information_schema.columns WHERE table_name = 'leads' AND column_name = 'id'"
        )
        assert cursor.fetchone() == ("YES",)
    moment, text = "timestamp with time zone", "text"
    assert columns == {
        "id": ("bigint", "NO"),
        "name": (text, "NO"),
        "phone": (text, "NO"),
        "quote_data": ("jsonb", "NO"),
        "status": (text, "NO"),
        "visitor_id": (text, "NO"),
        "created_at": (moment, "NO"),
        "folio": (text, "NO"),
        "submitted_at": (moment, "YES"),
        "contacted_at": (moment, "YES"),
        "contacted_by": ("integer", "YES"),
        "notes": (text, "NO"),
        "is_first": ("boolean", "NO"),
        "arrived_at": (moment, "NO"),
        "set_aside": (text, "NO"),
        "asked_again_at": (moment, "YES"),
        "alert_stage": ("smallint", "NO"),
    }


@pytest.mark.pooler
@pytest.mark.django_db(transaction=True)
def test_a_lead_is_contacted_by_exactly_one_of_many():
    store(lead_record(an_issued_quote(), a_contact()))
    lead, now = Lead.objects.get(), timezone.now()
    sellers = [User.objects.create_user(f"seller{n}") for n in range(3)]

    assert [Lead.objects.contact(lead.pk, by=seller, now=now) for seller in sellers] == [True, False, False]

    lead.refresh_from_db()
    assert (lead.status, lead.contacted_at, lead.contacted_by) == ("contacted", now, sellers[0])
    assert list(LeadEvent.objects.values_list("kind", "actor")) == [("contacted", sellers[0].pk)]
