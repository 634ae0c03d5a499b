from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class StaffConfig(AppConfig):
    name = "leads.staff"
    label = "staff"
    verbose_name = _("Staff")

    def ready(self) -> None:
        # They connect to signals, and need the app registry.
        from leads.staff import attempts, second_factor, sessions  # noqa: F401
