"""The views with which staff arrange what comes after the first message, from a card of the list or the person's page.

Each is a POST to a lead of the person, answers a card where it is, and offers to take it back. A form that is wrong is
shown again on the person's page, as it was typed.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _

from leads.inbox import greeting
from leads.inbox.person import arrange, correct, steps
from leads.inbox.person.arrange import NobodyToCall, Step
from leads.inbox.person.correct import PhoneTaken
from leads.inbox.person.forms import AsideForm, CorrectForm, HandForm, JoinForm, LostForm, SoldForm, StepForm
from leads.inbox.rows import LeadRow
from leads.inbox.views import StaffRequest, is_in_place, may_contact, next_page, refuse_note
from leads.models import BY_STAFF, Lead, LeadOutcome
from quoter import site
from quoter.engine.numbers import money
from quoter.shop.values import shop

# What a view did, and how it is taken back: the last part of the address, and the field that the button sends.
Done = tuple[str, str, tuple[str, str]]
FORMS = {
    "plan": StepForm,
    "sold": SoldForm,
    "lost": LostForm,
    "aside": AsideForm,
    "hand": HandForm,
    "join": JoinForm,
    "correct": CorrectForm,
}
NO_FIELD = ("undo", "1")
MOST_LEADS = 20


def choices(now: datetime) -> dict[str, Any]:
    """Return what can be chosen with one tap: `steps`, `reasons` for a lost sale in the shop's language, `asides`."""
    asides = [(value, label) for value, label in Lead.SetAside.choices if value in BY_STAFF and value != "discarded"]
    return {
        "steps": steps.choices(now, site.zone()),
        "reasons": shop.REASONS,
        "reasons_language": settings.LANGUAGE_CODE[:2],
        "asides": asides,
    }


def leads_of(lead: Lead) -> list[Lead]:
    """Return the newest leads of a person, this one among them, the newest first."""
    theirs = Lead.objects.all().of_person(lead).order_by("-created_at", "-pk")[:MOST_LEADS]
    return [lead if each == lead else each for each in theirs] if lead in theirs else [lead, *theirs]


def context(request: Any, row: LeadRow, *, now: datetime) -> dict[str, Any]:
    """Return what the person's page needs to arrange something: choices, forms, as they were typed, and texts."""
    wrong = getattr(request, "wrong", {})
    typed = request.POST.dict() if wrong else {}
    step = row.step
    began: dict[str, dict[str, Any]] = {
        "plan": {"step": step.step if step else ""},
        "sold": {"amount": money(row.stored.total).lstrip("$") if row.stored.total else ""},
        "hand": {"to": row.colleague.pk if row.colleague else None},
        "correct": {"new_name": row.lead.name, "new_phone": row.lead.phone},
    }
    sold = row.outcome is not None and row.outcome.kind == LeadOutcome.Kind.WON
    written = row.lead.status == Lead.Status.CONTACTED
    return {
        **choices(now),
        **{
            name: wrong.get(name) or form(lead=row.lead, initial=began.get(name, {}) | typed)
            for name, form in FORMS.items()
        },
        "texts": greeting.TEXTS,
        "text": greeting.next_text(row.stored, was_written_to=written, was_sold=sold, now=now),
    }


def view(name: str) -> Callable[..., HttpResponse]:
    """Return the view of one of ACTIONS, for LeadAdmin to route to."""

    def answer(model_admin: ModelAdmin[Lead], request: StaffRequest, lead_id: str) -> HttpResponse:
        if not may_contact(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        lead = model_admin.get_object(request, lead_id)
        if lead is None or not lead.phone:
            raise Http404
        if refusal := refuse_note(model_admin, request, lead):
            return refusal
        form = FORMS[name](request.POST, lead=lead) if name in FORMS else None
        if form and not form.is_valid():
            return again(model_admin, request, lead, name, form)
        try:
            done = ACTIONS[name](request, lead, form.cleaned_data if form else {})
        except NobodyToCall:
            raise Http404 from None
        except PhoneTaken:
            return _taken(model_admin, request, lead, form)
        return _answered(request, lead, name, done)

    return answer


def _taken(model_admin: Any, request: StaffRequest, lead: Lead, form: forms.Form | None) -> HttpResponse:
    """Say that a phone cannot be corrected: the quote has another lead with it."""
    said = _("Another lead of this quote has this phone already: put this one aside as a duplicate.")
    if form is None:
        messages.warning(request, said)
        return HttpResponseRedirect(f"{next_page(request)}#lead-{lead.pk}")
    form.add_error("new_phone", said)
    return again(model_admin, request, lead, "correct", form)


def again(model_admin: Any, request: HttpRequest, lead: Lead, name: str, form: forms.Form) -> HttpResponse:
    """Return the person's page with a form that is wrong, as it was typed."""
    shown: Any = copy(request)
    shown.method, shown.wrong = "GET", {name: form}  # not as the page's own form, of the note, which was kept already
    page: HttpResponse = model_admin.change_view(shown, str(lead.pk))
    page.status_code = 422
    return page


def _answered(request: StaffRequest, lead: Lead, name: str, done: Done | None) -> HttpResponse:
    if done is None:
        messages.warning(request, _("Nothing was changed: a colleague did it already."))
        return HttpResponseRedirect(f"{next_page(request)}#lead-{lead.pk}")
    text, back, (field, value) = done
    address = reverse(f"admin:leads_lead_{back}", args=[lead.pk]) if back else ""
    context = {
        "lead": lead,
        "text": text,
        "address": address,
        "field": field,
        "value": value,
        "is_step": name == "plan",
    }
    if is_in_place(request):
        return TemplateResponse(request, "leads/inbox/_done.html", context)
    undo = format_html(
        ' <button form="tap" formaction="{}" formtarget="_self" name="{}" value="{}">{}</button>',
        *(address, field, value, _("Undo")),
    )
    messages.success(request, format_html("{}: {}{}", lead.name or lead, text, undo if address else ""))
    return HttpResponseRedirect(f"{next_page(request)}#lead-{lead.pk}")


def _plan(request: StaffRequest, lead: Lead, given: dict[str, Any]) -> Done:
    now = timezone.now()
    before = arrange.plan(lead.pk, Step(given["at"], given["step"], request.user), by=request.user, now=now)
    at = given["at"]
    text = steps.in_words(at, now, site.zone()) if at else _("no next step")
    kept = timezone.localtime(before.at).strftime("%Y-%m-%dT%H:%M") if before.at else ""
    return text, "plan", ("at", kept)


def _sold(request: StaffRequest, lead: Lead, given: dict[str, Any]) -> Done:
    arrange.sold(lead.pk, given["amount"], by=request.user, now=timezone.now())
    return _("sold for %(amount)s") % {"amount": money(given["amount"])}, "reopen", NO_FIELD


def _lost(request: StaffRequest, lead: Lead, given: dict[str, Any]) -> Done:
    arrange.lost(lead.pk, given["reason"], by=request.user, now=timezone.now())
    return _("lost: %(reason)s") % {"reason": given["reason"]}, "reopen", NO_FIELD


def _reopen(request: StaffRequest, lead: Lead, given: dict[str, Any]) -> Done | None:
    is_undo = "undo" in request.POST
    is_open = arrange.reopen(lead.pk, by=request.user, now=timezone.now(), is_undo=is_undo)
    return (_("open again"), "", NO_FIELD) if is_open else None


def _aside(request: StaffRequest, lead: Lead, given: dict[str, Any]) -> Done:
    arrange.put_aside(lead.pk, given["reason"], by=request.user, now=timezone.now())
    reason = Lead.SetAside(given["reason"]).label
    return _("put aside: %(reason)s") % {"reason": reason}, "back", NO_FIELD


def _back(request: StaffRequest, lead: Lead, given: dict[str, Any]) -> Done | None:
    is_back = arrange.bring_back(lead.pk, by=request.user, now=timezone.now())
    return (_("back where they were"), "", NO_FIELD) if is_back else None


def _hand(request: StaffRequest, lead: Lead, given: dict[str, Any]) -> Done:
    before = arrange.hand(lead.pk, given["to"], by=request.user, now=timezone.now())
    text = _("given to %(who)s") % {"who": given["to"].get_full_name() or given["to"].get_username()}
    return text, "hand" if before else "", ("to", str(before.pk) if before else "")


def _join(request: StaffRequest, lead: Lead, given: dict[str, Any]) -> Done | None:
    other = given["other"]
    is_joined = arrange.join(lead.pk, other.pk, by=request.user, now=timezone.now())
    return (_("one person with %(who)s") % {"who": other.name or other}, "", NO_FIELD) if is_joined else None


def _separate(request: StaffRequest, lead: Lead, given: dict[str, Any]) -> Done | None:
    is_apart = arrange.separate(lead.pk, by=request.user, now=timezone.now())
    return (_("a person of their own again"), "", NO_FIELD) if is_apart else None


def _correct(request: StaffRequest, lead: Lead, given: dict[str, Any]) -> Done:
    name, phone = given["new_name"], given["new_phone"]
    if not correct.correct(lead.pk, name, phone, by=request.user, now=timezone.now()):
        return _("nothing to correct"), "", NO_FIELD
    lead.name = name
    return _("corrected"), "uncorrect", NO_FIELD


def _uncorrect(request: StaffRequest, lead: Lead, given: dict[str, Any]) -> Done | None:
    is_back = correct.take_back(lead.pk, by=request.user, now=timezone.now())
    return (_("as it was before"), "", NO_FIELD) if is_back else None


ACTIONS: dict[str, Callable[[StaffRequest, Lead, dict[str, Any]], Done | None]] = {
    "plan": _plan,
    "sold": _sold,
    "lost": _lost,
    "reopen": _reopen,
    "aside": _aside,
    "back": _back,
    "hand": _hand,
    "join": _join,
    "separate": _separate,
    "correct": _correct,
    "uncorrect": _uncorrect,
}
