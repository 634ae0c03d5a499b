"""A seller corrects a name or a phone on the person's page: with a history, for the whole person, and revocable."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from leads.delivery.record import lead_record
from leads.inbox import search
from leads.inbox.greeting import chat_url
from leads.inbox.person import arrange
from leads.inbox.person.arrange import Step
from leads.inbox.person.correct import PhoneTaken, correct, of_person, take_back
from leads.models import FollowUp, Lead, LeadCorrection, LeadEvent
from tests.leads.inbox.person.test_arrange import LUIS, MARIA, ana, asks, beto
from tests.support.factories import a_contact, an_issued_quote, store

__all__ = ["ana", "beto"]  # fixtures
pytestmark = pytest.mark.django_db

RIGHT = "+526565550119"


@pytest.fixture
def seller() -> Client:
    call_command("ensure_roles", verbosity=0)
    carla = User.objects.create_user("carla", first_name="Carla", is_staff=True)
    carla.groups.add(Group.objects.get(name="Sales"))
    client = Client()
    client.force_login(carla)
    return client


def found(text: str) -> set[str]:
    return set(search.leads(Lead.objects.all(), text).values_list("phone", flat=True))


def test_all_leads_of_the_person_are_corrected_and_taken_back_with_what_was_arranged(ana, beto):
    now = timezone.now()
    first, second = asks(), asks("656 555 0118", name="María Peña")
    other = asks(LUIS, name="María Peña")
    Lead.objects.contact(first.pk, by=ana, now=now)
    arrange.plan(second.pk, Step(now + timedelta(days=1), "llamar", ana), by=ana, now=now)
    assert correct(second.pk, "María Peña Ríos", RIGHT, by=beto, now=now)
    theirs = Lead.objects.filter(pk__in=[first.pk, second.pk])
    assert set(theirs.values_list("name", "phone")) == {("María Peña Ríos", RIGHT)}
    assert Lead.objects.get(pk=other.pk).name == "María Peña"
    person = FollowUp.objects.get()
    assert (person.key, person.seller, person.step, person.is_open) == ("6565550119", ana, "llamar", True)
    assert len(of_person(theirs)) == 1

    assert take_back(first.pk, by=ana, now=now)
    assert set(theirs.values_list("name", "phone")) == {("María Peña", MARIA), ("María Peña", "656 555 0118")}
    assert (FollowUp.objects.get().key, FollowUp.objects.get().step) == ("6565550118", "llamar")
    assert LeadEvent.objects.filter(kind="corrected").count() == 4


def test_who_turns_out_to_be_a_known_person_is_one_with_them_and_can_be_parted_again(ana, beto):
    now = timezone.now()
    wrong, known = asks(), asks(RIGHT, name="María P.")
    Lead.objects.contact(known.pk, by=beto, now=now)
    arrange.plan(known.pk, Step(now + timedelta(days=2), "mandar muestra", beto), by=beto, now=now)
    assert correct(wrong.pk, "María Peña", RIGHT, by=ana, now=now)
    person = FollowUp.objects.get()
    assert (person.key, person.seller, person.step) == ("6565550119", beto, "mandar muestra")
    assert Lead.objects.all().of_person(known).count() == 2

    assert take_back(wrong.pk, by=ana, now=now)
    assert set(Lead.objects.values_list("phone", flat=True)) == {MARIA, RIGHT}
    assert FollowUp.objects.get(key="6565550119").seller == beto  # nothing of theirs is lost
    assert Lead.objects.all().of_person(known).count() == 1


def test_a_joined_phone_that_is_corrected_stays_with_its_person(ana):
    now = timezone.now()
    first, second = asks(), asks(LUIS, name="Luis")
    arrange.join(first.pk, second.pk, by=ana, now=now)
    correct(second.pk, "Luis", RIGHT, by=ana, now=now)
    assert FollowUp.objects.joined(["6565550119"]) == {"6565550119": "6565550118"}
    correct(first.pk, "María Peña", "+526565550120", by=ana, now=now)
    assert FollowUp.objects.joined(["6565550119"]) == {"6565550119": "6565550120"}
    correct(second.pk, "Luis", "+526565550120", by=ana, now=now)
    assert list(FollowUp.objects.values_list("key", "joined_to")) == [("6565550120", "")]


def test_a_phone_that_the_same_quote_has_already_is_refused_whole(ana):
    issued = an_issued_quote()
    for phone in (MARIA, RIGHT):
        store(lead_record(issued, a_contact(name=f"María {phone}", phone=phone, visitor_id=phone)))
    with pytest.raises(PhoneTaken):
        correct(Lead.objects.get(phone=MARIA).pk, "María", RIGHT, by=ana, now=timezone.now())
    assert set(Lead.objects.values_list("name", flat=True)) == {f"María {MARIA}", f"María {RIGHT}"}
    assert not LeadCorrection.objects.exists()
    assert not FollowUp.objects.exists()


def test_a_search_finds_the_old_values_and_the_new_ones(ana):
    lead = asks()
    asks(LUIS, name="Luis Salazar")
    correct(lead.pk, "Ximena Robles", RIGHT, by=ana, now=timezone.now())
    for text in ("ximena", "robl", "maria pena", "peñ", "0119", "0118", "656 555 0118", "+52 656 555 0119"):
        assert RIGHT in found(text), text
    assert found("0164") == found("salazar") == {LUIS}
    assert found("nadie") == set()


def test_what_the_customer_sent_since_stays_when_a_correction_is_taken_back(ana):
    now = timezone.now()
    lead = asks()
    correct(lead.pk, "María Peña Ríos", MARIA, by=ana, now=now)
    Lead.objects.filter(pk=lead.pk).update(name="María de los Ángeles")
    assert take_back(lead.pk, by=ana, now=now)
    assert Lead.objects.get().name == "María de los Ángeles"


def test_a_seller_corrects_on_the_page_and_sees_who_what_and_when(seller):
    lead = asks()
    page = f"/admin/leads/lead/{lead.pk}/"
    form = {"new_name": "María Peña Ríos", "new_phone": "656 555 01 19", "next": f"{page}change/"}
    answer = seller.post(f"{page}correct/", form, follow=True).content.decode()
    assert "María Peña Ríos: corregido" in answer
    assert f"{page}uncorrect/" in answer
    lead.refresh_from_db()
    assert (lead.name, lead.phone) == ("María Peña Ríos", RIGHT)
    for said in ("<s>María Peña</s>", MARIA, "Carla", "Corregido", "656 123 4567"):  # the last is what was typed
        assert said in answer
    link = chat_url(lead, "first", link="")
    assert link.startswith("https://wa.me/526565550119")
    quote = seller.get(f"/admin/leads/lead/quote/?lead={lead.pk}").content.decode()
    assert "+526565550119" in quote
    assert "656 123 4567" not in quote

    seller.post(f"{page}correct/", {**form, "new_phone": "12"})
    refused = seller.post(f"{page}correct/", {**form, "new_name": " ", "new_phone": "12"})
    assert refused.status_code == 422
    assert "Escribe el nombre del cliente." in refused.content.decode()
    assert "10 dígitos" in refused.content.decode()
    assert seller.post(f"{page}uncorrect/", follow=True).status_code == 200
    lead.refresh_from_db()
    assert (lead.name, lead.phone) == ("María Peña", MARIA)


def test_only_who_may_contact_people_corrects_them(client):
    lead = asks()
    viewer = User.objects.create_user("vera", is_staff=True)
    client.force_login(viewer)
    form = {"new_name": "X", "new_phone": "6565550119"}
    assert client.post(f"/admin/leads/lead/{lead.pk}/correct/", form).status_code == 403
    assert client.post(f"/admin/leads/lead/{lead.pk}/uncorrect/").status_code == 403
    assert Lead.objects.get().phone == MARIA
