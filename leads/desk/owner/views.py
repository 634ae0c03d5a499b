"""The pages of prices and settings: one shared draft of each, edited cell by cell, then published."""

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from functools import partial
from typing import Any, NamedTuple

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from leads.desk.owner import changing, effect, history, shop_fields, table, tiers
from leads.desk.owner.fields import Shown, in_words
from leads.desk.owner.sheets import SHEETS, Prices, content_in_force
from quoter.shop import draft, publishing, served
from quoter.shop.details import PHOTO
from quoter.shop.publishing import CannotPublish
from quoter.shop.table import rows

PERMISSIONS = {served.PRICES: "leads.change_price_book", served.DETAILS: "shop.change_shop"}
OPENS = time(8)
OTHER = "other"


class Said(NamedTuple):
    """What a page that is shown again has to say. typed: what was not saved; fault: of the whole; pasted: by field."""

    typed: changing.Typed = changing.NOTHING
    fault: str = ""
    pasted: Mapping[str, str] = {}


NOTHING = Said()


def page(request: HttpRequest, kind: str) -> HttpResponse:
    """Show the draft, save what was typed, publish, withdraw or go back."""
    if not request.user.has_perm(PERMISSIONS[kind]):
        raise PermissionDenied
    if request.method == "POST":
        return _changed(request, kind)
    if "export" in request.GET:
        name = f"prices-{timezone.localdate()}.toml"
        attached = {"Content-Disposition": f'attachment; filename="{name}"'}
        return HttpResponse(content_in_force(kind), content_type="text/plain; charset=utf-8", headers=attached)
    return _shown(request, kind)


prices = partial(page, kind=served.PRICES)
details = partial(page, kind=served.DETAILS)


def _changed(request: HttpRequest, kind: str) -> HttpResponse:
    action, _colon, path = request.POST.get("action", "save").partition(":")
    by = request.user.get_username()
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
        elif action == "forget":
            draft.clear(kind, SHEETS[kind]().lost)
        elif action == "import":
            publishing.publish(kind, request.POST.get("toml", ""), by=by, starts_at=_starts_at(request))
            messages.success(request, _("Published: every page shows it in a few seconds, or at its time."))
        else:
            return _saved(request, kind, action, path)
    except (CannotPublish, tiers.CannotPaste, ValueError) as error:
        text = "\n".join(map(in_words, error.findings)) if isinstance(error, CannotPublish) else str(error)
        return _shown(request, kind, Said(fault=text, pasted=_pasted(request)))
    return HttpResponseRedirect(request.path)


def _saved(request: HttpRequest, kind: str, action: str, path: str) -> HttpResponse:
    """Save the cells that were changed on this page, then do what the button says.

    What cannot be saved is shown again beside its reason.
    """
    sheet, by = SHEETS[kind](), request.user.get_username()
    typed, count = changing.save(sheet, request.POST, by=by)
    anchor = "draft"
    if isinstance(sheet, Prices) and action in changing.ROW_ACTIONS:
        sheet = Prices()  # with what was just saved
        try:
            anchor, conflicts = changing.change_rows(sheet, action, path, request.POST, by=by)
        except changing.CannotRemove as stays:
            typed = typed._replace(errors=typed.errors | {stays.path: str(stays)})
        else:
            typed = typed._replace(told=(*typed.told, *conflicts))
    if action == "nophoto":
        draft.put(kind, {PHOTO: ""}, base=sheet.texts, by=by)
        anchor = PHOTO
    if typed.errors or typed.told:
        return _shown(request, kind, Said(typed, pasted=_pasted(request)))
    if action == "publish":
        return _published(request, kind)
    if count and action == "save":
        messages.success(request, _("Saved in the draft. Customers see it once it is published."))
    asked = {"find": request.POST.get("find", "").strip(), "product": path if action == "open" else ""}
    query = urlencode({name: text for name, text in asked.items() if text})
    if action in ("find", "open"):
        anchor = "cells"
    return HttpResponseRedirect(f"{request.path}{'?' if query else ''}{query}#{anchor}")


def _published(request: HttpRequest, kind: str) -> HttpResponse:
    sheet = SHEETS[kind]()
    if not sheet.drafted:
        messages.warning(request, _("Nothing is different from what is in force."))
        return HttpResponseRedirect(request.path)
    starts_at = _starts_at(request)
    note = str(request.POST.get("note", ""))[:200]
    content = sheet.to_publish(timezone.localdate())
    publishing.publish(kind, content, by=request.user.get_username(), starts_at=starts_at, note=note)
    draft.clear(kind, sheet.drafted.values())
    messages.success(request, _("Published: every page shows it in a few seconds, or at its time."))
    return HttpResponseRedirect(request.path)


def _starts_at(request: HttpRequest) -> datetime | None:
    """Return the time in the form, in the shop's time zone; None: now. ValueError for what is no time.

    A time that was typed counts, whatever was chosen beside it.
    """
    chosen = str(request.POST.get("when", "")).strip()
    text = str(request.POST.get("at", "")).strip() or (chosen if chosen not in ("now", OTHER) else "")
    if chosen == OTHER and not text:
        raise ValueError(_("Write a time such as 2026-12-07 8:00."))
    try:
        return timezone.make_aware(datetime.fromisoformat(text)) if text else None
    except ValueError:
        raise ValueError(_("Write a time such as 2026-12-07 8:00.")) from None


def _times(now: datetime) -> list[datetime]:
    """Return when owners usually let prices begin: tomorrow and next Monday, as the shop opens."""
    tomorrow = now.date() + timedelta(days=1)
    monday = tomorrow + timedelta(days=-tomorrow.weekday() % 7)
    return [datetime.combine(day, OPENS) for day in sorted({tomorrow, monday})]


def _pasted(request: HttpRequest) -> dict[str, str]:
    return {name: str(text) for name, text in request.POST.items() if name == "toml" or name.startswith("paste:")}


def _shown(request: HttpRequest, kind: str, said: Said = NOTHING) -> HttpResponse:
    sheet = SHEETS[kind]()
    found = sheet.findings if sheet.drafted else []
    shown = Shown(sheet, said.typed.texts, said.typed.errors, found)
    now = timezone.localtime()
    context = {
        **admin.site.each_context(request),
        "title": _("Prices") if kind == served.PRICES else _("The shop"),
        "kind": kind,
        "drafted": len(sheet.drafted),
        "lost": sheet.lost,
        "has_errors": bool(said.typed.errors),
        "can_publish": bool(sheet.drafted) and not found and all(map(rows.is_row, said.typed.errors)),
        "versions": history.versions(kind),
        "pasted": said.pasted.get("toml", ""),
        "now": now,
        "times": _times(now),
    }
    if isinstance(sheet, Prices):
        context |= _of_prices(request, sheet, shown, said)
        context["left_out"] = sheet.left_out
        context["effect"] = effect.of(sheet.book()) if context["can_publish"] else None
    else:
        context["groups"] = shop_fields.groups(shown)
        context["photo"] = reverse("owner_photo") if shown.text(PHOTO) else ""
    # Last, because the fields take the findings that stand beside them.
    context["faults"] = [*filter(None, said.fault.splitlines()), *said.typed.told, *shown.general()]
    if "one" in request.GET and "other" in request.GET:
        context |= _compared(request, kind)
    return render(request, "leads/owner/page.html", context)


def _of_prices(request: HttpRequest, sheet: Prices, shown: Shown, said: Said) -> dict[str, Any]:
    find = request.GET.get("find", "")[:80]
    products = table.of(sheet, shown, find=find, opened=request.GET.get("product", ""))
    for product in products:
        product.pasted = said.pasted.get(f"paste:{product.line.path}", "")
        product.targets = tiers.combinations(sheet, product.line.path)
    return {"products": products, "find": find, "has_many": len(shown.sheet.texts) > table.MANY, "data": sheet.base}


def _compared(request: HttpRequest, kind: str) -> dict[str, Any]:
    try:
        return {"compared": history.compared(kind, request.GET["one"], request.GET["other"])}
    except LookupError:
        messages.warning(request, _("There is no such version."))
        return {}
