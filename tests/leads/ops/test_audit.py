"""The audit prices every stored quote again from its own prices, and finds amounts that do not follow from them."""

import json
from copy import deepcopy
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from leads import paging
from leads.delivery.record import quote_record
from leads.models import Lead
from leads.ops import audit
from quoter import site, token
from quoter.engine import pricing
from quoter.engine.discount import Discount
from quoter.engine.pricebook import read
from quoter.engine.quote import LineRequest
from quoter.engine.text import Text
from tests.support.factories import a_line, an_issued_quote
from tests.support.quotes import A_FOLIO, A_MOMENT, BOOKS, CONCRETE, TURF, ZONE, edging, priced, turf

pytestmark = pytest.mark.django_db

TWO_LINES = [a_line(), a_line(measure={"kind": "solid_area", "area_m2": "40", "thickness_cm": "12"}, extras=[])]


def stored(*lines) -> dict:
    """Return a quote as it is stored: 15,416.76 and 900.00 of fibre on the first line, taxed at 8 %."""
    return quote_record(an_issued_quote(*lines), visitor_id="").quote_data


def a_lead(data: dict) -> Lead:
    return Lead.objects.create(folio=data.get("folio", "UNREADABLE"), quote_data=data)


def found_in(data: object) -> list[tuple[str, str, str]]:
    findings = audit.findings_in("F", data, zone=site.zone())
    assert {finding.folio for finding in findings} <= {"F"}
    return [(finding.place, finding.found, finding.expected) for finding in findings]


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("audit_quotes", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def run_and_fail(*arguments: str) -> list[str]:
    out = StringIO()
    with pytest.raises(CommandError, match="A person is needed"):
        call_command("audit_quotes", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue().splitlines()


def test_a_quote_as_it_was_given_has_no_finding():
    assert found_in(stored(*TWO_LINES)) == []


def test_a_quote_of_another_book_than_the_shop_s_present_one_has_no_finding():
    lines: list[LineRequest] = [turf("20.5", extras=("infill",)), edging("10")]
    quote = priced(TURF, *lines)
    assert found_in(quote_record(token.issue(TURF, quote), visitor_id="").quote_data) == []
    assert site.price_book().name == CONCRETE.name


def a_discounted_quote() -> dict:
    lines = [LineRequest.model_validate(a_line(extras=[]))]
    issued = site.issue(
        lines, seller="Ana Ruiz", discount=Discount.of(Decimal("0.05"), Text(es="Volumen", en="Volume"))
    )
    return quote_record(issued, visitor_id="").quote_data


def test_a_seller_s_discount_is_recomputed_like_every_other_amount():
    data = a_discounted_quote()
    assert (data["seller"], data["discounts"][0]["amount"], data["total"]) == ("Ana Ruiz", "-770.84", "15817.59")
    assert found_in(data) == []


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda data: data["discounts"][0].update(amount="-1770.84"), "discounts.seller_discount"),
        (lambda data: data["discounts"].clear(), "discounts.seller_discount"),
        (lambda data: data["prices"]["fees"][0].update(rate="-0.5"), "discounts.seller_discount"),
    ],
)
def test_a_discount_that_was_changed_afterwards_is_found(change, place):
    data = a_discounted_quote()
    change(data)
    assert place in [found for found, *_rest in found_in(data)]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda data: data.update(total="1.00"), ("total", "1.00", "17622.10")),
        (lambda data: data.update(subtotal="16316.77"), ("subtotal", "16316.77", "16316.76")),
        (lambda data: data["tax"].update(amount="0.00"), ("tax.amount", "0.00", "1305.34")),
        (lambda data: data["tax"].update(rate="0.16"), ("tax.rate", "0.16", "0.08")),
        (lambda data: data["lines"][0].update(amount="900.00"), ("lines.0.amount", "900.00", "16316.76")),
        (lambda data: data["lines"][0].update(base="15416.77"), ("lines.0.base", "15416.77", "15416.76")),
        (lambda data: data["lines"][0].update(unit_price="2.00"), ("lines.0.unit_price", "2.00", "2569.46")),
        (lambda data: data["lines"][0].update(billed="5.5"), ("lines.0.billed", "5.5", "6")),
        (lambda data: data["lines"][0].update(requested="6"), ("lines.0.requested", "6", "5.6")),
        (
            lambda data: data["lines"][0]["extras"][0].update(amount="1.00"),
            ("lines.0.extras.fiber", "1.00", "900.00"),
        ),
        (lambda data: data.update(total="17622.104"), ("total", "17622.104", "17622.10")),
    ],
)
def test_an_altered_amount_is_found(change, expected):
    data = deepcopy(stored())
    change(data)
    assert found_in(data) == [expected]


def test_altered_prices_are_found_in_every_amount_that_follows_from_them():
    data = stored(a_line(extras=[]))
    data["prices"]["products"][0]["prices"][0]["tiers"][0]["price"] = "1000.00"
    assert found_in(data) == [
        ("subtotal", "15416.76", "6000.00"),
        ("tax.amount", "1233.34", "480.00"),
        ("total", "16650.10", "6480.00"),
        ("lines.0.unit_price", "2569.46", "1000.00"),
        ("lines.0.base", "15416.76", "6000.00"),
        ("lines.0.amount", "15416.76", "6000.00"),
    ]


def test_an_extra_that_is_listed_twice_is_found():
    data = stored()
    data["lines"][0]["extras"].append({"code": "fiber", "description": "again", "amount": "1.00"})
    assert ("lines.0.extras.fiber", "1.00", "900.00") in found_in(data)


@pytest.mark.parametrize(
    ("data", "why"), [({}, "it lacks 'folio'"), ([], "it is no JSON object"), (None, "it is no JSON object")]
)
def test_a_quote_that_cannot_be_read_is_reported_with_the_reason(data, why):
    assert found_in(data) == [("", why, "")]


@pytest.mark.parametrize("flags", [True, 5, "late", [["late"]], {"late": 1}])
def test_flags_of_another_shape_are_not_a_finding(flags):
    assert found_in({**stored(), "flags": flags}) == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda data: data.pop("prices"), "its prices are not a price book"),
        (lambda data: data.update(prices={}), "its prices are not a price book"),
        (lambda data: data.update(issued_at="yesterday"), "its 'issued_at' is wrong"),
        (lambda data: data["lines"][0].update(product="bricks"), "QuoteRefused: lines.0.product: Choose a product"),
        (
            lambda data: data["prices"]["products"][0]["prices"][0]["tiers"][0].update({"from": "90"}),
            "QuoteRefused: lines.0",
        ),
        (lambda data: data["lines"].clear(), "QuoteRefused: lines: Add at least one line."),
    ],
)
def test_a_quote_that_cannot_be_priced_again_is_reported_with_the_reason(change, why):
    data = stored()
    change(data)
    ((place, reason, _),) = found_in(data)
    assert place == ""
    assert reason.startswith(why)


# --- The command ----------------------------------------------------------------------------------------------------


def test_correct_quotes_are_reported_in_one_line():
    a_lead(stored())
    a_lead(stored(*TWO_LINES))
    assert run() == "2 quotes audited, 0 do not follow from their own prices\n"


def test_each_fault_is_one_line_and_the_command_fails():
    correct, altered, unreadable = stored(), stored(), {"folio": "OLD-1", "name": "Zoila", "prices": {}}
    altered["total"], altered["subtotal"] = "1.00", "2.00"
    for data in (correct, altered, unreadable):
        a_lead(data)

    assert sorted(run_and_fail()) == sorted(
        [
            f"{altered['folio']}: total is 1.00, its own prices give 17622.10",
            f"{altered['folio']}: subtotal is 2.00, its own prices give 16316.76",
            "OLD-1: cannot be read: it lacks 'issued_at'",
            "3 quotes audited, 2 do not follow from their own prices",
        ]
    )


@pytest.mark.parametrize(
    "foreign",
    [
        {},
        {"folio": "WEB-1", "financials": {"total": 15400.5}, "items": [{"label": "Concreto", "volume": 6}]},
        {"summary": {"total": 1}, "context": {"folio": "WEB-2"}, "tax": 16, "valid_until": "2026-01-01"},
        {"lines": [], "total": "1.00", "issued_at": "2026-01-01"},
        [],
        "a text",
        {**stored(), "flags": ["unpriced"], "prices": {}},
    ],
    ids=["nothing", "financials", "a summary", "lines alone", "a list", "a text", "unpriced"],
)
def test_what_carries_no_prices_is_counted_apart_and_is_no_fault(foreign):
    Lead.objects.create(folio="F-1", quote_data=foreign)
    a_lead(stored())
    told = ", 1 carry no prices and cannot be checked"
    assert run() == f"2 quotes audited, 0 do not follow from their own prices{told}\n"


def test_a_quote_of_this_site_that_lost_its_prices_is_a_fault():
    data = stored()
    del data["prices"]
    a_lead(data)
    assert run_and_fail()[0].endswith("cannot be read: its prices are not a price book")


def test_the_reported_folio_is_that_of_the_row():
    data = stored()
    Lead.objects.create(folio="THE-ROW", quote_data={**data, "total": "1.00"})
    assert run_and_fail()[0].startswith("THE-ROW: ")


def test_quotes_from_before_a_day_can_be_left_out():
    damaged = {"prices": {}}
    Lead.objects.create(folio="OLD-1", quote_data=damaged, created_at="2026-05-31T23:59:59-06:00")
    Lead.objects.create(folio="OLD-2", quote_data=damaged, created_at="2026-06-01T00:00:00-06:00")
    assert len(run_and_fail()) == 3
    assert run_and_fail("--since", "2026-06-01")[0].startswith("OLD-2: ")
    assert run("--since", "2026-06-02").startswith("0 quotes audited")


def test_a_page_takes_two_queries_and_the_same_prices_are_parsed_once(monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(paging, "PAGE", 2)
    for _ in range(5):
        a_lead(stored())
    audit._prices.cache_clear()

    with django_assert_num_queries(2 + 3 * 2):  # the first and last lead; for each page its end and its leads
        audited = list(audit.audit(Lead.objects.all(), zone=site.zone()))

    assert [page.quotes for page in audited] == [2, 2, 1]
    assert audit._prices.cache_info().misses == 1


def test_fees_taxes_and_deposits_are_recomputed_from_the_quote_s_own_prices():
    for book in map(read, sorted(BOOKS.glob("*.toml"))):
        for example in (example for example in book.examples if not example.refused):
            quote = pricing.price(
                book,
                example.lines,
                answers=example.answers,
                folio=A_FOLIO,
                issued_at=A_MOMENT,
                zone=ZONE,
                language="es",
            )
            data = json.loads(token.issue(book, quote).text)
            assert audit.findings_in(A_FOLIO, data, zone=ZONE) == []
            if quote.fees:
                data["fees"][0]["amount"] = "1.00"
                [finding] = audit.findings_in(A_FOLIO, data, zone=ZONE)
                assert finding.place == f"fees.{quote.fees[0].code}"
