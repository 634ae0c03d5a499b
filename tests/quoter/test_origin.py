"""Where a visitor came from: kept through the journey without a cookie or a script, bounded, and never a person."""

import re
from html import unescape
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import RequestFactory

from leads.delivery.record import Outcome
from leads.inbox.restore import restore
from leads.models import Lead
from quoter import origin
from tests.support.eventually import eventually
from tests.support.factories import NAME, PHONE, a_line, as_form, post_json, the_lead

MARKED = {"utm_source": "facebook", "utm_medium": "paid", "utm_campaign": "otoño 2026", "fbclid": "IwAR0-x_y"}
LINKED_FROM = "https://m.facebook.com/groups/obra"


def hidden_fields(page: str, form: str) -> dict[str, str]:
    """Return the hidden fields of one form of a page, as a browser would send them."""
    part = re.search(rf'<form[^>]*id="{form}".*?</form>', page, re.DOTALL)[0]
    fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', part)
    return {name: unescape(value) for name, value in fields}


def of_visit(address: str, *, referrer: str = "", landing: str = "/") -> dict[str, str]:
    return origin.of_visit(RequestFactory().get(address, headers={"referer": referrer}), landing=landing)


# --- What is read -----------------------------------------------------------------------------------------------------


def test_an_origin_has_the_campaign_the_page_that_linked_here_and_the_landing_page():
    visit = of_visit(f"/?{urlencode(MARKED)}&color=red", referrer=f"{LINKED_FROM}?member=Zoila")
    assert visit == {**MARKED, "referrer": LINKED_FROM, "landing": "/"}


def test_a_visit_without_campaign_or_referrer_has_no_origin():
    assert of_visit("/") == {}


def test_a_page_of_our_own_is_no_referrer():
    assert of_visit("/", referrer="http://testserver/q/abc/") == {}


def test_the_origin_of_the_first_page_is_kept_on_later_pages():
    first = of_visit(f"/?{urlencode(MARKED)}", referrer=LINKED_FROM)
    later = of_visit(f"/q/abc/?{origin.as_query(first)}", referrer="https://elsewhere.example/", landing="/q/")
    assert later == first


@pytest.mark.parametrize(
    ("link", "kept"),
    [
        ("https://user:pass@Example.com:8443/a/b?phone=6561234567#x", "https://example.com/a/b"),
        ("android-app://com.facebook.katana/", "android-app://com.facebook.katana/"),
        ("https://www.tiktok.com/@concretos.mx/", "https://www.tiktok.com/@concretos.mx/"),
        ("https://example.com/u/zoila@example.com/inbox", None),
        ("javascript:alert(1)", None),
        ("http://[broken", None),
        ("//example.com/", None),
    ],
)
def test_of_the_page_that_linked_here_only_scheme_host_and_path_are_kept(link, kept):
    assert of_visit("/", referrer=link).get("referrer") == kept


def test_a_campaign_that_names_a_person_by_mail_is_left_out():
    given = {"utm_source": "mail", "utm_term": "zoila.vaca@example.com", "utm_content": "precio @ mayoreo"}
    assert origin.read(given) == {"utm_source": "mail", "utm_content": "precio @ mayoreo"}


@pytest.mark.parametrize("typed", ["FACEBOOK", "Facebook", " facebook "])
def test_a_source_is_the_same_in_upper_and_lower_case(typed):
    assert origin.read({"utm_source": typed, "gclid": "Cj0KCQ"}) == {"utm_source": "facebook", "gclid": "Cj0KCQ"}


def test_control_characters_are_left_out():
    assert origin.read({"utm_source": " face\x00book\r\n\u202eads\ud800 "}) == {"utm_source": "face book ads"}


def test_values_are_cut_and_all_together_are_bounded():
    kept = origin.read(dict.fromkeys(origin.KEYS, "ñ" * 5000))
    assert set(map(len, kept.values())) == {origin.MAX_VALUE}
    assert sum(len(value.encode()) for value in kept.values()) <= origin.MAX_BYTES
    assert list(kept) == ["utm_source"]
    full = {**dict.fromkeys(origin.KEYS, "x" * 5000), "referrer": "https://x.example/" + "x" * 5000}
    assert list(origin.read(full)) == ["utm_source", "landing", "referrer"]


@pytest.mark.parametrize(
    "given", [None, 5, True, [], ["utm_source"], "", "?", "%%%=&&=", {"utm_source": ["a"], "x": 1}]
)
def test_data_of_another_shape_gives_no_origin(given):
    assert origin.read(given) == {}


# --- The journey ------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_the_campaign_of_a_link_reaches_the_lead_without_cookie_or_script(client):
    expected = {**MARKED, "referrer": LINKED_FROM, "landing": "/"}
    page = client.get("/", MARKED, headers={"referer": f"{LINKED_FROM}?member=Zoila"}).content.decode()
    # An edit, and a form that is refused, are pages of the same journey.
    form = as_form(a_line(measure={"kind": "volume", "m3": "0"})) | hidden_fields(page, "calculator")
    page = client.post("/", {**form, "edit": "add:concrete"}).content.decode()
    assert client.post("/quote/", form).status_code == 422
    page = client.post("/quote/", form).content.decode()
    client.cookies.clear()

    answer = client.post("/quote/", {**hidden_fields(page, "calculator"), **as_form(a_line())})
    assert answer.status_code == 303
    eventually(Lead.objects.exists)
    assert the_lead().quote_data["attribution"] == expected

    page = client.get(answer.url).content.decode()
    fields = hidden_fields(page, "checkout")
    page = client.post("/checkout/", {**fields, "name": "", "phone": PHONE}).content.decode()
    fields = hidden_fields(page, "checkout")
    client.cookies.clear()
    assert client.post("/checkout/", {**fields, "name": NAME, "phone": PHONE}).status_code == 303

    lead = Lead.objects.get()
    assert (lead.name, lead.quote_data["attribution"]) == (NAME, expected)
    assert lead.snapshot.source == "facebook"


@pytest.mark.django_db(transaction=True)
def test_a_new_quote_belongs_to_the_same_journey(client):
    page = client.get("/", MARKED).content.decode()
    answer = client.post("/quote/", {**hidden_fields(page, "calculator"), **as_form(a_line())})
    page = client.get(answer.url).content.decode()
    addresses = {unescape(address) for address in re.findall(r'href="(/\?[^"]+)"', page)}
    queries = [dict(parse_qsl(urlsplit(address).query)) for address in addresses]
    assert len(queries) == 2  # to another quote, and to a change of this one
    assert all({**query, "before": ""} == {**MARKED, "landing": "/", "before": ""} for query in queries)


@pytest.mark.django_db(transaction=True)
def test_a_visit_that_begins_at_a_shared_quote_has_an_origin(client):
    shared = client.post("/quote/", as_form(a_line())).url
    page = client.get(f"{shared}?utm_source=boletin", headers={"referer": "https://example.com/"}).content.decode()

    client.post("/checkout/", {**hidden_fields(page, "checkout"), "name": NAME, "phone": PHONE})

    lead = Lead.objects.get()
    assert lead.quote_data["attribution"] == {
        "utm_source": "boletin",
        "landing": "/q/",
        "referrer": "https://example.com/",
    }


@pytest.mark.django_db(transaction=True)
def test_without_an_origin_no_page_or_address_mentions_one(client):
    assert "attribution" not in client.get("/").content.decode()
    address = client.post("/quote/", as_form(a_line())).url
    assert "?" not in address
    page = client.get(address).content.decode()
    assert "attribution" not in page
    client.post("/checkout/", {**hidden_fields(page, "checkout"), "name": NAME, "phone": PHONE})
    assert Lead.objects.get().quote_data["attribution"] == {}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (MARKED, MARKED),
        ({**MARKED, "customer": "Zoila"}, MARKED),
        (urlencode(MARKED), MARKED),  # as the page's script sends its form
        ({"utm_source": {"a": 1}, "utm_medium": None, "gclid": 5}, {"gclid": "5"}),
        ([MARKED], {}),
        ("\x00", {}),
    ],
)
def test_a_json_client_may_send_an_origin_and_a_wrong_one_loses_no_lead(client, given, kept):
    answer = post_json(client, "/quote/", {"lines": [a_line()], "attribution": given})
    assert answer.status_code == 201
    body = {"token": answer.json()["token"], "name": NAME, "phone": PHONE, "attribution": given}
    eventually(Lead.objects.exists)
    assert the_lead().quote_data["attribution"] == kept

    assert post_json(client, "/checkout/", body).status_code == 200
    lead = Lead.objects.get()
    assert (lead.name, lead.quote_data["attribution"]) == (NAME, kept)


@pytest.mark.django_db(transaction=True)
def test_a_lead_restored_from_its_chat_has_its_campaign(client, monkeypatch):
    monkeypatch.setattr("leads.delivery.record.record", lambda lead: Outcome.CARRIED)
    fields = {"token": post_json(client, "/quote/", {"lines": [a_line()]}).json()["token"], "name": NAME}
    body = {**fields, "phone": PHONE, "attribution": MARKED}
    chat = post_json(client, "/checkout/", body).json()["whatsapp_url"]

    text = parse_qs(urlsplit(chat).query)["text"][0]
    restored = restore(text, by=User.objects.create_user("ana"))

    assert restored.lead.quote_data["attribution"] == {key: MARKED[key] for key in MARKED if key != "fbclid"}


@pytest.mark.django_db(transaction=True)
def test_the_filter_that_the_desk_links_to_finds_the_leads_of_a_campaign(client, admin_client):
    for name in ("facebook", "google"):
        body = {"lines": [a_line()], "attribution": {"utm_source": name}}
        folio = post_json(client, "/quote/", body).json()["folio"]
        eventually(lambda folio=folio: Lead.objects.filter(folio=folio).exists())
    only = {"status": "all", "quote_data__attribution__utm_source": "google"}
    page = admin_client.get("/admin/leads/lead/", only).content.decode()
    assert page.count("data-lead=") == 1
    assert "google" in page


@pytest.mark.django_db(transaction=True)
def test_a_tap_on_a_source_shows_its_leads_alone(client, admin_client):
    folios = {}
    for name, attribution in {
        "facebook": {"utm_source": "facebook", "referrer": "https://google.com/"},
        "m.facebook.com": {"referrer": LINKED_FROM},
        "google.com": {"referrer": "https://google.com"},
        "": {},
    }.items():
        folios[name] = post_json(client, "/quote/", {"lines": [a_line()], "attribution": attribution}).json()["folio"]
    eventually(lambda: Lead.objects.count() == len(folios))

    page = admin_client.get("/admin/leads/lead/?status=anonymous").content.decode()
    links = [unescape(link) for link in re.findall(r'class="source" href="([^"]+)"', page)]
    assert len(links) == 3
    for link in links:
        name = parse_qs(urlsplit(link).query)["source"][0]
        only = admin_client.get(f"/admin/leads/lead/{link}").content.decode()
        assert only.count("data-lead=") == 1
        assert folios[name] in only
        assert '<ul class="only"' in only
    assert "data-lead=" not in admin_client.get("/admin/leads/lead/?status=all&source=%00'").content.decode()


def test_the_source_of_a_lead_without_a_campaign_is_the_site_that_linked_here():
    lead = Lead(quote_data={"attribution": {"referrer": LINKED_FROM, "landing": "/"}})
    assert lead.snapshot.source == "m.facebook.com"
