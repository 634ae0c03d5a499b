"""Draws a quote as a PDF, as a program of its own: `python -m checkout.paper.layout`.

It reads a `Document` as JSON from standard input and writes the file to standard output. A separate program keeps the
library's 50 MB out of the site's memory, and ends whatever a strange logo makes it do.
"""

import json
import os
import re
import resource
import sys
from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import qrcode
from fpdf import FPDF
from fpdf.enums import ResourceAccessPolicy
from fpdf.svg import SVGObject
from PIL import Image

FONTS = Path(__file__).resolve().parents[2] / "quoter" / "fonts"
FONT = "Archivo"
# In mm, of Letter paper, which printers in Mexico and the United States hold.
MARGIN, GAP, AMOUNT_WIDTH, QR_SIZE, LOGO_HEIGHT, LOGO_WIDTH = 17, 4, 38, 24, 14, 70
WIDTH = 215.9 - 2 * MARGIN
TEXT_WIDTH, BESIDE = WIDTH - AMOUNT_WIDTH, 3
MM_PER_POINT = 0.3528
# In points: the first that brings everything onto one page, else the one for several pages.
SIZES, SIZE_OF_SEVERAL = (11, 10, 9, 8.5), 10
QUIET, INK, RULE = (85, 92, 88), (15, 20, 18), (170, 175, 172)
MOST_ROWS_OF_A_PAGE = 50
MOST_MEMORY, MOST_SECONDS = 768_000_000, 8


class Sheet(FPDF):
    """A quote in one size of type, in points. widths: of texts at one point, which all sizes share."""

    widths: dict[tuple[str, str], float] = {}

    def __init__(self, document: Any, size: float) -> None:
        super().__init__(format="letter")
        self.document, self.size = document, size
        self.step = size * MM_PER_POINT * (1.35 if size > 9 else 1.22)
        self.set_margins(MARGIN, 12)
        self.c_margin = 0
        self.set_auto_page_break(True, 15)
        self.add_font(FONT, "", FONTS / "archivo-paper-regular.ttf")
        self.add_font(FONT, "B", FONTS / "archivo-paper-bold.ttf")
        self.set_lang("en-US" if document.language == "en" else "es-MX")
        self.set_title(f"{document.title} {document.folio}")
        self.set_author(document.shop)
        self.set_draw_color(*RULE)
        self.add_page()
        for part in (self.head, self.who, self.bill, self.to_pay, self.terms, self.foot):
            part()

    def footer(self) -> None:
        self.set_y(-11)
        self.type(8, ink=QUIET)
        self.cell(WIDTH, 4, self.known(f"{self.document.shop} · {self.document.folio}"))
        self.set_x(MARGIN)
        self.cell(WIDTH, 4, f"{self.document.page} {self.page_no()} / {{nb}}", align="R")

    # --- The parts ----------------------------------------------------------------------------------------------------

    def head(self) -> None:
        """The shop at the left, what this is at the right."""
        top, document = self.get_y(), self.document
        has_logo = bool(document.logo) and self.draw_logo(top)
        if not has_logo:
            self.type(17, bold=True)
            self.write_in(MARGIN, WIDTH * 0.66, 7.5, document.shop)
        bottom = self.get_y()
        self.set_y(top)
        self.type(11, ink=QUIET)
        self.write_in(MARGIN + WIDTH * 0.66, WIDTH * 0.34, 7.5, document.title, align="R")
        self.set_y(max(bottom, self.get_y()) + 1)
        self.type(self.size - 1, ink=QUIET)
        with_name = f"{document.shop} · {document.contact}" if has_logo else document.contact
        self.write_in(MARGIN, WIDTH, self.step, with_name)
        self.set_fill_color(*bytes.fromhex(document.color.removeprefix("#")))
        self.rect(MARGIN, self.get_y() + 1.5, WIDTH, 1, style="F")
        self.set_y(self.get_y() + 2 + GAP)

    def who(self) -> None:
        """Folio and dates, then who it is for: what is not known is a line to write on."""
        top = self.get_y()
        for x, width, (label, value) in zip((0, 0.29, 0.6), (0.28, 0.3, 0.4), self.document.facts, strict=True):
            self.set_y(top)
            self.type(self.size - 2, ink=QUIET)
            self.write_in(MARGIN + WIDTH * x, WIDTH * width, self.step * 0.85, label)
            self.type(self.size, bold=True)
            self.write_in(MARGIN + WIDTH * x, WIDTH * width, self.step, value)
        self.set_y(top + self.step * 2.9)
        for label, value in self.document.blanks:
            self.type(self.size - 1, ink=QUIET)
            label = self.known(label if label.endswith("?") else f"{label}:")
            begins = MARGIN + self.width_of(label) + 2
            self.write_in(MARGIN, WIDTH, self.step * 1.15, label, new_y="TOP")
            self.type(self.size, bold=True)
            ends = MARGIN + WIDTH
            self.write_in(begins, ends - begins, self.step * 1.15, value or " ")
            if not self.known(value).strip():
                base = self.get_y() - 0.8
                self.dashed_line(begins + 1, base, ends, base)
        self.set_y(self.get_y() + GAP)

    def bill(self) -> None:
        for group in self.groups():
            self.keep_together(sum(self.height_of(row) for row in group))
            self.rule()
            for row in group:
                self.row(row)

    def to_pay(self) -> None:
        document = self.document
        self.keep_together(self.step * (len(document.totals) + len(document.after) + 3))
        self.rule()
        for label, amount in document.totals:
            self.amount_row(label, amount)
        self.set_y(self.get_y() + 1)
        self.set_line_width(0.6)
        self.set_draw_color(*INK)
        self.rule()
        self.set_line_width(0.2)
        self.set_draw_color(*RULE)
        self.type(self.size + 4, bold=True)
        label, amount = document.total
        self.write_in(MARGIN, WIDTH, self.step * 1.6, label, new_y="TOP")
        self.write_in(MARGIN, WIDTH, self.step * 1.6, amount, align="R")
        for label, amount in document.after:
            self.amount_row(label, amount)
        self.set_y(self.get_y() + GAP)

    def terms(self) -> None:
        for label, text in self.document.sections:
            self.type(self.size - 1.5, bold=True)
            label = self.known(f"{label}: ")
            indent = self.width_of(label)
            self.keep_together(self.step * 2)
            self.cell(indent, self.step * 0.9, label)
            self.type(self.size - 1.5)
            for line in self.wrapped(text, WIDTH, indent=indent):
                self.cell(0, self.step * 0.9, line, new_x="LMARGIN", new_y="NEXT")
            self.set_y(self.get_y() + 0.8)

    def foot(self) -> None:
        """Where to sign, and the code that opens the quote."""
        self.keep_together(QR_SIZE + 2 * GAP)
        top = self.get_y() + GAP
        codes = qrcode.QRCode(border=0)
        codes.add_data(self.document.link)
        modules = codes.get_matrix()
        side, left = QR_SIZE / len(modules), MARGIN + WIDTH - QR_SIZE
        self.set_fill_color(0, 0, 0)
        for y, line in enumerate(modules):
            for x, is_dark in enumerate(line):
                if is_dark:  # a little larger, so that no hairline shows between two
                    self.rect(left + x * side, top + y * side, side + 0.02, side + 0.02, style="F")
        self.set_y(top)
        self.type(8, ink=QUIET)
        self.write_in(MARGIN + WIDTH * 0.4, WIDTH * 0.6 - QR_SIZE - 3, 3.6, self.document.online, align="R")
        self.type(7.5)
        shown = self.document.link.partition("://")[2].rstrip("/")
        self.write_in(MARGIN + WIDTH * 0.4, WIDTH * 0.6 - QR_SIZE - 3, 3.6, shown, align="R", link=self.document.link)
        base = top + QR_SIZE - 5
        self.set_draw_color(*INK)
        self.dashed_line(MARGIN, base, MARGIN + WIDTH * 0.38, base, dash_length=0)
        self.set_y(base + 0.8)
        self.type(8, ink=QUIET)
        self.write_in(MARGIN, WIDTH * 0.38, 3.6, self.document.signature)

    # --- Rows ---------------------------------------------------------------------------------------------------------

    def groups(self) -> Iterator[list[Any]]:
        """Yield the rows of each line, which stay on one page."""
        group: list[Any] = []
        for row in self.document.rows:
            if row.kind == "item" and group:
                yield group
                group = []
            group.append(row)
        if group:
            yield group

    def row(self, row: Any) -> None:
        top = self.get_y()
        for text, size, is_bold, ink in self.texts_of(row):
            self.type(size, bold=is_bold, ink=ink)
            self.write_in(MARGIN, WIDTH if row.kind == "note" else TEXT_WIDTH, self.step, text)
        bottom = self.get_y()
        if row.amount:
            self.set_y(top)
            self.type(self.size, bold=row.kind == "item")
            self.write_in(MARGIN + TEXT_WIDTH, AMOUNT_WIDTH, self.step, row.amount, align="R")
        if row.more and self.is_beside(row):
            self.set_xy(MARGIN + self.title_width(row) + BESIDE, top)
            self.type(self.size)
            self.cell(text=self.known(row.more), h=self.step)
        self.set_xy(MARGIN, bottom + (0.6 if row.kind == "item" else 0.3))

    def height_of(self, row: Any) -> float:
        width, height = WIDTH if row.kind == "note" else TEXT_WIDTH, 0.6
        for text, size, is_bold, ink in self.texts_of(row):
            self.type(size, bold=is_bold, ink=ink)
            height += len(self.wrapped(text, width)) * self.step
        return height

    def texts_of(self, row: Any) -> list[tuple[str, float, bool, tuple[int, int, int]]]:
        """Return the texts of a row below each other, with size, weight and colour."""
        if row.kind == "note":
            return [(row.text, self.size - 1.5, False, QUIET)]
        texts = [(row.text, self.size, row.kind == "item", INK)]
        return [*texts, (row.more, self.size - 1, False, INK)] if row.more and not self.is_beside(row) else texts

    def is_beside(self, row: Any) -> bool:
        """Whether the quantity has room beside its description."""
        self.type(self.size)
        return self.width_of(self.known(row.more)) + BESIDE + self.title_width(row) <= TEXT_WIDTH

    def title_width(self, row: Any) -> float:
        self.type(self.size, bold=True)
        return self.width_of(self.known(row.text))

    def amount_row(self, label: str, amount: str) -> None:
        self.type(self.size)
        self.write_in(MARGIN, TEXT_WIDTH, self.step * 1.1, label, new_y="TOP")
        self.write_in(MARGIN + TEXT_WIDTH, AMOUNT_WIDTH, self.step * 1.1, amount, align="R")

    # --- Means --------------------------------------------------------------------------------------------------------

    def type(self, size: float, *, bold: bool = False, ink: tuple[int, int, int] = INK) -> None:
        self.set_font(FONT, "B" if bold else "", size)
        self.set_text_color(*ink)

    def write_in(
        self, x: float, width: float, height: float, text: str, *, align: str = "L", new_y: str = "NEXT", link: str = ""
    ) -> None:
        for line in self.wrapped(text, width):
            self.set_x(x)
            self.cell(width, height, line, align=align, new_x="LMARGIN", new_y=new_y, link=link)

    def wrapped(self, text: str, width: float, *, indent: float = 0) -> list[str]:
        """Return a text's lines in the current type. The library's own way takes the square of their length."""
        lines = []
        for paragraph in self.known(text).split("\n"):
            line, used = "", indent
            for word in self.in_pieces(paragraph, width):
                wide = self.width_of(word)
                if line and used + wide > width:
                    lines.append(line.rstrip(" "))
                    line, used = "", 0.0
                line, used = line + word, used + wide
            lines.append(line.rstrip(" "))
            indent = 0
        return lines

    def in_pieces(self, paragraph: str, width: float) -> Iterator[str]:
        """Yield the words, each with the space after it; one that is wider than a line in several pieces."""
        for word in re.findall(r"[^ ]+ *", paragraph):
            while self.width_of(word.rstrip(" ")) > width:
                fits = next(
                    count for count in range(len(word), 0, -1) if count == 1 or self.width_of(word[:count]) <= width
                )
                yield word[:fits]
                word = word[fits:]
            yield word

    def width_of(self, text: str) -> float:
        """Return the width of a text in the current type, in mm."""
        measured = self.widths.setdefault((self.font_style, text), 0.0)
        if not measured and text:
            measured = self.get_string_width(text) / self.font_size_pt
            self.widths[self.font_style, text] = measured
        return measured * self.font_size_pt

    def known(self, text: str) -> str:
        """Return the text without characters that the font lacks, such as emoji."""
        letters = self.fonts[FONT.lower()].cmap  # type: ignore[union-attr]
        return "".join(letter for letter in text if letter == "\n" or ord(letter) in letters)

    def keep_together(self, height: float) -> None:
        if self.will_page_break(height):
            self.add_page()

    def rule(self) -> None:
        self.line(MARGIN, self.get_y(), MARGIN + WIDTH, self.get_y())
        self.set_y(self.get_y() + 1.2)

    def draw_logo(self, top: float) -> bool:
        """Draw the logo, and return whether it could be read: else the shop's name stands in its place."""
        content = b64decode(self.document.logo)
        with suppress(Exception):  # broad: libraries for pictures raise anything
            width, height = size_of(content, self.document.logo_suffix)
            scale = min(LOGO_WIDTH / width, LOGO_HEIGHT / height)
            # A picture in an SVG could be a file of this machine.
            kept_out: Any = {"resource_access_policy": ResourceAccessPolicy.NONE}
            self.image(BytesIO(content), MARGIN, top, w=width * scale, h=height * scale, **kept_out)
            self.set_y(top + height * scale + 1)
            return True
        return False


def size_of(content: bytes, suffix: str) -> tuple[float, float]:
    if suffix != ".svg":
        with Image.open(BytesIO(content)) as image:
            return image.size
    drawing: Any = SVGObject(content)
    width, height = drawing.viewbox[2:] if drawing.viewbox else (drawing.width, drawing.height)
    return float(width), float(height)


def drawn(document: Any) -> bytes:
    """Return the file: on one page if it fits in a size that can be read."""
    sizes = SIZES if len(document.rows) <= MOST_ROWS_OF_A_PAGE else ()
    for size in (*sizes, SIZE_OF_SEVERAL):
        sheet = Sheet(document, size)
        if sheet.page_no() == 1:
            break
    return bytes(sheet.output())


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
    os.nice(3)  # customers who are on their way to the chat come first
    document = json.load(sys.stdin, object_hook=lambda members: SimpleNamespace(**members))
    sys.stdout.buffer.write(drawn(document))


if __name__ == "__main__":
    main()
