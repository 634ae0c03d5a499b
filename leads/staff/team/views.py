"""The page of who works here, and the page on which a new member sets a password."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.contrib.auth.views import PasswordResetConfirmView
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse, reverse_lazy
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from leads.staff import second_factor
from leads.staff.team import members
from leads.staff.team.members import IN_WORDS, Member
from quoter.shop.values import shop


class Invitation(NamedTuple):
    """A link with which a member sets a password, once. until: when it ends; chat_url: WhatsApp with the link in it."""

    user: User
    url: str
    until: datetime
    chat_url: str


@never_cache
@require_http_methods(["GET", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """GET, POST /admin/team/: the list; with `action`, add a member or change one."""
    if not request.user.has_perm("auth.change_user") or not isinstance(request.user, User):
        raise PermissionDenied
    if request.method == "GET":
        return _shown(request)
    action, _colon, key = request.POST.get("action", "").partition(":")
    if action == "add":
        return _added(request)
    if not key.isdecimal() or action not in ("link", *_CHANGES):
        raise Http404
    user = get_object_or_404(User, pk=int(key), is_staff=True)
    if not members.may_change(request.user, user):
        raise PermissionDenied
    if action == "link":
        _note(request, user, "Made a link to set a password.")
        return _shown(request, invitation=_invitation(request, user))
    try:
        messages.success(request, _CHANGES[action](request, user))
    except ValidationError as error:
        return _shown(request, error=error.messages[0], at=user.pk)
    return HttpResponseRedirect(f"{request.path}#member-{user.pk}")


def _added(request: HttpRequest) -> HttpResponse:
    try:
        role = members.read_role(request.POST.get("role", ""))
        user = members.add(members.read_name(request.POST.get("name", "")), role)
    except ValidationError as error:
        return _shown(request, error=error.messages[0])
    _note(request, user, f"Added as {role}.")
    return _shown(request, invitation=_invitation(request, user))


def _renamed(request: HttpRequest, user: User) -> str:
    members.give_name(user, members.read_name(request.POST.get("name", ""), of=user))
    user.save(update_fields=["first_name", "last_name"])
    _note(request, user, "Changed the name.")
    return _("The name is %(name)s.") % {"name": user.get_full_name()}


def _given_role(request: HttpRequest, user: User) -> str:
    role = members.read_role(request.POST.get("role", ""))
    members.give_role(user, role)
    _note(request, user, f"Changed the role to {role}.")
    return _("%(name)s: %(role)s.") % {"name": members.called(user), "role": IN_WORDS[role][0]}


def _switched(request: HttpRequest, user: User, *, on: bool) -> str:
    user.is_active = on
    user.save(update_fields=["is_active"])
    _note(request, user, "Switched the login on." if on else "Switched the login off.")
    text = (
        _("%(name)s can log in again.") if on else _("%(name)s cannot log in any more, and is logged out everywhere.")
    )
    return text % {"name": members.called(user)}


def _factor_forgotten(request: HttpRequest, user: User) -> str:
    second_factor.factors_of([user]).delete()
    _note(request, user, "Forgot the second factor.")
    return _("%(name)s sets up a new second factor at the next login.") % {"name": members.called(user)}


_CHANGES: dict[str, Callable[[HttpRequest, User], str]] = {
    "name": _renamed,
    "role": _given_role,
    "off": lambda request, user: _switched(request, user, on=False),
    "on": lambda request, user: _switched(request, user, on=True),
    "factor": _factor_forgotten,
}


def _note(request: HttpRequest, user: User, what: str) -> None:
    """Add to the history that Django's own page of the user shows."""
    by = request.user.pk or 0  # the page is for those who are logged in
    LogEntry.objects.log_actions(by, [user], CHANGE, change_message=what, single_object=True)


def _invitation(request: HttpRequest, user: User) -> Invitation:
    who = urlsafe_base64_encode(force_bytes(user.pk))
    address = reverse("staff_join", args=(who, default_token_generator.make_token(user)))
    url = request.build_absolute_uri(address)
    until = timezone.now() + timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)
    text = _(
        "Your login at %(shop)s: set a password here. The link works once, for a day.\n%(url)s\nUser name: %(username)s"
    )
    said = text % {"shop": shop.BUSINESS_NAME, "url": url, "username": user.username}
    return Invitation(user, url, until, f"https://wa.me/?{urlencode({'text': said})}")


def _shown(
    request: HttpRequest, *, error: str = "", at: int | None = None, invitation: Invitation | None = None
) -> HttpResponse:
    """Return the page. error: about the member `at`, or without it about the one to be added."""
    found: list[Member] = members.members(seen_by=request.user)  # type: ignore[arg-type]
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": _("Who works here"),
        "members": found,
        "roles": [(role, *words) for role, words in IN_WORDS.items()],
        "typed": request.POST if error else {},
        "error": error,
        "at": at,
        "invitation": invitation,
    }
    return render(request, "leads/staff/team.html", context, status=422 if error else 200)


class JoinView(PasswordResetConfirmView):
    """GET, POST /admin/join/…: whoever has the link sets a password. Django's view, which takes a link once."""

    template_name = "account/join.html"
    success_url = reverse_lazy("account_login")
    title = gettext_lazy("Set your password")

    def get_user(self, uidb64: str) -> User | None:
        user: User | None = super().get_user(uidb64)
        return user if user and user.is_active and user.is_staff else None

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        return context if self.validlink else context | {"title": _("This link does not work any more")}

    def form_valid(self, form: Any) -> HttpResponse:
        answer = super().form_valid(form)
        text = _("Your password is set. Log in as %(username)s.")
        messages.success(self.request, text % {"username": form.user.get_username()})
        return answer
