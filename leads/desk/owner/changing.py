"""Saves what an owner has typed and tapped: cells that differ from what the page had, rows that come and go."""

from collections.abc import Mapping
from typing import NamedTuple

from django.utils.translation import gettext as _

from leads.desk.owner import shop_fields, tiers
from leads.desk.owner.fields import id_of, in_words
from leads.desk.owner.sheets import Prices, Sheet
from quoter.engine.finding import PriceBookInvalid
from quoter.shop import draft, served
from quoter.shop.draft import Change, Conflict
from quoter.shop.table import edits, rows

CELL, SEEN = "cell:", "seen:"
ROW_ACTIONS = {"add", "copy", "remove", "restore", "paste"}
LONGEST_TYPED = 80


class Typed(NamedTuple):
    """A form that was not saved whole. texts: as typed; errors: by cell; told: what concerns no cell that is shown."""

    texts: dict[str, str]
    errors: dict[str, str]
    told: tuple[str, ...] = ()


NOTHING = Typed({}, {})


class CannotRemove(ValueError):
    """A row has to stay. path: the row; the text says why, for people."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(why)
        self.path = path


def save(sheet: Sheet, form: Mapping[str, str], *, by: str) -> tuple[Typed, int]:
    """Save the cells of a form; return what could not be saved, and how many were changed."""
    typed, changes, errors, told = {}, [], {}, []
    removed = {path: each.by for path, each in sheet.drafted.items() if rows.is_row(path) and not each.text}
    for name, value in form.items():
        path, text = name.removeprefix(CELL), lines(str(value))
        if not name.startswith(CELL):
            continue
        seen = lines(form.get(SEEN + path, ""))
        if path not in sheet.texts:
            if draft.mark(text) != seen:
                told.append(_("This is gone, so it was not saved: %(text)s") % {"text": text[:LONGEST_TYPED]})
            continue
        if text in (sheet.shown(path, seen), seen):
            continue
        try:
            new = sheet.read(path, text)
        except ValueError as error:
            typed[path] = text
            errors[path] = shop_fields.in_words(path, str(error)) if sheet.kind == served.DETAILS else str(error)
            continue
        if draft.mark(new) != seen:
            typed[path] = text
            changes.append(Change(path, seen, new))
            told += [_kept(removed[row], text) for row in removed if rows.is_below(path, row)]
    conflicts = draft.save(sheet.kind, changes, base=sheet.texts, by=by)
    errors |= {each.path: said(sheet, each) for each in conflicts}
    kept = {path: text for path, text in typed.items() if path in errors}
    return Typed(kept, errors, tuple(told)), len(changes) - len(conflicts)


def change_rows(
    sheet: Prices, action: str, path: str, form: Mapping[str, str], *, by: str
) -> tuple[str, tuple[str, ...]]:
    """Add, copy, remove or bring back rows of the draft; return where the page goes on, and why it was not done.

    ValueError, for people, when the row has gone; CannotRemove when it has to stay.
    """
    try:
        if action == "remove":
            return _removed(sheet, path, form, by=by)
        if action == "restore":
            texts = {row: edits.PRESENT for row in edits.together(sheet.base, path) if row in sheet.texts}
        elif action == "paste":
            texts = tiers.changes(sheet, path, form.get(f"paste:{path}", ""), form.get(f"for:{path}", ""))
        else:
            texts = edits.copied(sheet.base, path, mark=" (2)") if action == "copy" else edits.blank(sheet.base, path)
    except (tiers.CannotPaste, CannotRemove):
        raise
    except (LookupError, TypeError, AttributeError):  # the path is of no row
        raise ValueError(_("That row has gone meanwhile.")) from None
    if not texts:
        raise ValueError(_("That row has gone meanwhile."))
    draft.put(sheet.kind, texts, base=sheet.texts, by=by)
    return id_of(path if action in ("paste", "restore") else next(iter(texts))), ()


def said(sheet: Sheet, conflict: Conflict) -> str:
    values = {"name": conflict.by or _("somebody"), "text": sheet.shown(conflict.path, conflict.text)}
    return _("%(name)s has changed this meanwhile to: %(text)s. Save again to put yours in its place.") % values


def lines(text: str) -> str:
    """Return a text with the line ends that it was made with: browsers send others."""
    return text.replace("\r\n", "\n")


def _removed(sheet: Prices, path: str, form: Mapping[str, str], *, by: str) -> tuple[str, tuple[str, ...]]:
    if sheet.texts.get(path) != edits.PRESENT and path not in sheet.added:
        raise LookupError(path)
    together = edits.together(sheet.after, path)
    if why := _why_it_stays(sheet, path, together):
        raise CannotRemove(path, why)
    below = [each for each in sheet.drafted if any(each == row or rows.is_below(each, row) for row in together)]
    seen = {each: lines(form[SEEN + each]) for each in sheet.texts if SEEN + each in form}
    conflicts = draft.remove(sheet.kind, together, below=below, seen=seen, base=sheet.texts, by=by)
    values = ({"name": each.by or _("somebody"), "text": each.text[:LONGEST_TYPED]} for each in conflicts)
    words = _("%(name)s has changed this meanwhile to: %(text)s. Remove it again to remove it all the same.")
    return id_of(path), tuple(words % each for each in values)


def _why_it_stays(sheet: Prices, path: str, together: list[str]) -> str:
    if edits.is_last(sheet.after, path):
        return _("This has to stay: nothing else of its kind is left.")
    if sheet.findings:  # they hide others
        return ""
    after, _left_out = sheet.become(sheet.changes | dict.fromkeys(together, ""))
    try:
        served.check(sheet.kind, rows.dumps(after))
    except PriceBookInvalid as invalid:
        # What is wrong with the neighbours, as when a tier has gone, is typed into them.
        beside = f"{rows.parent(path)}["
        said = [in_words(each) for each in invalid.findings if not rows.path_of(after, each.place).startswith(beside)]
        return _("This has to stay. Without it: %(reason)s") % {"reason": said[0]} if said else ""
    return ""


def _kept(by: str, text: str) -> str:
    values = {"name": by or _("somebody"), "text": text[:LONGEST_TYPED]}
    return _("%(name)s has removed this row. What you typed is kept: bring the row back to use it: %(text)s") % values
