"""The texts that explain to staff a lead's flags, and which number is meant by a doubtful phone."""

from datetime import datetime
from typing import Any

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from leads import phones
from leads.phones import Doubt
from leads.snapshot import Flag, Snapshot
from quoter.engine.numbers import money

# The label in the list, and the description on the lead's page.
_MEANINGS: dict[Flag, tuple[Any, Any]] = {
    Flag.LATE: (
        _("came late"),
        _("The customer's phone could not reach this site, kept the details and sent them later. {times}"),
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
    Flag.MANY_FROM_ADDRESS: (_("one of many"), _("Many leads came from the same internet address within minutes.")),
    Flag.MANY_OF_PHONE: (_("same phone often"), _("Many quotes were asked for with this phone within minutes.")),
}
# Of a late lead that claims to have been asked in time, when the quote has expired on its way.
_IN_TIME_IT_SAYS = _("says it asked in time, came expired")


def labels(stored: Snapshot) -> tuple[Any, ...]:
    """Return the label of each flag, for the list."""
    # A quote that was priced offline always came late, so LATE adds nothing.
    hidden = Flag.LATE if Flag.MADE_OFFLINE in stored.flags else None
    shown = [flag for flag in stored.flags if flag in _MEANINGS and flag is not hidden]
    return tuple(_IN_TIME_IT_SAYS if _expired_before_it_came(stored, flag) else _MEANINGS[flag][0] for flag in shown)


def _expired_before_it_came(stored: Snapshot, flag: Flag) -> bool:
    """Return whether a late lead is of a quote that was valid when the customer says to have asked, and is not now."""
    received_at, valid_until = stored.late.received_at, stored.valid_until
    is_claimed = flag is Flag.LATE and Flag.EXPIRED not in stored.flags
    return bool(is_claimed and received_at and valid_until and received_at > valid_until)


def descriptions(stored: Snapshot, *, asked_at: datetime | None = None) -> tuple[str, ...]:
    """Return the description of each flag, for the lead's page. asked_at: when the customer says to have asked."""
    shown = stored.late.shown_total
    values = {"total": "—" if shown is None else money(shown), "times": _claimed_times(stored, asked_at)}
    texts = (str(_MEANINGS[flag][1]).format(**values) for flag in stored.flags if flag in _MEANINGS)
    return tuple(text.strip() for text in texts)


def _claimed_times(stored: Snapshot, asked_at: datetime | None) -> str:
    """Say what the phone's clock says about a late lead, which nobody else has seen, and when the lead arrived."""
    received_at = stored.late.received_at
    if asked_at is None or received_at is None:
        return ""
    times = gettext("The phone says it was asked at {asked}; it arrived at {arrived}.").format(
        asked=_moment(asked_at), arrived=_moment(received_at)
    )
    issued = stored.issued
    if Flag.EXPIRED in stored.flags or issued is None or not issued.quote.is_expired(received_at):
        return times
    return times + " " + gettext("By then the quote had expired.")


def _moment(at: datetime) -> str:
    return date_format(localtime(at), "SHORT_DATETIME_FORMAT")


# The label in the list, and the description beside the phone.
_DOUBTS: dict[Doubt, tuple[Any, Any]] = {
    Doubt.INVALID: (_("doubtful phone"), _("No valid number can be read in it. The links dial its digits.")),
    Doubt.SEVERAL: (_("several phones"), _("It has several numbers: {numbers}. The links dial the first.")),
    Doubt.COUNTRY: (
        _("doubtful phone"),
        _("It is a number in several countries: {numbers}. The links dial the first."),
    ),
}


def doubt(phone: phones.Reading) -> tuple[str, str] | None:
    """Return the label and the description of a doubtful phone; None when it is certain which number is meant."""
    if phone.doubt is None:
        return None
    numbers = " / ".join(phones.readable(number.removeprefix("+")) for number in phone.numbers)
    label, description = _DOUBTS[phone.doubt]
    return str(label), str(description).format(numbers=numbers)
