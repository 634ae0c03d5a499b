from datetime import timedelta
from typing import Any

from django import template
from django.utils import timezone
from django.utils.translation import gettext as _

from leads.desk import figures, words
from leads.desk.owner import start
from leads.desk.tallies import NOBODY, OTHERS
from quoter import site
from quoter.shop.values import shop

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
        "ago": _ago(figures_of_period),
        "others": OTHERS,
        "nobody": NOBODY,
        "promise": shop.ANSWER_PROMISE // timedelta(minutes=1),
        "perms": context["perms"],
    }


for name in ("amount", "day", "duration", "grouped", "people", "quotes", "sales"):
    register.filter(name, getattr(words, name))


def _ago(shown: figures.Desk) -> dict[str, str]:
    """Return what the figures were a year ago, as text, by the figure."""
    if shown.before is None:
        text = _("a year ago: not counted yet") if shown.is_before_uncounted else _("a year ago: no figures")
        return dict.fromkeys(("sold", "quoted", "lost", "median", "p90"), text)
    values = {
        "sold": words.amount(shown.before.total.sold),
        "quoted": words.amount(shown.before.total.quoted),
        "lost": words.amount(shown.before.lost.amount),
        "median": words.duration(shown.before.median),
        "p90": words.duration(shown.before.p90),
    }
    return {name: _("a year ago: %(value)s") % {"value": value} for name, value in values.items()}


@register.simple_tag
def unset_in_shop() -> list[str]:
    """Return what customers must not see wrong and nobody has set yet, for the owner."""
    return start.unset()
