import logging
import sys
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.management.base import OutputWrapper
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate, pre_migrate
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from leads.delivery.journal import sealing

logger = logging.getLogger(__name__)


class LeadsConfig(AppConfig):
    name = "leads"
    verbose_name = _("Leads")

    def ready(self) -> None:
        from leads.ops import adoption, checks  # noqa: F401  (registers checks; needs the app registry)

        sealing.use(lambda: (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))
        connection_created.connect(adoption.register_adopted_types)
        pre_migrate.connect(before_migrations, sender=self)
        post_migrate.connect(after_migrations, sender=self)
        if settings.DATABASE_FAULT:
            logger.error("%s Customers pass; no lead is stored until this is fixed.", settings.DATABASE_FAULT)
        for warning in settings.DATABASE_WARNINGS:
            logger.warning("%s", warning)


def before_migrations(*, using: str, plan: Any = (), **kwargs: Any) -> None:
    """Refuse a `leads` table that cannot be adopted, and close tables that are created from now on to the data API."""
    from leads.ops import adoption, supabase

    if _makes_leads(plan):
        adoption.refuse_unadoptable_table(using)
    supabase.close_future_tables(using)


def after_migrations(
    *, using: str, verbosity: int, plan: Any = (), stdout: OutputWrapper | None = None, **kwargs: Any
) -> None:
    """Close every table to the data API, create the copier's trigger, and see to an adopted table and to partitions.

    When the table has just been adopted, name its columns that Folio does not write.
    """
    from leads.ops import adopted_columns, adopted_folios, copy_trigger, supabase
    from leads.ops.partitions import upkeep

    out = stdout or OutputWrapper(sys.stdout)
    closed = supabase.close_data_api(using)
    if closed is None and verbosity > 1:
        out.write("  There is no data API here: none of Supabase's roles.")
    if closed and verbosity > 0:
        out.write(f"  Closed to the data API: {closed} tables, views and sequences.")
    copy_trigger.create(using)
    filled = adopted_folios.fill_folios(using, out=OutputWrapper(sys.stderr))
    if filled and verbosity > 0:
        out.write(f"  {filled}")
    kept_up = upkeep.keep_up(using, timezone.localdate())
    if kept_up and verbosity > 0:
        out.write(f"  {kept_up}")
    if _makes_leads(plan) and verbosity > 0 and (left := adopted_columns.left_columns(using)):
        out.write("  Columns of leads that Folio does not write (see `manage.py adopted_columns`):")
        for column in left:
            out.write(f"    {column}")


def _makes_leads(plan: Any) -> bool:
    return any(
        (migration.app_label, migration.name, backwards) == ("leads", "0001_lead", False)
        for migration, backwards in plan
    )
