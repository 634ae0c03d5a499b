"""What was published, who did it and when, and what two versions differ in, in words."""

import json
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from leads.desk.owner import shop_fields, words
from quoter import site
from quoter.shop import publishing, served
from quoter.shop.details import LOGO, PHOTO
from quoter.shop.models import Published
from quoter.shop.table import cells, numbers, rows
from quoter.shop.table.cells import Cell, Row

MOST_VERSIONS, MOST_DIFFERENCES = 12, 8
LONGEST = 80
PICTURES = {LOGO, PHOTO}


@dataclass(frozen=True, slots=True)
class Difference:
    """words: which cell or row; before, after: as a form has them, "" for what is not there."""

    words: str
    before: str
    after: str


def versions(kind: str) -> list[dict[str, Any]]:
    """Return the last versions, the newest first, each with what it changed of the one before it."""
    rows_ = list(Published.objects.filter(kind=kind).order_by("-pk")[: MOST_VERSIONS + 1])
    begun = Published.objects.filter(kind=kind).begun().first()
    first = Published(pk=0, kind=kind, content=publishing.first_content(kind), published_by="")
    now = timezone.now()
    found = []
    for row, before in list(zip(rows_, [*rows_[1:], first], strict=False))[:MOST_VERSIONS]:
        changed = differences(kind, before.content, row.content)
        found.append(
            {
                "row": row,
                "before": before.pk,
                "is_in_force": row == begun,
                "is_to_come": bool(row.starts_at and row.starts_at > now and not row.withdrawn_at),
                "changes": changed[:MOST_DIFFERENCES],
                "more": len(changed[MOST_DIFFERENCES:]),
            }
        )
    return found


def compared(kind: str, one: str, other: str) -> dict[str, Any]:
    """Return two versions by their numbers, 0: this machine's own, and what differs; LookupError for unknown ones."""
    old, new = (_version(kind, number) for number in (one, other))
    return {"one": old, "other": new, "changes": differences(kind, old.content, new.content)}


def differences(kind: str, before: str, after: str) -> list[Difference]:
    """Return what differs between two documents, cell by cell; a row that came or went is one difference."""
    if kind == served.PRICES:
        return _of_prices(rows.parse(before), rows.parse(after))
    old, new = json.loads(before), json.loads(after)
    labels = shop_fields.labels()
    return [
        Difference(label, *(_said(name, texts.get(name, "")) for texts in (old, new)))
        for name, label in labels.items()
        if old.get(name, "") != new.get(name, "")
    ]


def _of_prices(before: rows.Document, after: rows.Document) -> list[Difference]:
    language = site.language()
    old = {each.path: each for each in cells.walk(before, language)}
    new = {each.path: each for each in cells.walk(after, language)}
    found = []
    for there, others, is_new in ((new, old, True), (old, new, False)):
        for path, each in there.items():
            inside = each.rows if isinstance(each, Cell) else each.above
            if any(row.path not in others for row in inside):
                continue  # told by its row
            if isinstance(each, Row) and path not in others:
                text = _new_row(each, after if is_new else before)
                found.append(Difference(_titles((*each.above, each)), *(("", text) if is_new else (text, ""))))
            elif isinstance(each, Cell) and is_new:
                was = others.get(path)
                text = was.text if isinstance(was, Cell) else ""
                if text != each.text:
                    found.append(_difference(each, text, after))
    return found


def _difference(cell: Cell, before: str, data: rows.Document) -> Difference:
    label = words.label_of(cell, site.language())
    start, end = words.around(cell, data, site.language())

    def said(text: str) -> str:
        shown = numbers.percent(text) if cell.kind == "rate" and text else text
        shown = words.choice(cell.field, text) if cell.kind == "choice" else shown
        return _short(f"{start}{shown} {end}".strip() if shown and cell.kind in ("number", "rate") else shown)

    return Difference(" · ".join(filter(None, (_titles(cell.rows), label))), said(before), said(cell.text))


def _new_row(row: Row, data: rows.Document) -> str:
    """Return what a row says that came or went: its price, if it has one."""
    price = row.data.get("price")
    return f"{words.money_sign(data)}{price}" if price is not None else _("there")


def _titles(chain: tuple[Row, ...]) -> str:
    return " · ".join(filter(None, map(words.title_of, chain)))


def _version(kind: str, number: str) -> Published:
    if number == "0":
        return Published(pk=0, kind=kind, content=publishing.first_content(kind), published_by="")
    found = (
        Published.objects.filter(kind=kind, pk=int(number)).first() if number.isdecimal() and len(number) < 18 else None
    )
    if found is None:
        raise LookupError(number)
    return found


def _said(name: str, text: str) -> str:
    """Return a setting as the history shows it."""
    if name in PICTURES and text:
        return _("a picture of %(size)d kB") % {"size": len(text) * 3 // 4000}
    return _short(text)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
