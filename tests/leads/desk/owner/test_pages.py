"""The owner's pages: prices and settings are changed in a shared draft, checked, seen, published and taken back."""

import re
from base64 import b64encode
from html import unescape
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.test import Client
from PIL import Image

from leads.delivery.record import lead_record
from leads.desk.owner import table, words
from leads.desk.owner.fields import id_of
from quoter import site
from quoter.shop import carrying, publishing, served
from quoter.shop.models import DraftCell, Published
from quoter.shop.table import cells, rows
from quoter.shop.values import shop
from tests.support.factories import a_contact, an_issued_quote, store
from tests.support.quotes import BOOKS

pytestmark = pytest.mark.django_db

PRICES, SHOP, PREVIEW = "/admin/prices/", "/admin/shop/", "/admin/preview/"
PHOTO, START = f"{SHOP}photo/", "/admin/start/"
DIRECT = "products[concrete].prices[service=direct,strength=100].tiers"
PUMPED = "products[concrete].prices[service=pumped,strength=150].tiers"
PRICE = f"cell:{DIRECT}[3].price"
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
    return fields_of(browser.get(path).content.decode())


def send(browser: Client, path: str, form: dict[str, str], **more: Any) -> Any:
    """Send a form as a browser does, and many times faster than the client of tests by itself."""
    return browser.post(path, urlencode(form), content_type="application/x-www-form-urlencoded", **more)


def fields_of(page: str) -> dict[str, str]:
    typed = {name: unescape(value or text) for name, value, text in FIELD.findall(page)}
    return typed | {name: unescape(value) for name, value in SEEN.findall(page)}


def first_price(form: dict[str, str]) -> str:
    return PRICE


def serve() -> None:
    carrying.carry()
    served.look()


# --- Who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["Sales", "Sales manager", "nobody's group"])
def test_nobody_but_an_owner_sees_or_changes_drafts_and_settings(role):
    browser = signed_in("eva", role)
    previews = (PREVIEW, f"{PREVIEW}summary/", f"{PREVIEW}brand/x.css")
    for path in (PRICES, SHOP, START, PHOTO, f"{PHOTO}draft.webp", *previews):
        answers = (browser.get(path), browser.post(path, {"action": "back", "number": "0"}))
        assert {answer.status_code for answer in answers} <= {403, 405}, path
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
        if name.startswith("cell:products[concrete].prices") and name.endswith("price"):
            form[name] = "$2,999.50"
    assert send(ana, PRICES, form | {"action": "save"}).status_code == 302
    page = ana.get(PRICES).content.decode()
    assert "not published yet" in page
    assert issued.quote.folio in page
    assert "In force: " in page
    serve()
    assert site.price_book() == before
    assert "2,999.50" not in client.get("/").content.decode()
    form = form_of(ana, PRICES)
    assert send(ana, PRICES, form | {"action": "publish", "note": "diesel"}).status_code == 302
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
    send(ana, PRICES, form | {name: "2345.00", "action": "publish", "at": "2999-12-07T08:00"})
    row = Published.objects.get()
    assert row.starts_at.astimezone(site.zone()).isoformat()[:16] == "2999-12-07T08:00"
    serve()
    assert "2345.00" not in [str(tier.price) for tier in site.price_book().products[0].prices[0].tiers]
    ana.post(PRICES, {"action": "withdraw", "number": str(row.pk)})
    row.refresh_from_db()
    assert row.withdrawn_by == "ana"


def test_what_is_no_number_stands_beside_its_cell_and_the_rest_is_saved(ana):
    form = form_of(ana, PRICES)
    other = f"cell:{PUMPED}[4].price"
    prices = [name for name in form if name.startswith("cell:") and name.endswith("].price") and name != other]
    typed = dict(zip(prices, ["", "abc", "-5", "1.2.3", "1,89,0", "١٢٣", "1e9", "9" * 40, "<b>"], strict=False))
    answer = send(ana, PRICES, form | typed | {other: "1999.00", "action": "publish"})
    page = answer.content.decode()
    assert answer.status_code == 200
    assert page.count("Write a number such as") == len(typed) == 9
    assert typed.items() <= {name: unescape(value) for name, value, _text in FIELD.findall(page)}.items()
    assert [cell.text for cell in DraftCell.objects.all()] == ["1999.00"]
    assert Published.objects.count() == 0


def test_a_finding_of_the_check_stands_beside_its_cell_and_keeps_the_draft_from_being_published(ana):
    form = form_of(ana, PRICES)
    name = first_price(form)
    send(ana, PRICES, form | {name: "0", "action": "publish"})
    page = ana.get(PRICES).content.decode()
    assert Published.objects.count() == 0
    assert 'value="publish"' not in page
    cell = page[page.index(f'name="{name}"') :]
    assert 'class="error"' in cell[: cell.index("</div>")]


def test_two_owners_who_edit_other_cells_both_keep_what_they_typed(ana, leo):
    of_ana, of_leo = form_of(ana, PRICES), form_of(leo, PRICES)
    one = first_price(of_ana)
    other = f"cell:{PUMPED}[3].price"
    send(ana, PRICES, of_ana | {one: "2001.00", "action": "save"})
    send(leo, PRICES, of_leo | {other: "1999.00", "action": "save"})
    assert {(cell.by, cell.text) for cell in DraftCell.objects.all()} == {("ana", "2001.00"), ("leo", "1999.00")}


def test_two_owners_who_edit_the_same_cell_are_told_and_nothing_is_lost(ana, leo):
    of_ana, of_leo = form_of(ana, PRICES), form_of(leo, PRICES)
    name = first_price(of_ana)
    send(ana, PRICES, of_ana | {name: "2001.00", "action": "save"})
    answer = send(leo, PRICES, of_leo | {name: "1999.00", "action": "publish"})
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "ana has changed this meanwhile to: 2001.00" in page
    assert dict((a, b) for a, b, _ in FIELD.findall(page))[name] == "1999.00"
    assert [cell.text for cell in DraftCell.objects.all()] == ["2001.00"]
    seen = {key: unescape(value) for key, value in SEEN.findall(page)}
    send(leo, PRICES, of_leo | seen | {name: "1999.00", "action": "save"})
    assert [(cell.by, cell.text) for cell in DraftCell.objects.all()] == [("leo", "1999.00")]


def test_a_form_older_than_what_was_published_meanwhile_is_told_so(ana, leo):
    old = form_of(leo, PRICES)
    name = first_price(old)
    ana.post(PRICES, form_of(ana, PRICES) | {name: "2001.00", "action": "publish"})
    assert send(leo, PRICES, old | {name: "1999.00", "action": "save"}).status_code == 200
    assert DraftCell.objects.count() == 0


def test_tiers_are_pasted_from_a_spreadsheet(ana):
    text = "cantidad\tdirecto 100\tbombeado 150\n3-9.5\t$ 2,100.00\t2.900,50\n10+\t1,999.00\t2,800.00"
    put = {"paste:products[concrete]": text, "action": "paste:products[concrete]"}
    assert ana.post(PRICES, form_of(ana, PRICES) | put).status_code == 302
    ana.post(PRICES, form_of(ana, PRICES) | {"action": "publish"})
    serve()
    book = site.price_book()
    tiers = {
        listed.options["strength"]: listed.tiers for listed in (book.products[0].prices[0], book.products[0].prices[5])
    }
    assert [(str(tier.start), str(tier.price)) for tier in tiers["100"]] == [("3", "2100.00"), ("10", "1999.00")]
    assert [(str(tier.end), str(tier.price)) for tier in tiers["150"]] == [("9.5", "2900.50"), ("None", "2800.00")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("3-5\t2100\nmuchos\t12\n8\tx", "Row 2 cannot be read: muchos"),
        ("\n", "There is no row"),
        ("m³\t900\n3\t5", "Which prices are in the column"),
    ],
)
def test_what_cannot_be_pasted_is_named_and_nothing_is_lost(ana, text, said):
    name, target = "paste:products[concrete]", {"for:products[concrete]": ""}
    answer = ana.post(PRICES, form_of(ana, PRICES) | target | {name: text, PRICE: "2001", "action": name})
    page = answer.content.decode()
    assert said in page
    assert text.strip() in unescape(page)
    assert [cell.path for cell in DraftCell.objects.all()] == [PRICE.removeprefix("cell:")]


FIBER, STRENGTH = "products[concrete].extras[fiber]", "products[concrete].options[strength].choices"


def act(browser: Client, action: str, page: str = "", **typed: str) -> str:
    """Tap a button; return the page that follows. page: which has the button, "" for the one that it is now."""
    form = fields_of(page) if page else form_of(browser, PRICES)
    return send(browser, PRICES, form | typed | {"action": action}, follow=True).content.decode()


def test_products_choices_and_rows_are_added_copied_removed_and_brought_back(ana):
    page = act(ana, f"copy:{STRENGTH}[300]", **{PRICE: "2200.00"})
    new = next(name for name in fields_of(page) if name.startswith(f"cell:{STRENGTH}[300_") and name.endswith("es"))
    page = act(ana, "save", page, **{new: "f'c 350", new.replace(".es", ".en"): "f'c 350"})
    page = act(ana, f"remove:{FIBER}", page)
    page = act(ana, f"remove:{STRENGTH}[100]", page)
    page = act(ana, f"restore:{STRENGTH}[100]", page)
    page = act(ana, f"add:{PUMPED}", page)
    page = act(ana, "save", page)
    assert "Fill this in." in page
    row = next(name for name in fields_of(page) if name.startswith(f"cell:{PUMPED}[+") and name.endswith("from"))
    filled = {row: "10", row.replace("from", "price"): "2,700", f"cell:{PUMPED}[5].to": "9.5"}
    page = act(ana, "save", page, **filled)
    page = act(ana, "publish", page)
    serve()
    product = site.price_book().products[0]
    assert [choice.label.es for choice in product.options[0].choices][-1] == "f'c 350"
    assert [extra.code for extra in product.extras] == ["accelerant"]
    assert [str(tier.price) for tier in product.tiers({"strength": "150", "service": "pumped"})][-1] == "2700"
    assert str(product.tiers({"strength": "100", "service": "direct"})[0].price) == "2200.00"
    assert len(product.prices) == 11
    assert "Reinforcing fiber: <del>$150.00</del>" in " ".join(page.split())


def publish_book(name: str) -> None:
    publishing.publish("prices", (BOOKS / f"{name}.toml").read_text(), by="ana")


def test_what_names_a_removed_row_goes_with_it_and_the_page_says_so(ana):
    publish_book("catering")
    page = unescape(act(ana, "remove:products[menu].options[menu].choices[served]"))
    assert "These examples of the list are no longer true, so they go too: " in page
    act(ana, "remove:products[menu].extras[drinks]")
    act(ana, "remove:fees[set-up]")
    assert "Published: every page shows it" in act(ana, "publish")
    serve()
    book = site.price_book()
    assert [fee.code for fee in book.fees] == ["delivery", "waiters", "card"]
    assert book.examples != ()
    assert {example.lines[0].options["menu"] for example in book.examples} == {"buffet"}


@pytest.mark.parametrize(
    ("book", "row", "why"),
    [
        ("campers", "products[days].prices[season=high].tiers[14]", "nothing else of its kind is left."),
        ("tow_truck", "products[call-out].options[yard].choices[none]", "Without it: call-out"),
    ],
)
def test_a_row_that_the_rest_needs_stays_and_the_reason_stands_beside_it(ana, book, row, why):
    publish_book(book)
    assert f'value="remove:{row}"' in unescape(ana.get(PRICES).content.decode())
    page = unescape(act(ana, f"remove:{row}"))
    [beside] = re.findall(r'id="([\w-]+)"(?:(?! id=).)*?<strong class="error">This has to stay', page, re.DOTALL)
    assert beside.startswith(id_of(row))
    assert why in page
    assert not DraftCell.objects.exists()


def test_a_new_product_is_sold_once_it_has_a_name_and_a_price(ana, client):
    act(ana, "add:products")
    form = form_of(ana, PRICES)
    path = next(name for name in form if name.startswith("cell:products[product_") and name.endswith("label.es"))
    product = path.removesuffix(".label.es")
    price = next(name for name in form if name.startswith(f"{product}.prices") and name.endswith("price"))
    act(ana, "publish", **{path: "Arena", f"{product}.label.en": "Sand", price: "99.50"})
    assert Published.objects.count() == 1
    serve()
    assert "Arena" in client.get("/", headers={"Accept-Language": "es"}).content.decode()


def test_a_row_that_a_colleague_has_changed_is_removed_only_by_who_has_seen_that(ana, leo):
    old = form_of(leo, PRICES)
    act(ana, "save", **{f"cell:{FIBER}.price": "160.00"})
    page = send(leo, PRICES, old | {"action": f"remove:{FIBER}"}).content.decode()
    assert "ana has changed this meanwhile to: 160.00. Remove it again" in page
    assert [cell.text for cell in DraftCell.objects.all()] == ["160.00"]
    act(leo, f"remove:{FIBER}")
    act(leo, f"restore:{FIBER}")
    assert [(cell.by, cell.text) for cell in DraftCell.objects.all()] == [("ana", "160.00")]


def test_what_is_typed_into_a_row_that_a_colleague_has_removed_is_kept_and_told(ana, leo):
    old = form_of(leo, PRICES)
    act(ana, f"remove:{FIBER}")
    page = send(leo, PRICES, old | {f"cell:{FIBER}.price": "170.00", "action": "save"}).content.decode()
    assert "ana has removed this row. What you typed is kept" in page
    act(leo, f"restore:{FIBER}")
    assert form_of(leo, PRICES)[f"cell:{FIBER}.price"] == "170.00"


def test_owners_who_add_change_and_remove_at_once_lose_nothing(ana, leo):
    of_ana, of_leo = form_of(ana, PRICES), form_of(leo, PRICES)
    send(ana, PRICES, of_ana | {"action": f"copy:{STRENGTH}[250]"})
    send(leo, PRICES, of_leo | {f"cell:{DIRECT}[3].price": "2001.00", "action": f"copy:{STRENGTH}[250]"})
    ana.post(
        PRICES, of_ana | {f"cell:{FIBER}.price": "151.00", "action": "remove:products[concrete].extras[accelerant]"}
    )
    send(leo, PRICES, of_leo | {"action": "save"})
    act(ana, "publish")
    serve()
    product = site.price_book().products[0]
    assert len(product.options[0].choices) == 7
    assert [(extra.code, str(extra.price)) for extra in product.extras] == [("fiber", "151.00")]
    assert str(product.prices[0].tiers[0].price) == "2001.00"


def test_a_draft_under_which_the_prices_have_changed_is_still_to_be_read(ana, leo):
    act(leo, "save", **{f"cell:{FIBER}.price": "170.00"})
    content = publishing.first_content("prices").replace("price = 150.00", "price = 155.00")
    publishing.publish("prices", content.replace('version = "2026-01"', 'version = "x"'), by="ana")
    page = ana.get(PRICES).content.decode()
    assert "These were typed, but" in page
    assert "170.00 (leo)" in page
    assert "These were typed, but" not in act(ana, "forget")


def test_any_two_versions_are_compared_in_words(ana):
    numbers, page = [], ""
    for price in ("2001.00", "2002.00", "2003.00"):
        page = act(ana, "publish", page, **{PRICE: price, f"cell:{FIBER}.price": price})
        numbers.append(str(Published.objects.latest("pk").pk))
    page = ana.get(PRICES, {"one": numbers[0], "other": numbers[2]}).content.decode()
    compared = " ".join(page[page.index('id="compared"') : page.index('id="cells"')].split())
    assert (
        "Ready-mix concrete · f&#x27;c 100 kg/cm² · direct pour · 3 + · Price: $2001.00 / m³ → $2003.00 / m³"
        in compared
    )
    assert compared.count("<li>") == 2
    assert "They are the same." in ana.get(PRICES, {"one": numbers[0], "other": numbers[0]}).content.decode()
    for wrong in ("99999", "x"):
        assert "There is no such version." in ana.get(PRICES, {"one": wrong, "other": "0"}).content.decode()


def test_a_search_leaves_what_has_its_words(ana):
    page = ana.get(PRICES, {"find": "fiBER"}).content.decode()
    assert f"cell:{FIBER}.price" in page
    assert PRICE not in page


def test_a_list_too_long_for_one_form_shows_a_product_at_a_time(ana, monkeypatch):
    monkeypatch.setattr(table, "MOST_CELLS", 20)
    book = (BOOKS / "turf.toml").read_text()
    publishing.publish("prices", book, by="ana")
    assert "cell:products[edging].step" not in form_of(ana, PRICES)
    act(ana, "open:edging", **{"cell:products[turf].step": "2"})
    form = form_of(ana, f"{PRICES}?product=edging")
    assert "cell:products[edging].step" in form
    assert "cell:products[turf].step" not in form
    assert [cell.text for cell in DraftCell.objects.all()] == ["2"]


@pytest.mark.parametrize("file", sorted(BOOKS.glob("*.toml")), ids=lambda file: file.stem)
def test_every_cell_of_every_book_has_a_label_in_the_language_of_staff(file):
    for cell in cells.cells(rows.parse(file.read_text()), "es"):
        own = cell.names[cell.names.index("values") + 1 :] if "values" in cell.names else ()
        names = {name for name in cell.names if name not in ("es", "en") and not name.isdecimal()} - set(own)
        assert names <= {name for name in words.LABELS if isinstance(name, str)}
        assert {row.name for row in cell.rows} <= {*words.PARTS, "products", "prices", "options", "tiers", "asks"}


def test_a_row_that_has_gone_is_told(ana):
    gone = ["copy:products[x]", "copy:products[concrete].prices", "remove:products[x].y", "remove:validity_days"]
    for action in ("add:nothing", *gone, "restore:", "paste:a[b"):
        answer = ana.post(PRICES, {"action": action})
        assert answer.status_code == 200
        assert "That row has gone meanwhile." in answer.content.decode(), action


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
    send(ana, SHOP, form_of(ana, SHOP) | {"cell:BUSINESS_NAME": "Concretos <Río>", "action": "save"})
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
    send(ana, SHOP, form_of(ana, SHOP) | {"action": "publish"})
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
    answer = send(ana, SHOP, form_of(ana, SHOP) | {f"cell:{name}": text, "cell:AREA_ES": "Juárez", "action": "publish"})
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
        send(ana, SHOP, form_of(ana, SHOP) | {"cell:PRIVACY_NOTICE_ES": text, "action": "publish"})
        serve()
        versions.append(served.current().details["PRIVACY_NOTICE_VERSION"])
    assert len(set(versions)) == 2
    send(ana, SHOP, form_of(ana, SHOP) | {"cell:BUSINESS_NAME": "Otro", "action": "publish"})
    serve()
    assert served.current().details["PRIVACY_NOTICE_VERSION"] == versions[1]
    assert shop.BUSINESS_NAME == "Otro"


def a_photo(**more) -> bytes:
    written = BytesIO()
    Image.effect_noise((80, 60), 60).resize((1600, 1200)).convert("RGB").save(written, "JPEG", quality=60, **more)
    return written.getvalue()


def test_a_photo_is_made_small_and_bare_and_shown_once_it_is_published(ana, client):
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    assert b"taken at home" in (photo := a_photo(exif=exif))
    assert ana.post(PHOTO, photo, content_type="image/jpeg").status_code == 200
    drafted = ana.get(f"{PHOTO}draft.webp").content
    assert len(drafted) <= 150_000
    assert b"taken at home" not in drafted
    assert max(Image.open(BytesIO(drafted)).size) == 1200
    assert 'class="photo"' not in client.get("/").content.decode()
    send(ana, SHOP, form_of(ana, SHOP) | {"action": "publish"})
    serve()
    page = client.get("/").content.decode()
    [address] = re.findall(r'class="photo" src="([^"]+)"', page)
    served_photo = client.get(address)
    assert (served_photo.content, served_photo["Content-Type"]) == (drafted, "image/webp")
    assert "a picture of" in ana.get(SHOP).content.decode()
    send(ana, SHOP, form_of(ana, SHOP) | {"action": "nophoto"})
    send(ana, SHOP, form_of(ana, SHOP) | {"action": "publish"})
    serve()
    assert 'class="photo"' not in client.get("/").content.decode()


def test_what_is_no_photo_is_refused(ana):
    for body in (b"", b"GIF89a", b"<svg/>", b"\xff\xd8\xff" + b"x" * 1000, b"x" * 1_100_000):
        assert ana.post(PHOTO, body, content_type="image/jpeg").status_code in (400, 413), body[:8]
    assert DraftCell.objects.count() == 0


# --- The first run ----------------------------------------------------------------------------------------------------


def test_the_owner_of_a_new_shop_is_asked_for_what_customers_must_not_see_wrong(ana, settings, client):
    settings.WHATSAPP_NUMBER = "526561234567"
    assert ana.get("/admin/").url == START
    assert ana.get(START).status_code == 200
    typed = {"BUSINESS_NAME": "Concretos Río", "WHATSAPP_NUMBER": "123", "book": "paint"}
    page = ana.post(START, typed).content.decode()
    assert "This cannot be used." in page
    assert 'value="Concretos Río"' in page
    assert Published.objects.count() == 0
    assert ana.post(START, typed | {"WHATSAPP_NUMBER": "+52 656 765 4321"}).url == "/admin/"
    serve()
    assert ana.get("/admin/").status_code == 200
    page = client.get("/").content.decode()
    assert "Concretos Río" in page
    assert "wa.me/526567654321" in page
    assert site.price_book().name == "paint"


def test_the_first_questions_are_put_off_with_one_tap_and_asked_of_owners_alone(ana, settings, admin_client):
    settings.WHATSAPP_NUMBER = "526561234567"
    assert admin_client.get("/admin/").status_code == 200
    assert signed_in("eva", "Sales manager").get("/admin/").status_code == 200
    assert ana.post(START, {"action": "later"}).url == "/admin/"
    assert ana.get("/admin/").status_code == 200
    assert START in ana.get("/admin/").content.decode()
