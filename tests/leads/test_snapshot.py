"""What a stored quote says: all that we write is read back, and whatever else a row holds is read as nothing."""

import ast
import json
import re
from dataclasses import fields
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leads import snapshot
from leads.delivery.record import lead_record, quote_record
from leads.inbox import flags
from leads.snapshot import Customer, Flag, Late, Line, Privacy, Snapshot, loads, read
from tests.site.test_layers import MODULES, templates
from tests.support import stored
from tests.support.factories import NAME, PHONE, PHONE_E164, a_contact, a_line, an_issued_quote

NOTHING = read(None)
A_MOMENT = stored.A_MOMENT


def all_of(said: Snapshot) -> list[object]:
    """Ask a snapshot for everything that it can answer."""
    parts = [getattr(said, field.name) for field in fields(said)]
    return [
        *parts,
        said.total_text,
        said.issued,
        said.raw_json,
        *map(str, said.lines),
        flags.labels(said),
        flags.descriptions(said),
    ]


def said_by(kind: str) -> Snapshot:
    return read(loads((stored.KINDS | stored.ONLY_IN_POSTGRES)[kind]()))


# --- What is written --------------------------------------------------------------------------------------------------


def test_what_is_written_of_a_lead_is_read_back():
    issued = an_issued_quote(a_line(), a_line(measure={"kind": "volume", "m3": "7"}, extras=[]))
    contact = a_contact(
        privacy_accepted_at=A_MOMENT,
        marketing_accepted_at=A_MOMENT,
        privacy_notice_version="2026-11",
        attribution={"utm_source": "facebook", "referrer": "https://l.example/x"},
        flags=("honeypot", "too_fast"),
    )

    said = read(lead_record(issued, contact).quote_data)

    assert said.issued == issued
    assert said.customer == Customer(NAME, PHONE_E164, PHONE)
    assert said.privacy == Privacy(A_MOMENT, A_MOMENT, "2026-11")
    assert said.flags == (Flag.HONEYPOT, Flag.TOO_FAST)
    assert said.source == "facebook"
    assert (said.subtotal, said.tax, said.total) == (issued.quote.subtotal, issued.quote.tax.amount, issued.quote.total)
    assert (said.language, said.currency, said.prices) == (issued.language, "MXN", issued.prices)
    assert [(line.description, line.billed, line.unit) for line in said.lines] == [
        (line.description, line.billed, line.unit) for line in issued.quote.lines
    ]
    assert said.late == Late()
    assert json.loads(said.raw_json) == lead_record(issued, contact).quote_data


@given(
    name=st.text(st.characters(exclude_categories=["Cs"])),
    phone_raw=st.text(st.characters(exclude_categories=["Cs"])),
    accepted_at=st.none() | st.integers(0, 10**9).map(lambda seconds: A_MOMENT + timedelta(seconds=seconds)),
    listed=st.lists(st.sampled_from(Flag), unique=True),
)
@settings(max_examples=25)
def test_whatever_a_customer_typed_is_read_as_it_was_stored(name, phone_raw, accepted_at, listed):
    contact = a_contact(name=name, phone_raw=phone_raw, privacy_accepted_at=accepted_at, flags=tuple(listed))
    said = read(loads(json.dumps(lead_record(an_issued_quote(), contact).quote_data).replace("\\u0000", "\\ufffd")))
    assert said.customer == Customer(*(text.replace("\0", "\ufffd") for text in (name, PHONE_E164, phone_raw)))
    assert (said.privacy.accepted_at, said.flags) == (accepted_at, tuple(listed))


def test_a_quote_without_a_person_says_nothing_of_one():
    said = read(
        quote_record(an_issued_quote(), visitor_id="v", attribution={"referrer": "https://l.example/x"}).quote_data
    )
    assert (said.customer, said.privacy, said.flags, said.source) == (Customer(), Privacy(), (), "l.example")


# --- What earlier releases and other shops wrote ----------------------------------------------------------------------


def test_a_late_lead_says_when_it_came_and_what_was_shown():
    assert said_by("late").late == Late(A_MOMENT, None)
    assert said_by("priced offline").late == Late(A_MOMENT, Decimal("1.00"))
    assert flags.descriptions(said_by("priced offline"))[-1].endswith("$1.00.")


def test_an_unpriced_lead_has_no_total_and_all_that_was_kept():
    said = said_by("unpriced")
    assert (said.total, said.total_text, said.lines, said.issued) == (None, "", (), None)
    assert said.customer.name == NAME
    assert "gone" in said.raw_json


def test_an_anonymised_lead_is_still_the_quote():
    said = said_by("anonymised")
    assert said.issued
    assert (said.customer, said.source) == (Customer(), "")
    assert said.privacy.accepted_at


def test_another_shop_s_row_says_what_can_be_understood():
    said = said_by("adopted, with numbers")
    assert (said.total_text, said.tax, said.source) == ("$1,234.50 MXN", Decimal(98), "radio")
    assert said.issued is None


@pytest.mark.parametrize("kind", [*list(stored.KINDS)[7:], *stored.ONLY_IN_POSTGRES])
def test_what_cannot_be_understood_is_nothing(kind):
    said = said_by(kind)
    parts = [field.name for field in fields(Snapshot) if field.name != "_data"]
    assert [getattr(said, part) for part in parts] == [getattr(NOTHING, part) for part in parts]
    assert (said.total_text, said.issued) == ("", None)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("1234.50", "1234.50"),
        (1234.5, "1234.5"),
        (-3, "-3"),
        ("-0.50", "-0.50"),
        (True, None),
        (None, None),
        ("", None),
        ("$5", None),
        ("NaN", None),
        ("sNaN", None),
        ("Infinity", None),
        (float("inf"), None),
        (float("nan"), None),
        ("1E+30", None),
        ("1E-100", None),
        (10**5000, None),
        ("9" * 1_000_000, None),
        ([0, [1, 2], 0], None),
        ({"amount": "1.00"}, None),
        ("\ud800", None),
    ],
    ids=lambda value: repr(value)[:12] if not isinstance(value, int) or value < 10**9 else "10**5000",
)
def test_a_figure_is_a_number_that_a_shop_can_have(written, expected):
    assert read({"total": written}).total == (None if expected is None else Decimal(expected))


def test_a_line_without_a_name_or_an_amount_is_left_out():
    whole = {"description": "Turf", "billed": "1200.50", "unit": "m²"}
    [line] = read({"lines": [whole, {"description": "Turf"}, {"billed": "1"}, 5, None]}).lines
    assert line == Line("Turf", Decimal("1200.50"), "m²")
    assert str(line) == "1,200.5 m² · Turf"


@pytest.mark.parametrize(
    "change",
    [
        {"issued_at": "2026-11-22T10:00:00"},
        {"valid_until": "2026-11-29"},
        {"issued_at": "0001-01-01T00:00:00+00:00"},
        {"valid_until": "9999-12-31T23:59:59-07:00"},
        {"total": "1E+999999"},
        {"prices": {}},
        {"prices": None},
        {"language": "fr"},
    ],
    ids=str,
)
def test_what_cannot_be_shown_as_a_quote_is_none_of_ours(change):
    data = stored.a_lead().quote_data
    assert read(data).issued
    assert read({**data, **change}).issued is None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"total": "x"}, "its 'total' is wrong (decimal_parsing)"),
        ({"lines": [{}]}, "it lacks 'lines.0.product'"),
        ({"valid_until": "2026-11-29"}, "its times are out of bounds or lack an offset"),
        ({"total": "1E+40"}, "its figures are out of bounds"),
    ],
)
def test_why_it_is_none_is_told_without_a_value(change, why):
    with pytest.raises(snapshot.NotAQuote) as raised:
        snapshot.parse_quote({**stored.a_lead().quote_data, **change})
    assert str(raised.value) == why


# --- Whatever a row holds ---------------------------------------------------------------------------------------------


@given(stored.values(with_halves=True) | stored.spoilt(with_halves=True))
@settings(max_examples=100)
def test_whatever_a_row_holds_it_is_read(data):
    all_of(read(data))


@given(stored.texts(with_halves=True))
@settings(max_examples=100)
def test_whatever_json_says_can_be_written_to_a_page_and_to_a_file(text):
    data = loads(text)
    said = all_of(read(data))
    assert "\0" not in str(said)
    str(said).encode()
    json.dumps(data, ensure_ascii=False, indent=2).encode()


@given(st.text() | st.binary())
@settings(max_examples=50)
def test_what_is_no_json_is_read_as_well(text):
    all_of(read(loads(text)))
    assert snapshot.journal_record(loads(text)).snapshot == read(None) or text[:1] in ("{", b"{")


@pytest.mark.parametrize("levels", [snapshot.MOST_LEVELS, snapshot.MOST_LEVELS + 1, 900, 100_000])
def test_what_nests_too_deep_stays_a_text(levels):
    text = "[" * levels + "]" * levels
    assert isinstance(loads(text), list if levels <= snapshot.MOST_LEVELS else str)


def test_halves_of_a_character_become_one_mark():
    text = r'{"a\ud83d": ["\ude00b", "\ud83d\ude00", "nul\u0000"]}'
    assert loads(text) == {"a\ufffd": ["\ufffdb", "😀", "nul\ufffd"]}


# --- Nobody else knows the shape --------------------------------------------------------------------------------------

# Modules that name the column, and what for. What is in it, they ask `leads.snapshot`.
NAME_THE_COLUMN = {
    "leads.snapshot": "reads it",
    "leads.models": "defines it",
    "leads.delivery.record": "writes it",
    "leads.delivery.upsert": "writes it",
    "leads.ops.demo": "writes it",
    "leads.ops.doctor.writing": "writes a row, and takes it back",
    "leads.ops.adoption": "adopts a table that has it",
    "leads.ops.adopted_folios": "says where folios come from",
    "leads.ops.audit": "fetches it",
    "leads.privacy.export": "fetches it, and hands it out whole",
    "leads.privacy.anonymise": "takes the person out of it, by the list of `leads.snapshot`",
    "checkout.quote_page": "fetches it",
}
CODE = {
    name: ast.parse(file.read_text(encoding="utf-8"))
    for name, file in MODULES.items()
    if not name.startswith("leads.migrations.")
}
PATH = re.compile(r"quote_data(?:::\w+)?\s*(?:__|->|#>|@>|\?|\[)")


def names_the_column(tree: ast.AST) -> bool:
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return any("quote_data" in name for node in ast.walk(tree) if id(node) not in prose for name in words_of(node))


def words_of(node: ast.AST) -> list[str]:
    """Return the names and texts of one node of a program."""
    words = [getattr(node, field, None) for field in ("id", "attr", "arg", "name", "value")]
    return [word for word in words if isinstance(word, str)]


def is_the_column(node: ast.AST) -> bool:
    """Whether a node is what a row has in the column: lead.quote_data, row["quote_data"], row.get("quote_data")."""
    key = None
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
        return node.attr == "quote_data"
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        key = node.slice
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get" and node.args:
        key = node.args[0]
    return isinstance(key, ast.Constant) and key.value == "quote_data"


def shape_known_in(tree: ast.AST) -> list[str]:
    """Return the places of a program that reach into the column, rather than hand it to a function of snapshot."""
    handed = {
        id(argument)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("snapshot.")
        for argument in node.args
    }
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if (is_the_column(node) and id(node) not in handed) or any(map(PATH.search, words_of(node)))
    ]


def test_the_modules_that_name_the_column_are_known():
    assert {name for name, tree in CODE.items() if names_the_column(tree)} == NAME_THE_COLUMN.keys()


def test_only_the_snapshot_reaches_into_the_column():
    found = {name: places for name, tree in CODE.items() if (places := shape_known_in(tree))}
    assert found.keys() == {"leads.snapshot"}


def test_no_template_reaches_into_it():
    assert [path for _app, path, text in templates() if "quote_data" in text] == []


@pytest.mark.parametrize(
    "code",
    [
        "lead.quote_data['total']",
        "lead.quote_data.get('total')",
        "row['quote_data']['total']",
        "row.get('quote_data').items()",
        "data = lead.quote_data",
        "'total' in lead.quote_data",
        "len(lead.quote_data)",
        "Lead.objects.filter(quote_data__flags__contains=['late'])",
        "KT('quote_data__customer__phone_raw')",
        "cursor.execute(\"SELECT quote_data->>'folio' FROM leads\")",
        "cursor.execute(\"SELECT quote_data::jsonb #>> '{total}' FROM leads\")",
    ],
)
def test_whoever_reaches_into_it_is_found(code):
    tree = ast.parse(code)
    assert names_the_column(tree.body[0] if isinstance(tree.body[0], ast.Assign) else tree.body[0].value)
    assert shape_known_in(tree)


@pytest.mark.parametrize("code", ["snapshot.read(lead.quote_data)", "snapshot.without_person(row['quote_data'])"])
def test_whoever_hands_it_on_is_not(code):
    assert not shape_known_in(ast.parse(code))
