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


def cells(kind: str, base: Mapping[str, str]) -> dict[str, DraftCell]:
    """Return the draft's cells by path: those that still differ from the version in force.

    base: that version. What the base has changed under a cell is left to whoever saves the cell again.
    """
    drafted = DraftCell.objects.filter(kind=kind)
    return {each.path: each for each in drafted if base.get(each.path, "") == each.was != each.text}


def save(kind: str, changes: Iterable[Change], *, base: Mapping[str, str], by: str) -> list[Conflict]:
    """Save what was typed; return the cells that were not saved, because somebody else has changed them meanwhile."""
    conflicts = []
    with transaction.atomic():
        one_at_a_time()
        drafted = cells(kind, base)
        for change in changes:
            in_force = base.get(change.path, "")
            there = drafted.get(change.path)
            current = there.text if there else in_force
            if change.text == current or mark(change.text) == change.seen:
                continue
            if mark(current) != change.seen:
                conflicts.append(Conflict(change.path, current, there.by if there else ""))
            elif change.text == in_force:
                DraftCell.objects.filter(kind=kind, path=change.path).delete()
            else:
                new = {"text": change.text, "was": in_force, "by": by, "at": Now()}
                DraftCell.objects.update_or_create(kind=kind, path=change.path, defaults=new)
    return conflicts


def clear(kind: str, published: Iterable[DraftCell] | None = None) -> None:
    """Forget the draft, or those of its cells that were published as they are."""
    if published is None:
        DraftCell.objects.filter(kind=kind).delete()
        return
    for cell in published:
        DraftCell.objects.filter(pk=cell.pk, text=cell.text).delete()
