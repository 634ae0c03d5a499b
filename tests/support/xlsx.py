"""Reads the XLSX files of exports with the standard library: their XML, and what a spreadsheet shows of it."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any
from xml.etree import ElementTree
from zipfile import ZipFile

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_BEGINNING = datetime.fromisoformat("1899-12-30")
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")


@dataclass(frozen=True)
class Sheet:
    """title: of its tab; rows: the cells' values, the first row is that of the headings; xml: the whole sheet.

    Texts are str, numbers float, and numbers with a date's format datetime. An empty cell is None.
    """

    title: str
    rows: list[list[Any]]
    xml: str

    def records(self) -> list[dict[str, Any]]:
        headings, *rows = self.rows
        return [dict(zip(headings, row + [None] * (len(headings) - len(row)), strict=True)) for row in rows]


def read(content: bytes) -> list[Sheet]:
    """Return the sheets of a file."""
    with ZipFile(BytesIO(content)) as file:
        assert file.testzip() is None
        formats = _formats(ElementTree.fromstring(file.read("xl/styles.xml")))
        book = ElementTree.fromstring(file.read("xl/workbook.xml"))
        titles = [each.attrib["name"] for each in book.iter(f"{_MAIN}sheet")]
        return [
            _sheet(title, file.read(f"xl/worksheets/sheet{number}.xml").decode(), formats)
            for number, title in enumerate(titles, start=1)
        ]


def _formats(styles: ElementTree.Element) -> list[str]:
    """Return the number format of each cell style."""
    codes = {each.attrib["numFmtId"]: each.attrib["formatCode"] for each in styles.iter(f"{_MAIN}numFmt")}
    cells = styles.find(f"{_MAIN}cellXfs")
    assert cells is not None
    return [codes.get(style.attrib["numFmtId"], style.attrib["numFmtId"]) for style in cells]


def _sheet(title: str, xml: str, formats: list[str]) -> Sheet:
    rows = []
    for row in ElementTree.fromstring(xml).iter(f"{_MAIN}row"):
        cells: list[Any] = []
        for cell in row:
            column = _column(cell.attrib["r"])
            cells += [None] * (column - len(cells))
            cells.append(_value(cell, formats))
        rows.append(cells)
    return Sheet(title, rows, xml)


def _column(reference: str) -> int:
    number = 0
    for letter in re.sub("[0-9]", "", reference):
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _value(cell: ElementTree.Element, formats: list[str]) -> Any:
    assert cell.find(f"{_MAIN}f") is None, "a formula"
    if cell.get("t") == "inlineStr":
        text = "".join(cell.itertext())
        return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    number = cell.find(f"{_MAIN}v")
    if number is None:
        return None
    if formats[int(cell.get("s", 0))].startswith("yyyy"):
        at = _BEGINNING + timedelta(days=float(number.text or ""))
        return (at + timedelta(milliseconds=500)).replace(microsecond=0)
    return float(number.text or "")
