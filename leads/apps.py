import logging

from django.apps import AppConfig
from django.conf import settings
from django.utils.translation import gettext_lazy as _

logger = logging.getLogger(__name__)


class LeadsConfig(AppConfig):
    name = "leads"
    verbose_name = _("Leads")

    def ready(self) -> None:
        from leads import checks  # noqa: F401  (registers them; needs the app registry)

        if settings.DATABASE_FAULT:
            logger.error("%s Customers pass; no lead is stored until this is mended.", settings.DATABASE_FAULT)
        for warning in settings.DATABASE_WARNINGS:
            logger.warning("%s", warning)
