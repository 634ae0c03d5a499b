"""What was noted about how a lead came, in `quote_data.flags`, as staff read it.

`made_offline`, `price_mismatch` and `unpriced` are in rows of an earlier release, in which devices priced quotes.
"""

from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _

from leads.models import Lead
from quoter.engine.numbers import money

# short: in the list; long: on the lead's page.
_MEANINGS: dict[str, tuple[Any, Any]] = {
    "late": (
        _("came late"),
        _("The customer's phone could not reach this site, kept the details and sent them later."),
    ),
    "expired": (_("expired"), _("The quote had expired when the customer asked.")),
    "made_offline": (
        _("priced offline"),
        _("The phone priced this from the last price book it knew: confirm the price. The bill is at today's prices."),
    ),
    "price_mismatch": (_("other total shown"), _("The customer saw another total than the one below: {total}.")),
    "unpriced": (_("not priced"), _("Today's price book does not sell this as it was asked for.")),
    "honeypot": (_("maybe a bot"), _("A field was filled in that people do not see.")),
    "too_fast": (_("very fast"), _("The details came within three seconds of the quote.")),
}


def short(lead: Lead) -> tuple[Any, ...]:
    flags = _of(lead)
    # Whatever was made without us came late.
    return tuple(_MEANINGS[flag][0] for flag in flags if flag != "late" or "made_offline" not in flags)


def long(lead: Lead) -> tuple[str, ...]:
    return tuple(str(_MEANINGS[flag][1]).format(total=_total_shown(lead)) for flag in _of(lead))


def _of(lead: Lead) -> list[str]:
    flags = lead.quote_data.get("flags") if isinstance(lead.quote_data, dict) else None
    return [flag for flag in flags if isinstance(flag, str) and flag in _MEANINGS] if isinstance(flags, list) else []


def _total_shown(lead: Lead) -> str:
    try:
        return money(Decimal(lead.quote_data["late"]["shown_total"]))
    except (TypeError, KeyError, ArithmeticError):
        return "—"
