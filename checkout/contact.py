"""Builds the contact of a lead from a checkout and its request."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.http import HttpRequest

from checkout import flood, visitor
from checkout.apps import notice_in_force
from checkout.submission import OrderSubmission
from leads import phones
from leads.delivery.record import Contact
from leads.snapshot import Flag
from quoter.shop.values import shop

# A person needs longer to read the quote and to type a name and a phone.
HUMAN_FILL_TIME = timedelta(seconds=3)


def contact_of(
    request: HttpRequest,
    submission: OrderSubmission,
    *,
    folio: str,
    quoted_at: datetime,
    at: datetime,
    came_from: dict[str, str],
    flags: Iterable[str] = (),
    notice_version: str = "",
) -> Contact:
    """Return who asked, flagged when it looks like a bot.

    folio: of the quote; quoted_at: when they got it; at: when they sent their details; came_from: as `origin.read`
    returns it; flags: further flags of the lead; notice_version: of the privacy notice that they saw, today's by
    default.
    """
    has_agreed = submission.privacy_accepted or submission.marketing_accepted
    phone = phones.normalise(submission.phone, region=phones.region_of(shop.WHATSAPP_NUMBER))
    bot_signs = {Flag.HONEYPOT: submission.website, Flag.TOO_FAST: at - quoted_at < HUMAN_FILL_TIME}
    return Contact(
        name=submission.name,
        phone=phone,
        phone_raw=submission.phone,
        submitted_at=at,
        visitor_id=visitor.id_of(request),
        privacy_accepted_at=at if submission.privacy_accepted else None,
        privacy_notice_version=(notice_version or notice_in_force().version) if has_agreed else "",
        marketing_accepted_at=at if submission.marketing_accepted else None,
        attribution=came_from,
        answers=dict(submission.answers),
        flags=(
            *(flag for flag, is_raised in bot_signs.items() if is_raised),
            *flood.flags(request, phone=phone, folio=folio),
            *flags,
        ),
    )
