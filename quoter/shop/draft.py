"""The draft that all owners share, cell by cell: two who edit at once lose nothing of each other's."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from django.db import transaction
from django.db.models.functions import Now

from quoter.shop.models import DraftCell
from quoter.shop.publishing import one_at_a_time
from quoter.shop.version import digest

_LONGEST_SEEN = 200


class Change(NamedTuple):
    """What somebody has typed into a cell. seen: the mark of what the cell had on their page."""

    path: str
    seen: str
    text: str


class Conflict(NamedTuple):
    """A cell that somebody else has changed since the page was made. text: theirs; by: a user name, "" if published."""

    path: str
    text: str
    by: str


def mark(text: str) -> str:
    """Return what stands for a text in a form, beside its field: itself, or a digest of a long one."""
    return text if len(text) <= _LONGEST_SEEN else f"sha256 {digest(text)}"


def current(drafted: Iterable[DraftCell], base: Mapping[str, str]) -> dict[str, DraftCell]:
    """Return the draft's cells by path: those that still differ from the version in force.

    base: that version. What the base has changed under a cell is left to whoever saves the cell again.
    """
    return {each.path: each for each in drafted if base.get(each.path, "") == each.was != each.text}


def cells(kind: str, base: Mapping[str, str]) -> dict[str, DraftCell]:
    return current(DraftCell.objects.filter(kind=kind), base)


def save(kind: str, changes: Iterable[Change], *, base: Mapping[str, str], by: str) -> list[Conflict]:
    """Save what was typed; return the cells that were not saved, because somebody else has changed them meanwhile."""
    conflicts = []
    with transaction.atomic():
        one_at_a_time()
        drafted = cells(kind, base)
        for change in changes:
            there = drafted.get(change.path)
            text = there.text if there else base.get(change.path, "")
            if change.text == text or mark(change.text) == change.seen:
                continue
            if mark(text) == change.seen:
                _put(kind, change.path, change.text, base, by)
            else:
                conflicts.append(Conflict(change.path, text, there.by if there else ""))
    return conflicts


def put(kind: str, texts: Mapping[str, str], *, base: Mapping[str, str], by: str) -> None:
    """Put texts into the draft, whatever it has there: new rows, and those that are brought back."""
    with transaction.atomic():
        one_at_a_time()
        for path, text in texts.items():
            _put(kind, path, text, base, by)


def remove(
    kind: str, rows: Iterable[str], *, below: Iterable[str], seen: Mapping[str, str], base: Mapping[str, str], by: str
) -> list[Conflict]:
    """Remove rows; return what somebody else has typed into them since the page was made, and then remove nothing.

    below: the cells of these rows; seen: the mark of what each had on the page. A row that was only drafted is
    forgotten.
    """
    rows, below = list(rows), set(below)
    with transaction.atomic():
        one_at_a_time()
        drafted = cells(kind, base)
        conflicts = [
            Conflict(path, there.text, there.by)
            for path, there in drafted.items()
            if path in below and path in seen and seen[path] != mark(there.text)
        ]
        if not conflicts:
            if not any(path in base for path in rows):  # nothing of them can be brought back
                DraftCell.objects.filter(kind=kind, path__in=below & drafted.keys()).delete()
            for path in rows:
                _put(kind, path, "", base, by)
    return conflicts


def _put(kind: str, path: str, text: str, base: Mapping[str, str], by: str) -> None:
    was = base.get(path, "")
    if text == was:
        DraftCell.objects.filter(kind=kind, path=path).delete()
    else:
        new = {"text": text, "was": was, "by": by, "at": Now()}
        DraftCell.objects.update_or_create(kind=kind, path=path, defaults=new)


def clear(kind: str, published: Iterable[DraftCell] | None = None) -> None:
    """Forget the draft, or those of its cells that were published as they are."""
    if published is None:
        DraftCell.objects.filter(kind=kind).delete()
        return
    for cell in published:
        DraftCell.objects.filter(pk=cell.pk, text=cell.text).delete()
