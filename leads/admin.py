"""The sales inbox: who is waiting, what they were promised, and one honest update when they are contacted."""

import json
import re
from decimal import Decimal

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import DatabaseError
from django.http import Http404, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import dateformat, timezone
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from leads import courier, health, outbox
from leads.models import Lead, LeadEvent
from leads.restore import Change, NothingToRestore, restore
from quoter import folio
from quoter.numbers import money
from quoter.token import from_stored

admin.site.site_header = admin.site.site_title = settings.BUSINESS_NAME
admin.site.index_title = _("Leads")
admin.site.enable_nav_sidebar = False  # it would push the last columns off a laptop's screen

MOST_COUNTED = 1001
_ACCENTS = str.maketrans("áéíóúüñ", "aeiouun")


class CappedPaginator(Paginator):
    """Counts no further than anybody pages: a count of every lead takes seconds on a large table."""

    @cached_property
    def count(self):
        return self.object_list.order_by()[:MOST_COUNTED].count()


class StatusFilter(admin.SimpleListFilter):
    """Waiting leads unless asked otherwise; a search looks at all of them."""

    title = _("status")
    parameter_name = "status"

    def lookups(self, request, model_admin):
        return [("all", _("All")), *Lead.Status.choices]

    def choices(self, changelist):
        for value, label in self.lookup_choices:
            yield {
                "selected": self._shown(changelist) == value,
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": label,
            }

    def queryset(self, request, queryset):
        shown = self.value() or ("all" if request.GET.get("q") else Lead.Status.NEW)
        return queryset if shown == "all" else queryset.filter(status=shown)

    def _shown(self, changelist):
        return self.value() or ("all" if changelist.query else Lead.Status.NEW)


@admin.register(Lead)
class LeadAdmin(admin.ModelAdmin):
    list_display = ["folio", "name", "phone", "total", "status", "quoted", "contacted_by"]
    list_filter = [StatusFilter]
    list_select_related = ["contacted_by"]
    list_per_page = 50
    ordering = ["created_at", "id"]
    search_fields = ["folio"]  # makes the box appear; get_search_results looks
    search_help_text = _("Folio, last digits of the phone, or name")
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = CappedPaginator
    actions = ["mark_contacted"]
    readonly_fields = [
        "bill",
        "name",
        "phone",
        "status",
        "contacted_at",
        "contacted_by",
        "submitted_at",
        "created_at",
        "history",
    ]
    fields = [*readonly_fields, "notes"]
    change_list_template = "leads/admin/change_list.html"
    change_form_template = "leads/admin/change_form.html"

    class Media:
        css = {"all": ["leads/admin.css"]}

    def has_add_permission(self, request):
        return False

    def has_delete_permission(self, request, obj=None):
        return False

    def has_contact_permission(self, request):
        return request.user.has_perm("leads.contact_lead")

    def get_search_results(self, request, queryset, search_term):
        text = search_term.strip()
        if not text:
            return queryset, False
        if found := folio.find(text):
            return queryset.filter(folio=found), False
        if (exact := queryset.filter(folio=text)).exists():
            return exact, False  # a folio of before Folio
        digits = re.sub(r"\D", "", text)
        if digits and not re.search(r"[^\W\d]", text):
            # The last ten digits are the same however the country code was written.
            return queryset.with_phone_ending(digits[-10:]), False
        words = re.findall(r"\w+", text.lower().translate(_ACCENTS))
        return (queryset.with_name_words(words) if words else queryset.none()), False

    @admin.display(description=_("total"))
    def total(self, lead):
        try:
            return money(Decimal(lead.quote_data["total"]))
        except (TypeError, KeyError, ValueError, ArithmeticError):
            return None  # a lead of before Folio says it otherwise

    @admin.display(description=_("quoted"), ordering="created_at")
    def quoted(self, lead):
        return dateformat.format(timezone.localtime(lead.created_at), "Y-m-d H:i")

    @admin.display(description=_("quote"))
    def bill(self, lead):
        try:
            issued = from_stored(lead.quote_data)
        except (TypeError, KeyError, ValueError):  # a lead of before Folio, shown as it was kept
            return format_html("<pre>{}</pre>", json.dumps(lead.quote_data, ensure_ascii=False, indent=2))
        return render_to_string("quoter/_bill.html", {"quote": issued.quote})

    @admin.display(description=_("history"))
    def history(self, lead):
        return render_to_string("leads/admin/_events.html", {"events": lead.events.select_related("actor")})

    @admin.action(description=_("Mark as contacted"), permissions=["contact"])
    def mark_contacted(self, request, queryset):
        won = sum(
            Lead.objects.contact(lead_id, by=request.user, now=timezone.now())
            for lead_id in queryset.order_by().values_list("pk", flat=True)
        )
        text = ngettext("%(count)d lead marked as contacted.", "%(count)d leads marked as contacted.", won)
        messages.success(request, text % {"count": won})

    def save_model(self, request, obj, form, change):
        # Only what was typed: a stale page must not write back the status a colleague has changed since.
        obj.save(update_fields=form.changed_data)

    def get_urls(self):
        return [
            path("<str:lead_id>/contact/", self.admin_site.admin_view(self.contact_view), name="leads_lead_contact"),
            path("restore/", self.admin_site.admin_view(self.restore_view), name="leads_lead_restore"),
            path("quarantine/", self.admin_site.admin_view(self.quarantine_view), name="leads_lead_quarantine"),
            *super().get_urls(),
        ]

    def contact_view(self, request, lead_id):
        if not self.has_contact_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        lead = self.get_object(request, lead_id)
        if lead is None:
            raise Http404
        if Lead.objects.contact(lead.pk, by=request.user, now=timezone.now()):
            messages.success(request, _("Marked as contacted."))
        else:
            messages.warning(request, _("A colleague was first: this lead is not waiting any more."))
        return HttpResponseRedirect(reverse("admin:leads_lead_change", args=[lead_id]))

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
        context = {**self.admin_site.each_context(request), "title": _("Restore a lead"), "text": text, "error": error}
        return TemplateResponse(request, "leads/admin/restore.html", {**context, "opts": self.opts})

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
        listed = [refused for _path, refused in outbox.quarantined(settings.OUTBOX_DIRECTORIES)]
        context = {**self.admin_site.each_context(request), "title": _("Refused leads"), "quarantined": listed}
        return TemplateResponse(request, "leads/admin/quarantine.html", {**context, "opts": self.opts})


_CHANGES = {
    Change.CREATED: _("restored."),
    Change.COMPLETED: _("completed with the contact details of the message."),
    Change.UNCHANGED: _("was already there, complete."),
}


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
    paginator = CappedPaginator

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False
