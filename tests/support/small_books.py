"""Price books of one thing at 100.00, to which a test adds its rules, and requests for it."""

import pytest

from quoter.engine import pricing
from quoter.engine.pricebook import PriceBook, parse
from quoter.engine.quote import LineRequest
from tests.support.quotes import A_FOLIO, A_MOMENT, ZONE

BOOK = """
name = "shop"
version = "1"
title = "Shop"
currency = "MXN"
validity_days = 7
{book}
[[products]]
code = "thing"
label = "Thing"
unit = "piece"
step = 1
minimum = 1
maximum = 1000
{product}
measures = [{ kind = "pieces", label = "Pieces", formula = "known" }]
"""
ONE_PRICE = "prices = [{ tiers = [{ from = 1, price = 100.00 }] }]"
IVA = '[[taxes]]\nname = "IVA"\nrate = 0.16\nfrom = 2026-01-01\n'


def a_book(*, book: str = IVA, product: str = ONE_PRICE) -> PriceBook:
    return parse(BOOK.replace("{book}", book).replace("{product}", product))


def things(count="1", extras=(), **inputs):
    return LineRequest(
        product="thing", measure={"kind": "pieces", "amount": str(count)}, extras=tuple(extras), inputs=inputs
    )


def quoted(book, *lines, answers=pricing.NO_ANSWERS, language="en"):
    return pricing.price(book, lines, answers=answers, folio=A_FOLIO, issued_at=A_MOMENT, zone=ZONE, language=language)


def refused(book, *lines, answers=pricing.NO_ANSWERS):
    with pytest.raises(pricing.QuoteRefused) as refusal:
        quoted(book, *lines, answers=answers)
    return {error.field: error.message.en for error in refusal.value.errors}


def with_rules(rules: str) -> PriceBook:
    return parse(BOOK.replace("{book}", "").replace("{product}", ONE_PRICE) + rules)
