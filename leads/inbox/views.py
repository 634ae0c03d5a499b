"""The views of the inbox: open the chat, mark as contacted and undo it, find, restore, retry refused leads.

LeadAdmin routes to them and passes itself, for its permissions and its templates' context.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.auth.models import User
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from leads import phones
from leads.delivery import health, machines, relay
from leads.delivery.journal import quarantine
from leads.inbox import greeting, notes, pasted, rows, search
from leads.inbox.restore import NothingToRestore, PersonErased, RestoreEffect, lead_of, restore, stored
from leads.models import PUT_ASIDE, WAITS, FollowUp, Lead, LeadEvent, LeadOutcome
from leads.snapshot import journal_record, readable
from quoter import site

MOST_STATES = 200  # more than a page of the list has
# In one tap. Of a larger flood the rest stays for the next.
MOST_MOVED = 10_000


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
    if refusal := refuse_note(model_admin, request, lead):
        return refusal
    now = timezone.now()
    colleague = colleague_of(lead, request.user)
    if colleague and "anyway" not in request.POST and request.POST.get("knows") != str(colleague.pk):
        return _chat(model_admin, request, lead, colleague=colleague, text=None)
    text = _text_of(request, lead, now=now)
    is_first = Lead.objects.contact(lead.pk, by=request.user, now=now)
    is_mine = is_first or lead.contacted_by == request.user
    if is_first and "in_place" not in request.POST:
        messages.success(request, _with_undo(lead))  # for the list, which stays open behind the chat
    if not is_mine and "anyway" in request.POST:
        LeadEvent.objects.create(lead=lead, kind=LeadEvent.Kind.CONTACTED, actor=request.user, at=now, detail="as well")
        is_mine = True
    if not is_mine:
        lead.refresh_from_db()  # a colleague may have been first since it was read
    return _chat(model_admin, request, lead, text=text if is_mine else None)


def colleague_of(lead: Lead, user: User) -> User | None:
    """Return the colleague who has the person of a lead that waits; None when nobody has, or the user."""
    person = FollowUp.objects.of_numbers({phones.key(lead.phone)}).get(phones.key(lead.phone)) if lead.waits else None
    return person.seller if person and person.is_open and person.seller != user else None


def _text_of(request: StaffRequest, lead: Lead, *, now: datetime) -> str:
    """Return which text opens the chat: the chosen one, or else the one that comes next."""
    if (chosen := request.POST.get("ready", "")) in dict(greeting.TEXTS):
        return chosen
    sold = LeadOutcome.objects.filter(lead__in=Lead.objects.all().of_person(lead).values("pk"), kind="won").exists()
    return greeting.next_text(
        lead.snapshot, was_written_to=lead.status == Lead.Status.CONTACTED, was_sold=sold, now=now
    )


def _chat(
    model_admin: ModelAdmin[Lead], request: StaffRequest, lead: Lead, *, text: str | None, colleague: User | None = None
) -> HttpResponse:
    """Return the page that opens the chat with a text; without one, the page that names the colleague who was first."""
    # Not a redirect: after a form, Chrome blocks one to another site (form-action), and the lead is already claimed.
    link = f"{site.address(request)}{lead.get_absolute_url()}" if lead.folio else ""  # type: ignore[attr-defined]
    url = None if text is None else greeting.chat_url(lead, text, link=link)
    context = {"lead": lead, "chat_url": url, "colleague": colleague, "next": next_page(request)}
    return _page(model_admin, request, "chat", context, title=str(lead), status=409 if text is None else 200)


def contact_view(model_admin: ModelAdmin[Lead], request: StaffRequest, lead_id: str) -> HttpResponse:
    """Mark a lead as contacted without opening the chat."""
    if refusal := _refuse_unless_posted(request):
        return refusal
    lead = _lead(model_admin, request, lead_id)
    if refusal := refuse_note(model_admin, request, lead):
        return refusal
    is_first = Lead.objects.contact(lead.pk, by=request.user, now=timezone.now())
    if is_in_place(request):
        return _states(request, [lead.pk], status=200 if is_first else 409)
    if is_first:
        messages.success(request, _with_undo(lead))
    else:
        messages.warning(request, _("A colleague was first: this lead is not waiting any more."))
    return HttpResponseRedirect(next_page(request))


def revert_view(model_admin: ModelAdmin[Lead], request: StaffRequest, lead_id: str) -> HttpResponse:
    """Make a contacted lead wait again. With `undo`, only when it was the user who contacted it."""
    if refusal := _refuse_unless_posted(request):
        return refusal
    lead = _lead(model_admin, request, lead_id)
    if refusal := refuse_note(model_admin, request, lead):
        return refusal
    is_reverted = Lead.objects.revert(lead.pk, by=request.user, now=timezone.now(), only_own="undo" in request.POST)
    if is_in_place(request):
        return _states(request, [lead.pk], status=200 if is_reverted else 409)
    if is_reverted:
        messages.success(request, format_html("{}: {}", lead, _("back to waiting.")))
    elif lead.status == Lead.Status.NEW:
        messages.warning(request, _("This lead is waiting already."))
    else:
        messages.warning(request, _("A colleague has this lead now: nothing was undone."))
    return HttpResponseRedirect(f"{next_page(request)}#lead-{lead.pk}")


def states_view(model_admin: ModelAdmin[Lead], request: StaffRequest) -> HttpResponse:
    """Return who has each of the leads that an open list shows. leads: their keys, separated by commas."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    try:
        keys = [Lead._meta.pk.to_python(key) for key in request.GET.get("leads", "").split(",")]
    except ValidationError as error:
        raise BadRequest("leads: keys of leads, separated by commas") from error
    return _states(request, keys[:MOST_STATES])


def aside_view(model_admin: ModelAdmin[Lead], request: StaffRequest) -> HttpResponse:
    """Discard leads that are nobody's, or bring leads back to those who wait: the ticked ones, or all of a tab."""
    if refusal := _refuse_unless_posted(request):
        return refusal
    keys = [key for text in request.POST.getlist("lead")[:MOST_MOVED] if (key := Lead.key_of(text)) is not None]
    tab = {"set_aside": Lead.objects.set_aside, "put_aside": Lead.objects.put_aside}.get(request.GET.get("all", ""))
    if tab:
        going = list(tab()[:MOST_MOVED].values_list("pk", flat=True))
    else:  # who was ticked among those who wait, waits with all of these
        ticked = Lead.objects.filter(WAITS | PUT_ASIDE, pk__in=keys)
        same = Lead.objects.waiting().of_phones(ticked.filter(set_aside="").values_list("phone", flat=True))
        going = [*ticked.values_list("pk", flat=True), *same.values_list("pk", flat=True)[:MOST_MOVED]]
    moved = Lead.objects.filter(pk__in=going)
    now = timezone.now()
    if request.POST.get("action") == "discard":
        count = moved.move_aside(Lead.SetAside.DISCARDED, by=request.user, now=now)
        text = ngettext("%(count)d lead discarded.", "%(count)d leads discarded.", count)
    else:
        count = moved.move_aside("", by=request.user, now=now)
        text = ngettext("%(count)d lead waits again.", "%(count)d leads wait again.", count)
    messages.success(request, text % {"count": count})
    return HttpResponseRedirect(next_page(request))


def find_view(model_admin: ModelAdmin[Lead], request: StaffRequest) -> HttpResponse:
    """Find what was typed or pasted: show a message that names a quote; search the list for any other text."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    if request.method != "POST":
        return HttpResponseRedirect(reverse("admin:leads_lead_changelist"))
    text = request.POST.get("text", "").strip()
    message = pasted.message(text)
    if message is None:
        return _to_search(text)
    if not message.seal and Lead.objects.filter(folio=message.folio).count() > 1:
        return _to_search(message.folio)
    lead = lead_of(message)
    issued = message.issued or (lead.snapshot.issued if lead else None)
    quote = issued.quote if issued else None
    is_altered = quote is not None and message.is_altered(quote)
    is_missing = message.issued and not lead
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


def _to_search(text: str) -> HttpResponse:
    term = urlencode({"q": text[: search.LONGEST_TERM]})
    return HttpResponseRedirect(f"{reverse('admin:leads_lead_changelist')}?{term}")


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
    others = [state for state in machines.states() if state.counts.quarantined and not state.is_this]
    if request.method == "POST":
        try:
            count = relay.of_this_process().outbox.retry_quarantined()
        except OSError:
            messages.error(request, _("The disk of this machine cannot be written. The leads stay here."))
        else:
            count += sum(state.counts.quarantined for state in others)
            text = ngettext("%(count)d lead is tried again.", "%(count)d leads are tried again.", count)
            messages.success(request, text % {"count": count})
        machines.ask_to_retry(others)
        health.forget()
        return HttpResponseRedirect(request.path)
    listed = [
        {
            "folio": quarantine.folio_of(path),
            "record": journal_record(readable(each["record"])),
            "reason": each["reason"],
        }
        for path, each in quarantine.quarantined(settings.OUTBOX_DIRECTORIES)
    ]
    context = {"quarantined": listed, "others": others}
    return _page(model_admin, request, "quarantine", context, title=_("Refused leads"))


def _refuse_unless_posted(request: StaffRequest) -> HttpResponse | None:
    if not may_contact(request):
        raise PermissionDenied
    return None if request.method == "POST" else HttpResponseNotAllowed(["POST"])


def refuse_note(model_admin: ModelAdmin[Lead], request: StaffRequest, lead: Lead) -> HttpResponse | None:
    """Keep the note that a button of the lead's page sends along; return that page when the note is refused."""
    form = notes.NoteForm(request.POST, instance=lead)
    if not (form["note"].data or "").strip() or not model_admin.has_change_permission(request, lead):
        return None
    if not form.is_valid():
        return model_admin.change_view(request, str(lead.pk))  # with the text and its error; it saves nothing
    notes.add(lead, form.cleaned_data["note"], by=request.user, now=timezone.now())
    return None


def is_in_place(request: HttpRequest) -> bool:
    """Return whether static/leads/rows.js asks, which changes the row in the open list."""
    return request.headers.get("X-Requested-With") == "rows"


def _states(request: StaffRequest, keys: list[Any], *, status: int = 200) -> HttpResponse:
    leads = Lead.objects.filter(pk__in=keys).select_related("contacted_by").without_quotes()
    context = {
        "states": [(rows.state_of(lead), lead) for lead in leads],
        "may_contact": may_contact(request),
    }
    response = TemplateResponse(request, "leads/inbox/_states.html", context, status=status)
    response["Cache-Control"] = "no-store"
    return response


def _with_undo(lead: Lead) -> Any:
    """Return the message that a lead was contacted, with a button that undoes it."""
    return format_html(
        '{}: {} <button form="tap" formaction="{}" formtarget="_self" name="undo" value="1">{}</button>',
        *(lead, _("marked as contacted."), reverse("admin:leads_lead_revert", args=[lead.pk]), _("Undo")),
    )


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


def next_page(request: HttpRequest, *, default: str = "") -> str:
    """Return the page to go on to: the form's `next` when it is a path of this site, else the default, or the list."""
    path = request.POST.get("next", "")
    is_local = path.startswith("/") and url_has_allowed_host_and_scheme(path, allowed_hosts=None)
    return path if is_local else default or reverse("admin:leads_lead_changelist")


def _nothing_found(nothing: NothingToRestore) -> Any:
    if not nothing.folio:
        return _("There is no complete link of this site in the text.")
    if isinstance(nothing, PersonErased):
        return _("This person's data were erased, so they are not restored.")
    lead = stored(nothing.folio, phone="")
    if lead is None:
        return format_html(
            gettext("The text names {}, but its link is incomplete: copy the whole message."), nothing.folio
        )
    url = reverse("admin:leads_lead_change", args=[lead.pk])
    return format_html(gettext('Nothing to restore: <a href="{}">{}</a> is in the list.'), url, nothing.folio)
