from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quoter.engine import folio

MINTED = folio.mint(date(2026, 11, 22), random_bits=0b00111_01111_00011_10011_10111_00010_10100_01001)  # 7F3K Q2M9
BITS = st.integers(0, (1 << folio.RANDOM_BITS) - 1)
DAYS = st.dates(date(2026, 1, 1), date(2099, 12, 31))


def test_a_folio_is_the_day_eight_characters_and_a_check():
    assert MINTED == "261122-7F3K-Q2M9-Q"


@given(DAYS, BITS)
def test_a_folio_reads_back_as_it_was_minted(day, random_bits):
    minted = folio.mint(day, random_bits=random_bits)
    assert folio.parse(minted) == minted
    assert minted[:6] == f"{day:%y%m%d}"


@given(BITS, BITS)
def test_other_random_bits_make_another_folio(one, other):
    day = date(2026, 11, 22)
    assert (folio.mint(day, random_bits=one) == folio.mint(day, random_bits=other)) == (one == other)


def test_a_folio_made_by_a_device_is_still_read():
    """Folios from devices have 40 added to the day."""
    assert folio.parse("261166 7f3k q2m9 y") == "261166-7F3K-Q2M9-Y"


@pytest.mark.parametrize("random_bits", [-1, 1 << 40])
def test_a_folio_takes_forty_bits(random_bits):
    with pytest.raises(ValueError, match="40 bits"):
        folio.mint(date(2026, 11, 22), random_bits=random_bits)


WITH_LOOKALIKES = folio.mint(date(2026, 10, 1), random_bits=0b00001_00000 << 30)


@pytest.mark.parametrize(
    ("spelling", "printed"),
    [
        ("261122-7f3k-q2m9-q", MINTED),
        ("2611227F3KQ2M9Q", MINTED),
        ("  261122 7F3K Q2M9 Q\n", MINTED),
        ("261122–7F3K–Q2M9–Q", MINTED),
        ("261122\u20117F3K\u2011Q2M9\u2011Q", MINTED),
        ("26ll22-7F3K-Q2M9-Q", MINTED),
        ("26II22-7F3K-Q2M9-Q", MINTED),
        (WITH_LOOKALIKES.replace("0", "O"), WITH_LOOKALIKES),
        (WITH_LOOKALIKES.replace("0", "o").replace("1", "l"), WITH_LOOKALIKES),
        (WITH_LOOKALIKES.replace("1", "I"), WITH_LOOKALIKES),
    ],
)
def test_a_folio_is_read_in_any_spelling(spelling, printed):
    assert folio.parse(spelling) == printed


def test_any_one_wrong_character_is_noticed():
    for place, printed in enumerate(MINTED):
        for wrong in set(folio.ALPHABET + "-U") - {printed}:
            with pytest.raises(folio.NotAFolio):
                folio.parse(MINTED[:place] + wrong + MINTED[place + 1 :])


@given(DAYS, BITS)
def test_any_two_characters_swapped_are_noticed(day, random_bits):
    minted = folio.mint(day, random_bits=random_bits)
    for first in range(len(minted)):
        for second in range(first):
            letters = list(minted)
            letters[first], letters[second] = letters[second], letters[first]
            if (swapped := "".join(letters)) != minted:
                with pytest.raises(folio.NotAFolio):
                    folio.parse(swapped)


@pytest.mark.parametrize(
    "text", ["", "261122", MINTED[:-2], MINTED + "7", "x" + MINTED, f"{MINTED} {MINTED}", "٢" + MINTED[1:]]
)
def test_a_text_without_the_shape_of_a_folio_is_refused(text):
    with pytest.raises(folio.NotAFolio):
        folio.parse(text)


@pytest.mark.parametrize(
    "message",
    [
        MINTED,
        f"Hola, quiero confirmar mi cotización *{MINTED}* por $16,650.10.\nSoy Ana, 656 123 4567",
        f"[22/11/26 16:31:07] Ana: folio:{MINTED.lower()}, gracias",
        "mi folio es 261122 7f3k q2m9 q porfa",
        f"https://example.mx/q/{MINTED}/",
        f"No es 261122-7F3K-Q2M9-R sino {MINTED}",
        f"Pedido 100000 {MINTED}",
    ],
)
def test_a_folio_is_found_in_a_pasted_message(message):
    assert folio.find(message) == MINTED


@pytest.mark.parametrize(
    "message",
    [
        "",
        "Hola, ¿cuánto cuesta el m³?",
        "Mi teléfono es 656 123 4567 y el otro 6561234567",
        "261122-7F3K-Q2M9-R",
        f"A{MINTED}B",
    ],
)
def test_no_folio_is_found_in_a_text_without_one(message):
    assert folio.find(message) is None


@given(st.text())
def test_any_text_can_be_searched(text):
    folio.find(text)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("Q2M9-X", "Q2M9-X"),
        (" q2m9 x ", "Q2M9-X"),
        ("q2m9x", "Q2M9-X"),
        ("QOM9-I", "Q0M9-1"),
        ("7f3k q2m9 x", "7F3K-Q2M9-X"),
        ("HHMF-C", "HHMF-C"),
        ("HHMF\u2013C", "HHMF-C"),
        ("1234-5", "1234-5"),
        *((other, None) for other in ("", "Q2M9", "2M9-X", "Q2M9-XY", "ñ2M9-X", MINTED)),
        *((other, None) for other in ("maria", "Rosa L", "12345", "1234 5")),
    ],
)
def test_the_end_of_a_folio_is_read_as_people_say_it_and_words_and_numbers_are_none(text, end):
    assert folio.ending(text) == end
