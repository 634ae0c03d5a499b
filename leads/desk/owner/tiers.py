"""Puts quantities and prices that were pasted from a spreadsheet into the draft, as cells and rows of the table."""

import secrets
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from leads.desk.owner.sheets import Prices
from quoter import site
from quoter.engine.text import LANGUAGES, Language
from quoter.shop.table import cells, pasted, rows
from quoter.shop.table.cells import TIERS, Row
from quoter.shop.table.numbers import value
from quoter.shop.table.pasted import Band


class CannotPaste(ValueError):
    """Nothing was changed. The message says why, for people."""


def combinations(sheet: Prices, product: str, language: Language | None = None) -> list[tuple[str, str]]:
    """Return the path of each combination's tiers and its title, without those that the draft removes."""
    walked = cells.walk(sheet.base, language or site.language())
    listed = [each for each in walked if isinstance(each, Row) and each.name == "prices" and len(each.above) == 1]
    removed = {path for path, text in sheet.changes.items() if not text}
    return [
        (f"{row.path}.{TIERS}", row.title) for row in listed if row.above[0].path == product and row.path not in removed
    ]


def changes(sheet: Prices, product: str, text: str, target: str) -> dict[str, str]:
    """Return what the pasted text changes in the draft, by path; CannotPaste when anything in it is unclear.

    target: the tiers that it is for, "" when its columns say that.
    """
    known = combinations(sheet, product)
    row = rows.find(sheet.base, product)
    chosen = [each for each in known if each[0] == target] or known
    read = pasted.read(text, step=Decimal(str(row["step"])), unit=str(row.get("unit", "")), columns=len(chosen))
    if read.wrong:
        said = [
            _("Row %(number)d cannot be read: %(text)s") % {"number": each, "text": what} for each, what in read.wrong
        ]
        raise CannotPaste("\n".join(said))
    if not read.bands:
        raise CannotPaste(_("There is no row with a quantity and a price."))
    found: dict[str, str] = {}
    named = [combinations(sheet, product, language) for language in LANGUAGES]
    for column, path in enumerate(_targets(read.columns, chosen, named)):
        bands = [each._replace(prices=(each.prices[column],)) for each in read.bands if each.prices[column]]
        found |= dict(_replaced(sheet, path, bands))
    return found


def _targets(
    columns: Sequence[str], chosen: Sequence[tuple[str, str]], named: Sequence[Sequence[tuple[str, str]]]
) -> list[str]:
    """Return the tiers that each column of prices is for. named: all combinations, in each language."""
    if not columns or len(columns) == len(chosen) == 1:
        return [path for path, _title in chosen]
    found: list[str] = []
    for name in columns:
        places = [pasted.match(name, [title for _path, title in known]) for known in named]
        place = next((each for each in places if each is not None), None)
        if place is None:
            said = _("Which prices are in the column “%(name)s”? Name its choices, as above.")
            raise CannotPaste(said % {"name": name})
        if named[0][place][0] in found:
            raise CannotPaste(_("Two columns are for the same prices: “%(name)s”.") % {"name": name})
        found.append(named[0][place][0])
    return found


def _replaced(sheet: Prices, path: str, bands: Sequence[Band]) -> Iterator[tuple[str, str]]:
    """Yield what makes the tiers at a path these: cells of those that are there, new ones, and removed ones."""
    there = rows.find(sheet.base, path)
    is_plain = not any("above" in tier or "below" in tier for tier in there)
    kept = there[: len(bands)] if is_plain else []
    for tier, band in zip(kept, bands, strict=False):
        here = f"{path}[{tier[rows.KEY]}]"
        yield here, sheet.texts.get(here, "") or sheet.changes[here]  # one that was removed is there again
        for name, text in (("from", band.start), ("to", band.end), ("price", band.prices[0])):
            yield f"{here}.{name}", text
    for band in bands[len(kept) :]:
        tier = {"from": value(band.start)} | ({"to": value(band.end)} if band.end else {})
        row: dict[str, Any] = tier | {"price": value(band.prices[0], like=Decimal(0))}
        yield f"{path}[+{secrets.token_hex(3)}]", rows.text_of(row)
    for tier in there[len(kept) :]:
        yield f"{path}[{tier[rows.KEY]}]", ""
