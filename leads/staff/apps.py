import allauth.account.apps
from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class StaffConfig(AppConfig):
    name = "leads.staff"
    label = "staff"
    verbose_name = _("Staff")

    def ready(self) -> None:
        from leads.staff import second_factor  # noqa: F401  (listens to allauth; needs the app registry)


class LoginConfig(allauth.account.apps.AccountConfig):  # type: ignore[misc]  # untyped
    """allauth's, which looks for its middleware by name; ours is the same, for staff pages."""

    def ready(self) -> None:
        from allauth.account import checks  # noqa: F401
