"""What staff read where something is not certain: which number a phone is, who is the same person, a device's clock."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.db import connection

from leads.delivery.record import lead_record, record
from leads.inbox import greeting
from leads.models import Lead
from leads.phones import normalise
from tests.support.factories import PHONE_E164, a_contact, an_issued_quote, store

pytestmark = pytest.mark.django_db

LIST = "/admin/leads/lead/"


def typed(raw: str, **contact) -> Lead:
    """Store a lead as a checkout with this phone does."""
    row = lead_record(an_issued_quote(), a_contact(phone=normalise(raw, region="MX"), phone_raw=raw, **contact))
    store(row)
    return Lead.objects.get(folio=row.folio)


def text_of(response) -> str:
    return unescape(response.content.decode())


def page_of(client, lead: Lead) -> str:
    return text_of(client.get(f"{LIST}{lead.pk}/change/"))


# --- Phones -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "label", "said", "dialled"),
    [
        (
            "656 555 0123 / 656 555 0124",
            "varios teléfonos",
            "Tiene varios números: +52 656 555 0123 / +52 656 555 0124.",
            "526565550123",
        ),
        ("1 656 223 4567", "teléfono dudoso", "+52 656 223 4567 / +1 656-223-4567.", "526562234567"),
        ("+6565550123", "teléfono dudoso", "+52 656 555 0123 / +65 6555 0123.", "526565550123"),
        ("000 000 0000", "teléfono dudoso", "No se lee en él ningún número válido.", "520000000000"),
    ],
)
def test_the_list_and_the_page_say_that_a_phone_is_doubtful_and_which_numbers_it_may_be(
    admin_client, raw, label, said, dialled
):
    lead = typed(raw)
    for text in (text_of(admin_client.get(LIST)), page_of(admin_client, lead)):
        assert re.search(f'<span class="flag"[^>]*>{label}</span>', text)
        assert said in text
        assert f'="tel:+{dialled}"' in text
    assert raw in page_of(admin_client, lead)
    assert "Los enlaces marcan" in page_of(admin_client, lead)
    assert greeting.chat_url(lead).startswith(f"https://wa.me/{dialled}?")


@pytest.mark.parametrize("raw", ["656 555 0123 ext 102", "+656 555 0123", "mi cel es 656 555 0123"])
def test_a_phone_that_is_certain_is_shown_without_a_doubt(admin_client, raw):
    lead = typed(raw)
    for text in (text_of(admin_client.get(LIST)), page_of(admin_client, lead)):
        assert 'class="flag"' not in text
        assert '="tel:+526565550123"' in text


@pytest.fixture
def outage(admin_client):
    admin_client.get(f"{LIST}restore/")  # sets the cookie that admits to the outage page
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE leads RENAME TO leads_away")
    yield
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE leads_away RENAME TO leads")


@pytest.mark.django_db(transaction=True)
def test_the_outage_page_says_that_a_phone_is_doubtful_and_dials_the_right_number(admin_client, outage):
    for phone in ("+6565550123", "(915) 555-0123 ext 4"):
        record(lead_record(an_issued_quote(), a_contact(phone=phone, phone_raw=phone)))
    text = text_of(admin_client.get(LIST))
    assert "teléfono dudoso" in text
    assert "+52 656 555 0123 / +65 6555 0123" in text
    assert text.count('class="flag"') == 1
    assert 'href="tel:+526565550123"' in text
    assert 'href="tel:+19155550123"' in text


# --- The same person --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other", ["(656) 123-4567", "6561234567", "656 123 4567 ext 9", "52 1 656 123 4567", PHONE_E164]
)
def test_the_same_person_is_the_same_however_the_phone_is_written(admin_client, other):
    new, old = typed("656 123 4567"), typed("656 765 4321")
    Lead.objects.filter(pk=old.pk).update(phone=other)  # as another program stored it
    [row] = admin_client.get(LIST).context["cl"].rows
    assert (row.lead, row.quotes) == (max(new, old, key=lambda lead: lead.asked_at), 2)
    assert old.folio in page_of(admin_client, new).partition('id="others-title"')[2]
    assert new.folio in page_of(admin_client, old).partition('id="others-title"')[2]


def test_leads_without_digits_in_their_phone_are_not_the_same_person(admin_client):
    for lead in (typed("656 123 4567"), typed("656 765 4321")):
        Lead.objects.filter(pk=lead.pk).update(phone="no tiene")
    assert [row.quotes for row in admin_client.get(LIST).context["cl"].rows] == [1, 1]


# --- The clock of a device --------------------------------------------------------------------------------------------


ASKED, ARRIVED = datetime(2026, 11, 20, 18, 5, tzinfo=UTC), datetime(2026, 11, 28, 19, 45, tzinfo=UTC)  # 11:05, 12:45


def came_late(*, issued_ago: timedelta) -> Lead:
    issued = an_issued_quote()
    quote = issued.quote.model_copy(
        update={"issued_at": ASKED - issued_ago, "valid_until": ASKED - issued_ago + timedelta(days=7)}
    )
    row = lead_record(issued.of(quote, prices=issued.prices), a_contact(submitted_at=ASKED, flags=("late",)))
    store(replace(row, about={**row.about, "late": {"received_at": ARRIVED.isoformat()}}))
    return Lead.objects.get(folio=row.folio)


def test_what_a_late_lead_says_about_time_is_shown_as_what_the_phone_says(admin_client):
    text = page_of(admin_client, came_late(issued_ago=timedelta(hours=1)))
    assert "El teléfono dice que se pidió el 20/11/2026 11:05; llegó el 28/11/2026 12:45." in text
    assert "Para entonces la cotización ya había vencido." in text
    assert "según el reloj del teléfono del cliente" in text
    assert "28/11/2026 12:45 · Llegó aquí" in text


def test_the_list_says_that_a_quote_expired_between_the_time_that_a_phone_claims_and_the_arrival(admin_client):
    came_late(issued_ago=timedelta(hours=1))
    assert "dice que pidió a tiempo, llegó vencida" in text_of(admin_client.get(LIST))


@pytest.mark.parametrize(("flags", "says"), [(("late",), "llegó tarde"), (("late", "expired"), "vencida")])
def test_the_list_says_no_more_of_another_late_lead(admin_client, flags, says):
    row = lead_record(an_issued_quote(), a_contact(flags=flags))
    store(replace(row, about={**row.about, "late": {"received_at": datetime.now(UTC).isoformat()}}))
    text = text_of(admin_client.get(LIST))
    assert says in text
    assert "dice que pidió" not in text


def test_a_lead_that_came_on_time_has_no_claim(admin_client):
    text = page_of(admin_client, typed("656 123 4567"))
    assert "El teléfono dice" not in text
    assert "según el reloj" not in text
