"""Reading stored quotes: all that this site writes is read back, and anything else is read as empty."""

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
from leads.snapshot import Customer, Flag, Late, Line, Privacy, Snapshot, decoder, loads, read
from tests.site.test_layers import MODULES, templates
from tests.support import stored
from tests.support.factories import NAME, PHONE, PHONE_E164, a_contact, a_line, an_issued_quote
from tests.support.sources import tree_of

EMPTY = read(None)
A_MOMENT = stored.A_MOMENT


def every_value(quote: Snapshot) -> list[object]:
    """Return the value of every field and property of a snapshot."""
    parts = [getattr(quote, field.name) for field in fields(quote)]
    return [
        *parts,
        quote.total_text,
        quote.issued,
        quote.raw_json,
        *map(str, quote.lines),
        flags.labels(quote),
        flags.descriptions(quote),
        flags.descriptions(quote, asked_at=A_MOMENT),
    ]


def read_kind(kind: str) -> Snapshot:
    return read(loads((stored.KINDS | stored.ONLY_IN_POSTGRES)[kind]()))


# --- What this release writes -----------------------------------------------------------------------------------------


def test_everything_that_is_written_about_a_lead_is_read_back():
    issued = an_issued_quote(a_line(), a_line(measure={"kind": "volume", "m3": "7"}, extras=[]))
    contact = a_contact(
        privacy_accepted_at=A_MOMENT,
        marketing_accepted_at=A_MOMENT,
        privacy_notice_version="2026-11",
        attribution={"utm_source": "facebook", "referrer": "https://l.example/x"},
        flags=("honeypot", "too_fast"),
    )

    quote = read(lead_record(issued, contact).quote_data)

    assert quote.issued == issued
    assert quote.customer == Customer(NAME, PHONE_E164, PHONE)
    assert quote.privacy == Privacy(A_MOMENT, A_MOMENT, "2026-11")
    assert quote.flags == (Flag.HONEYPOT, Flag.TOO_FAST)
    assert quote.source == "facebook"
    assert (quote.subtotal, quote.tax, quote.total) == (
        issued.quote.subtotal,
        issued.quote.tax.amount,
        issued.quote.total,
    )
    assert (quote.language, quote.currency, quote.prices) == (issued.language, "MXN", issued.prices)
    assert [(line.description, line.billed, line.unit) for line in quote.lines] == [
        (line.description, line.billed, line.unit) for line in issued.quote.lines
    ]
    assert quote.late == Late()
    assert json.loads(quote.raw_json) == lead_record(issued, contact).quote_data


@given(
    name=st.text(st.characters(exclude_categories=["Cs"])),
    phone_raw=st.text(st.characters(exclude_categories=["Cs"])),
    accepted_at=st.none() | st.integers(0, 10**9).map(lambda seconds: A_MOMENT + timedelta(seconds=seconds)),
    listed=st.lists(st.sampled_from(Flag), unique=True),
)
def test_any_text_that_a_customer_typed_is_read_as_it_was_stored(name, phone_raw, accepted_at, listed):
    contact = a_contact(name=name, phone_raw=phone_raw, privacy_accepted_at=accepted_at, flags=tuple(listed))
    quote = read(loads(json.dumps(lead_record(an_issued_quote(), contact).quote_data).replace("\\u0000", "\\ufffd")))
    assert quote.customer == Customer(*(text.replace("\0", "\ufffd") for text in (name, PHONE_E164, phone_raw)))
    assert (quote.privacy.accepted_at, quote.flags) == (accepted_at, tuple(listed))


def test_a_quote_without_a_person_has_empty_contact_details():
    quote = read(
        quote_record(an_issued_quote(), visitor_id="v", attribution={"referrer": "https://l.example/x"}).quote_data
    )
    assert (quote.customer, quote.privacy, quote.flags, quote.source) == (Customer(), Privacy(), (), "l.example")


# --- What earlier releases and other shops wrote ----------------------------------------------------------------------


def test_a_late_lead_has_its_arrival_and_the_total_that_was_shown():
    assert read_kind("late").late == Late(A_MOMENT, None)
    assert read_kind("priced offline").late == Late(A_MOMENT, Decimal("1.00"))
    assert flags.descriptions(read_kind("priced offline"))[-1].endswith("$1.00.")


def test_an_unpriced_lead_has_no_total_but_keeps_what_was_stored():
    quote = read_kind("unpriced")
    assert (quote.total, quote.total_text, quote.lines, quote.issued) == (None, "", (), None)
    assert quote.customer.name == NAME
    assert "gone" in quote.raw_json


def test_an_anonymised_lead_still_has_its_quote():
    quote = read_kind("anonymised")
    assert quote.issued
    assert (quote.customer, quote.source) == (Customer(), "")
    assert quote.privacy.accepted_at


def test_a_row_of_another_shop_is_read_as_far_as_its_shape_is_known():
    quote = read_kind("adopted, with numbers")
    assert (quote.total_text, quote.tax, quote.source) == ("$1,234.50 MXN", Decimal(98), "radio")
    assert quote.issued is None


@pytest.mark.parametrize("kind", [*list(stored.KINDS)[7:], *stored.ONLY_IN_POSTGRES])
def test_a_row_of_unknown_shape_is_read_as_empty(kind):
    quote = read_kind(kind)
    parts = [field.name for field in fields(Snapshot) if field.name != "_data"]
    assert [getattr(quote, part) for part in parts] == [getattr(EMPTY, part) for part in parts]
    assert (quote.total_text, quote.issued) == ("", None)


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
def test_a_total_is_read_only_when_it_is_a_plausible_number(written, expected):
    assert read({"total": written}).total == (None if expected is None else Decimal(expected))


def test_a_line_without_a_description_or_a_quantity_is_left_out():
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
def test_a_row_that_cannot_be_shown_as_a_quote_has_no_issued_quote(change):
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
def test_the_reason_why_a_row_is_no_quote_contains_no_value(change, why):
    with pytest.raises(snapshot.NotAQuote) as raised:
        snapshot.parse_quote({**stored.a_lead().quote_data, **change})
    assert str(raised.value) == why


# --- Any content of a row ---------------------------------------------------------------------------------------------


@given(stored.values(with_halves=True) | stored.spoilt(with_halves=True))
@settings(max_examples=2 * settings.default.max_examples)
def test_any_json_value_can_be_read(data):
    every_value(read(data))


@given(stored.texts(with_halves=True))
@settings(max_examples=2 * settings.default.max_examples)
def test_every_decoded_value_can_be_written_to_a_page_and_a_file(text):
    data = loads(text)
    text_of_values = str(every_value(read(data)))
    assert "\0" not in text_of_values
    text_of_values.encode()
    json.dumps(data, ensure_ascii=False, indent=2).encode()


@given(st.text() | st.binary())
def test_text_that_is_not_json_can_be_read(text):
    every_value(read(loads(text)))
    assert snapshot.journal_record(loads(text)).snapshot == read(None) or text[:1] in ("{", b"{")


@pytest.mark.parametrize("levels", [decoder.MOST_LEVELS, decoder.MOST_LEVELS + 1, 900, 100_000])
def test_json_that_nests_too_deep_stays_text(levels):
    text = "[" * levels + "]" * levels
    assert isinstance(loads(text), list if levels <= decoder.MOST_LEVELS else str)


def test_lone_surrogates_and_nul_become_the_replacement_character():
    text = r'{"a\ud83d": ["\ude00b", "\ud83d\ude00", "nul\u0000"]}'
    assert loads(text) == {"a\ufffd": ["\ufffdb", "😀", "nul\ufffd"]}


# --- No other module depends on the shape -----------------------------------------------------------------------------

# The modules that name the column, and why. They use `leads.snapshot` to access its content.
COLUMN_USERS = {
    "leads.snapshot": "reads it",
    "leads.snapshot.merge": "merges two versions of it",
    "leads.snapshot.copied": "marks a copy of it",
    "leads.models.lead": "defines it",
    "leads.delivery.record": "writes it",
    "leads.delivery.upsert": "writes it",
    "leads.ops.demo": "writes it",
    "leads.ops.copy_trigger": "writes it",
    "leads.ops.adoption": "adopts a table that has it",
    "leads.ops.adopted_folios": "reports which folios came from it",
    "leads.ops.audit": "fetches it",
    "leads.privacy.export": "fetches it, and exports it whole",
    "leads.privacy.restore": "writes it",
    "leads.privacy.anonymise": "removes the person from it, of our quotes by the list of keys in `leads.snapshot`",
    "checkout.quote_page": "fetches it",
}
CODE = {
    name: tree_of(file)
    for name, file in MODULES.items()
    if not name.startswith("leads.migrations.") and "quote_data" in file.read_text(encoding="utf-8")
}
PATH = re.compile(r"quote_data(?:::\w+)?\s*(?:__|->|#>|@>|\?|\[)")


def names_the_column(tree: ast.AST) -> bool:
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return any("quote_data" in name for node in ast.walk(tree) if id(node) not in prose for name in words_of(node))


def words_of(node: ast.AST) -> list[str]:
    """Return the names and strings in one node of a syntax tree."""
    words = [getattr(node, field, None) for field in ("id", "attr", "arg", "name", "value")]
    return [word for word in words if isinstance(word, str)]


def is_the_column(node: ast.AST) -> bool:
    """Return whether a node reads the column: lead.quote_data, row["quote_data"], row.get("quote_data")."""
    key = None
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
        return node.attr == "quote_data"
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        key = node.slice
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get" and node.args:
        key = node.args[0]
    return isinstance(key, ast.Constant) and key.value == "quote_data"


def column_accesses(tree: ast.AST) -> list[str]:
    """Return the expressions that access the column, except those that pass it to a function of snapshot."""
    passed = {
        id(argument)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("snapshot.")
        for argument in node.args
    }
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if (is_the_column(node) and id(node) not in passed) or any(map(PATH.search, words_of(node)))
    ]


def test_only_the_listed_modules_name_the_column():
    assert {name for name, tree in CODE.items() if names_the_column(tree)} == COLUMN_USERS.keys()


def test_only_the_snapshot_accesses_the_content_of_the_column():
    accesses = {name: places for name, tree in CODE.items() if (places := column_accesses(tree))}
    assert accesses.keys() == {"leads.snapshot", "leads.snapshot.merge", "leads.snapshot.copied"}


def test_no_template_accesses_the_column():
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
def test_code_that_accesses_the_content_is_detected(code):
    tree = ast.parse(code)
    assert names_the_column(tree.body[0] if isinstance(tree.body[0], ast.Assign) else tree.body[0].value)
    assert column_accesses(tree)


@pytest.mark.parametrize("code", ["snapshot.read(lead.quote_data)", "snapshot.without_person(row['quote_data'])"])
def test_code_that_passes_the_column_to_the_snapshot_is_accepted(code):
    assert not column_accesses(ast.parse(code))
