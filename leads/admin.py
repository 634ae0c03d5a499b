"""The sales inbox: who is waiting, what they were promised, and one honest update when they are contacted."""

import json
from functools import partial

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import Http404, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.csrf import csrf_exempt

from leads.alerts.switch import manifest, subscription, worker
from leads.delivery import courier, health
from leads.delivery.journal import quarantine
from leads.inbox import changelist, download, flags, greeting, pasted, search
from leads.inbox.live import live
from leads.inbox.restore import Change, NothingToRestore, restore
from leads.models import Lead, LeadEvent
from quoter.reprice import reprice
from quoter.token import from_stored

admin.site.site_header = admin.site.site_title = settings.BUSINESS_NAME
admin.site.index_title = _("Leads")
admin.site.enable_nav_sidebar = False  # it would push the last columns off a laptop's screen

MOST_OTHERS = 20


@admin.register(Lead)
class LeadAdmin(admin.ModelAdmin):
    list_display = ["folio"]  # the rows are ours: leads.inbox.changelist and its template
    list_filter = [changelist.TabFilter, changelist.SourceFilter]
    list_select_related = ["contacted_by"]
    list_per_page = 50
    list_max_show_all = 0
    search_fields = ["folio"]  # makes the box appear; get_search_results looks
    show_full_result_count = False
    view_on_site = False  # the page links to the quote itself
    show_facets = admin.ShowFacets.NEVER
    actions = None
    fields = ["notes"]  # the rest of the page is shown, not typed
    change_list_template = "leads/inbox/change_list.html"
    change_form_template = "leads/inbox/change_form.html"

    def has_add_permission(self, request):
        return False

    def has_delete_permission(self, request, obj=None):
        return False

    def has_contact_permission(self, request):
        return request.user.has_perm("leads.contact_lead")

    # --- The list

    def get_changelist(self, request, **kwargs):
        return changelist.Inbox

    def get_ordering(self, request):
        return changelist.tab_of(request).ordering

    def get_paginator(self, request, *args, **kwargs):
        return (changelist.FoundPaginator if request.GET.get("q") else changelist.CappedPaginator)(*args, **kwargs)

    def get_search_results(self, request, queryset, search_term):
        return search.leads(queryset, search_term), False

    def changelist_view(self, request, extra_context=None):
        may = {"may_contact": self.has_contact_permission(request)}
        return super().changelist_view(request, {**may, **(extra_context or {})})

    # --- One lead

    def render_change_form(self, request, context, *args, obj=None, **kwargs):
        now = timezone.now()
        [row] = changelist.rows([obj], now=now)
        context |= {
            "row": row,
            "noted": flags.long(obj),
            "title": str(obj),
            "subtitle": None,
            "events": obj.events.select_related("actor").order_by("at"),
            "others": Lead.objects.of_phones([obj.phone]).exclude(pk=obj.pk).order_by("-created_at")[:MOST_OTHERS],
            "may_contact": self.has_contact_permission(request),
        }
        try:
            issued = from_stored(obj.quote_data)
        except (TypeError, KeyError, ValueError):  # a lead of before Folio, shown as it was kept
            context["kept"] = json.dumps(obj.quote_data, ensure_ascii=False, indent=2)
        else:
            context |= {"quote": issued.quote, "expired": issued.quote.is_expired(now), "today": reprice(issued)}
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    def save_model(self, request, obj, form, change):
        if not form.changed_data:
            return
        # Only what was typed: a stale page must not write back the status a colleague has changed since.
        obj.save(update_fields=form.changed_data)
        LeadEvent.objects.create(lead=obj, kind=LeadEvent.Kind.NOTED, actor=request.user, at=timezone.now())

    # --- What staff do with a lead

    def get_urls(self):
        views = {
            "<str:lead_id>/whatsapp/": (self.whatsapp_view, "leads_lead_whatsapp"),
            "<str:lead_id>/contact/": (self.contact_view, "leads_lead_contact"),
            "<str:lead_id>/revert/": (self.revert_view, "leads_lead_revert"),
            "restore/": (self.restore_view, "leads_lead_restore"),
            "quarantine/": (self.quarantine_view, "leads_lead_quarantine"),
            # It changes nothing, and the page of an outage, which has no token to give, must be able to ask.
            "find/": (csrf_exempt(self.find_view), "leads_lead_find"),
            "export/": (partial(download.csv_view, self), "leads_lead_export"),
            "live/": (live, "leads_lead_live"),
            "alerts/": (subscription, "leads_lead_alerts"),
            "worker.js": (worker, "leads_lead_worker"),
        }
        ours = [path(route, self.admin_site.admin_view(view), name=name) for route, (view, name) in views.items()]
        # For whoever is not logged in, too: a browser asks for it without cookies.
        app = path("app.webmanifest", manifest, name="leads_lead_app")
        return [*ours, app, *super().get_urls()]

    def whatsapp_view(self, request, lead_id):
        """Claim a lead and go to the chat with its customer; who comes second is told who was first, and may go on."""
        if refusal := self._refuse_unless_posted(request):
            return refusal
        lead = self._lead(request, lead_id)
        if not lead.phone:
            raise Http404
        now = timezone.now()
        is_mine = Lead.objects.contact(lead.pk, by=request.user, now=now) or lead.contacted_by == request.user
        if not is_mine and "anyway" in request.POST:
            LeadEvent.objects.create(
                lead=lead, kind=LeadEvent.Kind.CONTACTED, actor=request.user, at=now, detail="as well"
            )
            is_mine = True
        if not is_mine:
            lead.refresh_from_db()  # a colleague may have been first since it was read
        # Not a redirect: Chrome would refuse it after a form (form-action), once the lead is claimed.
        context = {"lead": lead, "chat_url": greeting.chat_url(lead) if is_mine else None, "next": _next(request)}
        return self._page(request, "chat", context, title=str(lead), status=200 if is_mine else 409)

    def contact_view(self, request, lead_id):
        if refusal := self._refuse_unless_posted(request):
            return refusal
        lead = self._lead(request, lead_id)
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

    def revert_view(self, request, lead_id):
        if refusal := self._refuse_unless_posted(request):
            return refusal
        lead = self._lead(request, lead_id)
        if Lead.objects.revert(lead.pk, by=request.user, now=timezone.now()):
            messages.success(request, format_html("{}: {}", lead, _("back to waiting.")))
        else:
            messages.warning(request, _("This lead is waiting already."))
        return HttpResponseRedirect(_next(request))

    def find_view(self, request):
        """Look for what was typed or pasted: a message is examined, anything else is looked for in the list."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseRedirect(reverse("admin:leads_lead_changelist"))
        text = request.POST.get("text", "").strip()
        said = pasted.message(text)
        if said is None:
            term = urlencode({"q": text[: search.LONGEST_TERM]})
            return HttpResponseRedirect(f"{reverse('admin:leads_lead_changelist')}?{term}")
        lead = Lead.objects.filter(folio=said.folio).first()
        quote = said.issued.quote if said.issued else _quote_of(lead)
        is_altered = quote is not None and said.is_altered(quote)
        # Here too when the customer's details are in the message alone.
        is_missing = said.issued and (not lead or (said.has_person and not lead.phone))
        if not (is_missing or is_altered or said.is_forged) and lead:
            return HttpResponseRedirect(reverse("admin:leads_lead_change", args=[lead.pk]))
        context = {
            "said": said,
            "lead": lead,
            "quote": quote,
            "is_altered": is_altered,
            "text": text,
            "may_restore": is_missing and self.has_contact_permission(request),
        }
        return self._page(request, "message", context, title=_("Pasted message"))

    def restore_view(self, request):
        """Restore a lead from a pasted link or message."""
        if not self.has_contact_permission(request):
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
                messages.success(request, f"{restored.lead.folio}: {_CHANGES[restored.change]}")
                return HttpResponseRedirect(reverse("admin:leads_lead_change", args=[restored.lead.pk]))
        return self._page(request, "restore", {"text": text, "error": error}, title=_("Restore a lead"))

    def quarantine_view(self, request):
        """Show what Postgres refused for good; a POST tries it again."""
        if not self.has_contact_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            count = courier.of_this_process().outbox.retry_quarantined()
            health.forget()
            text = ngettext("%(count)d lead is tried again.", "%(count)d leads are tried again.", count)
            messages.success(request, text % {"count": count})
            return HttpResponseRedirect(request.path)
        listed = [refused for _path, refused in quarantine.quarantined(settings.OUTBOX_DIRECTORIES)]
        return self._page(request, "quarantine", {"quarantined": listed}, title=_("Refused leads"))

    def _refuse_unless_posted(self, request):
        if not self.has_contact_permission(request):
            raise PermissionDenied
        return None if request.method == "POST" else HttpResponseNotAllowed(["POST"])

    def _lead(self, request, lead_id):
        if lead := self.get_object(request, lead_id):
            return lead
        raise Http404

    def _page(self, request, name, context, *, title, status=200):
        shared = {**self.admin_site.each_context(request), "title": title, "opts": self.opts}
        return TemplateResponse(request, f"leads/inbox/{name}.html", shared | context, status=status)


_CHANGES = {
    Change.CREATED: _("restored."),
    Change.COMPLETED: _("completed with the contact details of the message."),
    Change.UNCHANGED: _("was already there, complete."),
}


def _next(request):
    """Return the page that staff came from, as the form says, or the list."""
    asked = request.POST.get("next", "")
    is_ours = asked.startswith("/") and url_has_allowed_host_and_scheme(asked, allowed_hosts=None)
    return asked if is_ours else reverse("admin:leads_lead_changelist")


def _quote_of(lead):
    try:
        return from_stored(lead.quote_data).quote if lead else None
    except (TypeError, KeyError, ValueError):
        return None


def _nothing_found(nothing):
    if not nothing.folio:
        return _("There is no complete link of this site in the text.")
    lead = Lead.objects.filter(folio=nothing.folio).first()
    if lead is None:
        return format_html(_("The text names {}, but its link is incomplete: copy the whole message."), nothing.folio)
    url = reverse("admin:leads_lead_change", args=[lead.pk])
    return format_html(_('Nothing to restore: <a href="{}">{}</a> is in the list.'), url, nothing.folio)


@admin.register(LeadEvent)
class LeadEventAdmin(admin.ModelAdmin):
    """Read-only: events are only ever added, by what was done."""

    list_display = ["at", "lead", "kind", "actor", "detail"]
    list_select_related = ["lead", "actor"]
    ordering = ["-at"]
    show_full_result_count = False
    paginator = changelist.CappedPaginator

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False
