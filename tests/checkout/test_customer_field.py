"""What the price book asks at checkout reaches record, message, seal, staff and exports, and is never required."""

import csv
from io import StringIO
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import call_command

from leads.customer.answers import in_words
from leads.delivery.record import lead_record
from leads.delivery.sealed import seal, unseal
from leads.models import Lead
from leads.snapshot import read
from tests.support.factories import (
    NAME,
    PHONE,
    PHONE_E164,
    a_contact,
    a_submission,
    an_issued_quote,
    post_json,
    quoted,
    store,
    the_lead,
)

TYPED = "  Av.  Juárez 12 "
KEPT = "Av. Juárez 12"

pytestmark = pytest.mark.django_db(transaction=True)


def message(chat_url: str) -> str:
    return parse_qs(urlsplit(chat_url).query)["text"][0]


def test_the_form_has_the_field_in_the_language_of_the_page(client):
    page = f"/q/{quoted(client)['token']}/"
    assert '<label for="answers.address">Colonia o dirección de la obra</label>' in client.get(page).content.decode()
    assert (
        '<label for="answers.address">Neighborhood or address of the site</label>'
        in client.get(f"{page}?lang=en").content.decode()
    )


def test_the_record_and_the_message_have_the_field(client):
    answer = client.post("/checkout/", {**a_submission(client), "answers.address": TYPED})
    assert f"Colonia o dirección de la obra: {KEPT}" in message(answer.url).splitlines()
    assert the_lead().quote_data["customer"]["answers"] == {"address": KEPT}


def test_staff_find_the_field_on_the_lead_s_page_and_in_their_export(admin_client):
    store(lead_record(an_issued_quote(), a_contact(answers={"address": KEPT})))
    page = f"/admin/leads/lead/{the_lead().pk}/change/"
    assert f"<dt>Colonia o dirección de la obra</dt><dd>{KEPT}</dd>" in admin_client.get(page).content.decode()
    sheet = b"".join(admin_client.post("/admin/leads/lead/export/")).decode("utf-8-sig")
    assert [row["answers.address"] for row in csv.DictReader(StringIO(sheet))] == [KEPT]


def test_an_empty_field_is_left_out_of_the_message_and_the_record(client):
    answer = client.post("/checkout/", {**a_submission(client), "answers.address": "  "})
    assert "Colonia" not in message(answer.url)
    assert "answers" not in the_lead().quote_data["customer"]


def test_a_text_that_is_too_long_is_refused_at_the_field_and_shown_again(client):
    typed = "x" * 301
    answer = client.post("/checkout/", {**a_submission(client), "answers.address": typed})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert '<p class="error" id="answers.address-error">Es demasiado texto: hasta 300 caracteres. </p>' in page
    assert f'value="{typed}"' in page
    assert f'value="{PHONE}"' in page


def test_the_seal_has_the_field():
    contact = a_contact(answers={"address": KEPT})
    assert unseal(seal(contact, folio="F"), folio="F") == contact


def test_the_lead_s_page_shows_a_field_that_was_checked_out(client, admin_client):
    client.post("/checkout/", {**a_submission(client), "answers.address": TYPED})
    page = admin_client.get(f"/admin/leads/lead/{the_lead().pk}/change/").content.decode()
    assert f"<dt>Colonia o dirección de la obra</dt><dd>{KEPT}</dd>" in page


def test_the_export_command_has_the_field_as_a_column(client, tmp_path):
    client.post("/checkout/", {**a_submission(client), "answers.address": TYPED})
    the_lead()
    call_command("export_leads", output=tmp_path / "leads.csv")
    [row] = csv.DictReader((tmp_path / "leads.csv").read_text(encoding="utf-8-sig").splitlines())
    assert row["answers.address"] == KEPT


@pytest.mark.parametrize("wrong", ["x" * 301, "\x00", True, ["Av. Juárez"]])
def test_a_late_lead_is_kept_without_an_answer_that_nobody_can_correct_any_more(client, wrong):
    sent = {**a_submission(client), "answers.address": wrong, "privacy_accepted": "on"}
    answer = post_json(client, "/late/", sent)
    assert (answer.status_code, answer.json()["success"]) == (200, True)
    assert the_lead().name == NAME
    assert "answers" not in the_lead().quote_data["customer"]


def test_what_a_customer_tells_is_folded_unless_it_is_filled_in_or_wrong(client):
    folded, open_ = '<details class="fold-out">', '<details class="fold-out" open>'
    assert folded in client.get(f"/q/{quoted(client)['token']}/").content.decode()
    wrong_phone = client.post("/checkout/", {**a_submission(client, phone="1"), "answers.notes": "Gate 2"})
    assert open_ in wrong_phone.content.decode()
    assert ">Gate 2</textarea>" in wrong_phone.content.decode()
    wrong_day = client.post("/checkout/", {**a_submission(client), "answers.date": "2020-02-29"})
    assert open_ in wrong_day.content.decode()
    assert "Ese día ya pasó" in wrong_day.content.decode()


def test_two_people_of_one_quote_each_have_their_own_answers(client):
    sent = a_submission(client)
    for phone, notes in ((PHONE, "Gate 2"), ("656 765 4321", "Ring twice")):
        assert post_json(client, "/checkout/", {**sent, "phone": phone, "answers": {"notes": notes}}).status_code == 200
    kept = {lead.phone: lead.snapshot.customer.answers for lead in Lead.objects.all()}
    assert kept == {PHONE_E164: {"notes": "Gate 2"}, "+526567654321": {"notes": "Ring twice"}}


@pytest.mark.parametrize("answers", [None, [], "x", {"date": "soon"}, {"date": 5}, {"notes": {"a": 1}}, {"other": "x"}])
def test_answers_of_another_shape_are_refused_at_their_field_or_ignored(client, answers):
    answer = post_json(client, "/checkout/", {**a_submission(client), "answers": answers})
    sent = answers if isinstance(answers, dict) else {}
    wrong = {f"answers.{code}" for code in sent if code != "other"}
    assert answer.status_code == (422 if wrong else 200)
    assert {error["field"] for error in answer.json().get("errors", ())} == wrong


DAYS = {"es": "sábado 5 de diciembre de 2026", "en": "Saturday, December 5, 2026"}


@pytest.mark.parametrize("language", ["es", "en"])
def test_a_day_is_said_as_people_write_it_and_an_answer_to_no_question_as_it_is(language):
    said = in_words({"gone": "x", "date": "2026-12-05", "notes": ""}, language)
    assert [answer for _label, answer in said] == [DAYS[language], "x"]
    assert said[1][0] == "gone"


def test_answers_that_an_earlier_release_stored_beside_the_name_are_read():
    stored = read({"customer": {"name": "Ana", "phone": "1", "phone_raw": "1", "site_address": "Here"}})
    assert stored.customer.answers == {"site_address": "Here"}


def test_staff_see_the_answers_in_one_line_of_the_list_and_no_line_without_them(admin_client):
    store(lead_record(an_issued_quote(), a_contact(answers={"date": "2099-12-05", "notes": "Gate 2"})))
    page = admin_client.get("/admin/leads/lead/").content.decode()
    assert '<span title="¿Para qué día?">sábado 5 de diciembre de 2099</span>' in page
    assert '<span title="Hora, acceso o algo más">Gate 2</span>' in page
    store(lead_record(an_issued_quote(), a_contact(phone="+526560000001", answers={})))
    assert admin_client.get("/admin/leads/lead/").content.decode().count("<span title=") == 2


def test_answers_go_with_the_person():
    store(lead_record(an_issued_quote(), a_contact(answers={"address": KEPT})))
    call_command("privacy", "erase", PHONE, "--yes")
    assert KEPT not in str(Lead.objects.get().quote_data)
