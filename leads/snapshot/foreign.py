"""Reads quotes of other programs, as adopted tables have them: the folio, the amounts and the lines.

Nobody here knows their shapes. They name these things much alike, and keep them at the top or under one key more, such
as `summary`, `financials` or `context`. Whatever is not found is None, "" or (), and nothing is ever guessed from text.
Plain Python.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

from leads.snapshot.values import figure, listed, mapping, text

Value = TypeVar("Value")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# Keys, as `_plain` writes them, the likeliest first.
_PARTS = _words("summary financials totals context quote order cart metadata meta resumen cotizacion pedido carrito")
_FOLIOS = _words("""
    folio quotefolio foliocotizacion quotenumber quoteno numerocotizacion nocotizacion ordernumber orderfolio
    foliopedido numeropedido
""")
_TOTALS = _words("total grandtotal totalamount totalwithvat totalwithtax totalconiva importetotal montototal")
_SUBTOTALS = _words("subtotal subtotalamount")
_TAXES = _words("tax vat iva taxamount vatamount impuesto impuestos")
_CURRENCIES = _words("currency moneda currencycode")
_LINES = _words("items lines lineitems products partidas conceptos productos articulos cart carrito")
_DESCRIPTIONS = _words("description label descripcion name nombre title titulo product producto")
_QUANTITIES = _words("quantity qty cantidad billed")
_VOLUMES = _words("volume volumen billedm3 m3")
_UNITS = _words("unit unidad")
_DETAILS = _words("config results product producto")

LONGEST_FOLIO = 64
# Longer lists are no quote, and would fill the page.
_MOST_LINES = 200


class ForeignLine(NamedTuple):
    description: str
    quantity: Decimal
    unit: str


class ForeignQuote(NamedTuple):
    """What a quote of another program says. folio: "" when it has none; a missing amount is None."""

    folio: str
    subtotal: Decimal | None
    tax: Decimal | None
    total: Decimal | None
    currency: str
    lines: tuple[ForeignLine, ...]


NOTHING = ForeignQuote(folio="", subtotal=None, tax=None, total=None, currency="", lines=())


def read(data: object) -> ForeignQuote:
    """Return what a `quote_data` says that is not this site's. data: its JSON value."""
    top = _members(data)
    parts = [top, *_nested(top)]
    return ForeignQuote(
        folio=_first(map(_folio, _values(parts, _FOLIOS))) or "",
        subtotal=_first(map(figure, _values(parts, _SUBTOTALS))),
        tax=_first(map(figure, _values(parts, _TAXES))),
        total=_first(map(figure, _values(parts, _TOTALS))),
        currency=_first(map(text, _values(parts, _CURRENCIES))) or "",
        lines=tuple(_lines(parts)),
    )


def folio_of(data: object) -> str:
    """Return what a quote calls its folio, this site's or another's; "" when it has none that could be one."""
    top = _members(data)
    return _first(map(_folio, _values([top, *_nested(top)], _FOLIOS))) or ""


def _nested(top: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    return (_members(top[name]) for name in _PARTS if name in top)


def _members(value: object) -> dict[str, Any]:
    """Return the members of a JSON object by plain names: Grand_total -> grandtotal."""
    return {_plain(key): inner for key, inner in mapping(value).items()}


def _plain(key: str) -> str:
    return re.sub(r"[^a-z0-9]", "", key.lower()) if len(key) < LONGEST_FOLIO else ""


def _values(parts: Iterable[Mapping[str, Any]], names: Iterable[str]) -> Iterator[Any]:
    for name in names:
        for part in parts:
            if name in part:
                yield part[name]


def _first(found: Iterable[Value]) -> Value | None:
    return next((value for value in found if value not in (None, "")), None)


def _folio(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    written = text(value).strip()
    return written if len(written) <= LONGEST_FOLIO else ""


def _lines(parts: list[dict[str, Any]]) -> Iterator[ForeignLine]:
    for value in _values(parts, _LINES):
        if found := [line for item in listed(value)[:_MOST_LINES] if (line := _line(item))]:
            yield from found
            return
    # A quote of one product has no list.
    yield from filter(None, map(_line, parts))


def _line(item: object) -> ForeignLine | None:
    own = _members(item)
    parts = [own, *(_members(own[name]) for name in _DETAILS if name in own)]
    description = _first(map(text, _values(parts, _DESCRIPTIONS)))
    quantity, unit = _first(map(figure, _values(parts, _QUANTITIES))), _first(map(text, _values(parts, _UNITS)))
    if quantity is None:
        nested = [_members(value) for value in _values(parts, _VOLUMES)]
        quantity = _first(map(figure, [*_values(parts, _VOLUMES), *_values(nested, _VOLUMES)]))
        unit = unit or "m³"
    return ForeignLine(description, quantity, unit or "") if description and quantity is not None else None
