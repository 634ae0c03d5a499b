from typing import Any

from allauth.account import forms


class LoginForm(forms.LoginForm):  # type: ignore[misc]  # untyped
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A phone's keyboard would turn ana into Ana, and each failed try counts towards the limit.
        self.fields["login"].widget.attrs |= {"autocapitalize": "none", "autocorrect": "off", "spellcheck": "false"}
