"""The calculator's page: how it leads a customer through, and what it shows while it is being filled in."""

import re
import zlib
from html import unescape
from pathlib import Path
from typing import get_args
from unittest import mock
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.apps import apps
from django.http import QueryDict
from django.template.loader import render_to_string
from django.urls import reverse

from quoter import site, token
from quoter.engine import lint, pricebook
from quoter.engine.measure import INPUTS, INPUTS_OF, Formula
from quoter.engine.numbers import money
from quoter.engine.pricebook import read
from quoter.forms import begun, hidden_fields, typed_lines
from tests.support import mark
from tests.support.catalogue import catalogue
from tests.support.factories import a_line, as_form
from tests.support.quotes import BOOKS, CONCRETE, TURF

CARDS = Path(__file__).parent / "engine" / "cards"
STATIC = Path(__file__).parents[2] / "static"
IN_ENGLISH = {"headers": {"accept-language": "en"}}


def page_of(client, *lines, edit="update", language="es-mx", **more):
    answer = client.post("/", {**as_form(*lines), **more, "edit": edit}, headers={"accept-language": language})
    return answer.content.decode()


def a_volume(m3):
    return a_line(measure={"kind": "volume", "m3": m3})


def open_lines(page):
    return re.findall(r'<details class="line[^"]*" data-line="(\d+)" open>', page)


def chats(page):
    """Return the text of the message in each link to the chat."""
    links = map(unescape, re.findall(r'href="(https://wa\.me/[^"]+)"', page))
    return [text for link in links for text in parse_qs(urlsplit(link).query).get("text", [])]


# --- The guided way ---------------------------------------------------------------------------------------------------


def test_the_page_asks_for_the_work_first_and_the_direct_way_is_folded_beneath(client):
    page = client.get("/").content.decode()
    assert re.findall(r'value="preset:0:(\w+)" aria-pressed="false"', page) == [
        preset.code for preset in CONCRETE.presets
    ]
    assert page.index("preset:0:slab") < page.index('<details class="direct">') < page.index("lines.0.options.strength")


@pytest.mark.parametrize(
    "file", [*sorted(BOOKS.glob("*.toml")), *sorted(CARDS.glob("*.toml"))], ids=lambda file: file.stem
)
def test_a_page_on_which_nothing_was_typed_finds_nothing_wrong(client, monkeypatch, file):
    book = read(file)
    monkeypatch.setattr(site, "price_book", lambda: book)
    page = client.get("/").content.decode()
    assert 'class="hints"' not in page
    # The ticket shows an order of the book's own, which one tap fills in; that comes to the same.
    shown = re.search(r'class="example">.*?<dl.*?</dl>', page, re.DOTALL)
    assert shown or file.parent == CARDS
    if shown:
        filled_in = client.post("/", {"edit": "example:0"}).content.decode()
        assert totals(filled_in) == totals(shown[0]) != []
        assert 'class="example"' not in filled_in


def test_the_worked_example_is_priced_once_for_a_language_and_a_published_version(client, monkeypatch):
    priced = mock.Mock(side_effect=site.preview)
    monkeypatch.setattr(site, "preview", priced)

    def shown(book, language):
        monkeypatch.setattr(site, "price_book", lambda: book)
        page = client.get("/", HTTP_ACCEPT_LANGUAGE=language).content.decode()
        return re.search(r'class="example">.*?</table>', page, re.DOTALL)[0]

    book = read(BOOKS / "concrete.toml")
    pages, counts = [], []
    for language in ("es-mx", "en", "es-mx", "en"):
        pages.append(shown(book, language))
        counts.append(priced.call_count - sum(counts))  # with what each page prices of the empty form
    assert counts == [counts[0], counts[0], counts[0] - 1, counts[0] - 1]
    assert pages[:2] == pages[2:]
    assert ["Ejemplo" in pages[0], "Example" in pages[1]] == [True, True]
    dearer = (BOOKS / "concrete.toml").read_text(encoding="utf-8").replace("2569.46", "3000.00")
    assert "9,000.00" in shown(pricebook.parse(dearer), "es-mx")
    # A summary of an untouched form keeps it; the first answer, and a refusal, take its place.
    untouched = {"lines.0.product": "concrete"}
    assert 'class="example"' in client.post("/summary/", untouched).content.decode()
    assert 'class="example"' not in client.post("/summary/", untouched | {"checked": "yes"}).content.decode()
    assert 'class="example"' not in client.post("/quote/", untouched).content.decode()
    assert 'class="example"' not in client.post("/summary/", as_form(a_line(options={}))).content.decode()


def totals(page):
    return re.findall(r'<div class="total">.*?<dd>(.*?)</dd>', page, re.DOTALL)


def test_the_work_chosen_suggests_a_strength_and_says_why(client):
    page = page_of(client, a_line(options={}, measure={"kind": "volume", "m3": ""}), edit="preset:0:footings")
    [footings] = [preset for preset in CONCRETE.presets if preset.code == "footings"]
    assert 'name="lines.0.options.strength" value="200" checked' in page
    assert 'value="preset:0:footings" aria-pressed="true"' in page
    assert "sugerido" in page
    assert footings.reason.es in unescape(page)
    assert '<details class="direct">' not in page

    # The reason stays while the rest is filled in, even when another strength is chosen.
    again = page_of(client, a_line(options={"strength": "250"}), **{"lines.0.preset": "footings"}, language="en")
    assert footings.reason.en in unescape(again)
    assert 'name="lines.0.options.strength" value="250" checked' in again


def test_the_first_question_offers_every_kind_of_work_of_every_product(client, monkeypatch):
    monkeypatch.setattr(apps.get_app_config("quoter"), "book", TURF)
    offered = re.findall(r'value="preset:0:(\w+)"', client.get("/").content.decode())
    assert offered == [preset.code for preset in TURF.presets]

    turf = {"product": "turf", "options": {}, "measure": {"kind": "area", "m2": ""}, "extras": []}
    page = page_of(client, turf, edit="preset:0:edging")
    assert 'name="lines.0.product" value="edging"' in page
    assert re.findall(r'value="preset:0:(\w+)"', page) == ["edging"]


def test_each_work_that_suggests_something_says_why_in_both_bundled_books():
    assert all(preset.reason for book in (CONCRETE, TURF) for preset in book.presets if preset.options)


def test_a_book_may_have_no_reasons_but_not_an_empty_one():
    toml = (BOOKS / "concrete.toml").read_text(encoding="utf-8")
    without = pricebook.parse(re.sub(r"^reason = .*\n", "", toml, flags=re.MULTILINE))
    assert lint.check(without) == ()
    empty = pricebook.parse(re.sub(r"^reason = .*", 'reason = ""', toml, count=1, flags=re.MULTILINE))
    assert {finding.message for finding in lint.check(empty)} == {"is empty"}


@pytest.mark.parametrize("formula", [formula for formula in get_args(Formula) if formula != "known"])
@pytest.mark.parametrize("language", ["es", "en"])
def test_each_formula_has_a_drawing_that_names_its_inputs(formula, language):
    lengths = {name: INPUTS[name].label.in_(language) for name in INPUTS_OF[formula]}
    drawing = render_to_string(f"quoter/drawings/{formula}.svg", {"lengths": lengths})
    assert re.findall(r"<text[^>]*>([^<]*)</text>", drawing) == list(lengths.values())
    assert re.findall(r'<g class="(\w+)">', drawing) == list(lengths)
    assert "style=" not in drawing


def test_a_drawing_tells_screen_readers_what_it_shows(client):
    page = client.get("/", **IN_ENGLISH).content.decode()
    assert 'role="img" aria-label="Drawing: Length, Width, Thickness"' in page


# --- Several lines ----------------------------------------------------------------------------------------------------


def test_a_single_line_is_open_and_a_complete_line_folds_when_another_is_added(client):
    assert open_lines(page_of(client, a_volume("6"))) == ["0"]
    page = page_of(client, a_volume("6"), edit="add:concrete")
    assert open_lines(page) == ["1"]
    title = re.search(r'id="title-0" data-live>(.*?)</summary>', page, re.DOTALL)[1]
    assert "tiro directo" in title
    assert "6 m³" in title  # no line ends between them
    assert "$16,316.76" in title


def test_a_line_that_is_wrong_or_was_just_filled_in_is_open(client):
    assert open_lines(page_of(client, a_volume("6"), a_volume("4,500"))) == ["1"]
    assert open_lines(page_of(client, a_volume("6"), a_volume("7"), edit="preset:0:slab")) == ["0"]
    refused = client.post("/quote/", as_form(a_volume("6"), a_volume("501"))).content.decode()
    assert open_lines(refused) == ["1"]


def test_the_total_of_the_complete_lines_stays_while_another_is_being_filled_in(client):
    page = page_of(client, a_volume("6"), edit="add:concrete")
    assert "$17,622.10" in page
    assert "Falta completar la partida 2." in page


def test_the_summary_names_the_value_that_is_missing_next(client):
    summary = client.post("/summary/", as_form(a_line(options={"strength": "200"}))).content.decode()
    assert "Falta elegir: Servicio" in summary
    summary = client.post("/summary/", as_form(a_volume("")), **IN_ENGLISH).content.decode()
    assert "Still missing: Volume" in summary


# --- More than is quoted online ---------------------------------------------------------------------------------------


def test_a_quantity_above_the_maximum_becomes_a_conversation_with_what_was_typed(client):
    large = a_line(measure={"kind": "solid_area", "area_m2": "8000", "thickness_cm": "10"})
    for page in (
        client.post("/quote/", as_form(large, a_volume("6"))).content.decode(),
        client.post("/summary/", as_form(large, a_volume("6"))).content.decode(),
    ):
        assert chats(page)[0] == (
            "Hola. Quiero cotizar un pedido grande:\n"
            "- 784 m³ de Concreto premezclado, f'c 200 kg/cm², tiro directo (con Fibra de refuerzo)\n"
            "- 6 m³ de Concreto premezclado, f'c 200 kg/cm², tiro directo (con Fibra de refuerzo)"
        )


def test_the_conversation_is_in_the_visitor_s_language_and_lists_what_was_entered(client):
    incomplete = a_line(options={"strength": "250"}, measure={"kind": "volume", "m3": "600"}, extras=[])
    page = client.post("/summary/", as_form(incomplete), **IN_ENGLISH).content.decode()
    expected = "Hello. I would like a quote for a large order:\n- 600 m³ of Ready-mix concrete, f'c 250 kg/cm²"
    assert set(chats(page)) == {expected}


def test_the_longest_conversation_fits_in_a_link(client):
    page = client.post("/summary/", as_form(*[a_line(measure={"kind": "volume", "m3": "1234.567"})] * 20)).content
    links = re.findall(r'href="(https://wa\.me/[^"]+)"', page.decode())
    assert links
    assert max(len(unescape(link)) for link in links) <= 2000


def test_a_quantity_that_is_quoted_online_needs_no_conversation(client):
    assert chats(client.post("/summary/", as_form(a_volume("500"))).content.decode()) == []


@pytest.mark.parametrize(
    ("changes", "target", "words"),
    [
        ({"measure": {"kind": "volume", "m3": "501"}}, "lines-1-measure-volume-m3", "hasta 500 m³"),
        ({"measure": {"kind": "volume", "m3": "4,500"}}, "lines-1-measure-volume-m3", "4500 o 4.5"),
        ({"options": {"strength": "100", "service": "pumped"}}, "lines-1-options-service.pumped", "No ofrecemos"),
        ({"measure": {"kind": "coffered_area", "area_m2": "5", "block_cm": "9"}}, "lines-1-measure-coffered_", ""),
        ({"extras": ["none"]}, "lines.1.extras", "no existe"),
    ],
)
def test_a_total_that_is_an_error_says_so_and_leads_to_its_field_instead_of_a_quote(client, changes, target, words):
    for path in ("/summary/", "/"):
        page = client.post(path, as_form(a_line(), a_line(**changes))).content.decode()
        [(href, text)] = re.findall(r'<a class="[a-z]+ online-only" href="#([^"]+)">(.*?)</a>', page)
        assert (href.startswith(target), text) == (True, "Corregir")
        assert '</a>\n\n<button class="primary online-only">' in page  # which the stylesheet hides beside it
        assert words in unescape(re.search(r'id="tally".*?</p>', page, re.DOTALL)[0])
    assert f'id="{href}"' in page


def test_an_order_that_is_refused_as_a_whole_leads_to_the_questions_about_it(client, monkeypatch):
    monkeypatch.setattr(apps.get_app_config("quoter"), "book", read(BOOKS / "catering.toml"))
    guests = {"kind": "guests", "guests": "10"}
    menu = {"product": "menu", "options": {"menu": "buffet"}, "measure": guests, "extras": []}
    page = page_of(client, menu, **{"answers.service": "collected", "answers.set_up": "yes"})
    assert '<a class="primary online-only" href="#order">Corregir</a>' in page
    assert "Solo montamos en entregas" in re.search(r'id="tally".*?</p>', page, re.DOTALL)[0]


def test_pages_ask_at_once_for_all_that_their_scripts_import(client):
    """What a browser finds only in a script costs a phone another round to the server."""
    offer = client.post("/quote/", as_form(a_line())).headers["Location"]
    for page in ("/", offer):
        named = set(re.findall(r'<script type="module" src="/static/([\w/]+)\.', client.get(page).content.decode()))
        assert named
        for name in named:
            script = (STATIC / f"{name}.js").read_text(encoding="utf-8")
            imported = re.findall(r'^import .* from "\./(\w+)\.js"', script, re.MULTILINE)
            assert {f"{name.partition('/')[0]}/{each}" for each in imported} <= named


def drawn(page):
    return [int(number) for number in re.findall(r'data-line="(\d+)"', page)]


def test_a_form_with_more_lines_than_a_quote_takes_is_not_priced_line_by_line(client):
    summary = client.post("/summary/", as_form(*[a_volume("6")] * 21)).content.decode()
    assert "20 partidas como máximo" in summary
    assert 'class="bill"' not in summary
    assert len(re.findall(r'id="title-\d+" data-live', summary)) == 20


def test_of_more_lines_than_a_quote_takes_the_first_stay_and_the_page_says_how_many_do_not(client):
    form = as_form(*[a_volume(str(number)) for number in range(3, 26)])
    for answer in (client.post("/quote/", form), client.post("/", form)):
        page = unescape(answer.content.decode())
        assert drawn(page) == [*range(20)]
        assert re.findall(r'measure.volume.m3" value="(\d+)"', page) == [str(number) for number in range(3, 23)]
        assert page.count("Aquí están las primeras; cotiza aparte las demás: 3.") >= 1
        assert "Lo que escribiste sigue aquí" not in page
    assert client.post("/quote/", form).status_code == 422


def test_the_numbers_of_lines_may_be_any(client):
    form = {f"lines.{number}.product": "concrete" for number in range(9_999, 9_900, -1)}
    page = client.post("/", form).content.decode()
    assert drawn(page) == [*range(20)]
    assert "cotiza aparte las demás: 79." in page


@pytest.mark.parametrize("edit", mark.by_hand_but(1, ["add:concrete", "copy:0"]))
def test_a_full_form_takes_no_further_line_and_says_so(client, edit):
    page = page_of(client, *[a_volume("6")] * 20, edit=edit)
    assert drawn(page) == [*range(20)]
    assert "Divide el pedido en dos." in re.search(r'id="summary" data-live>(.*?)</div>', page, re.DOTALL)[1]
    assert "Lo que escribiste sigue aquí" in page


@pytest.mark.by_hand
def test_a_long_value_does_not_make_a_long_page(client):
    short, long = (page_of(client, *[a_volume(typed)] * 20) for typed in ('"', '"' * 1_000))
    assert len(long) < 1.1 * len(short)


# --- Books of other trades --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", sorted(BOOKS.glob("*.toml")), ids=lambda file: file.stem)
def test_every_shipped_book_is_priced_on_the_page(client, monkeypatch, file):
    book = read(file)
    monkeypatch.setattr(apps.get_app_config("quoter"), "book", book)
    assert client.get("/").status_code == 200
    for example in book.examples:
        fields = QueryDict(mutable=True)
        for name, value in hidden_fields(example.lines, example.answers):
            fields.appendlist(name, value)
        page = client.post(reverse("quoter:summary"), fields.urlencode(), "application/x-www-form-urlencoded")
        shown = page.content.decode()
        assert ('class="totals"' in shown) == (not example.refused)
        if not example.refused:
            quote = site.issue(example.lines, example.answers)
            assert money(quote.quote.total, book.currency) in shown
            for write in (token.dumps, token.short):
                assert token.loads(write(quote), zone=site.zone()) == quote


def test_a_line_in_which_nothing_was_entered_does_not_count():
    fields = {
        "lines.0.product": "turf",
        "lines.0.measure.kind": "area",
        "lines.1.product": "adhesive",
        "lines.1.measure.kind": "pieces",
        "lines.1.measure.pieces.pieces": "3",
    }
    typed, _errors = typed_lines(QueryDict(urlencode(fields)))
    assert begun(typed, TURF) == typed[1:]


def test_of_lines_in_which_nothing_was_entered_only_the_first_is_refused(client):
    untouched = as_form(*[a_line(options={}, measure={"kind": "volume", "m3": ""}, extras=[])] * 2)
    for address in ("/quote/", "/summary/"):
        page = client.post(address, untouched | {"checked": "yes"}).content.decode()
        assert re.findall(r'<li><a href="#([^"]+)" data-error', page) == [
            "lines-0-options-strength.100",
            "lines-0-options-service.direct",
            "lines-0-measure-volume-m3",
        ]


def test_a_choice_begins_with_a_capital_and_a_symbol_stays_as_it_is(client):
    page = unescape(client.get("/").content.decode())
    names = re.findall(r"<label for=\"lines-0-options-[^>]*><b>(.*?)</b>", page)
    assert {"f'c 200 kg/cm²", "Tiro directo", "Bombeado"} <= {*names}
    # In a sentence they are as the price book has them.
    assert "f'c 200 kg/cm², tiro directo" in page


def test_the_first_product_can_be_chosen(client, monkeypatch):
    monkeypatch.setattr(apps.get_app_config("quoter"), "book", TURF.model_copy(update={"presets": ()}))
    assert 'value="product:0:adhesive"' in client.get("/").content.decode()
    page = client.post("/", {"lines.0.product": "turf", "edit": "product:0:adhesive"}).content.decode()
    assert '<input type="hidden" name="lines.0.product" value="adhesive">' in page


# --- Guiding a layman -------------------------------------------------------------------------------------------------


def prices(page, option):
    """Return the price that stands in the label of each choice of an option of the first line."""
    found = re.findall(rf'id="lines-0-options-{option}\.(\w+)-price" data-live>([^<]*)<', page)
    return {code: unescape(price) for code, price in found}


def test_each_choice_shows_its_price_beside_the_chosen_one_as_soon_as_it_is_known(client):
    nothing = client.get("/").content.decode()
    assert set(prices(nothing, "strength").values()) == {""}

    page = page_of(client, a_line(options={"service": "pumped"}, measure={"kind": "volume", "m3": ""}))
    assert prices(page, "strength") == {
        "100": "no disponible",
        "150": "$3,079.56/m³",
        "200": "+$249.10/m³",
        "250": "+$500.00/m³",
        "300": "+$713.00/m³",
    }
    # Of 6 m³, another tier: 3,046.26 for 200, pumped; 2,569.46 direct.
    live = client.post("/summary/", as_form(a_line(measure={"kind": "volume", "m3": "6"}))).content.decode()
    assert prices(live, "service") == {"direct": "$2,569.46/m³", "pumped": "+$476.80/m³"}
    assert prices(live, "strength")["150"] == "−$213.00/m³"


def test_a_kind_of_work_fills_in_what_is_usual_and_another_one_its_own(client):
    untyped = a_line(options={}, measure={"kind": "volume", "m3": ""}, extras=[])
    page = page_of(client, untyped, edit="preset:0:patio")
    thickness = 'name="lines.0.measure.solid_dimensions.thickness_cm" value="{}"'
    assert thickness.format(10) in page
    assert "Lo usual: 10 cm" in page
    assert "12 cm si a veces entra un coche" in page

    slab = a_line(options={}, measure={"kind": "solid_dimensions", "thickness_cm": "10", "length_m": "6"}, extras=[])
    page = page_of(client, slab, edit="preset:0:driveway", **{"lines.0.preset": "patio"})
    assert thickness.format(12) in page
    slab["measure"]["thickness_cm"] = "9"  # the customer's own
    page = page_of(client, slab, edit="preset:0:driveway", **{"lines.0.preset": "patio"})
    assert thickness.format(9) in page


def test_only_the_icons_that_are_shown_are_sent(client):
    page = client.get("/").content.decode()
    sent, used = set(re.findall(r'<symbol id="i-(\w+)"', page)), set(re.findall(r'href="#i-(\w+)"', page))
    assert sent == used
    assert {"patio", "truck"} <= sent
    assert "paw" not in sent


def test_a_length_in_feet_is_shown_back_in_the_unit_of_the_field(client):
    slab = {"kind": "solid_dimensions", "length_m": "20'", "width_m": "13 ft 1 1/2 in", "thickness_cm": '4"'}
    summary = unescape(client.post("/summary/", as_form(a_line(measure=slab, extras=[]))).content.decode())
    for words in ("20' = 6.096 m", "13 ft 1 1/2 in = 4.0005 m", '4" = 10.16 cm'):
        assert words in summary
    assert "Medida: 6.096 m × 4.0005 m × 10.16 cm × 0.98" in summary
    # Digits first, in Spanish, for the one that is in metres.
    slab["length_m"] = "6"
    page = page_of(client, a_line(measure=slab))
    keyboards = re.findall(r'name="lines.0.measure.solid_dimensions.(\w+)"[^>]*inputmode="text"\s*(data-digits)?', page)
    assert keyboards == [("length_m", "data-digits"), ("width_m", ""), ("thickness_cm", "")]
    assert "data-digits" not in client.get("/", **IN_ENGLISH).content.decode()


# --- A second line ----------------------------------------------------------------------------------------------------


def test_a_second_line_keeps_what_the_first_says_and_does_not_count_before_its_quantity(client):
    slab = {"kind": "solid_dimensions", "length_m": "6", "width_m": "4", "thickness_cm": "10"}
    form = as_form(a_line(measure=slab)) | {"lines.0.preset": "slab"}
    page = client.post("/", form | {"edit": "add:concrete"}).content.decode()
    second = dict(re.findall(r'name="lines\.1\.([\w.]+)" value="([^"]*)"(?: checked|>|\n)', page))
    assert 'name="lines.1.options.strength" value="200" checked' in page
    assert 'name="lines.1.options.service" value="direct" checked' in page
    assert 'name="lines.1.measure.solid_dimensions.thickness_cm" value="10"' in page
    assert 'name="lines.1.measure.solid_dimensions.length_m" value=""' in page
    assert second["preset"] == "slab"

    kept = {"product": "concrete", "preset": "slab", "options.strength": "200", "options.service": "direct"}
    kept |= {"measure.kind": "solid_dimensions", "measure.solid_dimensions.thickness_cm": "10"}
    kept |= {"measure.solid_dimensions.waste": "none"}
    length = {"measure.solid_dimensions.length_m": "5"}
    for change, status in ({}, 303), (length, 422), ({"options.strength": "250"}, 422):
        more = {f"lines.1.{name}": value for name, value in (kept | change).items()}
        assert client.post("/quote/", form | more).status_code == status


# --- Errors -----------------------------------------------------------------------------------------------------------


def test_the_alert_lists_what_is_wrong_and_links_to_it_and_forgets_what_is_mended(client):
    wrong = as_form(a_line(options={"strength": "200"}, measure={"kind": "volume", "m3": "6 metros"}), a_volume(""))
    page = unescape(client.post("/quote/", wrong).content.decode())
    links = re.findall(r'<li><a href="#([^"]+)" data-error="([^"]+)"', page)
    assert [target for target, _error in links] == [
        "lines-0-options-service.direct",
        "lines-0-measure-volume-m3",
        "lines-1-measure-volume-m3",
    ]
    for target, error in links:
        assert f'id="{target}"' in page
        assert f'id="{error}"' in page
    assert "Revisa estos 3 datos." in page
    assert "Partida 2: Escribe un número en «Volumen»." in page

    mended = wrong | {"lines.0.options.service": "direct", "lines.0.measure.volume.m3": "6", "checked": "yes"}
    for address, more in (("/summary/", {}), ("/", {"edit": "update"})):
        page = unescape(client.post(address, mended | more).content.decode())
        assert re.findall(r'<li><a href="#([^"]+)"', page) == ["lines-1-measure-volume-m3"]
        assert "Revisa este dato." in page
    # Before anything is refused, what is missing is no error.
    del mended["checked"]
    assert 'role="alert"' not in client.post("/", mended | {"edit": "update"}).content.decode()


def test_a_refused_page_is_not_taken_for_an_untouched_one(client):
    refused = client.post("/quote/", as_form(a_line(options={}, measure={"kind": "volume", "m3": ""}, extras=[])))
    assert refused.status_code == 422
    assert "data-fresh" not in refused.content.decode()


def test_enter_updates_the_total_and_neither_sends_nor_edits(client):
    page = client.get("/").content.decode()
    first = re.search(r"<button[^>]*form=\"calculator\"[^>]*>", page)[0]
    assert 'value="enter"' in first
    assert drawn(page_of(client, a_volume("6"), a_volume("7"), edit="enter")) == [0, 1]


# --- Many products ----------------------------------------------------------------------------------------------------


def test_of_forty_products_one_is_chosen_first_below_its_heading(client, monkeypatch):
    book = pricebook.parse(catalogue())
    assert lint.check(book) == ()
    monkeypatch.setattr(apps.get_app_config("quoter"), "book", book)
    page = client.get("/").content.decode()
    assert re.findall(r'value="product:0:p(\d+)"', page) == [str(number) for number in range(40)]
    assert page.count("<summary>") == 1 + 5  # the line's, and the headings'
    assert "lines.0.options" not in page
    assert len(zlib.compress(page.encode())) < 6_000
    assert "Elige un producto de la lista." in client.post("/quote/", {"lines.0.product": ""}).content.decode()

    page = client.post("/", {"lines.0.product": "", "edit": "product:0:p17"}).content.decode()
    assert '<input type="hidden" name="lines.0.product" value="p17">' in page
    assert "product:0:" not in page
    assert prices(page, "size") == {"s": "$27.00/pza", "l": "+$18.50/pza"}
    page = client.post("/", {"lines.0.product": "p17", "edit": "switch:0"}).content.decode()
    assert page.count('value="product:0:') == 40
    assert re.findall(r'value="(add:\w*)"', page) == ["add:"]


def test_of_extras_of_which_one_is_chosen_the_page_lets_choose_only_one(client, monkeypatch):
    book = read(CARDS / "us_paper.toml")
    monkeypatch.setattr(apps.get_app_config("quoter"), "book", book)
    [group, *_] = next(product.groups for product in book.products if product.groups)
    sold = next(product for product in book.products if product.groups)
    page = client.post("/", {"lines.0.product": sold.code, "edit": "enter"}).content.decode()
    assert f'type="radio" id="lines-0-extras-{group.code}.' in page
    code = next(extra.code for extra in sold.extras if extra.group == group.code)
    typed, _errors = typed_lines(QueryDict(urlencode({f"lines.0.extras.{group.code}": code, "lines.0.product": "x"})))
    assert typed[0].extras == [code]
