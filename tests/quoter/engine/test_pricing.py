import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from quoter.engine.pricebook import Tax, parse
from quoter.engine.pricing import QuoteRefused
from quoter.engine.quote import LineRequest
from tests.support.quotes import BOOKS, CONCRETE, TURF, ZONE, concrete, edging, priced, refusal, turf

# One-line quotes of the real shop, every amount in cents.
EXAMPLES = json.loads((Path(__file__).parent / "data" / "concrete_examples.json").read_text(encoding="utf-8"))


def amounts(quote):
    return [str(amount) for amount in (quote.subtotal, quote.tax.amount, quote.total)]


# --- Quantities and prices ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: "-".join(example["measure"].values()))
def test_the_shop_s_own_examples_are_priced_to_the_cent(example):
    options = {"strength": example["strength"], "service": example["service"]}
    line = LineRequest(product="concrete", options=options, measure=example["measure"], extras=tuple(example["extras"]))
    quote = priced(CONCRETE, line)
    [priced_line] = quote.lines
    expected = {
        name.removesuffix("_cents"): Decimal(cents) / 100 for name, cents in example.items() if "_cents" in name
    }
    assert priced_line.billed == Decimal(example["billed"])
    assert priced_line.unit_price == expected["unit_price"]
    assert priced_line.base == expected["base"]
    assert sum(extra.amount for extra in priced_line.extras) == expected["extras"]
    assert priced_line.amount == quote.subtotal == expected["subtotal"]
    assert quote.tax.amount == expected["tax"]
    assert quote.total == expected["total"]
    assert (priced_line.requested <= Decimal("2.5")) == example["below_minimum"]


@pytest.mark.parametrize(
    ("requested", "billed", "base"),
    [
        ("0.1", "3", "7708.38"),  # 3 × 2569.46
        ("3", "3", "7708.38"),
        ("3.0001", "3.5", "8993.11"),  # 3.5 × 2569.46
        ("3.1", "3.5", "8993.11"),
        ("7.5", "7.5", "19270.95"),
        ("500", "500", "1284730.00"),
    ],
)
def test_a_volume_is_rounded_up_to_the_half_and_raised_to_the_minimum(requested, billed, base):
    [line] = priced(CONCRETE, concrete(requested)).lines
    assert (line.requested, line.billed, line.base) == (Decimal(requested), Decimal(billed), Decimal(base))


@pytest.mark.parametrize(
    ("requested", "unit_price"),
    [
        ("1", "3328.66"),
        ("3.5", "3328.66"),
        ("3.6", "3096.26"),
        ("4.5", "3096.26"),
        ("4.6", "3046.26"),
        ("200", "3046.26"),
    ],
)
def test_the_tier_is_chosen_by_the_billed_quantity(requested, unit_price):
    [line] = priced(CONCRETE, concrete(requested, service="pumped")).lines
    assert line.unit_price == Decimal(unit_price)


def test_half_a_cent_is_rounded_up_in_the_base():
    book = parse((BOOKS / "concrete.toml").read_text(encoding="utf-8").replace("2569.46", "2569.47"))
    assert priced(book, concrete("3.5")).lines[0].base == Decimal("8993.15")  # 3.5 × 2569.47 = 8993.145


def test_lines_of_several_products_add_up():
    quote = priced(TURF, turf("20"), edging("12.5"), LineRequest(product="adhesive", measure=pieces("2")))
    assert [str(line.amount) for line in quote.lines] == [
        "6360.00",
        "975.00",
        "4900.00",
    ]  # 20 × 318, 12.5 × 78, 2 × 2450
    assert amounts(quote) == ["12235.00", "1957.60", "14192.60"]


def pieces(number):
    return {"kind": "pieces", "pieces": number}


# --- Extras ---------------------------------------------------------------------------------------------------------


def test_an_extra_per_unit_is_charged_on_the_billed_quantity():
    [line] = priced(CONCRETE, concrete("3.1", extras=("accelerant", "fiber"))).lines
    assert [(extra.code, str(extra.amount)) for extra in line.extras] == [("fiber", "525.00"), ("accelerant", "630.00")]
    assert line.amount == Decimal("10148.11")  # 8993.11 + 3.5 × 150 + 3.5 × 180


def test_an_extra_asked_for_twice_is_charged_once():
    assert priced(CONCRETE, concrete(extras=("fiber", "fiber"))) == priced(CONCRETE, concrete(extras=("fiber",)))


def test_an_extra_per_order_is_charged_once_per_quote_and_the_other_lines_say_so():
    quote = priced(TURF, turf("20", extras=("travel",)), turf("30", extras=("travel",)), edging(extras=("travel",)))
    charged = [line.extras[0] for line in quote.lines]
    assert [str(extra.amount) for extra in charged] == ["950.00", "0.00", "0.00"]
    assert charged[0].description == "Travel out of town"
    assert charged[1].description == charged[2].description == "Travel out of town (once per order, already included)"
    assert quote.subtotal == Decimal("17630.00")  # 20 × 318 + 30 × 318 + 10 × 78 + 950


# --- Tax and validity -----------------------------------------------------------------------------------------------

AT_8_THEN_16 = CONCRETE.model_copy(
    update={
        "taxes": (
            Tax(name="IVA", rate=Decimal("0.08"), start=date(2026, 1, 1), end=date(2026, 12, 31)),
            Tax(name="IVA", rate=Decimal("0.16"), start=date(2027, 1, 1)),
        )
    }
)


@pytest.mark.parametrize(
    ("at", "rate", "tax", "total"),
    [
        (datetime(2026, 12, 31, 23, 59, 59, tzinfo=ZONE), "0.08", "1233.34", "16650.10"),  # 15416.76 × 0.08 = 1233.3408
        (datetime(2027, 1, 1, 0, 0, tzinfo=ZONE), "0.16", "2466.68", "17883.44"),
        (datetime(2027, 1, 1, 6, 59, tzinfo=UTC), "0.08", "1233.34", "16650.10"),  # still 31 December in Juárez
        (datetime(2027, 1, 1, 7, 0, tzinfo=UTC), "0.16", "2466.68", "17883.44"),
    ],
)
def test_a_new_tax_applies_from_its_first_day_on(at, rate, tax, total):
    quote = priced(AT_8_THEN_16, concrete("6"), at=at)
    assert quote.tax.rate == Decimal(rate)
    assert amounts(quote) == ["15416.76", tax, total]


@pytest.mark.parametrize(
    ("issued_at", "valid_until"),
    [
        ("2026-11-22T16:30:00-07:00", "2026-11-29T23:59:59-07:00"),
        ("2026-11-23T05:30:00+00:00", "2026-11-29T23:59:59-07:00"),  # 22 November, half past ten at night
        ("2026-10-28T12:00:00-06:00", "2026-11-04T23:59:59-07:00"),  # the clock goes back on 1 November
        ("2026-03-05T12:00:00-07:00", "2026-03-12T23:59:59-06:00"),  # and forward on 8 March
    ],
)
def test_a_quote_holds_to_the_end_of_its_seventh_day_in_the_business_zone(issued_at, valid_until):
    quote = priced(CONCRETE, concrete(), at=datetime.fromisoformat(issued_at))
    end = datetime.fromisoformat(valid_until)
    assert quote.model_dump(mode="json")["valid_until"] == valid_until
    assert not quote.is_expired(end)
    assert quote.is_expired(end + timedelta(seconds=1))


# --- Refusals -------------------------------------------------------------------------------------------------------


def test_the_maximum_itself_is_quoted_and_more_is_not():
    assert priced(CONCRETE, concrete("500")).lines[0].billed == 500
    assert refusal(CONCRETE, concrete("501")) == {
        "lines.0.measure.volume": "We quote up to 500 m³ per line online. For more, write to us on WhatsApp."
    }


def test_a_measured_quantity_above_the_maximum_is_refused_too():
    measure = {"kind": "rectangle", "length_m": "100", "width_m": "60"}
    line = LineRequest(product="turf", options={"pile_mm": "30", "base": "soil"}, measure=measure)
    assert refusal(TURF, line) == {
        "lines.0.measure.area": "We quote up to 5,000 m² per line online. For more, write to us on WhatsApp."
    }


@pytest.mark.parametrize("volume", ["0", "-1", "0.00"])
def test_a_quantity_of_nothing_is_refused(volume):
    assert refusal(CONCRETE, concrete(volume)) == {"lines.0.measure.volume": "The quantity must be more than zero."}


def test_a_combination_that_is_not_offered_is_never_free():
    assert refusal(CONCRETE, concrete(), concrete(strength="100", service="pumped")) == {
        "lines.1.options.service": "We do not offer “pumped” with f'c 100 kg/cm². We do offer: direct pour."
    }


def test_a_choice_that_is_not_offered_at_all_names_the_others():
    sold = TURF.product("edging")
    update = {"prices": sold.prices[:1], "not_offered": ({"material": "steel"},)}
    book = TURF.model_copy(update={"products": (sold.model_copy(update=update),)})
    assert refusal(book, edging(material="steel")) == {
        "lines.0.options.material": "We do not offer “galvanized steel” right now. We do offer: flexible PVC."
    }


def test_a_choice_that_leaves_nothing_to_offer_says_what_to_change():
    sold = CONCRETE.products[0]
    book = CONCRETE.model_copy(update={"products": (sold.model_copy(update={"prices": sold.prices[1:]}),)})
    assert refusal(book, concrete(strength="100")) == {
        "lines.0.options.service": "We do not offer “direct pour” with f'c 100 kg/cm², nor any other “Service”: "
        "change the rest."
    }


def test_every_fault_of_every_line_is_named():
    faulty = LineRequest(
        product="concrete", options={"strength": "999"}, measure={"kind": "volume", "m3": "4,500"}, extras=("ice",)
    )
    unmeasured = LineRequest(product="concrete", options={"strength": "200", "service": "direct"})
    assert set(refusal(CONCRETE, faulty, concrete(), LineRequest(product="gravel"), unmeasured)) == {
        "lines.0.options.strength",
        "lines.0.options.service",
        "lines.0.measure.m3",
        "lines.0.extras",
        "lines.2.product",
        "lines.3.measure.kind",
    }


def test_twenty_lines_are_quoted_and_twenty_one_refused():
    assert len(priced(CONCRETE, *[concrete()] * 20).lines) == 20
    assert refusal(CONCRETE, *[concrete()] * 21) == {"lines": "A quote has at most 20 lines. Split the order in two."}


def test_no_lines_are_refused():
    assert refusal(CONCRETE) == {"lines": "Add at least one line."}


# --- Explanations ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "es", "en"),
    [
        (concrete("6"), "", ""),
        (
            concrete("5.6"),
            "Se vende de 0.5 en 0.5 m³: de 5.6 sube a 6 m³.",
            "Sold in steps of 0.5 m³: 5.6 m³ is billed as 6.",
        ),
        (
            concrete("2.25"),
            "El pedido mínimo es de 3 m³: de 2.25 sube a 3 m³.",
            "The minimum order is 3 m³: 2.25 m³ is billed as 3.",
        ),
        (
            concrete("3", service="pumped", extras=("fiber",)),
            "Precio de 3 a 3.5 m³: $3,328.66 por m³. "
            "Desde 4 m³ baja a $3,096.26: 4 m³ costarían $12,985.04 más impuestos.",  # 4 × (3096.26 + 150)
            "Price for 3 to 3.5 m³: $3,328.66 per m³. "
            "Order 4 m³ or more and it drops to $3,096.26: 4 m³ would cost $12,985.04 plus tax.",
        ),
        (
            concrete("80", service="pumped"),
            "Precio desde 5 m³: $3,046.26 por m³.",
            "Price for 5 m³ or more: $3,046.26 per m³.",
        ),
    ],
)
def test_a_line_explains_its_quantity_and_its_price(line, es, en):
    assert priced(CONCRETE, line, language="es").lines[0].explanation == es
    assert priced(CONCRETE, line, language="en").lines[0].explanation == en


def test_a_measured_line_shows_the_calculation():
    measure = {"kind": "solid_dimensions", "length_m": "10", "width_m": "4,5", "thickness_cm": "12"}
    line = LineRequest(product="concrete", options={"strength": "200", "service": "direct"}, measure=measure)
    assert priced(CONCRETE, line, language="es").lines[0].explanation == (
        "Medida: 10 m × 4.5 m × 12 cm × 0.98 (se pide 98 %) = 5.292 m³. "
        "Se vende de 0.5 en 0.5 m³: de 5.292 sube a 5.5 m³."
    )


def test_a_next_tier_that_costs_less_says_how_much_less():
    # 29 × 78 = 2262; 30 × 69.50 = 2085
    [line] = priced(TURF, edging("29"), language="es").lines
    assert line.explanation == (
        "Precio de 5 a 29.5 m: $78.00 por m. "
        "Desde 30 m baja a $69.50: 30 m costarían $2,085.00 más impuestos, $177.00 menos."
    )
    assert "30 m would cost $2,085.00 plus tax, $177.00 less." in priced(TURF, edging("29")).lines[0].explanation


def test_a_next_tier_is_compared_with_the_extras_that_grow_with_it():
    # 27 × 78 = 2106 is more than 30 × 69.50 = 2085, but 27 × (78 + 55) = 3591 is less than 30 × (69.50 + 55) = 3735.
    [bare] = priced(TURF, edging("27")).lines
    [installed] = priced(TURF, edging("27", extras=("installation", "travel"))).lines
    assert bare.explanation.endswith("30 m would cost $2,085.00 plus tax, $21.00 less.")
    assert installed.explanation.endswith("30 m would cost $4,685.00 plus tax.")  # with the 950 of the travel


def test_a_single_quantity_that_has_its_own_tier_is_named_alone():
    toml = (BOOKS / "turf.toml").read_text(encoding="utf-8")
    book = parse(toml.replace("from = 1, to = 4,", "from = 1, to = 1,").replace("from = 5, price", "from = 2, price"))
    [line] = priced(book, LineRequest(product="adhesive", measure=pieces("1")), language="es").lines
    assert line.explanation == "Precio para 1 pza: $2,450.00 por pza."
    [in_english] = priced(book, LineRequest(product="adhesive", measure=pieces("1"))).lines
    assert in_english.explanation == "Price for 1 pc: $2,450.00 per pc."
    assert in_english.unit == "pza"  # as stored quotes have it


@pytest.mark.parametrize(
    ("m2", "is_mentioned"),
    # From 50 m² on it costs 289 instead of 318, so 46 m² (14,628) cost more than 50 (14,450). 34 is near, 33 too far.
    [("46", True), ("34", True), ("33", False), ("12", False)],
)
def test_a_next_tier_is_mentioned_when_it_is_near(m2, is_mentioned):
    [line] = priced(TURF, turf(m2)).lines
    assert ("Order 50 m²" in line.explanation) == is_mentioned


def test_a_next_tier_that_costs_less_in_total_is_mentioned_at_any_distance():
    toml = (BOOKS / "turf.toml").read_text(encoding="utf-8")
    book = parse(toml.replace("{ from = 50, to = 199, price = 289.00 }", "{ from = 50, to = 199, price = 60.00 }"))
    [line] = priced(book, turf("20")).lines  # 20 × 318 = 6,360; 50 × 60 = 3,000
    assert "50 m² would cost $3,000.00 plus tax, $3,360.00 less." in line.explanation


@pytest.mark.parametrize(
    ("m3", "sentence"),
    [
        ("3.0004", "3.0004 m³ is billed as 3.5."),
        ("3.49999", "3.49999 m³ is billed as 3.5."),
        ("4.00000001", "4.00000001 m³ is billed as 4.5."),
        ("2.9996", "2.9996 m³ is billed as 3."),
        ("5.2924", "5.292 m³ is billed as 5.5."),
    ],
)
def test_a_quantity_just_off_a_step_is_written_with_enough_decimals_to_show_it(m3, sentence):
    assert sentence in priced(CONCRETE, concrete(m3)).lines[0].explanation


def test_descriptions_are_in_the_language_of_the_quote_and_amounts_are_not():
    spanish = priced(CONCRETE, concrete(service="pumped"), language="es")
    english = priced(CONCRETE, concrete(service="pumped"), language="en")
    assert spanish.lines[0].description == "Concreto premezclado, f'c 200 kg/cm², bombeado"
    assert english.lines[0].description == "Ready-mix concrete, f'c 200 kg/cm², pumped"
    assert amounts(spanish) == amounts(english)


# --- What holds for every quote -------------------------------------------------------------------------------------


@st.composite
def lines_of(draw, book):
    """Draw a line that can be priced: any combination on offer, any quantity up to the maximum, any extras."""
    product = draw(st.sampled_from(book.products))
    listed = draw(st.sampled_from(product.prices))
    known = next(measure for measure in product.measures if measure.formula == "known")
    [name] = known.inputs(product.unit)
    low = known.bounds[name].min if name in known.bounds else Decimal("0.001")
    wanted = draw(st.decimals(low, product.maximum, places=3))
    extras = draw(st.lists(st.sampled_from([extra.code for extra in product.extras]), max_size=4))
    measure = {"kind": known.kind, name: f"{wanted:f}"}
    return LineRequest(product=product.code, options=listed.options, measure=measure, extras=tuple(extras))


def quotable(*, most_lines):
    return st.sampled_from([CONCRETE, TURF]).flatmap(
        lambda book: st.tuples(st.just(book), st.lists(lines_of(book), min_size=1, max_size=most_lines))
    )


@given(quotable(most_lines=1))
def test_the_billed_quantity_is_the_smallest_that_may_be_sold(asked):
    book, lines = asked
    [line] = priced(book, *lines).lines
    product = book.product(line.product)
    assert line.billed >= line.requested
    assert line.billed >= product.minimum
    assert line.billed % product.step == 0
    assert line.billed - product.step < line.requested or line.billed == product.minimum


@given(quotable(most_lines=20))
def test_what_is_printed_adds_up(asked):
    book, lines = asked
    quote = priced(book, *lines)
    for line in quote.lines:
        assert line.base > 0
        assert line.amount == line.base + sum(extra.amount for extra in line.extras)
    assert quote.subtotal == sum(line.amount for line in quote.lines)
    assert quote.total == quote.subtotal + quote.tax.amount
    # Half up, in whole numbers: cents of the subtotal, times the rate in per cent, and fifty to round.
    assert quote.tax.amount * 100 == (quote.subtotal * 100 * (quote.tax.rate * 100) + 50) // 100


@given(quotable(most_lines=6), st.randoms(use_true_random=False))
def test_the_order_of_the_lines_does_not_change_the_total(asked, chance):
    book, lines = asked
    shuffled = chance.sample(lines, len(lines))
    assert amounts(priced(book, *shuffled)) == amounts(priced(book, *lines))


@given(quotable(most_lines=1), st.decimals("0.001", 5000, places=3))
def test_more_of_the_same_tier_never_costs_less(asked, other):
    book, [line] = asked
    product = book.product(line.product)
    [name] = set(line.measure) - {"kind"}
    assume(other <= product.maximum and (line.product != "edging" or other >= Decimal("0.5")))
    another = line.model_copy(update={"measure": {**line.measure, name: f"{other:f}"}})
    [one], [two] = priced(book, line).lines, priced(book, another).lines
    assume(one.unit_price == two.unit_price)
    less, more = sorted([one, two], key=lambda priced_line: priced_line.requested)
    assert less.amount <= more.amount


def sometimes(junk, *real):
    return st.one_of(junk, st.sampled_from(real))


TEXTS = st.text(max_size=25)
NUMBERS = st.one_of(TEXTS, st.text("0123456789.,-e", max_size=25), st.decimals().map(str))
JUNK = st.builds(
    LineRequest,
    product=sometimes(TEXTS, "concrete", "turf", "edging", "adhesive"),
    options=st.dictionaries(
        sometimes(TEXTS, "strength", "service", "pile_mm", "base", "material"),
        sometimes(TEXTS, "100", "200", "direct", "pumped", "30", "40", "soil", "concrete", "pvc"),
    ),
    measure=st.builds(
        lambda kind, numbers: {**numbers, "kind": kind},
        sometimes(
            TEXTS, *{measure.kind for book in (CONCRETE, TURF) for sold in book.products for measure in sold.measures}
        ),
        st.fixed_dictionaries(
            {},
            optional=dict.fromkeys(
                ["m3", "m2", "m", "length_m", "width_m", "area_m2", "thickness_cm", "block_cm"], NUMBERS
            ),
        ),
    ),
    extras=st.lists(sometimes(TEXTS, "fiber", "travel")).map(tuple),
)


@given(st.sampled_from([CONCRETE, TURF]), st.lists(JUNK, max_size=22))
def test_any_request_is_priced_or_refused_with_a_message_for_each_field(book, lines):
    try:
        quote = priced(book, *lines)
    except QuoteRefused as refused:
        errors = refused.errors
    else:
        assert quote.total > 0
        return
    assert errors
    assert all(field.startswith("lines") and message.es and message.en for field, message in errors)


@pytest.mark.parametrize("book", [CONCRETE, TURF])
def test_every_combination_on_offer_has_one_price_at_every_step(book):
    for product in book.products:
        for listed in product.prices:
            billed = product.minimum
            while billed <= product.maximum:
                assert sum(tier.covers(billed) for tier in listed.tiers) == 1
                billed += product.step
