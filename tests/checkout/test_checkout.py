"""The customer's path over HTTP, as in the contract: POST /quote/, GET /q/..., POST /checkout/."""

import json
from datetime import datetime, timedelta
from io import BytesIO
from time import thread_time
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from leads.models import Lead
from quoter import site, token
from tests.support.factories import (
    JSON,
    NAME,
    PHONE,
    PHONE_E164,
    a_line,
    a_submission,
    an_issued_quote,
    as_form,
    post_json,
    quoted,
    the_lead,
)

# The relay writes on another connection, which sees only committed data.
pytestmark = pytest.mark.django_db(transaction=True)

# Accents on one letter, in an order in which composing them takes long.
MARKS = "\u0300\u0323"
PUMPED_100 = a_line(options={"strength": "100", "service": "pumped"})


def a_volume(typed: str) -> dict:
    return a_line(measure={"kind": "volume", "m3": typed})


def text_of(chat_url: str) -> str:
    return parse_qs(urlsplit(chat_url).query)["text"][0]


# --- POST /quote/ ---------------------------------------------------------------------------------------------------


def test_a_quote_has_the_shape_of_the_contract(client):
    body = quoted(client, a_line())

    assert set(body) == {"folio", "token", "quote", "url"}
    quote = body["quote"]
    assert quote["folio"] == body["folio"]
    assert body["url"] == f"http://testserver/q/{body['token']}/"
    issued_at = datetime.fromisoformat(quote["issued_at"])
    assert issued_at.utcoffset() is not None
    assert datetime.fromisoformat(quote["valid_until"]).date() == issued_at.date() + timedelta(days=7)
    assert {name: quote[name] for name in ("currency", "price_book", "lines", "subtotal", "tax", "total")} == {
        "currency": "MXN",
        "price_book": {"name": "concrete", "version": "2026-01"},
        "lines": [
            {
                "product": "concrete",
                "description": "Concreto premezclado, f'c 200 kg/cm², tiro directo",
                "options": {"strength": "200", "service": "direct"},
                "measure": {"kind": "volume", "m3": "5.6"},
                "requested": "5.6",
                "billed": "6",
                "unit": "m³",
                "unit_price": "2569.46",
                "base": "15416.76",
                "extras": [{"code": "fiber", "description": "Fibra de refuerzo", "amount": "900.00"}],
                "amount": "16316.76",
                "explanation": quote["lines"][0]["explanation"],
            }
        ],
        "subtotal": "16316.76",
        "tax": {"name": "IVA", "rate": "0.08", "amount": "1305.34"},
        "total": "17622.10",
    }
    assert "5.6" in quote["lines"][0]["explanation"]
    assert "6 m³" in quote["lines"][0]["explanation"]


def test_a_form_goes_to_the_page_of_its_quote(client):
    response = client.post("/quote/", as_form(a_line(), a_volume("4,5")))

    assert response.status_code == 303
    page = client.get(response.url)
    assert page.status_code == 200
    assert "$17,622.10" not in page.content.decode()
    # 6 m³ and 4.5 m³ at 2,569.46, fibre at 150 on 10.5 m³: 28,554.33, and 8 % of it
    assert "$30,838.68" in page.content.decode()


def test_a_quote_is_recorded_without_a_person(client):
    body = quoted(client)
    lead = the_lead()
    assert (lead.folio, lead.name, lead.phone) == (body["folio"], "", "")
    assert {name: lead.quote_data[name] for name in body["quote"]} == body["quote"]


def test_json_numbers_are_read_as_exact_decimals(client):
    line = json.dumps(a_line()).replace('"5.6"', "5.6")
    response = post_json(client, "/quote/", f'{{"lines": [{line}]}}')
    assert response.json()["quote"]["lines"][0]["requested"] == "5.6"


WRONG_LINES = {
    "zero": (a_volume("0"), "lines.0.measure.volume", "mayor que cero"),
    "negative": (a_volume("-1"), "lines.0.measure.volume", "mayor que cero"),
    "no number": (a_volume("abc"), "lines.0.measure.m3", "no es un número"),
    "exponent": (a_volume("1e3"), "lines.0.measure.m3", "no es un número"),
    "two meanings": (a_volume("4,500"), "lines.0.measure.m3", "4500 o 4.5"),
    "too much": (a_volume("501"), "lines.0.measure.volume", "500"),
    "empty": (a_volume(""), "lines.0.measure.m3", "Escribe"),
    "not offered": (PUMPED_100, "lines.0.options.service", "tiro directo"),
    "no such option": (a_line(options={"strength": "999", "service": "direct"}), "lines.0.options.strength", ""),
    "no such extra": (a_line(extras=["gold"]), "lines.0.extras", ""),
    "no such product": (a_line(product="gold"), "lines.0.product", ""),
    "no such helper": (a_line(measure={"kind": "guess"}), "lines.0.measure.kind", ""),
}


@pytest.mark.parametrize(("line", "field", "words"), WRONG_LINES.values(), ids=WRONG_LINES.keys())
def test_a_wrong_line_is_refused_at_its_field(client, line, field, words):
    response = post_json(client, "/quote/", {"lines": [line]})

    assert response.status_code == 422
    body = response.json()
    assert body["success"] is False
    assert field in [error["field"] for error in body["errors"]]
    assert words in next(error["message"] for error in body["errors"] if error["field"] == field)
    assert body["error"] == body["errors"][0]["message"]
    assert not Lead.objects.exists()


@pytest.mark.parametrize("line", [WRONG_LINES[name][0] for name in ("zero", "no number", "two meanings", "too much")])
def test_a_refused_form_keeps_what_was_typed_and_shows_the_error_at_its_field(client, line):
    other = a_line(options={"strength": "300", "service": "pumped"}, extras=["accelerant"])
    response = client.post("/quote/", as_form(other, line))

    page = response.content.decode()
    assert response.status_code == 422
    name = "lines.1.measure.volume.m3"
    assert f'name="{name}" value="{line["measure"]["m3"]}"' in page
    assert 'id="lines-1-measure-volume-m3-error"' in page
    assert 'aria-describedby="lines-1-measure-volume-m3-unit lines-1-measure-volume-m3-error"' in page
    assert 'name="lines.0.options.strength" value="300" checked' in page
    assert 'name="lines.0.extras" value="accelerant" checked' in page


def test_two_hundred_lines_are_refused_and_the_first_are_shown_again(client):
    response = client.post("/quote/", as_form(*[a_line()] * 200))
    page = response.content.decode()
    assert response.status_code == 422
    assert "20 partidas" in page
    assert page.count("data-line=") == 20

    response = post_json(client, "/quote/", {"lines": [a_line()] * 200})
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "lines")


def test_twenty_lines_are_quoted_and_checked_out(client):
    lines = [a_volume(f"{n}.5") for n in range(1, 21)]
    body = quoted(client, *lines)
    response = post_json(client, "/checkout/", {"token": body["token"], "name": NAME, "phone": PHONE})
    assert response.json()["success"] is True
    assert len(response.json()["whatsapp_url"]) <= 2000


@pytest.mark.parametrize(
    "body",
    [
        " ",
        "not json",
        "[]",
        "null",
        '"text"',
        "{}",
        '{"lines": {}}',
        '{"lines": [1]}',
        '{"lines": []}',
        '{"lines": [{"options": []}]}',
        '{"lines": [{"measure": {"kind": ["volume"]}}]}',
        '{"lines": [{"product": "\\ud800"}]}',
        "[" * 100_000,
    ],
)
def test_any_malformed_json_is_refused_with_an_error(client, body):
    response = post_json(client, "/quote/", body)
    assert response.status_code == 422
    assert response.json()["errors"]


@pytest.mark.parametrize("path", ["/quote/", "/checkout/"])
@pytest.mark.parametrize("size", [2_000_000, 4_000_000])
def test_a_body_that_is_too_large_is_refused_with_a_message(client, path, size):
    as_json = post_json(client, path, json.dumps({"lines": [a_line()], "name": "x" * size}))
    as_page = client.post(path, {**as_form(a_line()), "name": "x" * size})
    for response in (as_json, as_page):
        assert response.status_code == 422
    assert "demasiado texto" in as_json.json()["error"]
    assert "demasiado texto" in as_page.content.decode()


@pytest.mark.parametrize(
    "lines",
    [
        [[]] * 85_000,
        [1] * 120_000,
        [a_line()] * 21,
        [a_line(extras=["fiber"] * 101)],
        [a_line(extras=[{}] * 20_000)],
        [{"options": {str(number): [] for number in range(20_000)}}],
        [{"measure": {"ñ" * 50_000: []}}],
    ],
    ids=["lists", "numbers", "21 lines", "101 extras", "objects", "options", "a long name"],
)
def test_json_of_any_width_gets_a_short_refusal(client, lines):
    answer = post_json(client, "/quote/", json.dumps({"lines": lines}, ensure_ascii=False))
    assert answer.status_code == 422
    assert answer.json()["errors"]
    assert len(answer.content) < 5_000


def test_a_form_may_come_as_multipart_but_never_with_a_file(client):
    body = quoted(client)
    assert client.post("/checkout/", {"token": body["token"], "name": NAME, "phone": PHONE}).status_code == 303
    answer = client.post("/quote/", {**as_form(a_line()), "file": BytesIO(b"x")})
    assert answer.status_code == 422
    assert "no recibimos archivos" in answer.content.decode()


@pytest.mark.parametrize("typed", [MARKS * 30_000, '"' * 100_000], ids=["accents", "quotes"])
def test_details_that_are_far_too_long_are_refused_at_once_and_shown_in_part(client, typed):
    body = quoted(client)
    started = thread_time()
    answer = client.post("/checkout/", {"token": body["token"], "name": typed, "phone": typed})
    assert thread_time() - started < 1
    assert answer.status_code == 422
    assert "Tu nombre es muy largo" in answer.content.decode()
    assert len(answer.content) < 100_000


# --- GET /q/... -----------------------------------------------------------------------------------------------------


def test_the_page_of_a_quote_explains_the_bill(client):
    page = client.get(f"/q/{quoted(client, a_line())['token']}/").content.decode()
    for expected in ("$17,622.10", "IVA 8 %", "5.6", "Fibra de refuerzo", 'name="phone"', "https://wa.me/"):
        assert expected in page


def test_the_page_by_folio_shows_the_same_bill_and_no_person(client):
    submission = a_submission(client)
    client.post("/checkout/", submission)
    lead = Lead.objects.get()

    page = client.get(f"/q/{lead.folio.lower().replace('-', '')}/").content.decode()

    assert "$17,622.10" in page
    assert lead.folio in page
    for personal in (NAME, PHONE, PHONE_E164, "6561234567"):
        assert personal not in page


@pytest.mark.parametrize("reference", ["nonsense", "261122-7F3K-Q2M9-X", "a" * 4000, "1abc." + "A" * 43, "%00", "ñ"])
def test_a_broken_link_is_a_404_page_that_offers_the_chat(client, reference):
    response = client.get(f"/q/{reference}/")
    assert response.status_code == 404
    assert "https://wa.me/" in response.content.decode()


def test_a_quote_keeps_its_prices_when_the_price_book_changes(client, monkeypatch):
    body = quoted(client, a_line())
    book = site.price_book()
    doubled = [
        listed.model_copy(update={"tiers": tuple(t.model_copy(update={"price": t.price * 2}) for t in listed.tiers)})
        for listed in book.products[0].prices
    ]
    product = book.products[0].model_copy(update={"prices": tuple(doubled), "extras": ()})
    monkeypatch.setattr(
        site, "price_book", lambda: book.model_copy(update={"version": "2027-01", "products": (product,)})
    )

    assert "$17,622.10" in client.get(f"/q/{body['token']}/").content.decode()
    answer = post_json(client, "/checkout/", {"token": body["token"], "name": NAME, "phone": PHONE}).json()
    assert "$17,622.10" in text_of(answer["whatsapp_url"])
    assert quoted(client, a_line(extras=[]))["quote"]["total"] == "33300.20"  # 6 x 5,138.92, and 8 %


def test_an_expired_quote_offers_to_price_again_with_the_same_lines(client, monkeypatch):
    issued = an_issued_quote(a_line(measure={"kind": "solid_area", "area_m2": "40", "thickness_cm": "12"}))
    signed = token.dumps(issued)
    monkeypatch.setattr(timezone, "now", lambda: issued.quote.valid_until + timedelta(seconds=1))

    page = client.get(f"/q/{signed}/").content.decode()
    assert 'id="checkout"' not in page
    assert 'name="lines.0.measure.solid_area.area_m2" value="40"' in page

    refused = post_json(client, "/checkout/", {"token": signed, "name": NAME, "phone": PHONE})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "token")
    again = client.post(
        "/",
        {
            "lines.0.product": "concrete",
            "lines.0.measure.kind": "solid_area",
            "lines.0.measure.solid_area.area_m2": "40",
        },
    )
    assert 'value="40"' in again.content.decode()


def test_a_quote_is_valid_until_the_last_second_of_its_last_day(client, monkeypatch):
    issued = an_issued_quote()
    monkeypatch.setattr(timezone, "now", lambda: issued.quote.valid_until)
    answer = post_json(client, "/checkout/", {"token": token.dumps(issued), "name": NAME, "phone": PHONE})
    assert answer.status_code == 200


# --- POST /checkout/ ------------------------------------------------------------------------------------------------


def test_a_checkout_redirects_to_the_chat_and_stores_the_lead(client):
    submission = a_submission(client, privacy_accepted="on")

    response = client.post("/checkout/", submission)

    lead = Lead.objects.get()
    assert response.status_code == 303
    assert response.url.startswith("https://wa.me/520000000000?text=")
    text = text_of(response.url)
    assert NAME in text
    assert f"*{lead.folio}*" in text
    assert "$17,622.10 MXN" in text
    assert f"http://testserver/q/{lead.folio}/" in text
    assert PHONE not in text
    assert (lead.name, lead.phone, lead.status) == (NAME, PHONE_E164, "new")
    assert lead.quote_data["customer"]["phone_raw"] == PHONE
    assert lead.quote_data["privacy"]["notice_version"]
    assert lead.submitted_at is not None


def test_a_json_checkout_gets_the_result_of_the_contract(client):
    submission = a_submission(client)
    response = post_json(client, "/checkout/", submission)
    lead = Lead.objects.get()
    assert response.status_code == 200
    body = response.json()
    assert body == {"success": True, "folio": lead.folio, "whatsapp_url": body["whatsapp_url"]}
    assert body["whatsapp_url"].startswith("https://wa.me/520000000000?text=")


WRONG_DETAILS = {
    "blank name": ("name", "   ", "Escribe tu nombre"),
    "long name": ("name", "x" * 121, "120"),
    "NUL in the name": ("name", "Ma\x00ría", "caracteres"),
    "short phone": ("phone", "123", "10 dígitos"),
    "long phone": ("phone", "1" * 31, "30"),
    "emoji in the phone": ("phone", "656 123 4567 📞", "emoji"),
    "forged token": ("token", "forged", "enlace"),
}


@pytest.mark.parametrize(("field", "value", "words"), WRONG_DETAILS.values(), ids=WRONG_DETAILS.keys())
def test_wrong_details_are_refused_at_their_field_and_shown_again(client, field, value, words):
    submission = a_submission(client) | {field: value}

    as_json = post_json(client, "/checkout/", submission)
    assert as_json.status_code == 422
    assert [error["field"] for error in as_json.json()["errors"]] == [field]
    assert words in as_json.json()["error"]

    as_page = client.post("/checkout/", submission)
    page = as_page.content.decode()
    assert as_page.status_code == 422
    assert words in page
    assert "https://wa.me/" in page
    for name in {"name", "phone"} - {field}:
        assert f'value="{submission[name]}"' in page
    if field == "phone":
        assert f'value="{value}"' in page
        assert 'id="phone-error"' in page
    assert the_lead().name == ""


def test_a_token_with_any_changed_character_is_refused(client):
    submission = a_submission(client)
    signed = submission["token"]
    for position in range(0, len(signed), 7):
        forged = signed[:position] + ("A" if signed[position] != "A" else "B") + signed[position + 1 :]
        assert post_json(client, "/checkout/", {**submission, "token": forged}).status_code == 422


def test_sending_twice_makes_one_row_and_another_phone_is_another_lead(client):
    submission = a_submission(client)
    for phone in (PHONE, PHONE, "656 765 4321"):
        assert client.post("/checkout/", {**submission, "phone": phone}).status_code == 303
    assert sorted(Lead.objects.values_list("phone", flat=True)) == [PHONE_E164, "+526567654321"]


def test_a_bot_is_flagged_and_never_refused(client):
    body = quoted(client)
    response = client.post("/checkout/", {"token": body["token"], "name": NAME, "phone": PHONE, "website": "spam"})
    assert response.status_code == 303
    assert Lead.objects.get().quote_data["flags"] == ["honeypot", "too_fast"]


def test_a_person_is_not_flagged(client, monkeypatch):
    body = quoted(client)
    later = timezone.now() + timedelta(minutes=2)
    monkeypatch.setattr(timezone, "now", lambda: later)
    client.post("/checkout/", {"token": body["token"], "name": NAME, "phone": PHONE, "website": ""})
    assert Lead.objects.get().quote_data["flags"] == []


def test_the_visitor_s_id_is_kept_from_quote_to_lead_and_never_required(client):
    page = client.post("/quote/", as_form(a_line())).url
    visitor = client.cookies["visitor"].value
    client.post("/checkout/", {"token": page.split("/")[2], "name": NAME, "phone": PHONE})
    assert Lead.objects.get().visitor_id == visitor
    assert Lead.objects.get().quote_data["visitor_id"] == visitor

    client.cookies["visitor"] = "<script>" * 4
    assert client.post("/checkout/", a_submission(client)).status_code == 303


def test_english_browsers_get_english(client):
    headers = {"HTTP_ACCEPT_LANGUAGE": "en-US,en;q=0.9"}
    body = client.post("/quote/", json.dumps({"lines": [a_line()]}), **JSON, **headers).json()
    assert body["quote"]["lines"][0]["description"] == "Ready-mix concrete, f'c 200 kg/cm², direct pour"
    answer = client.post(
        "/checkout/", json.dumps({"token": body["token"], "name": "Jo", "phone": PHONE}), **JSON, **headers
    ).json()
    assert text_of(answer["whatsapp_url"]).startswith("Hello, this is Jo.")


# --- Queries --------------------------------------------------------------------------------------------------------


def test_a_customer_s_request_makes_no_query_on_its_own_thread(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert client.get("/").status_code == 200
        page = client.post("/quote/", as_form(a_line())).url
        assert client.get(page).status_code == 200
        assert client.post("/checkout/", {"token": page.split("/")[2], "name": NAME, "phone": PHONE}).status_code == 303
        assert client.get("/healthz").status_code == 200
        assert client.get("/q/nonsense/").status_code == 404
    assert the_lead().name == NAME


def test_a_get_of_a_form_s_address_redirects_to_the_calculator(client):
    for path in ("/quote/", "/checkout/"):
        assert client.get(path).url == "/"


# --- The calculator without a script --------------------------------------------------------------------------------


def test_edit_buttons_keep_everything_that_was_typed(client):
    form = as_form(a_volume("4,5"))

    added = client.post("/", {**form, "edit": "add:concrete"}).content.decode()
    assert added.count("data-line=") == 2
    assert 'value="4,5"' in added

    copied = client.post("/", {**form, "edit": "copy:0"}).content.decode()
    assert copied.count('value="4,5"') == 2

    preset = client.post("/", {**form, "edit": "preset:0:walls"}).content.decode()
    assert 'name="lines.0.options.strength" value="250" checked' in preset
    assert 'value="4,5"' in preset

    removed = client.post("/", {**as_form(a_volume("1"), a_volume("2")), "edit": "remove:0"}).content.decode()
    assert removed.count("data-line=") == 1
    assert 'value="2"' in removed


def test_the_live_total_is_the_total_of_the_quote(client):
    summary = client.post("/summary/", as_form(a_line())).content.decode()
    assert "$17,622.10" in summary
    assert "<html" not in summary


def test_the_live_total_shows_no_error_for_empty_fields(client):
    untouched = client.post("/summary/", as_form(a_line(options={}, measure={"kind": "volume", "m3": ""})))
    assert "<li>" not in untouched.content.decode()
    wrong = client.post("/summary/", as_form(a_volume("4,500")))
    assert "4500 o 4.5" in wrong.content.decode()
