"""What customers' pages say of the shop: hours in words, the promise, the lowest price, and its facts everywhere."""

from datetime import date, timedelta
from html import unescape

import pytest

from quoter import token
from quoter.engine import lint
from quoter.shop import storefront
from settings import env
from tests.quoter.shop.test_details import publish
from tests.support.factories import an_issued_quote

TODAY = date(2026, 11, 30)


@pytest.mark.parametrize(
    ("hours", "in_spanish", "in_english"),
    [
        (
            "Mon-Fri 8:00-18:00, Sat 8:00-14:00",
            ("Lunes a viernes, 8:00 a. m. a 6:00 p. m.", "Sábado, 8:00 a. m. a 2:00 p. m."),
            ("Monday to Friday, 8:00 a.m. to 6:00 p.m.", "Saturday, 8:00 a.m. to 2:00 p.m."),
        ),
        (
            "Mon-Tue 0:00-12:30, Mon-Tue 15:00-24:00, Thu 9:05-12:00",
            (
                "Lunes y martes, 12:00 a. m. a 12:30 p. m. y 3:00 p. m. a 12:00 a. m.",
                "Jueves, 9:05 a. m. a 12:00 p. m.",
            ),
            (
                "Monday and Tuesday, 12:00 a.m. to 12:30 p.m. and 3:00 p.m. to 12:00 a.m.",
                "Thursday, 9:05 a.m. to 12:00 p.m.",
            ),
        ),
    ],
)
def test_hours_are_said_by_groups_of_days(settings, hours, in_spanish, in_english):
    with env.instead({"BUSINESS_HOURS": hours}):
        settings.BUSINESS_HOURS = env.business_hours("BUSINESS_HOURS", hours)
    for language, said in ("es", in_spanish), ("en", in_english):
        plain = tuple(line.replace("\N{NO-BREAK SPACE}", " ") for line in storefront.of_shop(language).hours)
        assert plain == said


@pytest.mark.parametrize(
    ("minutes", "said"),
    [(30, "en unos 30 minutos"), (60, "en una hora"), (90, "en unos 90 minutos"), (120, "en unas 2 horas")],
)
def test_the_promise_is_said_in_hours_when_they_are_whole(settings, minutes, said):
    settings.ANSWER_PROMISE = timedelta(minutes=minutes)
    assert storefront.of_shop("es").promise == f"Respondemos {said}"


def test_a_shop_that_never_opens_promises_nothing(settings):
    settings.BUSINESS_HOURS = ((),) * 7
    shop = storefront.of_shop("es")
    assert (shop.promise, shop.hours, shop.first) == ("", (), ())


@pytest.mark.parametrize(
    ("name", "amount", "tax"),
    [
        ("concrete", "$2,170.36/m³", "más IVA"),
        ("moving", "", ""),
    ],
)
def test_the_lowest_price_is_one_that_somebody_pays(settings, name, amount, tax):
    book = lint.load(settings.BASE_DIR / "quoter" / "books" / f"{name}.toml")
    lowest = storefront.lowest_price(book, today=TODAY, language="es")
    assert (lowest and lowest.amount or "", lowest and lowest.tax or "") == (amount, tax)


@pytest.mark.django_db
def test_every_fact_is_where_customers_look_for_it_and_long_ones_are_cut_only_at_the_top(client, settings):
    long = "Entrega, descarga de 30 minutos y " + "todo lo demás que se pueda pedir " * 3
    publish(
        ADDRESS_ES="Av. 1\n<b>Juárez",
        AREA_ES="Hasta 25 km\nMás lejos, con flete",
        INCLUDED_ES=long,
        PAYMENT_ES="Efectivo",
        QUESTIONS_ES="¿Y si falta?\nSe manda.",
    )
    home = unescape(client.get("/?lang=es").content.decode())
    hero, _, rest = home.partition('class="hero"')[2].partition("<form")
    assert "Hasta 25 km" in hero
    assert "Más lejos" not in hero
    assert "…</dd>" in hero
    assert long.strip() in rest
    assert "¿Y si falta?" in rest
    paper = unescape(client.get(f"/q/{token.dumps(an_issued_quote())}/?lang=es").content.decode())
    for fact in ("Más lejos, con flete", "Efectivo", long.strip()):
        assert fact in paper
    assert "<b>Juárez" not in client.get("/privacy/").content.decode()
    for page in (home, paper, client.get("/privacy/?lang=es").content.decode()):
        assert "Lunes a viernes" in page
        assert 'href="/privacy/' in page
