"""Checks what concerns the whole of a price book: texts, codes, units, currency, taxes, examples' figures."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

from pydantic import BaseModel

from quoter.engine import currency, discount
from quoter.engine.fees import Fee
from quoter.engine.finding import BookFinding, place_of
from quoter.engine.icons import ICONS
from quoter.engine.pricebook import PriceBook
from quoter.engine.taxes import Tax, added_rate, series_of
from quoter.engine.units import SIGNS, UNITS

Findings = Iterator[BookFinding]


def findings(book: PriceBook) -> Findings:
    """Yield what is wrong with a book apart from its products and its rules."""
    yield from _empty_texts(book)
    yield from _repeated_codes(book)
    yield from _reserved_codes(book)
    yield from _units(book)
    yield from _icons(book)
    if book.currency.strip() and not currency.exists(book.currency):
        yield BookFinding(
            "currency", "%(currency)s is no currency of ISO 4217; Mexican pesos are MXN", currency=book.currency
        )
    for listed in series_of(book.taxes):
        yield from _taxes(listed, book.taxes)
    yield from _taxes_together(book)
    if book.deposit and not 0 <= book.deposit.rate <= 1:
        yield BookFinding("deposit.rate", "%(rate)s is not a fraction from 0 to 1", rate=book.deposit.rate)
    if book.deposit and min(book.deposit.price, book.deposit.minimum) < 0:
        yield BookFinding("deposit", "is below zero")


def _taxes_together(book: PriceBook) -> Findings:
    """Check the taxes on each day on which one begins: they stay below 100 %, and leave something to pay."""
    first: dict[tuple[Tax, ...], int] = {}
    for number, begins in enumerate(book.taxes):
        first.setdefault(book.taxes_on(begins.start), number)
    for in_force, number in first.items():
        if not all(0 <= tax.rate < 1 for tax in in_force):  # which is a finding of its own
            continue
        added = added_rate(in_force)
        if added >= 1:
            yield BookFinding(f"taxes[{number}]", "the taxes then in force come to 100 %% or more together")
        retained = sum((tax.rate for tax in in_force if tax.retained), Decimal(0))
        if retained >= 1 + added:
            yield BookFinding(f"taxes[{number}]", "what is then retained leaves nothing to pay")


def _empty_texts(book: PriceBook) -> Findings:
    for path, node in _nodes(book):
        if isinstance(node, str) and not node.strip():
            yield BookFinding(place_of(path), "is empty")


def _repeated_codes(book: PriceBook) -> Findings:
    for path, node in _nodes(book):
        first: dict[str, str] = {}
        for number, row in enumerate(node if isinstance(node, tuple) else ()):
            here = place_of((*path, number))
            code = None if isinstance(row, Fee) else getattr(row, "code", getattr(row, "kind", None))
            if code is not None and first.setdefault(code, here) != here:
                yield BookFinding(here, "the code %(code)s is already used by %(there)s", code=code, there=first[code])


def _reserved_codes(book: PriceBook) -> Findings:
    for path, node in _nodes(book):
        if isinstance(node, Fee) and node.code == discount.CODE:
            yield BookFinding(place_of(path), "the code %(code)s is that of discounts by sellers", code=node.code)


def _nodes(node: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], object]]:
    """Yield every part of a book with its path, from the whole down to each text and number."""
    yield path, node
    inside: Iterable[tuple[str | int, object]] = ()
    if isinstance(node, BaseModel):
        fields = type(node).model_fields
        inside = ((fields[name].alias or name, getattr(node, name)) for name in fields if name in node.model_fields_set)
    elif isinstance(node, tuple):
        inside = enumerate(node)
    for step, member in inside:
        yield from _nodes(member, (*path, step))


def _units(book: PriceBook) -> Findings:
    """Check that every unit has a name: one of the book's, a common word, or a sign as kg and m²."""
    known = {*UNITS, *SIGNS, *(unit.code for unit in book.units)}
    for path, node in _nodes(book):
        if path and path[-1] == "unit" and isinstance(node, str) and node.strip() and node not in known:
            yield BookFinding(place_of(path), "%(unit)s is no known unit; give it a name in [[units]]", unit=node)


def _icons(book: PriceBook) -> Findings:
    for path, node in _nodes(book):
        if path and path[-1] == "icon" and isinstance(node, str) and node.strip() and node not in ICONS:
            yield BookFinding(
                place_of(path), "there is no icon %(icon)s; there are %(icons)s", icon=node, icons=", ".join(ICONS)
            )


def _taxes(taxes: Sequence[Tax], listed: Sequence[Tax]) -> Findings:
    """Check the taxes of one series. listed: all of the book, for their places."""
    places = {id(tax): number for number, tax in enumerate(listed)}
    for tax in taxes:
        number = places[id(tax)]
        if not 0 <= tax.rate < 1:
            yield BookFinding(
                f"taxes[{number}].rate", "%(rate)s is not a fraction from 0 to 1; 8 %% is written 0.08", rate=tax.rate
            )
        if tax.end is not None and tax.end < tax.start:
            yield BookFinding(
                f"taxes[{number}]", "ends on %(end)s, before it begins on %(start)s", end=tax.end, start=tax.start
            )

    for earlier, tax in pairwise(sorted(taxes, key=lambda tax: tax.start)):
        number = places[id(tax)]
        if tax.start == earlier.start or (earlier.end is not None and tax.start <= earlier.end):
            yield BookFinding(f"taxes[{number}]", "overlaps another, which still applies on %(start)s", start=tax.start)
        elif earlier.end is not None and tax.start - earlier.end > timedelta(days=1):
            yield BookFinding(
                f"taxes[{number}]",
                "a gap, no tax applies between %(end)s and %(start)s",
                end=earlier.end,
                start=tax.start,
            )
