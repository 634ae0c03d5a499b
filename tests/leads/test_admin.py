"""The admin of leads: the list, the search, a lead's page and its permissions."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection

from leads.delivery.record import lead_record
from leads.inbox.tabs import TABS
from leads.models import Lead, LeadEvent
from tests.support.factories import NAME, PHONE_E164, a_contact, an_issued_quote, store

pytestmark = pytest.mark.django_db

LIST = "/admin/leads/lead/"


def a_lead(**contact) -> Lead:
    issued = an_issued_quote()
    store(lead_record(issued, a_contact(**contact)))
    return Lead.objects.get(folio=issued.quote.folio)


def folios(page) -> list[str]:
    return re.findall(r'data-folio="([^"]+)"', page.content.decode())


def test_the_list_shows_waiting_leads_oldest_first(admin_client, admin_user):
    newest, oldest, done = (a_lead(phone=f"+5265612345{number}") for number in (67, 68, 69))
    Lead.objects.filter(pk=oldest.pk).update(arrived_at=newest.arrived_at - timedelta(hours=3))
    Lead.objects.contact(done.pk, by=admin_user, now=done.created_at)

    assert folios(admin_client.get(LIST)) == [oldest.folio, newest.folio]
    assert folios(admin_client.get(LIST, {"status": "contacted"})) == [done.folio]
    assert set(folios(admin_client.get(LIST, {"status": "all"}))) == {oldest.folio, newest.folio, done.folio}


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (lambda lead: lead.folio, True),
        (lambda lead: lead.folio.lower().replace("-", ""), True),
        (lambda lead: f"Hola, soy María. Me interesa la cotización *{lead.folio}*:", True),
        (lambda lead: "4567", True),
        (lambda lead: "123 4567", True),
        (lambda lead: "+52 (656) 123-4567", True),
        (lambda lead: "521 656 123 4567", True),
        (lambda lead: "maria", True),
        (lambda lead: "PEÑA mar", True),
        (lambda lead: "pena", True),
        (lambda lead: "9999", False),
        (lambda lead: "pedro", False),
        (lambda lead: "'; drop table leads; --", False),
        (lambda lead: "& | ! :* ()", False),
        (lambda lead: "%", False),
    ],
)
def test_a_lead_is_found_by_folio_phone_or_name(admin_client, typed, found):
    lead = a_lead()
    a_lead(name="Jo Smith", phone="+526560000000")
    assert folios(admin_client.get(LIST, {"q": typed(lead)})) == ([lead.folio] if found else [])


def test_searches_are_answered_from_their_indexes():
    def plan(queryset) -> str:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
        return queryset.explain()

    with connection.cursor() as cursor:  # with few rows, any index would do
        cursor.execute(
            "INSERT INTO leads (folio, name, phone, quote_data, alert_stage) "
            "SELECT n, 'María ' || n, '+52656' || 1000000 + n * 799, '{}', 2 FROM generate_series(1, 5000) AS n"
        )
        cursor.execute("SELECT gin_clean_pending_list('lead_phone_pieces')")
        cursor.execute("ANALYZE leads")
    for part in ("4567", "561234", "6561234567", "526561234567", "567"):
        assert "lead_phone_pieces" in plan(Lead.objects.with_phone_part(part))
    assert "lead_name_plain_words" in plan(Lead.objects.with_name_words(["maria", "pena"]))
    assert "lead_name_plain_words" in plan(Lead.objects.with_name_beginnings(["mar"]))
    assert "lead_phone_key" in plan(Lead.objects.of_phones(["+526561234567"]))
    indexes = ["lead_queue", "lead_contacted", "lead_set_aside", "lead_put_aside", "lead_waiting", "lead_created"]
    for tab, index in zip([tab for tab in TABS if not tab.turn], indexes, strict=True):
        assert f" {index} " in plan(tab.leads(Lead.objects.all()).order_by(*tab.ordering)[:50])


def test_a_lead_s_page_shows_the_bill_and_not_its_json(admin_client):
    lead = a_lead()
    page = admin_client.get(f"{LIST}{lead.pk}/change/").content.decode()
    assert "$17,622.10" in page
    assert "Fibra de refuerzo" in page
    assert "&quot;folio&quot;" not in page


def test_contacting_a_lead_twice_changes_it_once(admin_client, admin_user):
    lead = a_lead()
    for _ in range(2):
        assert admin_client.post(f"{LIST}{lead.pk}/contact/").status_code == 302
    lead.refresh_from_db()
    assert (lead.status, lead.contacted_by) == ("contacted", admin_user)
    assert LeadEvent.objects.filter(kind="contacted", actor=admin_user).count() == 1


def notes_of(lead: Lead) -> list[str]:
    return list(lead.kept_notes.order_by("pk").values_list("text", flat=True))


def test_staff_can_only_add_notes(admin_client):
    lead = a_lead()
    admin_client.post(f"{LIST}{lead.pk}/change/", {"notes": "Llamar", "status": "contacted", "phone": "1", "name": "x"})
    lead.refresh_from_db()
    assert (lead.notes, lead.status, lead.phone, lead.name) == ("", "new", PHONE_E164, NAME)
    assert notes_of(lead) == ["Llamar"]


def test_saving_a_stale_page_keeps_the_status_that_a_colleague_set(admin_client, admin_user):
    lead = a_lead()
    admin_client.get(f"{LIST}{lead.pk}/change/")
    Lead.objects.contact(lead.pk, by=admin_user, now=lead.created_at)
    admin_client.post(f"{LIST}{lead.pk}/change/", {"notes": "Llamar"})
    lead.refresh_from_db()
    assert (notes_of(lead), lead.status) == (["Llamar"], "contacted")


def test_nobody_adds_or_deletes_a_lead(admin_client):
    lead = a_lead()
    assert admin_client.get(f"{LIST}add/").status_code == 403
    assert admin_client.post(f"{LIST}{lead.pk}/delete/", {"post": "yes"}).status_code == 403
    admin_client.post(LIST, {"action": "delete_selected", "_selected_action": [lead.pk], "post": "yes"})
    assert Lead.objects.filter(pk=lead.pk).exists()


def test_staff_need_the_permission_to_contact(client):
    lead = a_lead()
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_lead"))
    client.force_login(viewer)

    assert client.get(LIST).status_code == 200
    assert client.post(f"{LIST}{lead.pk}/contact/").status_code == 403
    assert Lead.objects.waiting().filter(pk=lead.pk).exists()
