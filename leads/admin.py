"""The admin of leads and of their events. The list and the actions are in leads/inbox."""

from functools import partial

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import lazy
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_exempt

from leads.alerts.switch import manifest, subscription, worker
from leads.customer.answers import in_words
from leads.desk.people import FollowUpFilter
from leads.desk.quoting.views import offer_view, quote_view, requote_view
from leads.inbox import changelist, download, flags, history, notes, rows, search, tabs, views
from leads.inbox.filters import hand
from leads.inbox.live import live
from leads.inbox.person import correct
from leads.inbox.person import page as person
from leads.models import Lead, LeadEvent, Machine
from leads.staff.team.members import called
from quoter import site
from quoter.reprice import reprice
from quoter.shop.values import shop

admin.site.site_header = admin.site.site_title = lazy(lambda: shop.BUSINESS_NAME, str)()
admin.site.index_title = _("Overview")
admin.site.enable_nav_sidebar = False  # with it, the last columns do not fit on a laptop's screen


@admin.register(Lead)
class LeadAdmin(admin.ModelAdmin):
    list_display = ["folio"]  # not shown: leads.inbox.changelist and its template make the rows
    list_filter = [tabs.TabFilter, hand.HandFilter, tabs.OrderFilter, FollowUpFilter]
    list_select_related = ["contacted_by"]
    list_per_page = 50
    list_max_show_all = 0
    search_fields = ["folio"]  # only shows the search box; get_search_results searches
    show_full_result_count = False
    view_on_site = False  # the page links to the quote itself
    show_facets = admin.ShowFacets.NEVER
    actions = None
    form = notes.NoteForm
    fields = ["note"]  # the rest of the page is read-only
    change_list_template = "leads/inbox/change_list.html"
    change_form_template = "leads/inbox/change_form.html"

    def has_add_permission(self, request):
        return False

    def has_delete_permission(self, request, obj=None):
        return False

    # --- The list

    def get_changelist(self, request, **kwargs):
        return changelist.Inbox

    def get_ordering(self, request):
        return tabs.tab_of(request).ordering

    def get_paginator(self, request, queryset, *args, **kwargs):
        return changelist.paginator_of(request, queryset, *args, **kwargs)

    def get_search_results(self, request, queryset, search_term):
        return search.leads(queryset, search_term), False

    def changelist_view(self, request, extra_context=None):
        if request.method == "GET" and (address := hand.cleaned(request.GET)) is not None:
            return HttpResponseRedirect(f"?{address.urlencode()}")
        extra = {
            "may_contact": views.may_contact(request),
            "most_downloaded": f"{download.MOST_LEADS:,}",
            **person.choices(timezone.now()),
        }
        return super().changelist_view(request, {**extra, **(extra_context or {})})

    # --- One lead

    def render_change_form(self, request, context, *args, obj=None, **kwargs):
        now, stored = timezone.now(), obj.snapshot
        [row] = rows.rows([obj], now=now)
        theirs = person.leads_of(obj)
        context |= {
            "row": row,
            "stored": stored,
            "earlier": [(each, in_words(each.customer.answers, site.language())) for each in reversed(stored.earlier)],
            "noted": flags.descriptions(stored, asked_at=obj.asked_at),
            "title": str(obj),
            "subtitle": None,
            "events": history.of_person(theirs),
            "notes": notes.of_person(theirs),
            "corrections": correct.of_person(theirs),
            "page": views.next_page(request, default=request.get_full_path()),
            "others": [each for each in theirs if each != obj],
            "replaced": next((each for each in theirs if each.folio == stored.replaces), None),
            "replaced_by": next((each for each in theirs if obj.folio and each.snapshot.replaces == obj.folio), None),
            "may_contact": views.may_contact(request),
            **person.context(request, row, now=now),
        }
        if issued := stored.issued:
            context |= {"quote": issued.quote, "expired": issued.quote.is_expired(now), "today": reprice(issued)}
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    def save_model(self, request, obj, form, change):
        """Add the note. The lead itself is not saved: a colleague may have changed it since the page was made."""
        notes.add(obj, form.cleaned_data["note"], by=request.user, now=timezone.now())

    def history_view(self, request, object_id, extra_context=None):
        """Lead to the events on the lead's page: Django's log has nothing of leads."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return HttpResponseRedirect(f"{reverse('admin:leads_lead_change', args=[object_id])}#history-title")

    def log_change(self, request, obj, message):
        """Add nothing to Django's log: the lead has its own events."""

    def response_change(self, request, obj):
        """Return to the list as it was filtered, or to the lead's page."""
        self.message_user(request, format_html("{}: {}", obj, _("note saved.")), messages.SUCCESS)
        if "_continue" in request.POST:
            return HttpResponseRedirect(request.get_full_path())
        return self.response_post_save_change(request, obj)

    # --- What staff do with a lead

    def get_urls(self):
        pages = {
            "<str:lead_id>/whatsapp/": (partial(views.whatsapp_view, self), "leads_lead_whatsapp"),
            "<str:lead_id>/contact/": (partial(views.contact_view, self), "leads_lead_contact"),
            "<str:lead_id>/requote/": (requote_view, "leads_lead_requote"),
            "quote/": (quote_view, "leads_lead_quote"),
            "offer/": (offer_view, "leads_lead_offer"),
            "<str:lead_id>/revert/": (partial(views.revert_view, self), "leads_lead_revert"),
            "aside/": (partial(views.aside_view, self), "leads_lead_move"),
            "states/": (partial(views.states_view, self), "leads_lead_states"),
            "restore/": (partial(views.restore_view, self), "leads_lead_restore"),
            "quarantine/": (partial(views.quarantine_view, self), "leads_lead_quarantine"),
            # It changes nothing, and the outage page posts to it without a CSRF token.
            "find/": (csrf_exempt(partial(views.find_view, self)), "leads_lead_find"),
            "export/": (partial(download.download_view, self), "leads_lead_export"),
            "live/": (live, "leads_lead_live"),
            "alerts/": (subscription, "leads_lead_alerts"),
            "worker.js": (worker, "leads_lead_worker"),
        }
        pages |= {
            f"<str:lead_id>/{name}/": (partial(person.view(name), self), f"leads_lead_{name}")
            for name in person.ACTIONS
        }
        routes = [path(route, self.admin_site.admin_view(view), name=name) for route, (view, name) in pages.items()]
        # Without a login: browsers request a manifest without cookies.
        app = path("app.webmanifest", manifest, name="leads_lead_app")
        return [*routes, app, *super().get_urls()]


@admin.register(LeadEvent)
class LeadEventAdmin(admin.ModelAdmin):
    """Read-only, because only the site's own code adds events."""

    list_display = ["moment", "of_lead", "what", "detail_in_words", "by"]
    fields = ["moment", "of_lead", "what", "detail_in_words", "by"]
    list_display_links = None
    list_filter = [history.KindFilter]
    list_select_related = ["lead", "actor"]
    ordering = ["-at"]
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = changelist.CappedPaginator

    @admin.display(description=_("When"), ordering="at")
    def moment(self, event):
        return date_format(localtime(event.at), "SHORT_DATETIME_FORMAT")

    @admin.display(description=_("Customer"))
    def of_lead(self, event):
        address = reverse("admin:leads_lead_change", args=[event.lead_id])
        return format_html('<a href="{}">{}</a>', address, event.lead.name or event.lead)

    @admin.display(description=_("What"))
    def what(self, event):
        return event.get_kind_display()

    @admin.display(description=_("Detail"))
    def detail_in_words(self, event):
        return history.in_words(event)

    @admin.display(description=_("Who"))
    def by(self, event):
        return called(event.actor) if event.actor else ""

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


@admin.register(Machine)
class MachineAdmin(admin.ModelAdmin):
    """What each web machine says of itself. Deleting one, which Django notes, forgets a machine that was removed."""

    list_display = ["name", "seen_at", "pending", "oldest_at", "quarantined", "damaged", "inaccessible", "version"]
    ordering = ["name", "key"]

    def get_fields(self, request, obj=None):
        return self.list_display

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False
