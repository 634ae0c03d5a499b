from typing import Any

from allauth.account import forms
from allauth.mfa.webauthn.forms import LoginWebAuthnForm
from django.core.exceptions import ValidationError
from django.forms import HiddenInput, JSONField


class LoginForm(forms.LoginForm):  # type: ignore[misc]  # untyped
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A phone's keyboard would turn ana into Ana, and each failed try counts towards the limit.
        self.fields["login"].widget.attrs |= {"autocapitalize": "none", "autocorrect": "off", "spellcheck": "false"}


class _CredentialField(JSONField):
    def to_python(self, value: Any) -> Any:
        try:
            return super().to_python(value)
        except RecursionError:  # thousands of brackets
            raise ValidationError(self.error_messages["invalid"], code="invalid", params={"value": ""}) from None


class PasskeyLoginForm(LoginWebAuthnForm):  # type: ignore[misc]  # untyped
    credential = _CredentialField(widget=HiddenInput)
