"""Removes the person from a quote that is not one of this site's, as adopted tables have them.

Other programs' quotes have shapes that nobody here knows. So only what is the person is removed, in any depth:

- members whose key says so: `customer`, `phoneNumber`, `direccion`, `visitor_id`, `gclid`, `userAgent`;
- texts that are or contain the person's name, phone or e-mail address, which become "".

Amounts, items and products stay. The `name` of an item or a product is not a person's. Plain Python.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from leads.phones import ENDING
from leads.privacy.exact_json import Number
from quoter.engine.numbers import digits


def _listed(text: str) -> frozenset[str]:
    return frozenset(text.split())


# A key with one of these among its letters is about the person.
_STEMS = _listed("""
    phone telefon celular whatsapp email correo customer cliente contact address direccion domicilio visitor visitante
    clid attribution atribucion referrer referer useragent fullname firstname lastname surname apellido recipient
    destinatario comentario comment observacion fingerprint ubicacion coordinate signature nacimiento birth
""")
# A key with one of these among its words is about the person.
_WORDS = _listed("""
    tel tels cel mobile movil mail mails client clients user usuario buyer comprador ip ips ua utm fb fbp fbc gaid
    cookie cookies session sesion device landing campaign campana lat lng lon latitude longitude latitud longitud geo
    location coords street calle colonia zip postal cp rfc curp company empresa note notes nota notas message mensaje
    firma attn
""")
_NAMES = _listed("name names nombre nombres")
_OF_A_PERSON = _listed("full first last middle given family completo")
# With one of these in the key, or in a key above it, a name is that of a thing.
_THINGS = _listed("""
    product producto item line linea partida service servicio material extra additive aditivo option opcion concept
    concepto unit unidad plant planta brand marca category categoria model modelo type tipo tax impuesto discount
    descuento price precio package paquete variant variante sku article articulo cart carrito breakdown desglose spec
    specification concrete concreto file archivo zone zona currency moneda group grupo step measure branch sucursal
    event
""")
_PHONE_KEYS = re.compile(r"phone|telefon|celular|whatsapp|movil|mobile|^(?:tel|cel)")
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+")
_SHORTEST_PHONE = 7
_SHORTEST_NAME = 3
_SHORTEST_ID = 6
_PIECE = 200


class Identity:
    """Who a quote must not show. names, phones, ids: texts of the person; ids are e-mail addresses and visitor ids."""

    def __init__(self, *, names: Iterable[str] = (), phones: Iterable[str] = (), ids: Iterable[str] = ()) -> None:
        self._names = {plain for name in names if (plain := _plain(name))}
        self._phones = {digits(phone)[-ENDING:] for phone in phones if len(digits(phone)) >= _SHORTEST_PHONE}
        self._ids = {text.strip().casefold() for text in ids if len(text.strip()) >= _SHORTEST_ID}

    def is_in(self, text: str) -> bool:
        """Return whether a text is the person's name, phone or id, or contains one."""
        words = _plain(text)
        is_name = words in self._names or any(f" {name} " in f" {words} " for name in self._names if _is_distinct(name))
        return is_name or self.has_number_in(text)

    def has_number_in(self, text: str) -> bool:
        """Return whether a text contains the person's phone or id."""
        figures, folded = digits(text), text.casefold()
        return any(phone in figures for phone in self._phones) or any(each in folded for each in self._ids)

    def is_number(self, number: int) -> bool:
        """Return whether a JSON number is the person's phone, perhaps with a country code."""
        figures = str(number)
        return len(figures) <= ENDING + 3 and figures[-ENDING:] in self._phones


class Person(NamedTuple):
    """What a row's other columns say of its person. beside: a JSON value with the columns of other
    programs, and with what staff corrected.
    """

    name: str
    phone: str
    visitor_id: str
    beside: Any


def without_person(quote: Any, person: Person) -> Any:
    """Return another program's quote without the person. quote: a value of `exact_json.loads`.

    What the quote itself has under keys such as `customer` is also removed from its other texts.
    """
    names, phones, ids = [person.name], [person.phone], [person.visitor_id]
    for key, text in [*_said_of_the_person(person.beside), *_said_of_the_person(quote)]:
        words = _words(key)
        if _EMAIL.fullmatch(text):
            ids.append(text)
        elif _PHONE_KEYS.search("".join(words)):
            phones.append(text)
        elif _NAMES.intersection(words):
            names.append(text)
    return _stripped(quote, Identity(names=names, phones=phones, ids=ids), of_a_thing=False)


def is_of_person(key: str, *, of_a_thing: bool = False) -> bool:
    """Return whether a key says that its value is about the person. of_a_thing: a key above it names a thing."""
    words = _words(key)
    letters = "".join(words)
    if _WORDS.intersection(words) or any(stem in letters for stem in _STEMS):
        return True
    if not _NAMES.intersection(words):
        return False
    return bool(_OF_A_PERSON.intersection(words)) or not (of_a_thing or _names_a_thing(words))


def _stripped(value: Any, who: Identity, *, of_a_thing: bool) -> Any:
    match value:
        case Number() | bool():
            return value
        case int():
            return None if who.is_number(value) else value
        case str():
            return "" if who.is_in(value) else value
        case list():
            return [_stripped(inner, who, of_a_thing=of_a_thing) for inner in value]
        case dict():
            return {
                key: _stripped(inner, who, of_a_thing=of_a_thing or _names_a_thing(_words(key)))
                for key, inner in value.items()
                if _is_empty(inner) or not (is_of_person(key, of_a_thing=of_a_thing) or who.has_number_in(key))
            }
    return value


def _is_empty(value: Any) -> bool:
    if isinstance(value, dict | list):
        return all(map(_is_empty, value.values() if isinstance(value, dict) else value))
    return value is None or value == ""


def _said_of_the_person(value: Any, *, of_a_thing: bool = False) -> Iterator[tuple[str, str]]:
    """Yield each text that the quote says of the person, with its key."""
    if isinstance(value, list):
        for inner in value:
            yield from _said_of_the_person(inner, of_a_thing=of_a_thing)
    if isinstance(value, dict):
        for key, inner in value.items():
            if is_of_person(key, of_a_thing=of_a_thing):
                yield from _texts(key, inner)
            else:
                yield from _said_of_the_person(inner, of_a_thing=of_a_thing or _names_a_thing(_words(key)))


def _texts(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield key, value
    for inner_key, inner in value.items() if isinstance(value, dict) else ():
        yield from _texts(inner_key, inner)
    for inner in value if isinstance(value, list) else ():
        yield from _texts(key, inner)


def _names_a_thing(words: list[str]) -> bool:
    return any({word, word.removesuffix("s"), word.removesuffix("es")} & _THINGS for word in words)


def _words(key: str) -> list[str]:
    """Return the words of a key, lower case and without accents: visitorId, visitor_id -> visitor, id."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", _without_accents(key))]


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", _without_accents(text).casefold()))


def _without_accents(text: str) -> str:
    # In pieces, because to bring the accents of one letter into their order takes the square of their number.
    pieces = (text[start : start + _PIECE] for start in range(0, len(text), _PIECE))
    plain = "".join(unicodedata.normalize("NFKD", piece) for piece in pieces)
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


def _is_distinct(name: str) -> bool:
    return len(name) >= _SHORTEST_NAME and not name.isdigit()
