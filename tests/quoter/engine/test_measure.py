from decimal import Decimal

import pytest

from quoter.engine.measure import Measure, MeasureRefused, quantity
from tests.support.quotes import CONCRETE, TURF


def a_measure(formula, **fields):
    return Measure.model_validate({"kind": "k", "label": {"es": "k", "en": "k"}, "formula": formula, **fields})


def refused(measure, unit, typed):
    with pytest.raises(MeasureRefused) as refusal:
        quantity(measure, unit, typed)
    return {name: message.en for name, message in refusal.value.errors.items()}


@pytest.mark.parametrize(
    ("kind", "typed", "volume_m3"),
    [
        ("volume", {"m3": "5.6"}, "5.6"),
        ("volume", {"m3": "\u200e5.6 m³"}, "5.6"),
        ("solid_area", {"area_m2": "45 m2", "thickness_cm": "12cm."}, "5.292"),
        ("solid_dimensions", {"length_m": "10", "width_m": "4.5", "thickness_cm": "12"}, "5.292"),  # 45 × 0.12 × 0.98
        ("solid_area", {"area_m2": "45", "thickness_cm": "12"}, "5.292"),
        ("coffered_dimensions", {"length_m": "10", "width_m": "4.5", "block_cm": "7"}, "3.825"),  # 45 × 0.085
        ("coffered_area", {"area_m2": "45", "block_cm": "10"}, "4.86"),  # 45 × 0.108
        ("coffered_area", {"area_m2": "45", "block_cm": "15"}, "6.075"),  # 45 × 0.135
        ("block", {"length_m": "12", "width_m": "0.6", "height_m": "0.4"}, "2.88"),
    ],
)
def test_concrete_is_measured_by_the_book(kind, typed, volume_m3):
    measured = quantity(CONCRETE.products[0].measure(kind), "m³", typed)
    assert measured.quantity == Decimal(volume_m3)


@pytest.mark.parametrize(
    ("product", "kind", "typed", "expected"),
    [
        ("turf", "area", {"m2": "45"}, "45"),
        ("turf", "rectangle", {"length_m": "8", "width_m": "5"}, "42"),  # 40 × 1.05
        ("turf", "shape", {"area_m2": "40", "outline": "curves"}, "46"),  # 40 × 1.15
        ("turf", "wall", {"length_m": "8", "height_m": "2.5"}, "21"),  # 20 × 1.05
        ("edging", "metres", {"m": "12.5"}, "12.5"),
        ("adhesive", "pieces", {"pieces": "3"}, "3"),
        ("adhesive", "covered_area", {"area_m2": "85"}, "4.25"),  # 20 m² a bucket
    ],
)
def test_turf_is_measured_by_the_book(product, kind, typed, expected):
    sold = TURF.product(product)
    assert quantity(sold.measure(kind), sold.unit, typed).quantity == Decimal(expected)


def test_a_single_length_measures_metres():
    assert quantity(a_measure("length", factor="1.1"), "m", {"length_m": "20"}).quantity == 22


def test_the_calculation_is_shown_as_a_person_would_write_it():
    slab = CONCRETE.products[0].measure("solid_dimensions")
    measured = quantity(slab, "m³", {"length_m": " 10,50", "width_m": "4.0", "thickness_cm": "12"})
    assert measured.steps("es") == "10.5 m × 4 m × 12 cm × 0.98 (se pide 98 %)"
    assert measured.values == {"length_m": "10.5", "width_m": "4", "thickness_cm": "12"}


def test_waste_is_a_choice_that_says_so_and_without_it_nothing_is_added():
    slab = CONCRETE.products[0].measure("solid_dimensions")
    typed = {"length_m": "10", "width_m": "5", "thickness_cm": "10"}
    for waste in ({}, {"waste": ""}, {"waste": "none"}):
        measured = quantity(slab, "m³", typed | waste)
        assert (measured.quantity, measured.values) == (Decimal("4.9"), typed)
    measured = quantity(slab, "m³", {**typed, "waste": "5"})
    assert measured.quantity == Decimal("5.145")
    assert measured.values == {**typed, "waste": "5"}
    assert measured.steps("en") == "10 m × 5 m × 10 cm × 1.05 (waste) × 0.98 (we order 98 %)"
    assert refused(slab, "m³", {**typed, "waste": "15"}) == {"waste": "Choose an option for “Waste”."}


def test_the_choice_that_changes_nothing_is_kept_when_another_one_is_the_default():
    rows = [{"code": code, "label": code, "factor": factor} for code, factor in (("none", "1"), ("5", "1.05"))]
    measure = a_measure("area", coefficients={"name": "waste", "label": "Waste", "choices": rows, "default": "5"})
    assert quantity(measure, "m²", {"area_m2": "100"}).quantity == 105
    assert quantity(measure, "m²", {"area_m2": "100", "waste": "none"}).values == {"area_m2": "100", "waste": "none"}


def test_inputs_that_the_formula_does_not_use_are_left_out():
    volume = CONCRETE.products[0].measure("volume")
    assert quantity(volume, "m³", {"m3": "5", "width_m": "x", "kind": "volume"}).values == {"m3": "5"}


@pytest.mark.parametrize("length", ["0.1", "1000"])
def test_a_length_on_its_bound_is_accepted(length):
    block = CONCRETE.products[0].measure("block")
    assert quantity(block, "m³", {"length_m": length, "width_m": "1", "height_m": "1"}).quantity == Decimal(length)


BOUNDS = "goes from 0.1 to 1,000 m."


@pytest.mark.parametrize(
    ("length", "said"),
    [
        ("0.09", BOUNDS),
        ("1000.01", BOUNDS),
        *((none, f"cannot be zero or less: it {BOUNDS}") for none in ("0", "-5")),
    ],
)
def test_a_length_out_of_bounds_is_refused_beside_its_input(length, said):
    block = CONCRETE.products[0].measure("block")
    errors = refused(block, "m³", {"length_m": length, "width_m": "1", "height_m": "1"})
    assert errors == {"length_m": f"“Length” {said}"}


def test_every_input_that_is_wrong_is_named():
    coffered = CONCRETE.products[0].measure("coffered_dimensions")
    errors = refused(coffered, "m³", {"length_m": "", "width_m": "4,500", "block_cm": "8"})
    assert set(errors) == {"length_m", "width_m", "block_cm"}
    assert errors["length_m"] == "Enter a number for “Length”."
    assert errors["block_cm"] == "Choose an option for “Block”."


def test_two_negative_lengths_make_no_area():
    errors = refused(a_measure("length_width"), "m²", {"length_m": "-3", "width_m": "-4"})
    assert errors == {
        name: f"“{label}” must be more than zero." for name, label in (("length_m", "Length"), ("width_m", "Width"))
    }
