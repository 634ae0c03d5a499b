import itertools
import json
from datetime import timedelta
from pathlib import Path

import pytest

from quoter import token
from quoter.engine.pricebook import parse
from quoter.engine.quote import LineRequest
from quoter.token import BadToken
from tests.support.quotes import A_MOMENT, BOOKS, CONCRETE, TURF, ZONE, concrete, edging, priced, turf

# Tokens that customers hold. A failure here means that a quote already given would change: correct the code, never this
# file. New versions of the format add tokens to it.
STORED = json.loads((Path(__file__).parent / "data" / "tokens.json").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def secret_key(settings):
    settings.SECRET_KEY = STORED["secret_key"]
    settings.SECRET_KEY_FALLBACKS = []


def issued(book, *lines, language="es"):
    return token.issue(book, priced(book, *lines, language=language))


def promised(quote):
    """Return everything in a quote but its explanations, whose wording may improve."""
    return quote.model_dump(mode="json", exclude={"lines": {"__all__": {"explanation"}}})


FORMATS = pytest.mark.parametrize("write", [token.dumps, token.short])
A_QUOTE = (concrete("3.6", service="pumped", extras=("fiber",)), concrete("9.2", strength="300"))


@pytest.mark.parametrize("stored", STORED["tokens"], ids=lambda stored: stored["name"])
def test_a_stored_token_reads_back_to_the_quote_that_was_promised(stored):
    read = token.loads(stored["token"], zone=ZONE)
    assert promised(read.quote) == stored["quote"]
    assert read.language == stored["language"]


@FORMATS
@pytest.mark.parametrize("stored", STORED["tokens"], ids=lambda stored: stored["name"])
def test_a_quote_read_from_a_stored_token_can_be_written_again(write, stored):
    read = token.loads(stored["token"], zone=ZONE)
    again = token.loads(write(read), zone=ZONE)
    assert promised(again.quote) == promised(read.quote)
    assert (again.language, again.prices) == (read.language, read.prices)


@FORMATS
@pytest.mark.parametrize("language", ["es", "en"])
@pytest.mark.parametrize(
    ("book", "lines"),
    [
        (CONCRETE, A_QUOTE),
        (
            TURF,
            (turf("47", extras=("travel", "infill")), edging("28.2", extras=("travel",)), turf("300", pile_mm="40")),
        ),
        (
            TURF,
            (
                LineRequest(product="adhesive", measure={"kind": "covered_area", "area_m2": "85"}),
                turf("20").model_copy(update={"measure": {"kind": "shape", "area_m2": "40", "outline": "curves"}}),
            ),
        ),
    ],
)
def test_a_token_reads_back_to_the_quote_that_was_issued(write, book, lines, language):
    original = issued(book, *lines, language=language)
    assert token.loads(write(original), zone=ZONE) == original


@FORMATS
def test_a_token_is_safe_in_a_link(write):
    assert set(write(issued(CONCRETE, *A_QUOTE))) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
    )


@FORMATS
def test_an_expired_quote_can_still_be_read(write):
    quote = priced(CONCRETE, concrete(), at=A_MOMENT - timedelta(days=3650))
    signed = write(token.issue(CONCRETE, quote))
    assert token.loads(signed, zone=ZONE).quote == quote


@FORMATS
def test_every_truncation_is_refused(write):
    signed = write(issued(CONCRETE, *A_QUOTE))
    for length in range(len(signed)):
        with pytest.raises(BadToken):
            token.loads(signed[:length], zone=ZONE)


@FORMATS
@pytest.mark.parametrize("other", ["A", "B", "-", ".", "é"])
def test_every_changed_character_is_refused(write, other):
    signed = write(issued(CONCRETE, *A_QUOTE))
    for place, character in enumerate(signed):
        if character != other:
            with pytest.raises(BadToken):
                token.loads(signed[:place] + other + signed[place + 1 :], zone=ZONE)


@FORMATS
@pytest.mark.parametrize("added", ["A", "=", " ", "\n", "\x00", ".", "\ud800"])
def test_anything_added_is_refused(write, added):
    signed = write(issued(CONCRETE, *A_QUOTE))
    for forged in (signed + added, added + signed):
        with pytest.raises(BadToken):
            token.loads(forged, zone=ZONE)


@FORMATS
def test_a_token_signed_with_another_key_is_refused(write, settings):
    signed = write(issued(CONCRETE, *A_QUOTE))
    settings.SECRET_KEY = "another key, of another shop"
    with pytest.raises(BadToken):
        token.loads(signed, zone=ZONE)


@FORMATS
def test_a_token_survives_the_rotation_of_the_key(write, settings):
    original = issued(CONCRETE, *A_QUOTE)
    signed = write(original)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "the new key", [settings.SECRET_KEY]
    assert token.loads(signed, zone=ZONE) == original


def test_a_token_of_another_version_is_refused():
    with pytest.raises(BadToken):
        token.loads(token._signer().sign("3" + token.dumps(issued(CONCRETE, concrete()))[1:]), zone=ZONE)


@FORMATS
def test_a_quote_keeps_its_prices_when_the_book_changes(write):
    signed = write(issued(CONCRETE, concrete("6")))
    dearer = parse((BOOKS / "concrete.toml").read_text(encoding="utf-8").replace("2569.46", "2700.00"))
    assert str(priced(dearer, concrete("6")).subtotal) == "16200.00"
    assert str(token.loads(signed, zone=ZONE).quote.subtotal) == "15416.76"


def twenty_different_lines():
    """Yield lines with every price list, helper and extra of the concrete book, no two of them alike."""
    measures = [
        {"kind": "volume", "m3": "5.6"},
        {"kind": "solid_dimensions", "length_m": "12.35", "width_m": "8.4", "thickness_cm": "12.5"},
        {"kind": "solid_area", "area_m2": "145.7", "thickness_cm": "12"},
        {"kind": "coffered_area", "area_m2": "811.3", "block_cm": "10"},
        {"kind": "coffered_dimensions", "length_m": "17.25", "width_m": "9.8", "block_cm": "15"},
        {"kind": "block", "length_m": "25.5", "width_m": "0.65", "height_m": "1.2"},
    ]
    options = [listed.options for listed in CONCRETE.products[0].prices]
    extras = [(), ("fiber",), ("accelerant",), ("fiber", "accelerant")]
    for number in range(20):
        name, value = list(measures[number % 6].items())[1]
        measure = {**measures[number % 6], name: f"{float(value) + number * 1.37:.2f}"}
        yield LineRequest(product="concrete", options=options[number % 9], measure=measure, extras=extras[number % 4])


def test_a_quote_of_twenty_different_lines_fits_in_a_link():
    lines = list(twenty_different_lines())
    assert all(one != other for one, other in itertools.combinations(lines, 2))
    assert len(token.short(issued(CONCRETE, *lines))) < 1500
