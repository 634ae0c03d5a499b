"""Who works here, and the pages of allauth that staff need: not those to sign up, and not those that work by e-mail."""

from allauth.account import views as account
from allauth.mfa.base import views as second_factor
from allauth.mfa.recovery_codes import views as recovery_codes
from allauth.mfa.totp import views as app
from allauth.mfa.webauthn import views as passkey
from django.contrib import admin
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import path, reverse, reverse_lazy
from django.utils.translation import gettext_lazy as _

from leads.staff import away, unfinished
from leads.staff.team import views as team


def login(request: HttpRequest) -> HttpResponseBase:
    """Log in. Whoever has just typed the address of the admin lands where everybody does: on who waits."""
    if request.GET.get("next") == reverse("admin:index"):
        return redirect("account_login")
    page: HttpResponseBase = account.login(request)
    return page


urlpatterns = [
    path("away/", admin.site.admin_view(away.page), name="staff_away"),
    path("team/", admin.site.admin_view(team.page), name="staff_team"),
    path("join/<uidb64>/<token>/", team.JoinView.as_view(), name="staff_join"),
    path("login/", login, name="account_login"),
    path("login/passkey/", passkey.login_webauthn, name="mfa_login_webauthn"),
    path("login/second-factor/", second_factor.authenticate, name="mfa_authenticate"),
    path("logout/", account.logout, name="account_logout"),
    path("unfinished/<str:key>/", admin.site.admin_view(unfinished.resume), name="account_unfinished"),
    path("password/", account.reauthenticate, name="account_reauthenticate"),
    path("second-factor/", second_factor.index, name="mfa_index"),
    path("second-factor/passkey/", passkey.add_webauthn, name="mfa_add_webauthn"),
    path(
        "second-factor/passkey/<int:pk>/remove/",
        passkey.RemoveWebAuthnView.as_view(
            template_name="mfa/remove.html",
            success_url=reverse_lazy("mfa_index"),
            extra_context={"title": _("Remove the passkey")},
        ),
        name="mfa_remove_webauthn",
    ),
    path("second-factor/app/", app.activate_totp, name="mfa_activate_totp"),
    path(
        "second-factor/app/remove/",
        app.DeactivateTOTPView.as_view(
            template_name="mfa/remove.html", extra_context={"title": _("Remove the authenticator app")}
        ),
        name="mfa_deactivate_totp",
    ),
    path("second-factor/codes/", recovery_codes.view_recovery_codes, name="mfa_view_recovery_codes"),
    path("second-factor/codes/new/", recovery_codes.generate_recovery_codes, name="mfa_generate_recovery_codes"),
]
