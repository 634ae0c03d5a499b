"""Creates demo leads to try or measure the site: realistic, marked, and removable.

Each has the flag "demo" in its `quote_data`, which no visitor can set. Phones have the area code 000, which does not
exist in Mexico.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth.models import User
from django.db import connection
from django.utils.translation import gettext
from pydantic_core import from_json

from leads.models import FollowUp, Lead
from leads.paging import pages
from leads.snapshot import Customer, Flag, Privacy, quote_metadata
from quoter import token
from quoter.engine import folio, pricing
from quoter.engine.measure import Measure
from quoter.engine.numbers import decimal_places
from quoter.engine.pricebook import PriceBook, PriceList, Product
from quoter.engine.questions import Input
from quoter.engine.quote import LineRequest
from quoter.engine.text import Language
from quoter.shop.values import shop
from quoter.token import IssuedQuote

SPAN = timedelta(days=365)

_BATCH = 5000
# Each quote is used many times, with other days and people.
_DIFFERENT_QUOTES = 500
# How many random requests are tried for each, since a book may refuse some.
_TRIES = 40
_COLUMNS = [
    "folio",
    "name",
    "phone",
    "quote_data",
    "status",
    "visitor_id",
    "created_at",
    "submitted_at",
    "contacted_at",
    "contacted_by",
    "arrived_at",
    "alert_stage",
]
_SOURCES = ["", "", "facebook", "facebook", "instagram", "google", "tiktok", "lona-av-tecnologico"]
_OPENS, _OPEN_FOR = timedelta(hours=7), timedelta(hours=14)
_CONTACTED_WITHIN = timedelta(days=2)
# What became of each answered lead, within a week: four in ten are sold. With half of the others, the next step is due
# after three days. A number between 0 and 99 that is always the same for a folio decides.
_OUTCOMES = """
WITH answered AS (
    SELECT id, right(phone, 10) AS key, contacted_at, contacted_by, total, valid_until,
        hashtext(folio)::bigint + 2147483648 AS number
    FROM unnest(%(folios)s::text[], %(totals)s::numeric[], %(untils)s::timestamptz[]) AS q (folio, total, valid_until)
    JOIN leads USING (folio)
), ending AS (
    SELECT *, number %% 100 AS chance, contacted_at + make_interval(hours => 24 + (number %% 144)::int) AS ends_at
    FROM answered
), ended AS (
    INSERT INTO lead_outcomes (lead_id, kind, amount, reason, at, by_id)
    SELECT id, CASE WHEN chance < 40 THEN 'won' ELSE 'lost' END, total,
        CASE WHEN chance < 40 THEN '' ELSE (%(reasons)s::text[])[1 + chance %% cardinality(%(reasons)s::text[])] END,
        ends_at, contacted_by
    FROM ending WHERE ends_at < %(now)s
    RETURNING lead_id, at, by_id, kind, amount, reason
), told AS (
    INSERT INTO lead_events (lead_id, at, actor_id, kind, detail)
    SELECT lead_id, at, by_id, kind, CASE WHEN kind = 'won' THEN amount::text ELSE reason END FROM ended
)
INSERT INTO lead_follow_ups (key, seller_id, written_at, is_open, step_at, step, step_by_id, expires_at, worth)
SELECT DISTINCT ON (key) key, contacted_by, contacted_at, ends_at >= %(now)s,
    CASE WHEN chance %% 2 = 0 THEN contacted_at + interval '3 days' END,
    CASE WHEN chance %% 2 = 0 THEN %(step)s ELSE '' END,
    contacted_by, valid_until, total
FROM ending ORDER BY key, contacted_at DESC
ON CONFLICT (key) DO UPDATE SET written_at = excluded.written_at, is_open = excluded.is_open,
    step_at = excluded.step_at, step = excluded.step, expires_at = excluded.expires_at, worth = excluded.worth
"""
# How the keys of their phones begin.
_NOBODY_S = "000"


class NoQuote(ValueError):
    """No request for the products of a book was priced."""


def _weighted(names: dict[int, str]) -> tuple[list[str], list[int]]:
    return " ".join(names.values()).split(), [weight for weight, alike in names.items() for _ in alike.split()]


# Mexico's most common names and a few rare ones. The weights are roughly proportional to how many people have each.
_WOMEN = _weighted(
    {
        120: "María",
        60: "Guadalupe",
        30: "Ana Fernanda Alejandra Elizabeth Verónica Leticia Patricia",
        20: "Gabriela Sofía Carmen Daniela Rosa Margarita Claudia Diana Adriana Martha Juana Laura",
        10: "Lucía Elena Silvia Norma Yolanda Karla Mónica Sandra Teresa Ximena Valeria Brenda",
        1: "Inés Itzel Renata Nayeli",
    }
)
_MEN = _weighted(
    {
        120: "José",
        60: "Juan",
        30: "Luis Carlos Jesús Antonio Miguel Francisco Alejandro",
        20: "Jorge Eduardo Daniel Manuel Ricardo Fernando Roberto Javier Sergio Pedro Ángel Raúl",
        10: "Óscar Arturo Rafael Héctor Mario Víctor Enrique Gerardo Diego Martín Iván Hugo",
        1: "Germán Ulises Bruno Íñigo",
    }
)
_FAMILY = _weighted(
    {
        28: "Hernández García",
        24: "Martínez López González",
        20: "Rodríguez Pérez Sánchez Ramírez",
        17: "Cruz Flores Gómez Morales Vázquez Jiménez Reyes Díaz Torres Gutiérrez",
        14: "Ruiz Mendoza Aguilar Ortiz Castillo Moreno Romero Álvarez Méndez Chávez Rivera Juárez Ramos",
        11: "Domínguez Herrera Medina Castro Vargas Guzmán Velázquez Muñoz Rojas Contreras Salazar Luna Ortega",
        8: "Bautista Soto Alvarado Espinoza Lara Ávila Ríos Cervantes Silva Delgado Vega Márquez León Peña",
        1: "Núñez Ibáñez Ordóñez Quiñones Terrazas Zubía",
    }
)


def add_leads(
    count: int, *, book: PriceBook, zone: ZoneInfo, language: Language, by: User | None, now: datetime, chance: Random
) -> Iterator[int]:
    """Write `count` leads, spread over the year before `now`; yield after each batch how many are written.

    by: the user who contacted the older leads and sold some of them; None leaves all of them new.
    """
    quotes = _quotes(min(count, _DIFFERENT_QUOTES), book, zone=zone, language=language, now=now, chance=chance)
    rows = _rows(count, quotes, zone, by, now, chance)
    written = 0
    while batch := list(islice(rows, _BATCH)):
        with connection.cursor() as cursor:
            with cursor.copy(f"COPY leads ({', '.join(_COLUMNS)}) FROM STDIN") as copy:
                for row in batch:
                    copy.write_row([row[column] for column in _COLUMNS])
            answered = [row for row in batch if row["contacted_at"]]
            folios, totals, untils = ([row[name] for row in answered] for name in ("folio", "total", "valid_until"))
            cursor.execute(
                "INSERT INTO lead_events (lead_id, at, actor_id, kind) "
                "SELECT id, contacted_at, contacted_by, 'contacted' FROM leads WHERE folio = ANY(%s)",
                [folios],
            )
            words = {"reasons": list(shop.REASONS), "step": gettext("Call")}
            parameters: dict[str, Any] = {"folios": folios, "totals": totals, "untils": untils, "now": now, **words}
            cursor.execute(_OUTCOMES, parameters)
        written += len(batch)
        yield written


def remove_leads() -> Iterator[tuple[int, float]]:
    """Delete the demo leads and what belongs to them; yield how many are gone, and how much is done, from 0 to 1."""
    deleted = 0
    for page in pages(Lead.objects.all()):
        demo_leads = page.leads.flagged(Flag.DEMO).values_list("pk", flat=True)
        deleted += Lead.objects.filter(pk__in=list(demo_leads)).delete()[1].get("leads.Lead", 0)
        yield deleted, page.fraction
    FollowUp.objects.filter(key__startswith=_NOBODY_S).delete()


def _rows(
    count: int, quotes: list[IssuedQuote], zone: ZoneInfo, by: User | None, now: datetime, chance: Random
) -> Iterator[dict[str, Any]]:
    start = chance.randrange(1 << folio.RANDOM_BITS)
    for number in range(count):
        # An odd step visits every number once before any repeats, so no two folios are the same.
        bits = (start + number * 0x9E3779B97F) % (1 << folio.RANDOM_BITS)
        quoted_at = _in_working_hours(now - SPAN * ((count - number) / count), zone)
        yield _row(quotes[chance.randrange(len(quotes))], bits, quoted_at, by, now, chance)


def _row(
    issued: IssuedQuote, bits: int, quoted_at: datetime, by: User | None, now: datetime, chance: Random
) -> dict[str, Any]:
    asks = chance.random() < 0.6
    customer = _customer(chance) if asks else Customer()
    source = chance.choice(_SOURCES) if asks else ""
    visitor_id = f"{Flag.DEMO}-{bits:013}"
    submitted_at = quoted_at + timedelta(seconds=chance.randrange(20, 900)) if asks else None
    is_contacted = by is not None and submitted_at is not None and now - submitted_at > _CONTACTED_WITHIN
    number = folio.mint(quoted_at.date(), random_bits=bits)
    last_day = quoted_at.date() + (issued.quote.valid_until.date() - issued.quote.issued_at.date())
    data = {
        **from_json(issued.text),
        "folio": number,
        "issued_at": quoted_at.isoformat(timespec="seconds"),
        "valid_until": (valid_until := datetime.combine(last_day, time(23, 59, 59), quoted_at.tzinfo).isoformat()),
        **quote_metadata(
            customer=customer,
            visitor_id=visitor_id,
            attribution={"utm_source": source} if source else {},
            privacy=Privacy(),
            flags=(Flag.DEMO,),
        ),
    }
    return {
        "folio": number,
        "name": customer.name,
        "phone": customer.phone,
        "quote_data": json.dumps(data, ensure_ascii=False, separators=(",", ":")),
        "status": Lead.Status.CONTACTED if is_contacted else Lead.Status.NEW,
        "visitor_id": visitor_id,
        "created_at": quoted_at,
        "submitted_at": submitted_at,
        "contacted_at": submitted_at + timedelta(minutes=3 + int(597 * chance.random() ** 3))  # half within 80 minutes
        if is_contacted and submitted_at
        else None,
        "contacted_by": by.pk if by and is_contacted else None,
        "arrived_at": submitted_at or quoted_at,
        "total": issued.quote.total,
        "valid_until": valid_until,
        "alert_stage": Lead.AlertStage.UNANSWERED.value,  # nobody is told of customers who do not exist
    }


def _customer(chance: Random) -> Customer:
    name, digits = random_name(chance), f"000{chance.randrange(10**7):07}"
    return Customer(name, f"+52{digits}", f"{digits[:3]} {digits[3:6]} {digits[6:]}")


def random_name(chance: Random) -> str:
    given = chance.choices(*chance.choice((_WOMEN, _MEN)), k=chance.choice((1, 1, 2)))
    return " ".join([*dict.fromkeys(given), *chance.choices(*_FAMILY, k=2)])


def _in_working_hours(at: datetime, zone: ZoneInfo) -> datetime:
    local = at.astimezone(zone)
    midnight = datetime.combine(local.date(), time(), zone)
    return (midnight + _OPENS + _OPEN_FOR * ((local - midnight) / timedelta(days=1))).replace(microsecond=0)


def _quotes(
    count: int, book: PriceBook, *, zone: ZoneInfo, language: Language, now: datetime, chance: Random
) -> list[IssuedQuote]:
    """Return `count` quotes for products of the book, without a folio; NoQuote when it refuses nearly every request."""
    quotes: list[IssuedQuote] = []
    for _ in range(_TRIES * count):
        answers = _answers(book, now, chance)
        lines = [_line(chance.choice(book.products), answers, chance) for _ in range(chance.choice([1, 1, 1, 2, 3]))]
        try:
            quote = pricing.price(book, lines, answers=answers, folio="", issued_at=now, zone=zone, language=language)
        except pricing.QuoteRefused:  # a quantity out of bounds; the next random one may be within them
            continue
        quotes.append(token.issue(book, quote))
        if len(quotes) == count:
            break
    if not quotes:
        raise NoQuote(f"the price book {book.name} refuses every request that was tried")
    return quotes


def _answers(book: PriceBook, now: datetime, chance: Random) -> dict[str, str]:
    answers = {}
    for asked in book.priced_questions:
        if asked.kind == "choice":
            answers[asked.code] = chance.choice(asked.choices).code
        elif asked.kind == "date":
            answers[asked.code] = (now.date() + timedelta(days=chance.randrange(1, 30))).isoformat()
        elif asked.kind == "time":
            answers[asked.code] = f"{chance.randrange(8, 20):02}:00"
        else:
            answers[asked.code] = _number(asked, chance)
    return answers


def _line(product: Product, answers: Mapping[str, str], chance: Random) -> LineRequest:
    measure = chance.choice(product.measures)
    grouped = {group.code: [extra for extra in product.extras if extra.group == group.code] for group in product.groups}
    of_groups = [chance.choice(extras) for extras in grouped.values() if extras]
    extras = [extra for extra in product.extras if not extra.group and _maybe(chance)]
    offered = [listed for listed in product.prices if _suits(listed, product, answers)] or list(product.prices)
    listed = chance.choice(offered)
    priced = {code: choice for code, choice in listed.options.items() if code not in answers}
    return LineRequest(
        product=product.code,
        options={option.code: chance.choice(option.choices).code for option in product.options} | priced,
        measure=_typed(measure, product, listed, chance),
        extras=tuple(extra.code for extra in (*of_groups, *extras)),
        inputs={
            asked.code: _number(asked, chance) for asked in product.inputs if asked.default is None or _maybe(chance)
        },
    )


def _suits(listed: PriceList, product: Product, answers: Mapping[str, str]) -> bool:
    return all(listed.options.get(code) == answers.get(code) for code in product.by_questions)


def _maybe(chance: Random) -> bool:
    return chance.random() < 0.3


def _typed(measure: Measure, product: Product, listed: PriceList, chance: Random) -> dict[str, str]:
    """Return values that a customer might type into a helper. listed: the prices that apply."""
    typed = {"kind": measure.kind}
    for name in measure.inputs(product.unit):
        asked = measure.asked(name, product.unit)
        if measure.formula == "known":
            low = max(chance.choice(listed.tiers).low, listed.minimum or product.minimum, product.step, asked.min)
            high = min(2 * low, product.maximum)
            if asked.max is not None:
                high = min(high, asked.max)
            places = 0 if asked.whole else decimal_places(product.step)
            typed[name] = _between(low, max(low, high), chance, places=places)
        else:
            typed[name] = _number(asked, chance)
    if table := measure.coefficients:
        typed[table.name] = chance.choice(table.choices).code
    return typed


def _number(asked: Input, chance: Random) -> str:
    low = asked.min or Decimal(1)
    high = min(asked.max if asked.max is not None else Decimal(12), max(low, 12 * low))
    return _between(low, max(low, high), chance, places=0 if asked.whole else 1)


def _between(low: Decimal, high: Decimal, chance: Random, *, places: int) -> str:
    """Return a number between two; small jobs are the most frequent."""
    return f"{low + (high - low) * Decimal(round(chance.random() ** 3, 2)):.{places}f}"
