"""An optional field of the checkout form is defined once, and reaches record, message, seal, staff and exports."""

import csv
from io import StringIO
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import call_command

from leads import customer
from leads.customer import optional_text
from leads.delivery.record import lead_record
from leads.delivery.sealed import seal, unseal
from quoter.engine.text import Text
from tests.support.factories import (
    NAME,
    PHONE,
    a_contact,
    a_submission,
    an_issued_quote,
    post_json,
    quoted,
    store,
    the_lead,
)

ADDRESS = optional_text("site_address", Text(es="Dirección de la obra", en="Site address"), most=60)
TYPED = "  Av.  Juárez 12 "
KEPT = "Av. Juárez 12"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def with_an_address(monkeypatch):
    monkeypatch.setattr(customer, "OPTIONAL", (ADDRESS,))


def message(chat_url: str) -> str:
    return parse_qs(urlsplit(chat_url).query)["text"][0]


def test_the_form_has_the_field_in_the_language_of_the_page(client):
    page = f"/q/{quoted(client)['token']}/"
    assert '<label for="site_address">Dirección de la obra</label>' in client.get(page).content.decode()
    assert '<label for="site_address">Site address</label>' in client.get(f"{page}?lang=en").content.decode()


def test_the_record_and_the_message_have_the_field(client):
    answer = client.post("/checkout/", {**a_submission(client), "site_address": TYPED})
    assert f"Dirección de la obra: {KEPT}" in message(answer.url).splitlines()
    assert the_lead().quote_data["customer"]["site_address"] == KEPT


def test_staff_find_the_field_on_the_lead_s_page_and_in_their_export(admin_client):
    store(lead_record(an_issued_quote(), a_contact(answers={"site_address": KEPT})))
    page = f"/admin/leads/lead/{the_lead().pk}/change/"
    assert f"<dt>Dirección de la obra</dt><dd>{KEPT}</dd>" in admin_client.get(page).content.decode()
    sheet = b"".join(admin_client.post("/admin/leads/lead/export/")).decode("utf-8-sig")
    assert [row["site_address"] for row in csv.DictReader(StringIO(sheet))] == [KEPT]


def test_an_empty_field_is_left_out_of_the_message_and_the_record(client):
    answer = client.post("/checkout/", {**a_submission(client), "site_address": "  "})
    assert "Dirección" not in message(answer.url)
    assert "site_address" not in the_lead().quote_data["customer"]


def test_a_text_that_is_too_long_is_refused_at_the_field_and_shown_again(client):
    typed = "x" * 61
    answer = client.post("/checkout/", {**a_submission(client), "site_address": typed})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert '<p class="error" id="site_address-error">Es demasiado texto: hasta 60 caracteres. </p>' in page
    assert f'value="{typed}"' in page
    assert f'value="{PHONE}"' in page


def test_the_seal_has_the_field():
    contact = a_contact(answers={"site_address": KEPT})
    assert unseal(seal(contact, folio="F"), folio="F") == contact


def test_the_lead_s_page_shows_a_field_that_was_checked_out(client, admin_client):
    client.post("/checkout/", {**a_submission(client), "site_address": TYPED})
    page = admin_client.get(f"/admin/leads/lead/{the_lead().pk}/change/").content.decode()
    assert f"<dt>Dirección de la obra</dt><dd>{KEPT}</dd>" in page


def test_the_export_command_has_the_field_as_a_column(client, tmp_path):
    client.post("/checkout/", {**a_submission(client), "site_address": TYPED})
    the_lead()
    call_command("export_leads", output=tmp_path / "leads.csv")
    [row] = csv.DictReader((tmp_path / "leads.csv").read_text(encoding="utf-8-sig").splitlines())
    assert row["site_address"] == KEPT


@pytest.mark.parametrize("wrong", ["x" * 61, "\x00", True, ["Av. Juárez"]])
def test_a_late_lead_is_kept_without_an_answer_that_nobody_can_correct_any_more(client, wrong):
    sent = {**a_submission(client), "site_address": wrong, "privacy_accepted": "on"}
    answer = post_json(client, "/late/", sent)
    assert (answer.status_code, answer.json()["success"]) == (200, True)
    assert the_lead().name == NAME
    assert "site_address" not in the_lead().quote_data["customer"]
