"""The chat's message and its link. The quotes are priced by the engine, and the expected texts are written by hand."""

import subprocess
import sys
import unicodedata
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from urllib.parse import quote as percent_encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkout.whatsapp import chat_url, message, quote_chat_url
from leads.delivery.record import Contact
from leads.delivery.sealed import seal
from quoter import token
from quoter.engine.quote import LineRequest, Quote
from tests.support.quotes import A_FOLIO, A_MOMENT, CONCRETE, TURF, concrete, edging, priced, turf

ROOT = Path(__file__).resolve().parents[2]

NUMBER = "526561234567"
LINK = f"https://quotes.example.com/q/{A_FOLIO}/"
# 120 characters, as many as a name may have.
LONG_NAME = (
    "María de los Ángeles Guadalupe Ñáñez y Güémez de la Peña viuda de Echeverría Olavarría, "
    "Ingeniería Común S. de R. L. MI."
)


def a_quote(language="es", *lines: LineRequest) -> Quote:
    """Two lines: 6 m³ at 2,569.46 with 900.00 of fibre; 4.5 m³ at 3,347.16. Total: 33,889.30 with 8 % of tax."""
    two = (concrete("5.6", extras=("fiber",)), concrete("4.1", strength="250", service="pumped"))
    return priced(CONCRETE, *(lines or two), language=language)


def twenty_lines(language="es") -> Quote:
    lines = [concrete(str(3 + number), extras=("fiber", "accelerant")) for number in range(20)]
    return priced(CONCRETE, *lines, language=language)


def text_of(url: str) -> str:
    """Return the text of a chat link, decoded as a phone does."""
    (text,) = parse_qs(urlsplit(url).query, strict_parsing=True)["text"]
    return text


def lines_of(url: str) -> list[str]:
    return [line for line in text_of(url).splitlines() if line.startswith("- ")]


# --- The message ----------------------------------------------------------------------------------------------------


def test_the_message_in_spanish():
    url = quote_chat_url(NUMBER, a_quote("es"), language="es", link=LINK, name="José Ángel Ñáñez")
    assert text_of(url) == (
        "Hola, soy José Ángel Ñáñez. Me interesa la cotización *261122-7F3K-Q2M9-Q*:\n"
        "- 6 m³ de Concreto premezclado, f'c 200 kg/cm², tiro directo (con Fibra de refuerzo)\n"
        "- 4.5 m³ de Concreto premezclado, f'c 250 kg/cm², bombeado\n"
        "*Total: $33,889.30 MXN*, IVA incluido.\n"
        "https://quotes.example.com/q/261122-7F3K-Q2M9-Q/"
    )


def test_the_message_in_english():
    url = quote_chat_url(NUMBER, a_quote("en"), language="en", link=LINK, name="Joseph O'Neill")
    assert text_of(url) == (
        "Hello, this is Joseph O'Neill. I am interested in quote *261122-7F3K-Q2M9-Q*:\n"
        "- 6 m³ of Ready-mix concrete, f'c 200 kg/cm², direct pour (with Reinforcing fiber)\n"
        "- 4.5 m³ of Ready-mix concrete, f'c 250 kg/cm², pumped\n"
        "*Total: $33,889.30 MXN*, IVA included.\n"
        "https://quotes.example.com/q/261122-7F3K-Q2M9-Q/"
    )


def test_the_message_without_a_name():
    assert text_of(quote_chat_url(NUMBER, a_quote("es"), language="es", link=LINK)).startswith(
        "Hola. Me interesa la cotización *261122-7F3K-Q2M9-Q*:\n"
    )
    assert text_of(quote_chat_url(NUMBER, a_quote("en"), language="en", link=LINK)).startswith(
        "Hello. I am interested in quote *261122-7F3K-Q2M9-Q*:\n"
    )


def test_the_message_groups_thousands_and_lists_extras_in_the_book_s_order():
    # 1,235 x 268.50 + 1,235 x 38.50 + 950.00, and 10 x 189.00: 381,985.00 before 16 % of tax.
    lines = [turf("1234.5", extras=("travel", "infill")), edging("10", material="steel", extras=("travel",))]
    quote = priced(TURF, *lines, language="es")
    assert message(quote, language="es", link=LINK, name="Zoila", shown=2) == (
        "Hola, soy Zoila. Me interesa la cotización *261122-7F3K-Q2M9-Q*:\n"
        "- 1,235 m² de Pasto sintético, 30 mm, sobre tierra (con Arena sílica, Traslado fuera de la ciudad)\n"
        "- 10 m de Borde para jardín, acero galvanizado "
        "(con Traslado fuera de la ciudad (una vez por pedido, ya incluido))\n"
        "*Total: $443,102.60 MXN*, IVA incluido.\n"
        "https://quotes.example.com/q/261122-7F3K-Q2M9-Q/"
    )


@pytest.mark.parametrize("language", ["es", "en"])
def test_a_message_has_no_emoji(language):
    quotes = [
        a_quote(language),
        twenty_lines(language),
        priced(TURF, turf("20", extras=("installation", "travel")), edging("10"), language=language),
    ]
    for quote in quotes:
        text = message(quote, language=language, link=LINK, name="Zoila", shown=len(quote.lines))
        assert [letter for letter in text if unicodedata.category(letter) in ("So", "Cs", "Co", "Cf")] == []


@pytest.mark.parametrize("name", ["*Ana*", "{name} {folio}", "%s %20", "Ana & Cía. #1 +", "<b>"])
def test_a_name_is_written_unchanged(name):
    url = quote_chat_url(NUMBER, a_quote("es"), language="es", link=LINK, name=name)
    assert text_of(url).startswith(f"Hola, soy {name}. Me interesa la cotización *261122-7F3K-Q2M9-Q*:\n")


# --- The link -------------------------------------------------------------------------------------------------------


def test_a_link_has_its_text_percent_encoded():
    assert chat_url(NUMBER, "¿6 m³ de *concreto*?\n50% + #1 & más") == (
        "https://wa.me/526561234567?text="
        "%C2%BF6%20m%C2%B3%20de%20%2Aconcreto%2A%3F%0A50%25%20%2B%20%231%20%26%20m%C3%A1s"
    )


@pytest.mark.parametrize("text", ["a & b = c; d", "#1", "100 %", "1 + 1", "a\nb", "¡Ñandú!", "/?:@", "\"'<>", "👷"])
def test_a_link_decodes_to_its_text(text):
    url = chat_url(NUMBER, text)
    assert text_of(url) == text
    assert url.isascii()
    assert not set("+ \n#") & set(url)
    assert urlsplit(url)._replace(query="").geturl() == "https://wa.me/526561234567"


# --- Its length -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "shown", "more"),
    [
        ("es", 20, None),
        ("es", 19, "- y 1 partida más"),
        ("es", 18, "- y 2 partidas más"),
        ("es", 0, "- 20 partidas"),
        ("en", 20, None),
        ("en", 19, "- and 1 more line"),
        ("en", 17, "- and 3 more lines"),
    ],
)
def test_lines_left_out_are_counted(language, shown, more):
    text = message(twenty_lines(language), language=language, link=LINK, name="", shown=shown)
    listed = [line for line in text.splitlines() if line.startswith("- ")]
    assert listed[shown:] == ([more] if more else [])
    assert len(listed) == shown + bool(more)
    assert all("m³" in line for line in listed[:shown])


def test_a_line_is_left_out_when_the_link_would_pass_2000_characters():
    quote = a_quote("es")
    room = 2000 - len(quote_chat_url(NUMBER, quote, language="es", link="", name="Zoila"))

    fits = quote_chat_url(NUMBER, quote, language="es", link="x" * room, name="Zoila")
    assert len(fits) == 2000
    assert len(lines_of(fits)) == 2
    assert "más" not in text_of(fits)

    one_more = quote_chat_url(NUMBER, quote, language="es", link="x" * (room + 1), name="Zoila")
    assert len(one_more) <= 2000
    assert lines_of(one_more) == [
        "- 6 m³ de Concreto premezclado, f'c 200 kg/cm², tiro directo (con Fibra de refuerzo)",
        "- y 1 partida más",
    ]


def test_the_name_is_left_out_after_the_last_line():
    quote = a_quote("es")
    empty = chat_url(NUMBER, message(quote, language="es", link="", name="Zoila", shown=0))

    fits = quote_chat_url(NUMBER, quote, language="es", link="x" * (2000 - len(empty)), name="Zoila")
    assert len(fits) == 2000
    assert text_of(fits).startswith("Hola, soy Zoila. ")

    one_more = quote_chat_url(NUMBER, quote, language="es", link="x" * (2001 - len(empty)), name="Zoila")
    assert len(one_more) <= 2000
    assert text_of(one_more).startswith("Hola. ")


def test_a_link_that_is_too_long_by_itself_is_kept():
    link = LINK + "x" * 3000
    url = quote_chat_url(NUMBER, a_quote("es"), language="es", link=link, name=LONG_NAME)
    assert text_of(url) == (
        "Hola. Me interesa la cotización *261122-7F3K-Q2M9-Q*:\n"
        "- 2 partidas\n"
        "*Total: $33,889.30 MXN*, IVA incluido.\n"
        f"{link}"
    )


def is_complete(url: str, quote: Quote, link: str) -> bool:
    """Return whether a URL is short enough, counts the omitted lines right, and has folio, total and link."""
    text, lines = text_of(url), lines_of(url)
    *shown, last = lines
    counts = last.endswith(("más", "more lines", "partidas", " lines"))
    omitted = next(int(word) for word in last.split() if word.isdigit()) if counts else -1
    counted = len(shown) + omitted if omitted >= 0 else len(lines)
    required = (f"*{quote.folio}*", f"*Total: ${quote.total:,.2f} MXN*", f"\n{link}")
    return len(url) <= 2000 and counted == len(quote.lines) and all(part in text for part in required)


@pytest.mark.parametrize("language", ["es", "en"])
@pytest.mark.parametrize("name", ["", "Zoila", LONG_NAME, "ñ" * 120, "李" * 120])
def test_the_url_of_twenty_lines_has_at_most_2000_characters(language, name):
    quote = twenty_lines(language)
    url = quote_chat_url(NUMBER, quote, language=language, link=LINK, name=name)
    assert is_complete(url, quote, LINK)


def test_the_url_of_long_descriptions_has_at_most_2000_characters():
    lines = twenty_lines().lines
    long = [line.model_copy(update={"description": "Concreto de año añejo, ñ y más ñ, " * 20}) for line in lines]
    quote = twenty_lines().model_copy(update={"lines": tuple(long)})
    url = quote_chat_url(NUMBER, quote, language="es", link=LINK, name=LONG_NAME)
    assert is_complete(url, quote, LINK)
    assert lines_of(url) == ["- 20 partidas"]


def twenty_different_concretes() -> list[LineRequest]:
    """Return lines that use every price, measure and extra of the book, with no number twice."""
    prices = CONCRETE.products[0].prices
    extras = [(), ("fiber",), ("accelerant",), ("fiber", "accelerant")]
    lines = []
    for n in range(11, 31):
        measures = [
            {"kind": "solid_dimensions", "length_m": f"{n}.37", "width_m": f"{n + 4}.85", "thickness_cm": f"{n + 7}.5"},
            {"kind": "coffered_dimensions", "length_m": f"{n + 2}.15", "width_m": f"{n + 5}.6", "block_cm": "15"},
            {"kind": "block", "length_m": f"{n + 1}.9", "width_m": f"{n % 9 + 1}.45", "height_m": f"1.{n}"},
            {"kind": "solid_area", "area_m2": f"{n * 7}.25", "thickness_cm": f"{n + 9}.5"},
            {"kind": "coffered_area", "area_m2": f"{n * 9}.75", "block_cm": "7"},
            {"kind": "volume", "m3": f"{n * 13}.{n}"},
        ]
        options, measure = prices[n % len(prices)].options, measures[n % len(measures)]
        lines.append(LineRequest(product="concrete", options=options, measure=measure, extras=extras[n % 4]))
    return lines


def twenty_different_turfs() -> list[LineRequest]:
    """Return lines that use every product and price of the book, with every extra and no number twice."""
    offered = [(product, price) for product in TURF.products for price in product.prices]
    quantities = {"m²": ("area", "m2"), "m": ("metres", "m"), "pza": ("pieces", "pieces")}
    lines = []
    for n in range(11, 31):
        product, price = offered[n % len(offered)]
        kind, name = quantities[product.unit]
        extras = tuple(extra.code for extra in product.extras)
        measure = {"kind": kind, name: f"{n * 5}.{n}" if kind != "pieces" else str(n)}
        lines.append(LineRequest(product=product.code, options=price.options, measure=measure, extras=extras))
    return lines


@pytest.mark.parametrize("language", ["es", "en"])
@pytest.mark.parametrize(
    ("book", "lines"),
    [(CONCRETE, twenty_different_concretes()), (TURF, twenty_different_turfs())],
    ids=["concrete", "turf"],
)
def test_the_url_of_twenty_lines_with_a_whole_lead_in_the_link_has_at_most_2000_characters(language, book, lines):
    quote = priced(book, *lines, language=language)
    contact = Contact(
        name=LONG_NAME,
        phone="+526561234567",
        phone_raw="+52 1 (656) 123-4567 ext. 1234",
        submitted_at=A_MOMENT + timedelta(microseconds=123456),
        visitor_id="mZ3vQ9xK1pLr7TwY5bNc2d",
        privacy_accepted_at=A_MOMENT + timedelta(microseconds=123456),
        privacy_notice_version="2026-11",
        flags=("honeypot", "too_fast"),
    )
    signed = token.short(token.issue(book, quote))
    link = f"https://cotizaciones.example.com.mx/q/{signed}/#{seal(contact, folio=A_FOLIO)}"

    url = quote_chat_url(NUMBER, quote, language=language, link=link, name=LONG_NAME)

    assert is_complete(url, quote, link)


def test_the_plain_modules_of_checkout_work_without_django():
    program = "import sys, checkout.whatsapp, leads.phones, checkout.submission; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_link_is_encoded_as_urllib_does(text):
    assert chat_url(NUMBER, text) == f"https://wa.me/{NUMBER}?text={percent_encode(text, safe='')}"
