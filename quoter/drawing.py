"""Draws the picture that chats show beside a link to the shop, as a program of its own: `python -m quoter.drawing`.

It reads a `Picture` as JSON from standard input and writes a PNG to its path. A separate program keeps Pillow out of
the site's memory.
"""

import json
import os
import sys
from base64 import b64decode
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageDraw, ImageFont

SIZE = (1200, 630)  # what Open Graph recommends
SCALE = 2  # drawn twice as large, then scaled down for smooth edges
MARGIN = 84
FONT = Path(__file__).parent / "fonts" / "archivo-bold.woff2"
TEXT_WIDTH = 610
PAPER, LINES, INK = "#f6f5f1", "#d0d8d4", "#1c2321"


class Picture(NamedTuple):
    """What to draw. surface, ink, mark, mark_ink: colours as #rrggbb; logo: a PNG or WebP in base64, or ""."""

    path: str
    name: str
    title: str
    pitch: str
    surface: str
    ink: str
    mark: str
    mark_ink: str
    logo: str = ""


class CannotBeDrawn(ValueError):
    """The font lacks a character of the text."""


def draw(picture: Picture) -> None:
    for text in (picture.name, picture.title, picture.pitch):
        _refuse_unknown(text)
    width, height = SIZE
    image = Image.new("RGB", (width * SCALE, height * SCALE), picture.surface)
    pen = ImageDraw.Draw(image)
    _draw_quote(pen, picture)
    # Drawn on a copy first, to measure the height.
    bottom = _draw_words(image.copy(), picture, top=0)
    _draw_words(image, picture, top=(height - bottom) / 2)
    path = Path(picture.path)
    unfinished = path.with_suffix(f".{os.getpid()}")
    image.resize(SIZE, Image.Resampling.LANCZOS).quantize(128).save(unfinished, "PNG", optimize=True)
    unfinished.replace(path)


def _draw_words(image: Image.Image, picture: Picture, *, top: float) -> float:
    """Draw the logo, if there is one, and the texts below it; return the y at which they end."""
    pen = ImageDraw.Draw(image)
    if picture.logo:
        top = _draw_logo(image, picture, top=top) + 28
    top = _draw_text(pen, picture.name, top=top, sizes=range(88, 34, -4), ink=picture.ink)
    pen.rounded_rectangle(_scaled(MARGIN, top + 14, MARGIN + 96, top + 24), radius=5 * SCALE, fill=picture.mark)
    top = _draw_text(pen, picture.title, top=top + 52, sizes=range(48, 26, -2), ink=picture.ink)
    return _draw_text(pen, picture.pitch, top=top + 20, sizes=range(34, 20, -2), ink=picture.ink)


def _draw_text(pen: ImageDraw.ImageDraw, text: str, *, top: float, sizes: range, ink: str) -> float:
    """Draw a text of at most two lines in the largest size that fits; return the y at which it ends."""
    for size in sizes:
        font = ImageFont.truetype(str(FONT), size * SCALE)
        lines = _wrapped(pen, text, font)
        if len(lines) <= 2 and all(pen.textlength(line, font) <= TEXT_WIDTH * SCALE for line in lines):
            break
    for line in lines[:2]:
        pen.text((MARGIN * SCALE, top * SCALE), line, font=font, fill=ink)
        top += size * 1.16
    return top


def _wrapped(pen: ImageDraw.ImageDraw, text: str, font: Any) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and pen.textlength(longer, font) <= TEXT_WIDTH * SCALE:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _draw_logo(image: Image.Image, picture: Picture, *, top: float) -> float:
    """Draw the logo on a light card, because it may have the surface's colour; return the y at which the card ends."""
    logo = Image.open(BytesIO(b64decode(picture.logo))).convert("RGBA")
    logo.thumbnail((300 * SCALE, 80 * SCALE), Image.Resampling.LANCZOS)
    left, upper, pad = MARGIN * SCALE, int(top * SCALE), 14 * SCALE
    box = (left, upper, left + logo.width + 2 * pad, upper + logo.height + 2 * pad)
    ImageDraw.Draw(image).rounded_rectangle(box, radius=16 * SCALE, fill=PAPER)
    image.paste(logo, (left + pad, upper + pad), logo)
    return box[3] / SCALE


def _draw_quote(pen: ImageDraw.ImageDraw, picture: Picture) -> None:
    """Draw a quote and, over its corner, a chat bubble."""

    def bar(left: int, top: int, right: int, bottom: int, fill: str, radius: int = 8) -> None:
        pen.rounded_rectangle(_scaled(left, top, right, bottom), radius=radius * SCALE, fill=fill)

    bar(764, 98, 1076, 532, PAPER, 22)
    bar(802, 140, 942, 162, picture.surface)
    for row, width in enumerate((150, 112, 168)):
        top = 204 + 38 * row
        bar(802, top, 802 + width, top + 16, LINES)
        bar(996, top, 1038, top + 16, LINES)
    bar(802, 322, 1038, 326, LINES, 2)
    bar(802, 350, 884, 374, INK)
    bar(938, 350, 1038, 374, INK)
    bar(902, 396, 1134, 524, picture.surface, 34)
    bar(912, 406, 1124, 514, picture.mark, 28)
    pen.polygon([(x * SCALE, y * SCALE) for x, y in ((950, 506), (950, 550), (996, 510))], fill=picture.mark)
    tick = [(x * SCALE, y * SCALE) for x, y in ((976, 460), (1006, 488), (1062, 434))]
    pen.line(tick, fill=picture.mark_ink, width=18 * SCALE, joint="curve")
    for x, y in tick:
        pen.ellipse((x - 9 * SCALE, y - 9 * SCALE, x + 9 * SCALE, y + 9 * SCALE), fill=picture.mark_ink)


def _scaled(*corners: float) -> tuple[float, ...]:
    return tuple(corner * SCALE for corner in corners)


def _refuse_unknown(text: str) -> None:
    font = ImageFont.truetype(str(FONT), 20)
    unknown = bytes(font.getmask("\uffff"))
    if missing := {letter for letter in text if not letter.isspace() and bytes(font.getmask(letter)) == unknown}:
        raise CannotBeDrawn(f"The font has no {' '.join(sorted(missing))}")


if __name__ == "__main__":
    draw(Picture(**json.load(sys.stdin)))
