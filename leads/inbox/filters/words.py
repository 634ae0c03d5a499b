"""The filters of a list in words."""

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from leads.inbox.filters import CAMPAIGN, LEAST, MOST, OUTCOME, PRODUCT, SELLER, SINCE, SOURCE, UNTIL, WITHOUT
from leads.inbox.filters.form import products, seller_name
from leads.models import LeadOutcome
from quoter.engine.numbers import money


class Said(NamedTuple):
    """A filter in words. names: its parameters."""

    names: tuple[str, ...]
    text: Any


def said(given: Mapping[str, Any]) -> Iterator[Said]:
    """Yield what filters a list, in words. given: the values of the filters, by their names."""
    values = {name: value for name, value in given.items() if value}
    if SINCE in values or UNTIL in values:
        yield Said((SINCE, UNTIL), _days(values.get(SINCE), values.get(UNTIL)))
    if SELLER in values:
        yield Said((SELLER,), seller_name(values[SELLER]))
    if LEAST in values or MOST in values:
        yield Said((LEAST, MOST), _amounts(values.get(LEAST), values.get(MOST)))
    for name, label in ((PRODUCT, _("Product")), (SOURCE, _("Source")), (CAMPAIGN, _("Campaign"))):
        if name in values:
            known = products() if name == PRODUCT else {}
            yield Said((name,), f"{label}: {known.get(values[name], values[name])}")
    if WITHOUT in values:
        yield Said((WITHOUT,), gettext("No campaign") if values[WITHOUT] == CAMPAIGN else gettext("No product"))
    if OUTCOME in values:
        kind, _colon, reason = values[OUTCOME].partition(":")
        label = dict(LeadOutcome.Kind.choices).get(kind, kind)
        yield Said((OUTCOME,), f"{label}: {reason}" if reason else str(label))


def _days(since: date | None, until: date | None) -> str:
    words = [date_format(day, "SHORT_DATE_FORMAT") if day else "…" for day in (since, until)]
    return " – ".join(dict.fromkeys(words))


def _amounts(least: Decimal | None, most: Decimal | None) -> str:
    return " – ".join(money(amount) if amount else "…" for amount in (least, most))
