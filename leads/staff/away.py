"""Who of the sellers is away, and until when: everybody says it of themself, managers of all."""

from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from leads.inbox.person.forms import sellers
from leads.inbox.person.steps import short_day
from leads.models import Absence
from leads.staff.team.members import called
from quoter import site

# Whose absences somebody may change besides their own: everybody's.
MANAGES = "leads.change_absence"
SELLS = "leads.contact_lead"
# Nobody plans further ahead; a year with a typing error is.
LONGEST = timedelta(days=366)


class AwayForm(forms.Form):
    """From when on, and until which day. last: the last day of the absence."""

    use_required_attribute = False
    error = {"required": gettext_lazy("Choose a day."), "invalid": gettext_lazy("Choose a day.")}

    since = forms.DateField(
        label=gettext_lazy("Away from"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages=error,
    )
    last = forms.DateField(
        label=gettext_lazy("Last day away"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages=error,
    )

    def __init__(self, data: Any = None, *, user: User, today: date) -> None:
        found = Absence.objects.filter(user=user, until__gt=today).first()
        began = {"since": found.since or today, "last": found.last} if found else {"since": today}
        super().__init__(data, initial=began, prefix=f"u{user.pk}", label_suffix="")
        self.user, self.today, self.absence = user, today, found

    def clean_last(self) -> date:
        last: date = self.cleaned_data["last"]
        if not self.today <= last <= self.today + LONGEST:
            raise ValidationError(_("Choose a day from today on, within a year."))
        if (since := self.cleaned_data.get("since")) and since > last:
            raise ValidationError(_("The last day is before the first one."))
        return last

    @property
    def name(self) -> str:
        return called(self.user)

    @property
    def in_words(self) -> str:
        """When the user is away; "" for one who is here and stays."""
        if self.absence is None:
            return ""
        days = {"since": short_day(self.absence.since or self.today), "last": short_day(self.absence.last)}
        return _("away %(since)s – %(last)s") % days


@never_cache
@require_http_methods(["GET", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """GET, POST /admin/away/: who is away; `action` is save:<user> or back:<user>."""
    user = request.user
    if not isinstance(user, User) or not user.has_perm(SELLS):
        raise PermissionDenied
    today = timezone.now().astimezone(site.zone()).date()
    listed = {each.pk: each for each in sellers()} if user.has_perm(MANAGES) else {}
    listed = {user.pk: user, **listed}
    if request.method == "GET":
        return _shown(request, [AwayForm(user=each, today=today) for each in listed.values()])
    action, _colon, key = request.POST.get("action", "").partition(":")
    chosen = User.objects.filter(pk=key).first() if key.isdecimal() and len(key) < 10 else None
    if chosen is None or action not in ("save", "back"):
        raise Http404
    if chosen.pk not in listed:
        raise PermissionDenied
    if action == "back":
        Absence.objects.filter(user=chosen).delete()
        return _done(request, chosen, "Here again.", _("%(name)s is here.") % {"name": called(chosen)})
    form = AwayForm(request.POST, user=chosen, today=today)
    if not form.is_valid():
        others = (each for each in listed.values() if each != chosen)
        return _shown(request, [form, *(AwayForm(user=each, today=today) for each in others)], status=422)
    since, last = form.cleaned_data["since"], form.cleaned_data["last"]
    Absence.objects.update_or_create(user=chosen, defaults={"since": since, "until": last + timedelta(days=1)})
    said = _("%(name)s is away from %(since)s to %(last)s. What is due then comes to everybody.")
    words = {"name": called(chosen), "since": short_day(since), "last": short_day(last)}
    return _done(request, chosen, f"Away from {since} to {last}.", said % words)


def _done(request: HttpRequest, user: User, what: str, said: str) -> HttpResponse:
    LogEntry.objects.log_actions(request.user.pk or 0, [user], CHANGE, change_message=what, single_object=True)
    messages.success(request, said)
    return HttpResponseRedirect(request.path)


def _shown(request: HttpRequest, people: list[AwayForm], *, status: int = 200) -> HttpResponse:
    context = {**admin.site.each_context(request), "title": _("Who is away"), "people": people}
    return render(request, "leads/staff/away.html", context, status=status)
