"""The spreadsheet of a filtered list."""

import csv
from io import StringIO

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone

from leads.models import Lead, LeadEvent
from tests.support.desk import BETO, NOON, a_lead

pytestmark = pytest.mark.django_db

EXPORT = "/admin/leads/lead/export/"


def rows(answer) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))


def test_a_spreadsheet_has_all_leads_of_the_filtered_list_and_no_other(admin_client, admin_user):
    waiting, done = a_lead(), a_lead(phone=BETO)
    a_lead(phone="")
    Lead.objects.contact(done.pk, by=admin_user, now=NOON)

    assert [row["folio"] for row in rows(admin_client.post(EXPORT))] == [waiting.folio]
    assert [row["folio"] for row in rows(admin_client.post(f"{EXPORT}?status=contacted"))] == [done.folio]
    answer = admin_client.post(f"{EXPORT}?status=all&phone__gt=")
    assert answer["Content-Disposition"] == f'attachment; filename="leads-{timezone.localdate()}.csv"'
    assert [row["folio"] for row in rows(answer)] == [done.folio, waiting.folio]  # in the list's order
    assert [row["folio"] for row in rows(admin_client.post(f"{EXPORT}?q={done.folio}"))] == [done.folio]


def test_a_spreadsheet_has_more_than_one_page_of_the_list(admin_client):
    for _ in range(60):
        a_lead()
    assert len(rows(admin_client.post(EXPORT))) == 60


def test_every_exported_lead_has_an_event_with_the_person(admin_client, admin_user):
    lead = a_lead()
    rows(admin_client.post(EXPORT))
    [event] = LeadEvent.objects.all()
    assert (event.lead, event.kind, event.actor) == (lead, "exported", admin_user)


@pytest.mark.parametrize("permissions", [[], ["view_lead", "change_lead", "contact_lead"], ["export_lead"]])
def test_only_staff_who_may_see_and_export_leads_can_export_them(client, permissions):
    a_lead()
    user = User.objects.create_user("sales", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    assert client.post(EXPORT).status_code == 403
    assert not LeadEvent.objects.exists()


def test_a_link_or_a_wrong_filter_exports_nothing(admin_client):
    a_lead()
    assert admin_client.get(EXPORT).status_code == 302
    assert admin_client.post(f"{EXPORT}?created_at__gte=yesterday").status_code == 400
    assert not LeadEvent.objects.exists()
