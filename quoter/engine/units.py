"""Units of measure: names in the singular and the plural, in both languages."""

import re
from decimal import Decimal
from functools import lru_cache

from pydantic import BaseModel, ConfigDict

from quoter.engine.numbers import Number
from quoter.engine.text import NO_BREAK, Text

MANY = Decimal(2)


class UnitName(BaseModel):
    """How a unit is written: 1 box, 2 boxes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    one: Text
    many: Text

    def of(self, count: Number) -> Text:
        """Return the name for so many: Spanish and English use the singular for one alone."""
        return self.one if count == 1 else self.many


class Unit(UnitName):
    """A unit that a book names itself, such as a 19 L bucket."""

    code: str


def _words(es: str, es_many: str, en: str, en_many: str) -> UnitName:
    return UnitName(one=Text(es=es, en=en), many=Text(es=es_many, en=en_many))


UNITS: dict[str, UnitName] = {
    "pza": _words("pza", "pza", "pc", "pc"),
    "piece": _words("pieza", "piezas", "piece", "pieces"),
    "person": _words("persona", "personas", "person", "people"),
    "child": _words("niño", "niños", "child", "children"),
    "guest": _words("invitado", "invitados", "guest", "guests"),
    "minute": _words("minuto", "minutos", "minute", "minutes"),
    "hour": _words("hora", "horas", "hour", "hours"),
    "day": _words("día", "días", "day", "days"),
    "night": _words("noche", "noches", "night", "nights"),
    "week": _words("semana", "semanas", "week", "weeks"),
    "month": _words("mes", "meses", "month", "months"),
    "mile": _words("milla", "millas", "mile", "miles"),
    "box": _words("caja", "cajas", "box", "boxes"),
    "bag": _words("bolsa", "bolsas", "bag", "bags"),
    "sack": _words("bulto", "bultos", "sack", "sacks"),
    "bucket": _words("cubeta", "cubetas", "bucket", "buckets"),
    "can": _words("bote", "botes", "can", "cans"),
    "roll": _words("rollo", "rollos", "roll", "rolls"),
    "load": _words("carga", "cargas", "load", "loads"),
    "trip": _words("viaje", "viajes", "trip", "trips"),
    "event": _words("evento", "eventos", "event", "events"),
    "visit": _words("visita", "visitas", "visit", "visits"),
    "service": _words("servicio", "servicios", "service", "services"),
    "room": _words("cuarto", "cuartos", "room", "rooms"),
    "floor": _words("piso", "pisos", "floor", "floors"),
    "page": _words("página", "páginas", "page", "pages"),
    "copy": _words("copia", "copias", "copy", "copies"),
    "word": _words("palabra", "palabras", "word", "words"),
}
# Signs, the same in all languages.
SIGNS = frozenset(
    "m³ m² m cm mm km ha in ft yd mi in² ft² yd² ft³ yd³ mi² acre g kg t lb oz ml L gal W kW kWh hp A h min s".split()  # noqa: SIM905
)
# A space between a number and a sign or per cent, as in 3 m³ and 8 %.
_BEFORE_SIGN = re.compile(rf"(?<=\d) (?=(?:{'|'.join([*SIGNS, '%'])})(?!\w))")


def unbroken(text: str) -> str:
    """Return the text with spaces between numbers and their units at which no line ends."""
    return _BEFORE_SIGN.sub(NO_BREAK, text)


@lru_cache
def name_of(code: str) -> UnitName:
    """Return the name of a unit that no book names: of a known word, or the code itself as a sign."""
    sign = Text(es=code, en=code)
    return UNITS.get(code) or UnitName(one=sign, many=sign)


def unit_text(code: str, count: Number = MANY) -> Text:
    """Return a unit as people read it after a number, in the plural unless the count is one."""
    return name_of(code).of(count)
