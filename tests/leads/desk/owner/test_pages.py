"""The owner's pages: prices and settings are changed in a shared draft, checked, seen, published and taken back."""

import re
from base64 import b64encode
from html import unescape

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.test import Client

from leads.delivery.record import lead_record
from quoter import site
from quoter.shop import carrying, served
from quoter.shop.models import DraftCell, Published
from quoter.shop.values import shop
from tests.support.factories import a_contact, an_issued_quote, store

pytestmark = pytest.mark.django_db

PRICES, SHOP, PREVIEW = "/admin/prices/", "/admin/shop/", "/admin/preview/"
FIELD = re.compile(r'(?:<input|<textarea)[^>]*? name="(cell:[^"]+)"(?:[^>]*? value="([^"]*)")?[^>]*>([^<]*)')
SEEN = re.compile(r'name="(seen:[^"]+)" value="([^"]*)"')


def signed_in(name: str, role: str) -> Client:
    call_command("ensure_roles", verbosity=0)
    user = User.objects.create_user(name, is_staff=True)
    user.groups.set(Group.objects.filter(name=role))
    browser = Client(headers={"Accept-Language": "en"})
    browser.force_login(user)
    return browser


@pytest.fixture
def ana() -> Client:
    return signed_in("ana", "Owner")


@pytest.fixture
def leo() -> Client:
    return signed_in("leo", "Owner")


def form_of(browser: Client, path: str) -> dict[str, str]:
    """Return the fields of the page as a browser would send them."""
    page = browser.get(path).content.decode()
    typed = {name: unescape(value or text) for name, value, text in FIELD.findall(page)}
    return typed | {name: unescape(value) for name, value in SEEN.findall(page)}


def first_price(form: dict[str, str]) -> str:
    return next(name for name in form if name.startswith("cell:products[0].prices[0].tiers[0].price"))


def serve() -> None:
    carrying.carry()
    served.look()


# --- Who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [PRICES, SHOP, PREVIEW, f"{PREVIEW}summary/", f"{PREVIEW}brand/x.css"])
@pytest.mark.parametrize("role", ["Sales", "Sales manager", "nobody's group"])
def test_nobody_but_an_owner_sees_or_changes_drafts_and_settings(path, role):
    browser = signed_in("eva", role)
    assert browser.get(path).status_code == 403
    assert browser.post(path, {"action": "back", "number": "0"}).status_code == 403
    assert "owner-links" not in browser.get("/admin/").content.decode()
    assert Published.objects.count() == 0


@pytest.mark.parametrize("path", [PRICES, SHOP, PREVIEW])
def test_a_stranger_is_sent_to_the_login(client, path):
    assert client.get(path).status_code == 302


def test_an_owner_finds_both_pages_on_the_first_one(ana):
    page = ana.get("/admin/").content.decode()
    assert f'href="{PRICES}"' in page
    assert f'href="{SHOP}"' in page


# --- Prices -----------------------------------------------------------------------------------------------------------


def test_a_price_is_changed_its_effect_read_published_and_taken_back(ana, client):
    issued = an_issued_quote()
    store(lead_record(issued, a_contact()))
    before = site.price_book()
    form = form_of(ana, PRICES)
    for name in list(form):
        if name.startswith("cell:products[0]") and name.endswith("price"):
            form[name] = "$2,999.50"
    assert ana.post(PRICES, form | {"action": "save"}).status_code == 302
    page = ana.get(PRICES).content.decode()
    assert "not published yet" in page
    assert issued.quote.folio in page
    assert "In force: " in page
    serve()
    assert site.price_book() == before
    assert "2,999.50" not in client.get("/").content.decode()
    form = form_of(ana, PRICES)
    assert ana.post(PRICES, form | {"action": "publish", "note": "diesel"}).status_code == 302
    serve()
    tiers = [tier for listed in site.price_book().products[0].prices for tier in listed.tiers]
    assert {str(tier.price) for tier in tiers} == {"2999.50"}
    assert site.price_book().version != before.version
    assert DraftCell.objects.count() == 0
    row = Published.objects.get()
    assert (row.published_by, row.note) == ("ana", "diesel")
    assert "diesel" in ana.get(PRICES).content.decode()
    assert ana.post(PRICES, {"action": "back", "number": "0"}).status_code == 302
    serve()
    assert site.price_book() == before


def test_a_price_is_published_for_a_time_and_withdrawn(ana):
    form = form_of(ana, PRICES)
    name = first_price(form)
    ana.post(PRICES, form | {name: "2345.00", "action": "publish", "at": "2999-12-07T08:00"})
    row = Published.objects.get()
    assert row.starts_at.astimezone(site.zone()).isoformat()[:16] == "2999-12-07T08:00"
    serve()
    assert "2345.00" not in [str(tier.price) for tier in site.price_book().products[0].prices[0].tiers]
    ana.post(PRICES, {"action": "withdraw", "number": str(row.pk)})
    row.refresh_from_db()
    assert row.withdrawn_by == "ana"


@pytest.mark.parametrize("typed", ["", "abc", "-5", "1.2.3", "1890,5", "١٢٣", "1e9", "9" * 40, "<b>"])
def test_what_is_no_number_stands_beside_its_cell_and_the_rest_is_saved(ana, typed):
    form = form_of(ana, PRICES)
    name = first_price(form)
    other = next(each for each in form if each.endswith("tiers[1].price") and each.startswith("cell:"))
    answer = ana.post(PRICES, form | {name: typed, other: "1999.00", "action": "publish"})
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "Write a number such as" in page
    assert dict((a, unescape(b)) for a, b, _ in FIELD.findall(page))[name] == typed
    assert [cell.text for cell in DraftCell.objects.all()] == ["1999.00"]
    assert Published.objects.count() == 0


def test_a_finding_of_the_check_stands_beside_its_cell_and_keeps_the_draft_from_being_published(ana):
    form = form_of(ana, PRICES)
    name = first_price(form)
    ana.post(PRICES, form | {name: "0", "action": "publish"})
    page = ana.get(PRICES).content.decode()
    assert Published.objects.count() == 0
    assert 'value="publish"' not in page
    cell = page[page.index(f'name="{name}"') :]
    assert 'class="error"' in cell[: cell.index("</div>")]


def test_two_owners_who_edit_other_cells_both_keep_what_they_typed(ana, leo):
    of_ana, of_leo = form_of(ana, PRICES), form_of(leo, PRICES)
    one = first_price(of_ana)
    other = one.replace("prices[0]", "prices[1]")
    ana.post(PRICES, of_ana | {one: "2001.00", "action": "save"})
    leo.post(PRICES, of_leo | {other: "1999.00", "action": "save"})
    assert {(cell.by, cell.text) for cell in DraftCell.objects.all()} == {("ana", "2001.00"), ("leo", "1999.00")}


def test_two_owners_who_edit_the_same_cell_are_told_and_nothing_is_lost(ana, leo):
    of_ana, of_leo = form_of(ana, PRICES), form_of(leo, PRICES)
    name = first_price(of_ana)
    ana.post(PRICES, of_ana | {name: "2001.00", "action": "save"})
    answer = leo.post(PRICES, of_leo | {name: "1999.00", "action": "publish"})
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "ana has changed this meanwhile to: 2001.00" in page
    assert dict((a, b) for a, b, _ in FIELD.findall(page))[name] == "1999.00"
    assert [cell.text for cell in DraftCell.objects.all()] == ["2001.00"]
    seen = {key: unescape(value) for key, value in SEEN.findall(page)}
    leo.post(PRICES, of_leo | seen | {name: "1999.00", "action": "save"})
    assert [(cell.by, cell.text) for cell in DraftCell.objects.all()] == [("leo", "1999.00")]


def test_a_form_older_than_what_was_published_meanwhile_is_told_so(ana, leo):
    old = form_of(leo, PRICES)
    name = first_price(old)
    ana.post(PRICES, form_of(ana, PRICES) | {name: "2001.00", "action": "publish"})
    assert leo.post(PRICES, old | {name: "1999.00", "action": "save"}).status_code == 200
    assert DraftCell.objects.count() == 0


def test_tiers_are_pasted_from_a_spreadsheet(ana):
    form = form_of(ana, PRICES)
    name = "cell:products[0].prices[0].tiers"
    maximum = site.price_book().products[0].maximum
    ana.post(PRICES, form | {name: f"3\t9.5\t$2,100.00\n10\t{maximum}\t1,999.00", "action": "publish"})
    serve()
    tiers = site.price_book().products[0].prices[0].tiers
    assert [(str(tier.start), str(tier.price)) for tier in tiers] == [("3", "2100.00"), ("10", "1999.00")]


def test_toml_goes_out_and_in_again(ana):
    text = ana.get(f"{PRICES}?export").content.decode()
    again = re.sub(r'(?m)^version = ".*"', 'version = "from a file"', text, count=1)
    assert ana.post(PRICES, {"action": "import", "toml": again}).status_code == 302
    serve()
    assert site.price_book().version == "from a file"
    answer = ana.post(PRICES, {"action": "import", "toml": "not toml ["})
    assert answer.status_code == 200
    assert "not toml [" in answer.content.decode()
    assert Published.objects.count() == 1


@pytest.mark.parametrize(
    "form",
    [
        {"action": "back", "number": "x"},
        {"action": "back", "number": "99"},
        {"action": "publish", "at": "monday"},
        {"action": "import", "toml": ""},
        {"action": "import", "toml": "a = 1", "at": "1999-01-01T00:00"},
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(ana, form):
    if form["action"] == "publish":
        cells = form_of(ana, PRICES)
        form = cells | {first_price(cells): "2000.00"} | form
    assert ana.post(PRICES, form).status_code == 200
    assert Published.objects.count() == 0


def test_the_preview_is_the_calculator_with_the_draft(ana, client):
    ana.post(SHOP, form_of(ana, SHOP) | {"cell:BUSINESS_NAME": "Concretos <Río>", "action": "save"})
    page = ana.get(PREVIEW).content.decode()
    assert "Concretos &lt;Río&gt;" in page
    assert "A preview of the draft" in page
    assert 'action="/quote/' not in page
    strict = Client(enforce_csrf_checks=True)  # the calculator's forms have no token
    strict.cookies = ana.cookies
    assert strict.post(f"{PREVIEW}summary/", {"lines.0.product": "concrete"}).status_code == 200
    assert strict.post(SHOP, {"action": "discard"}).status_code == 403
    assert "Concretos" not in client.get("/").content.decode().split("<main")[0]


# --- The shop ---------------------------------------------------------------------------------------------------------


def test_settings_are_changed_published_and_taken_back(ana, client):
    form = form_of(ana, SHOP)
    form |= {"cell:WHATSAPP_NUMBER": "+52 656 765 4321", "cell:ADDRESS_ES": "Av. 1\nJuárez", "action": "save"}
    assert ana.post(SHOP, form).status_code == 302
    assert "Customers read" in ana.get(SHOP).content.decode()
    assert "526567654321" not in client.get("/").content.decode()
    ana.post(SHOP, form_of(ana, SHOP) | {"action": "publish"})
    serve()
    page = client.get("/").content.decode()
    assert "wa.me/526567654321" in page
    assert "Av. 1<br>Juárez" in page
    ana.post(SHOP, {"action": "back", "number": "0"})
    serve()
    assert "526567654321" not in client.get("/").content.decode()


@pytest.mark.parametrize(
    ("name", "text"),
    [("WHATSAPP_NUMBER", "123"), ("WHATSAPP_NUMBER", "+52 656 123 45"), ("BUSINESS_HOURS", "siempre"), ("LOGO", "x")],
)
def test_a_setting_that_cannot_be_used_stands_beside_its_field(ana, name, text):
    answer = ana.post(SHOP, form_of(ana, SHOP) | {f"cell:{name}": text, "cell:AREA_ES": "Juárez", "action": "publish"})
    assert answer.status_code == 200
    assert "This cannot be used." in answer.content.decode()
    assert [(cell.path, cell.text) for cell in DraftCell.objects.all()] == [("AREA_ES", "Juárez")]
    assert Published.objects.count() == 0


def test_a_logo_and_long_texts_fit_the_form(ana):
    logo = "data:image/svg+xml;base64," + b64encode(b"<svg>" + b" " * 19_000).decode()
    notice = "x" * 9_000
    for _time in range(2):
        form = form_of(ana, SHOP) | {"cell:LOGO": logo, "cell:PRIVACY_NOTICE_ES": notice, "action": "publish"}
        assert ana.post(SHOP, form).status_code == 302
    serve()
    assert served.current().details["LOGO"][1].startswith(b"<svg>")
    assert Published.objects.count() == 1


def test_each_change_of_the_notice_is_a_new_version(ana):
    versions = []
    for text in ("Uno {business}", "Dos {business}"):
        ana.post(SHOP, form_of(ana, SHOP) | {"cell:PRIVACY_NOTICE_ES": text, "action": "publish"})
        serve()
        versions.append(served.current().details["PRIVACY_NOTICE_VERSION"])
    assert len(set(versions)) == 2
    ana.post(SHOP, form_of(ana, SHOP) | {"cell:BUSINESS_NAME": "Otro", "action": "publish"})
    serve()
    assert served.current().details["PRIVACY_NOTICE_VERSION"] == versions[1]
    assert shop.BUSINESS_NAME == "Otro"
