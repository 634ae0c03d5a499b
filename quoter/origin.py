"""Where a visitor came from: the campaign, the page that led here, the page they landed on.

It travels through the journey in the site's own addresses and forms, so it needs no cookie and no script. Anybody can
write what a link says of itself: it is bounded, and what could name a person is left out.
"""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit

from django.http import HttpRequest

CLICKS = ("gclid", "fbclid")
MARKS = ("utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term", *CLICKS)
# What matters most comes first: it is kept when all together is too long.
KEYS = ("utm_source", "landing", "referrer", *MARKS[1:])

MAX_VALUE = 200  # characters
MAX_BYTES = 600  # of all the values in UTF-8: in an address they take up to three times as much
_MAX_QUERY = 4000

_EMAIL = re.compile(r"[^\s/]@[\w-]+\.\w")  # not the @name of a profile's address
_REFERRERS = ("http", "https", "android-app")


def of_visit(request: HttpRequest, *, landing: str) -> dict[str, str]:
    """Return where the visitor of a page came from; {} when nothing says so.

    landing: the page's path, without what only its visitor should know. An address that names a landing page already
    is a link of ours, from within the journey.
    """
    said = read(request.GET.dict())
    if "landing" in said:
        return said
    link = request.headers.get("Referer", "")
    if _host(link) != request.get_host():
        said = read({**said, "referrer": link})
    return read({**said, "landing": landing}) if said else {}


def read(said: object) -> dict[str, str]:
    """Return what a mapping, or its query string, says of an origin, bounded; whatever else it holds is left out."""
    if isinstance(said, str):
        said = dict(parse_qsl(said[:_MAX_QUERY]))
    if not isinstance(said, Mapping):
        return {}
    origin, room = {}, MAX_BYTES
    for key in KEYS:
        value = _value(key, said.get(key))
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


def _value(key: str, said: object) -> str:
    if not isinstance(said, str):
        return ""
    visible = "".join(letter if letter.isprintable() else " " for letter in said)
    value = " ".join(visible.split())
    if key in ("referrer", "landing"):
        value = _page(value, of_a_site=key == "referrer")
    return "" if _EMAIL.search(value) else value[:MAX_VALUE]


def _page(address: str, *, of_a_site: bool) -> str:
    """Return an address without its query, which can say anything of a person."""
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
