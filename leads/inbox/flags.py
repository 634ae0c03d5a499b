"""The texts that explain a lead's flags to staff."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from leads.snapshot import Flag, Snapshot
from quoter.engine.numbers import money

# The label in the list, and the description on the lead's page.
_MEANINGS: dict[Flag, tuple[Any, Any]] = {
    Flag.LATE: (
        _("came late"),
        _("The customer's phone could not reach this site, kept the details and sent them later."),
    ),
    Flag.EXPIRED: (_("expired"), _("The quote had expired when the customer asked.")),
    Flag.MADE_OFFLINE: (
        _("priced offline"),
        _("The phone priced this from the last price book it knew: confirm the price. The bill is at today's prices."),
    ),
    Flag.PRICE_MISMATCH: (_("other total shown"), _("The customer saw another total than the one below: {total}.")),
    Flag.UNPRICED: (_("not priced"), _("Today's price book does not sell this as it was asked for.")),
    Flag.HONEYPOT: (_("maybe a bot"), _("A field was filled in that people do not see.")),
    Flag.TOO_FAST: (_("very fast"), _("The details came within three seconds of the quote.")),
}


def labels(stored: Snapshot) -> tuple[Any, ...]:
    """Return the label of each flag, for the list."""
    # A quote that was priced offline always came late, so LATE adds nothing.
    hidden = Flag.LATE if Flag.MADE_OFFLINE in stored.flags else None
    return tuple(_MEANINGS[flag][0] for flag in stored.flags if flag in _MEANINGS and flag is not hidden)


def descriptions(stored: Snapshot) -> tuple[str, ...]:
    """Return the description of each flag, for the lead's page."""
    shown = stored.late.shown_total
    total = "—" if shown is None else money(shown)
    return tuple(str(_MEANINGS[flag][1]).format(total=total) for flag in stored.flags if flag in _MEANINGS)
