"""Serves the shop's logo and colours. Their names are made of their content, so browsers may keep them for ever."""

import hashlib
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from quoter import palette
from quoter.shop import details, served
from quoter.shop.values import shop

LOGO_TYPES = {".svg": "image/svg+xml", ".png": "image/png", ".webp": "image/webp"}


class Piece(NamedTuple):
    """One file of the shop's brand. name: a digest of its content, and its suffix."""

    name: str
    content_type: str
    content: bytes


@require_safe
def piece(request: HttpRequest, name: str) -> HttpResponse:
    """GET /brand/<name>: the stylesheet with the shop's colours, its logo or its photo."""
    for file in (stylesheet(), logo(), photo()):
        if file and file.name == name:
            kept = {"Cache-Control": "public, max-age=31536000, immutable"}
            return HttpResponse(file.content, content_type=file.content_type, headers=kept)
    raise Http404


def stylesheet() -> Piece | None:
    """Return the stylesheet of the shop's colours; None when it has set none, because site.css has the default ones."""
    color, accent = shop.BRAND_COLOR, shop.BRAND_ACCENT
    return _stylesheet(color or palette.COLOR, accent or palette.ACCENT) if color or accent else None


def logo() -> Piece | None:
    """Return the owner's logo, or else that of BRAND_LOGO."""
    given = served.current().details
    if details.LOGO in given:
        suffix, content = given[details.LOGO] or ("", b"")
        return _piece(content, suffix, LOGO_TYPES[suffix]) if content else None
    return _logo(settings.BRAND_LOGO) if settings.BRAND_LOGO else None


def photo() -> Piece | None:
    content = served.current().details.get(details.PHOTO)
    return _piece(content, ".webp", LOGO_TYPES[".webp"]) if content else None


def address_of(file: Piece | None) -> str:
    return reverse("quoter:brand", args=[file.name]) if file else ""


@cache
def _stylesheet(color: str, accent: str) -> Piece:
    return _piece(palette.stylesheet(color, accent).encode(), ".css", "text/css; charset=utf-8")


@cache
def _logo(path: Path) -> Piece:
    return _piece(path.read_bytes(), path.suffix.lower(), LOGO_TYPES[path.suffix.lower()])


@lru_cache(maxsize=8)
def _piece(content: bytes, suffix: str, content_type: str) -> Piece:
    return Piece(f"{hashlib.sha256(content).hexdigest()[:12]}{suffix}", content_type, content)
