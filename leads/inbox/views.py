"""The views of the inbox: open the chat, mark as contacted and undo it, find, restore, retry refused leads.

LeadAdmin routes to them and passes itself, for its permissions and its templates' context.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from leads.delivery import health, relay
from leads.delivery.journal import quarantine
from leads.inbox import greeting, pasted, search
from leads.inbox.restore import NothingToRestore, RestoreEffect, restore
from leads.models import Lead, LeadEvent
from leads.snapshot import journal_record


class StaffRequest(HttpRequest):
    """A request of a logged-in user; `admin_view` admits no other."""

    user: User


def may_contact(request: HttpRequest) -> bool:
    """Return whether the user may mark leads as contacted and restore them."""
    return request.user.has_perm("leads.contact_lead")


def whatsapp_view(model_admin: ModelAdmin[Lead], request: StaffRequest, lead_id: str) -> HttpResponse:
    """Mark a lead as contacted and open the chat with its customer.

    A colleague who comes second sees who was first (409), and may open the chat anyway.
    """
    if refusal := _refuse_unless_posted(request):
        return refusal
    lead = _lead(model_admin, request, lead_id)
    if not lead.phone:
        raise Http404
    now = timezone.now()
    is_mine = Lead.objects.contact(lead.pk, by=request.user, now=now) or lead.contacted_by == request.user
    if not is_mine and "anyway" in request.POST:
        LeadEvent.objects.create(lead=lead, kind=LeadEvent.Kind.CONTACTED, actor=request.user, at=now, detail="as well")
        is_mine = True
    if not is_mine:
        lead.refresh_from_db()  # a colleague may have been first since it was read
    # Not a redirect: after a form, Chrome blocks one to another site (form-action), and the lead is already claimed.
    context = {"lead": lead, "chat_url": greeting.chat_url(lead) if is_mine else None, "next": _next(request)}
    return _page(model_admin, request, "chat", context, title=str(lead), status=200 if is_mine else 409)


def contact_view(model_admin: ModelAdmin[Lead], request: StaffRequest, lead_id: str) -> HttpResponse:
    """Mark a lead as contacted without opening the chat."""
    if refusal := _refuse_unless_posted(request):
        return refusal
    lead = _lead(model_admin, request, lead_id)
    if Lead.objects.contact(lead.pk, by=request.user, now=timezone.now()):
        undo = reverse("admin:leads_lead_revert", args=[lead.pk])
        text = format_html(
            '{}: {} <button form="tap" formaction="{}" formtarget="_self">{}</button>',
            *(lead, _("marked as contacted."), undo, _("Undo")),
        )
        messages.success(request, text)
    else:
        messages.warning(request, _("A colleague was first: this lead is not waiting any more."))
    return HttpResponseRedirect(_next(request))


def revert_view(model_admin: ModelAdmin[Lead], request: StaffRequest, lead_id: str) -> HttpResponse:
    """Undo `contact_view`: the lead waits again."""
    if refusal := _refuse_unless_posted(request):
        return refusal
    lead = _lead(model_admin, request, lead_id)
    if Lead.objects.revert(lead.pk, by=request.user, now=timezone.now()):
        messages.success(request, format_html("{}: {}", lead, _("back to waiting.")))
    else:
        messages.warning(request, _("This lead is waiting already."))
    return HttpResponseRedirect(_next(request))


def find_view(model_admin: ModelAdmin[Lead], request: StaffRequest) -> HttpResponse:
    """Find what was typed or pasted: show a message that names a quote; search the list for any other text."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    if request.method != "POST":
        return HttpResponseRedirect(reverse("admin:leads_lead_changelist"))
    text = request.POST.get("text", "").strip()
    message = pasted.message(text)
    if message is None:
        term = urlencode({"q": text[: search.LONGEST_TERM]})
        return HttpResponseRedirect(f"{reverse('admin:leads_lead_changelist')}?{term}")
    lead = Lead.objects.filter(folio=message.folio).first()
    issued = message.issued or (lead.snapshot.issued if lead else None)
    quote = issued.quote if issued else None
    is_altered = quote is not None and message.is_altered(quote)
    # Also when the lead is stored without the contact details that the message has.
    is_missing = message.issued and (not lead or (message.has_person and not lead.phone))
    if not (is_missing or is_altered or message.is_forged) and lead:
        return HttpResponseRedirect(reverse("admin:leads_lead_change", args=[lead.pk]))
    context = {
        "pasted": message,
        "lead": lead,
        "quote": quote,
        "is_altered": is_altered,
        "text": text,
        "may_restore": is_missing and may_contact(request),
    }
    return _page(model_admin, request, "message", context, title=_("Pasted message"))


def restore_view(model_admin: ModelAdmin[Lead], request: StaffRequest) -> HttpResponse:
    """Restore a lead from a pasted link or message."""
    if not may_contact(request):
        raise PermissionDenied
    text, error = request.POST.get("text", ""), None
    if request.method == "POST":
        try:
            restored = restore(text, by=request.user)
        except NothingToRestore as nothing:
            error = _nothing_found(nothing)
        except DatabaseError:
            error = _("The database did not take the lead. Try again when it is back.")
        else:
            messages.success(request, f"{restored.lead.folio}: {_EFFECTS[restored.effect]}")
            return HttpResponseRedirect(reverse("admin:leads_lead_change", args=[restored.lead.pk]))
    return _page(model_admin, request, "restore", {"text": text, "error": error}, title=_("Restore a lead"))


def quarantine_view(model_admin: ModelAdmin[Lead], request: StaffRequest) -> HttpResponse:
    """Show the leads in quarantine, which Postgres refused; a POST retries them."""
    if not may_contact(request):
        raise PermissionDenied
    if request.method == "POST":
        count = relay.of_this_process().outbox.retry_quarantined()
        health.forget()
        text = ngettext("%(count)d lead is tried again.", "%(count)d leads are tried again.", count)
        messages.success(request, text % {"count": count})
        return HttpResponseRedirect(request.path)
    refusals = [refusal for _path, refusal in quarantine.quarantined(settings.OUTBOX_DIRECTORIES)]
    listed = [{"record": journal_record(each["record"]), "reason": each["reason"]} for each in refusals]
    return _page(model_admin, request, "quarantine", {"quarantined": listed}, title=_("Refused leads"))


def _refuse_unless_posted(request: StaffRequest) -> HttpResponse | None:
    if not may_contact(request):
        raise PermissionDenied
    return None if request.method == "POST" else HttpResponseNotAllowed(["POST"])


def _lead(model_admin: ModelAdmin[Lead], request: StaffRequest, lead_id: str) -> Lead:
    if lead := model_admin.get_object(request, lead_id):
        return lead
    raise Http404


def _page(
    model_admin: ModelAdmin[Lead],
    request: StaffRequest,
    name: str,
    context: dict[str, Any],
    *,
    title: Any,
    status: int = 200,
) -> HttpResponse:
    shared = {**model_admin.admin_site.each_context(request), "title": title, "opts": model_admin.opts}
    return TemplateResponse(request, f"leads/inbox/{name}.html", shared | context, status=status)


_EFFECTS = {
    RestoreEffect.CREATED: _("restored."),
    RestoreEffect.COMPLETED: _("completed with the contact details of the message."),
    RestoreEffect.UNCHANGED: _("was already there, complete."),
}


def _next(request: HttpRequest) -> str:
    """Return the page to go on to: the form's `next` when it is a path of this site, else the list."""
    path = request.POST.get("next", "")
    is_local = path.startswith("/") and url_has_allowed_host_and_scheme(path, allowed_hosts=None)
    return path if is_local else reverse("admin:leads_lead_changelist")


def _nothing_found(nothing: NothingToRestore) -> Any:
    if not nothing.folio:
        return _("There is no complete link of this site in the text.")
    lead = Lead.objects.filter(folio=nothing.folio).first()
    if lead is None:
        return format_html(
            gettext("The text names {}, but its link is incomplete: copy the whole message."), nothing.folio
        )
    url = reverse("admin:leads_lead_change", args=[lead.pk])
    return format_html(gettext('Nothing to restore: <a href="{}">{}</a> is in the list.'), url, nothing.folio)
