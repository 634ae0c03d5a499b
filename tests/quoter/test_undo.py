"""What was removed from the calculator comes back with one button, with everything that was typed in it."""

import re
from html import unescape
from urllib.parse import urlencode

import pytest
from django.apps import apps

from quoter import token
from quoter.engine.pricebook import read
from tests.support.factories import a_line, an_issued_quote, as_form
from tests.support.quotes import BOOKS


def fields_of(page):
    """Return what a browser would send of a page's calculator."""
    form = re.search(r'<form id="calculator".*?</form>', page, re.DOTALL)[0]
    fields = []
    for tag in re.findall(r"<input[^>]*>", form):
        name, value = (re.search(rf'\b{key}="([^"]*)"', tag) for key in ("name", "value"))
        is_chosen = not re.search(r'type="(radio|checkbox)"', tag) or " checked" in tag
        if name and value and is_chosen:
            fields.append((name[1], unescape(value[1])))
    return fields


def typed_in(page):
    return sorted(field for field in fields_of(page) if field[0] != "removed")


def press(client, fields, edit):
    data = urlencode([*fields, ("edit", edit)], doseq=True)
    return client.post("/", data, "application/x-www-form-urlencoded").content.decode()


def offer(page):
    """Return the sentence that offers to undo, and the button's value; None without an offer."""
    found = re.search(r'data-removal[^>]*>\s*<p>(.*?)</p>.*?value="(undo:\d+)"', page, re.DOTALL)
    return found and (" ".join(unescape(found[1]).split()), found[2])


@pytest.fixture
def three(client):
    """The fields of a calculator with three lines; the second has more than it needs."""
    page = press(client, [*as_form(*[a_line(measure={"kind": "volume", "m3": m3}) for m3 in "678"]).items()], "enter")
    more = [("lines.1.preset", "slab"), ("lines.1.measure.solid_area.area_m2", "4,"), ("lines.1.extras", "set_fast")]
    return typed_in(press(client, [*fields_of(page), *more], "enter"))


def test_a_removed_line_comes_back_where_it_was_with_all_that_was_typed_also_in_what_is_not_chosen(client, three):
    assert ("lines.1.measure.solid_area.area_m2", "4,") in three
    page = press(client, three, "remove:1")
    assert offer(page) == ("Quitaste la partida 2: Losa", "undo:1")
    assert page.count("autofocus") == 1  # the sentence, so that it is read and in view
    assert typed_in(press(client, fields_of(page), "undo:1")) == three
    # Neither a reload of what was typed nor a refusal takes the offer away, and neither moves the focus to it.
    for answer in (
        client.post("/", dict(fields_of(page))),
        client.post("/quote/", {**dict(fields_of(page)), "lines.0.measure.volume.m3": "x"}),
    ):
        again = answer.content.decode()
        assert offer(again) == offer(page)
        assert not re.search("data-removal autofocus", again)


def test_several_removals_are_undone_one_after_the_other_and_keep_what_was_typed_since(client, three):
    page = press(client, three, "remove:2")  # the last one
    page = press(client, fields_of(page), "remove:0")
    assert offer(page)[0] == "Quitaste la partida 1: Concreto premezclado"
    typed = [(name, "9" if name == "lines.0.measure.volume.m3" else value) for name, value in fields_of(page)]
    page = press(client, typed, "undo:0")
    assert offer(page) == ("Quitaste la partida 3: Concreto premezclado", "undo:2")
    page = press(client, fields_of(page), "undo:2")
    assert offer(page) is None
    expected = [(name, "9" if name == "lines.1.measure.volume.m3" else value) for name, value in three]
    assert typed_in(page) == sorted(expected)


def test_the_product_that_another_is_chosen_for_comes_back_in_its_place(client, monkeypatch):
    monkeypatch.setattr(apps.get_app_config("quoter"), "book", read(BOOKS / "turf.toml"))
    lines = [("lines.0.product", "turf"), ("lines.1.product", "adhesive"), ("lines.1.measure.pieces.pieces", "3")]
    page = press(client, lines, "switch:1")
    assert offer(page)[1] == "undo:1"
    page = press(client, fields_of(page), "product:1:edging")
    undone = dict(fields_of(press(client, fields_of(page), "undo:1")))
    assert undone["lines.1.measure.pieces.pieces"] == "3"
    assert "lines.2.product" not in undone
    typed = [*fields_of(page), ("lines.1.measure.metres.m", "9")]
    undone = dict(fields_of(press(client, typed, "undo:1")))
    assert (undone["lines.1.product"], undone["lines.2.product"]) == ("adhesive", "edging")
    assert offer(press(client, lines[:1], "switch:0")) is None  # nothing was typed


def test_starting_over_is_undone_with_the_answers_and_the_quote_that_is_changed(client, monkeypatch, three):
    before = token.short(an_issued_quote())
    page = press(client, [*three, ("before", before)], "restart")
    assert offer(page) == ("Empezaste de nuevo.", "undo:0")
    assert "data-fresh" in page
    assert "before" not in dict(fields_of(page))
    # A line that was begun since stays, after the others.
    since = [*fields_of(page), ("lines.0.measure.volume.m3", "5")]
    for fields, count in (fields_of(page), 3), (since, 4):
        undone = press(client, fields, "undo:0")
        assert len(re.findall("data-line=", undone)) == count
        assert set(typed_in(undone)) >= {*three, ("before", before)}
    # Nothing to start over is nothing to undo.
    assert offer(press(client, [("lines.0.product", "concrete")], "restart")) is None

    monkeypatch.setattr(apps.get_app_config("quoter"), "book", read(BOOKS / "catering.toml"))
    page = press(client, [("answers.waiters", "7")], "restart")
    assert ("answers.waiters", "7") in fields_of(press(client, fields_of(page), "undo:0"))


@pytest.mark.by_hand
def test_a_full_form_takes_no_line_back_and_keeps_the_offer(client):
    page = press(client, [*as_form(*[a_line()] * 20).items()], "remove:19")
    page = press(client, fields_of(page), "copy:0")
    page = press(client, fields_of(page), "undo:19")
    assert "Divide el pedido en dos." in page
    assert offer(page)


@pytest.mark.parametrize("removed", ["x", "lines.0.product", "a=1&" * 3_000, "lines.9999.product=no", "%ff=%00 ="])
def test_a_removal_that_is_none_of_ours_changes_nothing_else(client, removed):
    page = press(client, [*as_form(a_line()).items(), ("removed", removed)], "undo:0")
    assert "5.6" in dict(fields_of(page)).values()
    assert 'class="totals"' in page


@pytest.mark.by_hand
def test_the_form_does_not_grow_without_end(client):
    fields = [*as_form(*[a_line(measure={"kind": "volume", "m3": "6" * 90})] * 20).items()]
    kept = []
    for _ in range(12):
        kept = [field for field in fields_of(press(client, [*fields, *kept], "restart")) if field[0] == "removed"]
    assert 20_000 < len(kept[0][1]) <= 64 * 1024
