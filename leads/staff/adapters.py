"""Where this site's logins differ from allauth's defaults."""

import time
from typing import Any, cast

import qrcode
from allauth.account import app_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.core import context
from allauth.core.internal import ratelimit
from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import InvalidToken
from django.contrib import messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from qrcode.image.svg import SvgPathImage

from leads.staff import attempts, encryption, unfinished
from leads.staff.address import client_address
from quoter.shop.values import shop

# Where staff land after a login.
WHO_WAITS = "admin:leads_lead_changelist"


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # untyped
    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "too_many_login_attempts": _(
            "Too many failed attempts. You can try again at %(time)s; a passkey works meanwhile."
        ),
    }

    def get_client_ip(self, request: HttpRequest) -> str:
        # Allauth's own fails when a request comes past one of the proxies.
        return str(client_address(request) or "unknown")

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count the attempt, and refuse one too many.

        In a browser where this user has logged in before, only the attempts in it count. So nobody elsewhere can keep
        them from logging in.
        """
        self._attempts: dict[str, Any] = {"key": self._get_login_attempts_cache_key(request, **credentials)}
        username = unfinished.last_username(request)
        if username and username.casefold() == credentials.get("username", "").casefold():
            own = request.COOKIES[unfinished.USER_COOKIE]
            self._attempts = {"key": f"{self._attempts['key']}:{own}", "config": attempts.OWN_BROWSER_RATES}
        self._login_failed_rl_usage = ratelimit.consume(
            request, app="allauth.account", action=attempts.FAILED, **self._attempts
        )
        if not self._login_failed_rl_usage:
            raise self.validation_error("too_many_login_attempts")

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        attempts.log_failure(request)

    def validation_error(self, code: str, *args: Any) -> ValidationError:
        if code != "too_many_login_attempts":
            return cast(ValidationError, super().validation_error(code, *args))
        attempts.log_failure(context.request)
        until = attempts.allowed_at(context.request, **getattr(self, "_attempts", {"key": ""}))
        return ValidationError(self.error_messages[code], code=code, params={"time": until})

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def is_reauthentication_required(self, *args: Any, **kwargs: Any) -> bool:
        """Do not ask again for the password shortly after a login."""
        records = get_authentication_records(context.request, context.request.user)
        # A login of the future was noted while the clock was ahead.
        is_fresh = bool(records) and abs(time.time() - records[-1]["at"]) < app_settings.REAUTHENTICATION_TIMEOUT
        return not is_fresh and super().is_reauthentication_required(*args, **kwargs)

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        # A refused passkey and a limit on attempts lose the address that the login should lead to.
        waiting = unfinished.waiting_url(request)
        return waiting or (reverse(WHO_WAITS) if request.user.has_perm("leads.view_lead") else reverse("admin:index"))

    def get_reauthentication_methods(self, user: AbstractBaseUser | AnonymousUser) -> list[dict[str, Any]]:
        # Only the password: this session has shown the second factor already, or is about to set one up.
        if not user.is_authenticated or not user.has_usable_password():
            return []
        return [{"id": "reauthenticate", "description": _("Password"), "url": reverse("account_reauthenticate")}]

    def respond_user_inactive(self, request: HttpRequest, user: AbstractBaseUser) -> HttpResponse:
        messages.error(request, _("This login is switched off."))
        return redirect("account_login")


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # untyped
    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return {**super().get_public_key_credential_rp_entity(), "name": shop.BUSINESS_NAME}

    def encrypt(self, text: str) -> str:
        """Encrypt TOTP secrets and recovery codes at rest: in the table and in backups."""
        return encryption.cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        try:
            return encryption.cipher().decrypt(encrypted_text.encode()).decode()
        except InvalidToken:  # encrypted with a SECRET_KEY that is not in use any more
            raise self.validation_error("incorrect_code") from None

    def build_totp_svg(self, url: str) -> str:
        """Return the QR code as inline SVG, because the content policy allows no data: URL."""
        return str(qrcode.make(url, image_factory=SvgPathImage).to_string(encoding="unicode"))
