"""Draws the picture that chats show beside a link to the shop, and its icon for a phone's home screen, as a program of
its own: `python -m quoter.drawing`.

It reads a `Picture` as JSON from standard input and writes a PNG to its path, and beside it the icon. A separate
program keeps Pillow out of the site's memory.
"""

import json
import os
import sys
from base64 import b64decode
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageDraw, ImageFont, ImageOps

SIZE = (1200, 630)  # what Open Graph recommends
ICON_SIZE = 180  # what iPhones ask for
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
    # The picture last: where it is, nothing is drawn again.
    _save(_icon(picture).resize((ICON_SIZE, ICON_SIZE), Image.Resampling.LANCZOS), icon_of(path))
    _save(image.resize(SIZE, Image.Resampling.LANCZOS), path)


def icon_of(path: Path) -> Path:
    """Return where the icon is that belongs to a picture."""
    return path.with_name(f"{path.stem}-icon.png")


def _save(image: Image.Image, path: Path) -> None:
    unfinished = path.with_suffix(f".{os.getpid()}")
    image.quantize(128).save(unfinished, "PNG", optimize=True)
    unfinished.replace(path)


def _icon(picture: Picture) -> Image.Image:
    """Return the logo on a light square, or else the name's first letters on one of the shop's colour."""
    side = ICON_SIZE * SCALE
    if picture.logo:
        image = Image.new("RGB", (side, side), PAPER)
        logo = Image.open(BytesIO(b64decode(picture.logo))).convert("RGBA")
        logo = ImageOps.contain(logo, (side * 4 // 5, side * 4 // 5), Image.Resampling.LANCZOS)
        image.paste(logo, ((side - logo.width) // 2, (side - logo.height) // 2), logo)
        return image
    image = Image.new("RGB", (side, side), picture.surface)
    pen = ImageDraw.Draw(image)
    words = picture.name.split()
    letters = "".join(word[0] for word in [word for word in words if word[0].isupper()] or words)[:2].upper()
    font = ImageFont.truetype(str(FONT), 92 * SCALE)
    pen.text((side / 2, side * 0.45), letters, font=font, fill=picture.ink, anchor="mm")
    pen.rounded_rectangle(_scaled(60, 134, 120, 144), radius=5 * SCALE, fill=picture.mark)
    return image


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
