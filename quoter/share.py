"""The picture that chats show beside a link, and the icon for a phone's home screen, drawn once from the shop's
settings and kept in files.

A process beside the site draws it. Until that is done, or when it fails, the site's default picture is used.
"""

import hashlib
import json
import logging
import re
import subprocess
import sys
from base64 import b64encode
from functools import lru_cache
from threading import Thread
from typing import Any, NamedTuple

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.http import require_safe

from quoter import brand, palette, site
from quoter.engine.text import LANGUAGES, Language, Text
from quoter.shop.values import shop

logger = logging.getLogger(__name__)

PITCH = Text(es="Cotiza y sigue por WhatsApp", en="Get a price, continue on WhatsApp")
# Raise it with each change of the drawing.
_VERSION = 2
_PATIENCE_S = 60


class Drawing(NamedTuple):
    """What a picture shows. name: of its file, a digest of what it shows."""

    name: str
    shown: dict[str, str]


@require_safe
def picture(request: HttpRequest, name: str) -> HttpResponse:
    """GET /share/<name>: the picture of today or its icon, or an earlier one that a chat still refers to."""
    path = settings.SHARE_DIR / name
    if not re.fullmatch(r"[0-9a-f]{12}(-icon)?\.png", name) or not path.is_file():
        raise Http404
    kept = {"Cache-Control": "public, max-age=31536000, immutable"}
    return HttpResponse(path.read_bytes(), content_type="image/png", headers=kept)


def address(language: Language) -> str:
    """Return the path of the picture, without the site's own address."""
    name = _drawing(language).name
    return _path(name) if (settings.SHARE_DIR / name).exists() else static("share.png")


def icon_address(language: Language) -> str:
    """Return the path of the shop's icon; "" until it is drawn."""
    name = f"{_drawing(language).name.removesuffix('.png')}-icon.png"
    return _path(name) if (settings.SHARE_DIR / name).exists() else ""


def is_drawn(language: Language) -> bool:
    """Return whether the picture is there. Its icon is drawn before it."""
    return (settings.SHARE_DIR / _drawing(language).name).exists()


def draw() -> None:
    """Draw the pictures that are missing, each in a process of its own. A failure is logged, never raised."""
    for drawing in map(_drawing, LANGUAGES):
        path = settings.SHARE_DIR / drawing.name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                continue
            picture_as_json = json.dumps({**drawing.shown, "path": str(path)})
            program = [sys.executable, "-m", "quoter.drawing"]
            options: Any = {"cwd": settings.BASE_DIR, "capture_output": True, "text": True, "timeout": _PATIENCE_S}
            subprocess.run(program, input=picture_as_json, check=True, **options)
        except subprocess.CalledProcessError as error:
            reason = error.stderr.strip().splitlines()[-1:] or ["no reason given"]
            logger.warning("The picture for chats was not drawn, the default one is used: %s", *reason)
        except (OSError, subprocess.TimeoutExpired) as error:
            logger.warning("The picture for chats was not drawn, the default one is used: %s", type(error).__name__)


def draw_in_background() -> None:
    """Draw the pictures in a thread, so that the worker can serve meanwhile."""
    Thread(target=draw, name="share", daemon=True).start()


@lru_cache(maxsize=16)
def _path(name: str) -> str:
    return reverse("quoter:share", args=[name])


def _drawing(language: Language) -> Drawing:
    title = site.price_book().title
    colors = (shop.BRAND_COLOR or palette.COLOR, shop.BRAND_ACCENT or palette.ACCENT)
    return _drawn_from(shop.BUSINESS_NAME, title.in_(language), PITCH.in_(language), colors, brand.logo())


@lru_cache(maxsize=16)
def _drawn_from(name: str, title: str, pitch: str, colors: tuple[str, str], logo: brand.Piece | None) -> Drawing:
    shop_colors = palette.palette(palette.DAY, *colors)
    is_drawable = logo and not logo.name.endswith(".svg")  # Pillow cannot read SVG
    shown = {
        "name": name,
        "title": title,
        "pitch": pitch,
        "surface": shop_colors["brand"],
        "ink": shop_colors["brand-ink"],
        "mark": shop_colors["mark"],
        "mark_ink": shop_colors["mark-ink"],
        "logo": b64encode(logo.content).decode() if logo and is_drawable else "",
    }
    content = json.dumps([_VERSION, shown]).encode()
    return Drawing(f"{hashlib.sha256(content).hexdigest()[:12]}.png", shown)
