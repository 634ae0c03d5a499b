"""The pages of prices and settings: one shared draft of each, edited cell by cell, then published."""

from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from leads.desk.owner import effect, fields, sheets
from quoter.shop import draft, publishing, served
from quoter.shop.draft import Change, Conflict
from quoter.shop.models import DraftCell, Published
from quoter.shop.publishing import CannotPublish

CELL, SEEN = "cell:", "seen:"
MOST_VERSIONS = 12
PERMISSIONS = {served.PRICES: "leads.change_price_book", served.DETAILS: "shop.change_shop"}
SHEETS: dict[str, Any] = {served.PRICES: sheets.Prices, served.DETAILS: sheets.Details}


class Typed(NamedTuple):
    """A form that was not saved whole. texts: as typed; errors: by cell, for people."""

    texts: dict[str, str]
    errors: dict[str, str]


NOTHING = Typed({}, {})


def page(request: HttpRequest, kind: str) -> HttpResponse:
    """Show the draft, save what was typed, publish, withdraw or go back."""
    if not request.user.has_perm(PERMISSIONS[kind]):
        raise PermissionDenied
    if request.method == "POST":
        return _changed(request, kind)
    if "export" in request.GET:
        name = f"prices-{timezone.localdate()}.toml"
        attached = {"Content-Disposition": f'attachment; filename="{name}"'}
        return HttpResponse(sheets.content_in_force(kind), content_type="text/plain; charset=utf-8", headers=attached)
    return _shown(request, kind)


prices = partial(page, kind=served.PRICES)
details = partial(page, kind=served.DETAILS)


def _changed(request: HttpRequest, kind: str) -> HttpResponse:
    action, by = request.POST.get("action", "save"), request.user.get_username()
    try:
        if action == "back":
            publishing.go_back(kind, int(request.POST.get("number", "0")), by=by)
            messages.success(request, _("Those are published again, and served in a few seconds."))
        elif action == "withdraw":
            publishing.withdraw(int(request.POST.get("number", "0")), by=by)
            messages.success(request, _("Withdrawn: it will not begin."))
        elif action == "discard":
            draft.clear(kind)
            messages.success(request, _("The draft is discarded."))
        elif action == "import":
            publishing.publish(kind, request.POST.get("toml", ""), by=by, starts_at=_starts_at(request))
            messages.success(request, _("Published: every page shows it in a few seconds, or at its time."))
        else:
            return _saved(request, kind, then_publish=action == "publish")
    except (CannotPublish, ValueError) as error:
        text = "\n".join(map(str, error.findings)) if isinstance(error, CannotPublish) else str(error)
        return _shown(request, kind, fault=text, pasted=request.POST.get("toml", ""))
    return HttpResponseRedirect(request.path)


def _saved(request: HttpRequest, kind: str, *, then_publish: bool) -> HttpResponse:
    """Save the cells that were changed on this page; what cannot be saved is shown again beside its reason."""
    in_force = SHEETS[kind](sheets.content_in_force(kind))
    by = request.user.get_username()
    typed, changes, errors = {}, [], {}
    for name, value in request.POST.items():
        path, text = name.removeprefix(CELL), _lines(str(value))
        seen = _lines(request.POST.get(SEEN + path, ""))
        if not name.startswith(CELL) or path not in in_force.texts or draft.mark(text) == seen:
            continue
        typed[path] = text
        try:
            changes.append(Change(path, seen, in_force.text(path, text)))
        except ValueError as error:
            errors[path] = fields.in_words(path, str(error))
    conflicts = draft.save(kind, changes, base=in_force.texts, by=by)
    errors |= {each.path: _conflict(each) for each in conflicts}
    if errors:
        kept = {path: text for path, text in typed.items() if path in errors}
        return _shown(request, kind, typed=Typed(kept, errors))
    if then_publish:
        return _published(request, kind, in_force)
    if changes:
        messages.success(request, _("Saved in the draft. Customers see it once it is published."))
    return HttpResponseRedirect(f"{request.path}#draft")


def _lines(text: str) -> str:
    """Return a text with the line ends that it was made with: browsers send others."""
    return text.replace("\r\n", "\n")


def _published(request: HttpRequest, kind: str, in_force: Any) -> HttpResponse:
    cells = draft.cells(kind, in_force.texts)
    if not cells:
        messages.warning(request, _("Nothing is different from what is in force."))
        return HttpResponseRedirect(request.path)
    texts = {path: cell.text for path, cell in cells.items()}
    content = in_force.to_publish(texts, timezone.localdate())
    starts_at = _starts_at(request)
    note = str(request.POST.get("note", ""))[:200]
    publishing.publish(kind, content, by=request.user.get_username(), starts_at=starts_at, note=note)
    draft.clear(kind, cells.values())
    messages.success(request, _("Published: every page shows it in a few seconds, or at its time."))
    return HttpResponseRedirect(request.path)


def _starts_at(request: HttpRequest) -> datetime | None:
    """Return the time in the form, in the shop's time zone; None: now. ValueError for what is no time."""
    text = str(request.POST.get("at", "")).strip()
    try:
        return timezone.make_aware(datetime.fromisoformat(text)) if text else None
    except ValueError:
        raise ValueError(_("Write a time such as 2026-12-07 8:00.")) from None


def _conflict(conflict: Conflict) -> str:
    values = {"name": conflict.by or _("somebody"), "text": conflict.text}
    return _("%(name)s has changed this meanwhile to: %(text)s. Save again to put yours in its place.") % values


def _shown(
    request: HttpRequest,
    kind: str,
    *,
    typed: Typed = NOTHING,
    fault: str = "",
    pasted: str = "",
) -> HttpResponse:
    in_force = SHEETS[kind](sheets.content_in_force(kind))
    cells = draft.cells(kind, in_force.texts)
    texts = {path: cell.text for path, cell in cells.items()}
    content = in_force.with_cells(texts)
    found = sheets.findings(kind, content) if cells else []
    shown = fields.Shown(in_force.texts | texts, typed.texts, in_force.texts, cells, typed.errors, found)
    context = {
        **admin.site.each_context(request),
        "title": _("Prices") if kind == served.PRICES else _("The shop"),
        "kind": kind,
        "groups": fields.of_prices(shown, content) if kind == served.PRICES else fields.of_details(shown),
        "drafted": _drafted(cells),
        "faults": [*filter(None, fault.splitlines()), *shown.general()],
        "has_errors": bool(typed.errors),
        "can_publish": bool(cells) and not found and not typed.errors,
        "versions": _versions(kind),
        "pasted": pasted,
        "now": timezone.localtime(),
    }
    if kind == served.PRICES and cells and not found:
        context["effect"] = effect.of(served.check(kind, content))
    return render(request, "leads/owner/page.html", context)


def _drafted(cells: dict[str, DraftCell]) -> list[DraftCell]:
    return sorted(cells.values(), key=lambda cell: cell.path)


def _versions(kind: str) -> list[dict[str, Any]]:
    rows = list(Published.objects.filter(kind=kind).order_by("-pk")[: MOST_VERSIONS + 1])
    begun = Published.objects.filter(kind=kind).begun().first()
    first = Published(pk=0, kind=kind, content=publishing.first_content(kind), published_by="")
    now = timezone.now()
    return [
        {
            "row": row,
            "is_in_force": row == begun,
            "is_to_come": bool(row.starts_at and row.starts_at > now and not row.withdrawn_at),
            "changes": fields.differences(kind, before.content, row.content)[: fields.MOST_DIFFERENCES],
        }
        for row, before in zip(rows, [*rows[1:], first], strict=False)
    ][:MOST_VERSIONS]
