"""The picture that chats show beside a link: drawn once from the shop's settings, beside the site, and kept in a file.

Until it is there, or where it cannot be drawn, the one that came with the site stands in.
"""

import hashlib
import json
import logging
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.http import require_safe

from quoter import palette, site
from quoter.engine.text import LANGUAGES, Language, Text

logger = logging.getLogger(__name__)

PITCH = Text(es="Cotiza y sigue por WhatsApp", en="Get a price, go on in WhatsApp")
# A new one with each change of the drawing.
_VERSION = 1
_PATIENCE_S = 60


class Drawing(NamedTuple):
    """What a picture shows. name: of its file; another shop, another picture."""

    name: str
    shown: dict[str, str]


@require_safe
def picture(request: HttpRequest, name: str) -> HttpResponse:
    """GET /share/<name>: also one of before, which some chat remembers."""
    path = settings.SHARE_DIR / name
    if not re.fullmatch(r"[0-9a-f]{12}\.png", name) or not path.is_file():
        raise Http404
    kept = {"Cache-Control": "public, max-age=31536000, immutable"}
    return HttpResponse(path.read_bytes(), content_type="image/png", headers=kept)


def address(language: Language) -> str:
    """Return where the picture is, without the site's own address."""
    name = _drawing(language).name
    is_drawn = (settings.SHARE_DIR / name).exists()
    return reverse("quoter:share", args=[name]) if is_drawn else static("share.png")


def draw() -> None:
    """Draw those that are missing, each in a process of its own; what goes wrong is logged, and nothing else."""
    for drawing in map(_drawing, LANGUAGES):
        path = settings.SHARE_DIR / drawing.name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                continue
            told = json.dumps({**drawing.shown, "path": str(path)})
            program = [sys.executable, "-m", "quoter.drawing"]
            how: Any = {"cwd": settings.BASE_DIR, "capture_output": True, "text": True, "timeout": _PATIENCE_S}
            subprocess.run(program, input=told, check=True, **how)
        except subprocess.CalledProcessError as error:
            said = error.stderr.strip().splitlines()[-1:]
            logger.warning("The picture for chats was not drawn, the usual one stands in: %s", *said or ["no reason"])
        except (OSError, subprocess.TimeoutExpired) as error:
            logger.warning("The picture for chats was not drawn, the usual one stands in: %s", type(error).__name__)


def draw_meanwhile() -> None:
    Thread(target=draw, name="share", daemon=True).start()


def _drawing(language: Language) -> Drawing:
    title = site.price_book().title
    colors = (settings.BRAND_COLOR or palette.COLOR, settings.BRAND_ACCENT or palette.ACCENT)
    return _drawn_from(settings.BUSINESS_NAME, title.in_(language), PITCH.in_(language), colors, settings.BRAND_LOGO)


@cache
def _drawn_from(name: str, title: str, pitch: str, colors: tuple[str, str], logo: Path | None) -> Drawing:
    on_it = palette.palette(palette.DAY, *colors)
    is_drawable = logo and logo.suffix.lower() != ".svg"  # Pillow reads none
    shown = {
        "name": name,
        "title": title,
        "pitch": pitch,
        "surface": on_it["brand"],
        "ink": on_it["brand-ink"],
        "mark": on_it["mark"],
        "mark_ink": on_it["mark-ink"],
        "logo": str(logo) if is_drawable else "",
    }
    content = json.dumps([_VERSION, shown]).encode() + (logo.read_bytes() if logo and is_drawable else b"")
    return Drawing(f"{hashlib.sha256(content).hexdigest()[:12]}.png", shown)
