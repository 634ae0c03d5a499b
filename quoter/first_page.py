"""The calculator as a visit begins: rendered once for everybody who sees the same, and sent from memory.

There are few such pages: one for each language, day, shop, and link that opens something. What belongs to one visit
alone, where it came from, is written into its places when the page is sent. So no cache of others may keep the page,
and a browser asks each time whether its copy is still right.
"""

import zlib
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import NamedTuple

from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers
from django.utils.html import escape

from quoter import origin, share, site
from quoter.forms import TypedLine

# What else a page depends on. An app that adds to the calculator's template adds a function here; each visit calls it.
depends_on: list[Callable[[HttpRequest], object]] = []

# Stands for where a visitor came from while a page is rendered.
_PLACE = {"landing": "where-the-visit-came-from"}
# Of a gzip file (RFC 1952): its first bytes, and the empty block that ends its content.
_HEAD, _LAST_BLOCK = b"\x1f\x8b\x08\0\0\0\0\0\0\xff", b"\x03\0"


class FirstPage(NamedTuple):
    """pieces: of the page, between the places of the origin; compressed: each of them as `_compressed` returns it."""

    pieces: tuple[bytes, ...]
    compressed: tuple[bytes, ...]
    digest: str

    @classmethod
    def of(cls, content: bytes, place: bytes) -> "FirstPage":
        pieces = tuple(content.split(place)) if place else (content,)
        return cls(pieces, tuple(map(_compressed, pieces)), sha256(content).hexdigest()[:16])

    def filled(self, came_from: bytes) -> bytes:
        return came_from.join(self.pieces)

    def filled_as_gzip(self, came_from: bytes) -> bytes:
        """Return the page as gzip writes it. Compressing it as a whole would take as long as all the rest."""
        whole = self.filled(came_from)
        ending = zlib.crc32(whole).to_bytes(4, "little") + len(whole).to_bytes(4, "little")
        return _HEAD + _compressed(came_from).join(self.compressed) + _LAST_BLOCK + ending


def answer(
    request: HttpRequest,
    line: TypedLine,
    *,
    came_from: Mapping[str, str],
    render: Callable[[Mapping[str, str]], HttpResponse],
) -> HttpResponseBase:
    """Return the calculator with one line that a link may have begun, or 304 when the browser has that page.

    came_from: as `origin.read` returns it; render: makes the page for a visitor who came from there.
    """
    place = _PLACE if came_from else {}
    seen = _seen(request, line, place)
    page = caches["pages"].get(seen)
    if page is None:
        page = FirstPage.of(render(place).content, _written(place))
        caches["pages"].set(seen, page)
    written = _written(came_from)
    response = HttpResponse(headers={"ETag": f'W/"{_digest(page.digest, written)}"'})
    patch_cache_control(response, private=True, no_cache=True)
    patch_vary_headers(response, ["Accept-Encoding"])
    given = get_conditional_response(request, etag=response.headers["ETag"], response=response)
    if given and given is not response:
        return given
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        response.content = page.filled_as_gzip(written)
        response.headers["Content-Encoding"] = "gzip"
    else:
        response.content = page.filled(written)
    return response


def _seen(request: HttpRequest, line: TypedLine, place: Mapping[str, str]) -> str:
    """Return a key for all that the page depends on, besides where this visit came from."""
    return _digest(
        *(site.seen_by(request), site.address(request), share.is_drawn(site.language())),
        *(line, bool(place), [each(request) for each in depends_on]),
    )


def _digest(*values: object) -> str:
    return sha256(repr(values).encode()).hexdigest()[:32]


def _written(came_from: Mapping[str, str]) -> bytes:
    """Return an origin as the page's HTML has it."""
    return escape(origin.as_query(came_from)).encode()


def _compressed(data: bytes) -> bytes:
    """Return data as a part of a compressed stream, which refers to no other part and does not end it."""
    stream = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush(zlib.Z_FULL_FLUSH)
