from typing import Any

from django import template
from django.utils import timezone
from django.utils.translation import gettext as _

from leads.desk import figures
from leads.desk.days import OTHERS
from leads.desk.owner import start
from quoter import site

register = template.Library()


@register.inclusion_tag("leads/desk/_desk.html", takes_context=True)
def desk(context: template.Context) -> dict[str, Any]:
    """Render the desk for the period in the query string."""
    requested = context["request"].GET.get("days", "")
    period = next((days for days in figures.PERIODS if str(days) == requested), figures.PERIODS[0])
    figures_of_period = figures.desk(period, now=timezone.now(), zone=site.zone())
    names = {product.code: product.label.in_(site.language()) for product in site.price_book().products}
    return {
        "desk": figures_of_period,
        "periods": figures.PERIODS,
        "bars": figures.bars(figures_of_period.days),
        "products": [(names.get(str(row.name), row.name), row) for row in figures_of_period.products],
        "sources": [(row.name, row) for row in figures_of_period.sources],
        "others": OTHERS,
        "perms": context["perms"],
    }


@register.filter
def business_minutes(minutes: int | None) -> str:
    """Return 12 min, 3 h 05 min, or a dash for None."""
    if minutes is None:
        return "–"
    if minutes < 60:
        return _("%(minutes)d min") % {"minutes": minutes}
    return _("%(hours)d h %(minutes)02d min") % {"hours": minutes // 60, "minutes": minutes % 60}


@register.filter
def grouped(number: int) -> str:
    """Return a number as 12,345, the form used in Mexico in both languages."""
    return f"{number:,}"


@register.simple_tag
def unset_in_shop() -> list[str]:
    """Return what customers must not see wrong and nobody has set yet, for the owner."""
    return start.unset()
