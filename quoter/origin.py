"""Where a visitor came from: the campaign, the page that led here, the page they landed on.

The site's own addresses and forms carry it from page to page, so it needs no cookie and no script. Anybody can put
anything into a link, so the values are bounded, and what could name a person is left out.
"""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit

from django.http import HttpRequest

CLICKS = ("gclid", "fbclid")
MARKS = ("utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term", *CLICKS)
# The most important come first: they are kept when all together are too long.
KEYS = ("utm_source", "landing", "referrer", *MARKS[1:])

MAX_VALUE = 200  # characters
MAX_BYTES = 600  # of all the values in UTF-8: in an address they take up to three times as much
_MAX_QUERY = 4000  # characters that are read of a query string or of a value

_EMAIL = re.compile(r"[^\s/]@[\w-]+\.\w")  # not the @name of a profile's address
_REFERRERS = ("http", "https", "android-app")


def of_visit(request: HttpRequest, *, landing: str) -> dict[str, str]:
    """Return where the visitor of a page came from; {} when that is not known.

    landing: the page's path, without the part that only its visitor should know. An address that has a landing page
    already comes from a link or form of our own, and keeps its origin.
    """
    origin = read(request.GET.dict())
    if "landing" in origin:
        return origin
    link = request.headers.get("Referer", "")
    if _host(link) != request.get_host():
        origin = read({**origin, "referrer": link})
    return read({**origin, "landing": landing}) if origin else {}


def read(given: object) -> dict[str, str]:
    """Return the origin that a mapping or a query string describes, bounded; everything else in it is left out."""
    if isinstance(given, str):
        given = dict(parse_qsl(given[:_MAX_QUERY]))
    if not isinstance(given, Mapping):
        return {}
    origin, room = {}, MAX_BYTES
    for key in KEYS:
        value = _value(key, given.get(key))
        size = len(value.encode())
        if value and size <= room:
            origin[key] = value
            room -= size
    return origin


def as_query(origin: Mapping[str, str]) -> str:
    """Return an origin as the query string that `read` takes."""
    return urlencode(origin)


def without(origin: Mapping[str, str], keys: Iterable[str]) -> dict[str, str]:
    return {key: value for key, value in origin.items() if key not in keys}


def _value(key: str, given: object) -> str:
    if not isinstance(given, str):
        return ""
    visible = "".join(letter if letter.isprintable() else " " for letter in given[:_MAX_QUERY])
    value = " ".join(visible.split())
    if key in ("referrer", "landing"):
        value = _page(value, of_a_site=key == "referrer")
    elif key == "utm_source":
        value = value.lower()  # FACEBOOK, Facebook and facebook are one source
    return "" if _EMAIL.search(value) else value[:MAX_VALUE]


def _page(address: str, *, of_a_site: bool) -> str:
    """Return an address without its query, which may hold personal data."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    if not of_a_site:
        return parts.path
    is_known = parts.scheme in _REFERRERS and parts.hostname
    return f"{parts.scheme}://{parts.hostname}{parts.path}" if is_known else ""


def _host(address: str) -> str:
    try:
        return urlsplit(address).netloc
    except ValueError:
        return ""
