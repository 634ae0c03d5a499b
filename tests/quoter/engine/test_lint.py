from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import translation
from hypothesis import assume, given
from hypothesis import strategies as st

from quoter.engine import lint, pricing
from quoter.engine.finding import PriceBookInvalid
from quoter.engine.pricebook import parse
from tests.support.quotes import BOOKS

SMALL_BOOK = (Path(__file__).parent / "data" / "small_book.toml").read_text(encoding="utf-8")

RED = "products[0].prices[0]"
BLUE = "products[0].prices[1]"
FAULTS = {
    "a gap between two tiers": ("from = 5, to = 9.5", "from = 6, to = 9.5", f"{RED}.tiers[1]", "gap, 5 m²"),
    "a gap before the last tier": ("from = 10, ", "from = 10.5, ", f"{RED}.tiers[2]", "gap, 10 m²"),
    "two tiers for one quantity": (
        "from = 5, to = 9.5",
        "from = 4.5, to = 9.5",
        f"{RED}.tiers[1]",
        "4.5 has two prices",
    ),
    "a tier inside another": ("from = 5, to = 9.5", "from = 3, to = 9.5", f"{RED}.tiers[1]", "3 has two prices"),
    "a tier after one without end": ("from = 5, to = 9.5", "from = 5", f"{RED}.tiers[2]", "10 has two prices"),
    "a first tier above the minimum": ("from = 3, to = 4.5", "from = 3.5, to = 4.5", f"{RED}.tiers[0]", "gap, 3 m²"),
    "a first tier above the step": (
        "from = 1, price = 4",
        "from = 2, price = 4",
        "products[1].prices[0].tiers[0]",
        "1 m",
    ),
    "a last tier that ends too early": ("to = 20.5", "to = 20", f"{BLUE}.tiers[0]", "20.5 m² has no price"),
    "a tier from above to": ("from = 5, to = 9.5", "from = 9.5, to = 5", f"{RED}.tiers[1]", "is above its to"),
    "a tier from off the step": ("from = 5, to = 9.5", "from = 4.7, to = 9.5", f"{RED}.tiers[1].from", "the step, 0.5"),
    "a tier to off the step": ("to = 4.5", "to = 4.6", f"{RED}.tiers[0].to", "the step, 0.5"),
    "a price of zero": ("price = 75.50", "price = 0", f"{RED}.tiers[2].price", "not above zero"),
    "a price below zero": ("price = 80", "price = -80", f"{RED}.tiers[1].price", "not above zero"),
    "a unit that nobody knows": ('unit = "m"', 'unit = "litre"', "products[1].unit", "give it a name"),
    "a currency that does not exist": ('currency = "MXN"', 'currency = "MXX"', "currency", "ISO 4217"),
    "a combination without a price": (
        'not_offered = [{ colour = "red", finish = "matt" }]',
        "not_offered = []",
        "products[0].prices",
        "colour red, finish matt: has no price",
    ),
    "a combination priced twice": (
        'options = { colour = "blue", finish = "matt" }',
        'options = { colour = "blue", finish = "gloss" }',
        "products[0].prices[2].options",
        f"also at {BLUE}.options",
    ),
    "a combination both priced and not offered": (
        'not_offered = [{ colour = "red", finish = "matt" }]',
        'not_offered = [{ colour = "red", finish = "matt" }, { finish = "matt", colour = "blue" }]',
        "products[0].not_offered[1]",
        "also at products[0].prices[2].options",
    ),
    "a combination with an unknown option": (
        "[[products.prices]]\ntiers",
        '[[products.prices]]\noptions = { width = "50" }\ntiers',
        "products[1].prices[0].options",
        "no option width",
    ),
    "a combination with an unknown choice": (
        'not_offered = [{ colour = "red", finish = "matt" }]',
        'not_offered = [{ colour = "red", finish = "matt" }, { colour = "green", finish = "matt" }]',
        "products[0].not_offered[1].colour",
        "no choice green",
    ),
    "a combination that lacks an option": (
        'not_offered = [{ colour = "red", finish = "matt" }]',
        'not_offered = [{ colour = "red", finish = "matt" }, { colour = "red" }]',
        "products[0].not_offered[1]",
        "the option finish is missing",
    ),
    "an extra of zero": ("price = 12.50", "price = 0.00", "products[0].extras[0].price", "not above zero"),
    "half a cent once per order": ("price = 300\n", "price = 300.005\n", "products[0].extras[1].price", "two decimals"),
    "an extra per order with two prices": (
        "price = 300.00",
        "price = 350.00",
        "products[1].extras[0].price",
        "350.00 per order here and 300 at products[0].extras[1].price",
    ),
    "a step of zero": ("step = 0.5", "step = 0", "products[0].step", "not above zero"),
    "a step below zero": ("step = 1", "step = -1", "products[1].step", "not above zero"),
    "a minimum off the step": ("minimum = 3", "minimum = 3.2", "products[0].minimum", "the step, 0.5"),
    "a minimum below zero": ("minimum = 0", "minimum = -1", "products[1].minimum", "below zero"),
    "a minimum above the maximum": ("minimum = 0", "minimum = 200", "products[1].minimum", "above the maximum, 100"),
    "a helper that gives another unit": (
        'formula = "area"',
        'formula = "length_width_height"',
        "products[0].measures[2].formula",
        "does not give m²",
    ),
    "a helper that gives too little": (
        'kind = "metres"\nlabel = { es = "Metros", en = "Metres" }\nformula = "known"',
        'kind = "metres"\nlabel = { es = "Metros", en = "Metres" }\nformula = "area"',
        "products[1].measures[0].formula",
        "area does not give m",
    ),
    "bounds of an input that is not asked for": (
        "height_m = { min",
        "width_m = { min",
        "products[0].measures[1].bounds.width_m",
        "asks for length_m, height_m only",
    ),
    "bounds upside down": (
        "min = 1, max = 5",
        "min = 5, max = 1",
        "products[0].measures[1].bounds.height_m",
        "above max",
    ),
    "a table named like an input": (
        'name = "roughness"',
        'name = "area_m2"',
        "products[0].measures[2].coefficients.name",
        "area_m2",
    ),
    "a table named kind": ('name = "roughness"', 'name = "kind"', "products[0].measures[2].coefficients.name", "kind"),
    "a product's code twice": ('code = "tape"', 'code = "paint"', "products[1]", "by products[0]"),
    "an option's code twice": (
        'code = "matt", label',
        'code = "gloss", label',
        "products[0].options[1].choices[1]",
        "gloss",
    ),
    "an extra's code twice": ('code = "primer"', 'code = "travel"', "products[0].extras[1]", "travel"),
    "a helper's kind twice": ('kind = "rough_wall"', 'kind = "wall"', "products[0].measures[2]", "wall"),
    "a coefficient's code twice": (
        'code = "coarse"',
        'code = "fine"',
        "products[0].measures[2].coefficients.choices[1]",
        "fine",
    ),
    "a preset of no product": ('product = "paint"', 'product = "ink"', "presets[0].product", "no product ink"),
    "a preset of no option": ('finish = "matt" }\nmeasure', 'sheen = "matt" }\nmeasure', "presets[0].options", "sheen"),
    "a preset of no choice": (
        'finish = "matt" }\nmeasure',
        'finish = "wax" }\nmeasure',
        "presets[0].options.finish",
        "wax",
    ),
    "a preset of no helper": ('measure = "wall"', 'measure = "roof"', "presets[0].measure", "no measure roof"),
    "a reason without options": (
        'options = { finish = "matt" }\nmeasure',
        'reason = "so"\nmeasure',
        "presets[0].reason",
        "is shown nowhere",
    ),
    "an icon that is not bundled": (
        'code = "bedroom"',
        'code = "bedroom"\nicon = "sofa"',
        "presets[0].icon",
        "no icon sofa; there are ball, border",
    ),
    "a usual value out of its bounds": (
        'measure = "wall"',
        'measure = "wall"\ninputs = { height_m = 6 }',
        "presets[0].inputs.height_m",
        "from 1 to 5 m",
    ),
    "a usual value of no input": (
        'measure = "wall"',
        'measure = "wall"\ninputs = { width_m = 2 }',
        "presets[0].inputs",
        "width_m",
    ),
    "a usual choice that does not exist": (
        'measure = "wall"',
        'measure = "rough_wall"\ninputs = { roughness = "flat" }',
        "presets[0].inputs.roughness",
        "no choice flat",
    ),
    "a hint of no input": (
        'measure = "wall"',
        'measure = "wall"\nhints = { area_m2 = "m²" }',
        "presets[0].hints",
        "area_m2",
    ),
    "a helper's usual value that is no number": (
        'formula = "length_height"',
        'formula = "length_height"\nusual = { height_m = "high" }',
        "products[0].measures[1].usual.height_m",
        "high is refused",
    ),
    "a default that is no choice": (
        'name = "roughness"',
        'name = "roughness"\ndefault = "flat"',
        "products[0].measures[2].coefficients.default",
        "no choice flat",
    ),
    "a preset that is not offered": (
        'options = { finish = "matt" }',
        'options = { finish = "matt", colour = "red" }',
        "presets[0].options",
        "no combination",
    ),
    "taxes that overlap": ("until = 2026-12-31", "until = 2027-01-01", "taxes[1]", "overlaps"),
    "taxes that begin together": ("from = 2027-01-01", "from = 2026-01-01", "taxes[1]", "overlaps"),
    "a gap between taxes": ("until = 2026-12-31", "until = 2026-12-30", "taxes[1]", "gap"),
    "a tax that ends before it begins": (
        "from = 2027-01-01",
        "from = 2027-01-01\nuntil = 2026-12-31",
        "taxes[1]",
        "before",
    ),
    "a tax in per cent": ("rate = 0.16", "rate = 16", "taxes[1].rate", "8 % is written 0.08"),
    "a tax below zero": ("rate = 0.16", "rate = -0.16", "taxes[1].rate", "not a fraction"),
    "an empty label": ('en = "blue"', 'en = " "', "products[0].options[0].choices[1].label.en", "is empty"),
    "an empty code": ('currency = "MXN"', 'currency = ""', "currency", "is empty"),
}

# The further faults that an edit causes.
ALSO = {
    "half a cent once per order": {"products[1].extras[0].price"},  # which costs 300
    "a combination priced twice": {"products[0].prices", "presets[0].options"},  # blue and matt has no price then
    "a combination with an unknown option": {"products[1].prices"},  # the tape has no price then
    "an option's code twice": {"products[0].prices[2].options.finish", "products[0].not_offered[0].finish"}
    | {"presets[0].options.finish"},
}


@pytest.mark.parametrize(("old", "new", "place", "words"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_found_at_its_place(request, old, new, place, words):
    assert old in SMALL_BOOK
    findings = lint.check(parse(SMALL_BOOK.replace(old, new, 1)))
    assert [finding for finding in findings if finding.place == place and words in finding.message]
    others = {finding.place for finding in findings} - {place}
    assert others == ALSO.get(request.node.callspec.id, set())


def test_a_fault_can_be_said_in_spanish():
    with translation.override("es-mx"):
        for old, new, *_rest in FAULTS.values():
            for finding in lint.check(parse(SMALL_BOOK.replace(old, new, 1))):
                assert translation.gettext(finding.template) % finding.params != finding.message


def test_tiers_out_of_order_are_found():
    tiers = "{ from = 3, to = 4.5, price = 90 }, { from = 5, to = 9.5, price = 80 }"
    swapped = "{ from = 5, to = 9.5, price = 80 }, { from = 3, to = 4.5, price = 90 }"
    findings = lint.check(parse(SMALL_BOOK.replace(tiers, swapped)))
    assert f"{RED}.tiers[1]: paint, colour red, finish gloss: out of order, 3 comes after a higher tier" in map(
        str, findings
    )


@pytest.mark.parametrize("book", ["concrete.toml", "turf.toml"])
def test_the_bundled_books_are_clean(book):
    assert lint.check(lint.load(BOOKS / book)) == ()


def test_the_book_in_the_documentation_is_clean():
    page = (BOOKS.parent.parent / "docs" / "price-book.md").read_text(encoding="utf-8")
    toml = page.partition("```toml\n")[2].partition("```")[0]
    assert lint.check(parse(toml)) == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("until = 2026-12-31\n", ""),  # it holds until the next one begins
        ("rate = 0.16", "rate = 0"),
        ("minimum = 3", "minimum = 20"),
        ("from = 10, price = 75.50", "from = 10, to = 20.5, price = 75.500"),
        ('formula = "length_height"', 'formula = "length_height"\nfactor = 1.05'),
    ],
)
def test_a_valid_change_of_a_book_has_no_findings(old, new):
    assert old in SMALL_BOOK
    assert lint.check(parse(SMALL_BOOK.replace(old, new, 1))) == ()


@pytest.mark.parametrize(
    ("unit", "formula", "rest", "fits"),
    [
        ("m³", "known", "", True),
        ("m³", "length_width_height", "", True),
        ("m³", "length_width_thickness", "factor = 0.98", True),
        ("m³", "area_thickness", "", True),
        ("m³", "length_width", "", False),
        ("m³", "length_width", "factor = 0.1", False),
        ("m³", "length_width", "coefficients", True),  # a thickness: m³ per m²
        ("m³", "length", "coefficients", False),
        ("m²", "length_width", "", True),
        ("m²", "area", "coefficients", True),
        ("m²", "length", "coefficients", True),  # a width
        ("m²", "area_thickness", "", False),
        ("m²", "area_thickness", "coefficients", False),
        ("m", "length", "factor = 1.1", True),
        ("m", "length_height", "", False),
        ("pza", "known", "", True),
        ("pza", "area", "", False),
        ("pza", "area", "factor = 12.5", True),  # blocks per m²
        ("pza", "area", "coefficients", True),
    ],
)
def test_a_formula_has_to_give_the_unit_that_is_sold(unit, formula, rest, fits):
    table = '{ name = "x", label = { es = "x", en = "x" }, choices = [{ code = "x", label = { es = "x", en = "x" }, '
    helper = f'formula = "{formula}"\n' + rest.replace("coefficients", f"coefficients = {table}factor = 2 }}] }}")
    tape = SMALL_BOOK.replace('unit = "m"', f'unit = "{unit}"').replace(
        'en = "Metres" }\nformula = "known"', f'en = "Metres" }}\n{helper}'
    )
    places = [finding.place for finding in lint.check(parse(tape))]
    assert places == ([] if fits else ["products[1].measures[0].formula"])


def test_loading_names_every_finding(tmp_path):
    file = tmp_path / "book.toml"
    file.write_text(SMALL_BOOK.replace("price = 80", "price = 0").replace("rate = 0.16", "rate = 16"), encoding="utf-8")
    with pytest.raises(PriceBookInvalid) as invalid:
        lint.load(file)
    assert {finding.place for finding in invalid.value.findings} == {f"{RED}.tiers[1].price", "taxes[1].rate"}


HALVES = st.integers(-1, 12).map(lambda halves: Decimal(halves) / 2)
FIGURES = HALVES | st.decimals(allow_nan=False, allow_infinity=False, places=2)


def tiers_between(figures):
    return st.lists(st.tuples(figures, st.none() | figures), min_size=1, max_size=3)


def findings_of_tape(*, step, minimum, maximum, tiers):
    listed = [
        f'{{ from = "{low}", price = 4' + (f', to = "{high}" }}' if high is not None else " }") for low, high in tiers
    ]
    quantities = f'step = "{step}"\nminimum = "{minimum}"\nmaximum = "{maximum}"'
    book = SMALL_BOOK.replace("step = 1\nminimum = 0\nmaximum = 100", quantities)
    return lint.check(parse(book.replace("{ from = 1, price = 4 }", ", ".join(listed))))


@given(step=HALVES, minimum=HALVES, maximum=HALVES, tiers=tiers_between(HALVES))
def test_a_quantity_without_a_price_or_with_two_is_always_found(step, minimum, maximum, tiers):
    assume(step > 0)
    halves = [Decimal(half) / 2 for half in range(1, 14)]
    billed = [max(pricing.round_up(half, step=step), minimum) for half in halves if half <= maximum]
    prices = [sum(low <= quantity and (high is None or quantity <= high) for low, high in tiers) for quantity in billed]
    assume(any(number != 1 for number in prices))
    assert findings_of_tape(step=step, minimum=minimum, maximum=maximum, tiers=tiers)


@given(step=FIGURES, minimum=FIGURES, maximum=FIGURES, tiers=tiers_between(FIGURES))
def test_any_figures_can_be_checked(step, minimum, maximum, tiers):
    with suppress(PriceBookInvalid):  # too many digits
        findings_of_tape(step=step, minimum=minimum, maximum=maximum, tiers=tiers)


def test_the_command_prints_each_finding_and_fails(tmp_path, capsys):
    file = tmp_path / "book.toml"
    file.write_text(SMALL_BOOK.replace("price = 80", "price = 0"), encoding="utf-8")
    with pytest.raises(CommandError, match=r"^Price books checked: 2, findings: 1\.$"):
        call_command("pricebook", "check", str(BOOKS / "turf.toml"), str(file))
    place, message = f"{RED}.tiers[1].price", "paint, colour red, finish gloss: a price of 0 is not above zero"
    assert capsys.readouterr().out == f"{file}: {place}: {message}\n"


def test_the_command_succeeds_with_a_clean_book(capsys):
    call_command("pricebook", "check", str(BOOKS / "concrete.toml"))
    assert capsys.readouterr().out == "Price books checked: 1, findings: none.\n"


def test_the_command_names_a_file_that_cannot_be_read(tmp_path, capsys):
    with pytest.raises(CommandError):
        call_command("pricebook", "check", str(tmp_path / "none.toml"))
    assert "cannot be read" in capsys.readouterr().out
