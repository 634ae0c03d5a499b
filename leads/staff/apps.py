from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class StaffConfig(AppConfig):
    name = "leads.staff"
    label = "staff"
    verbose_name = _("Staff")

    def ready(self) -> None:
        from leads.staff import second_factor  # noqa: F401  (connects to allauth's signals; needs the app registry)
