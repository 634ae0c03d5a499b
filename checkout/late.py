"""POST /late/: checkouts that customers' devices kept while this site could not be reached.

Only a quote that we gave out is taken, which its token proves. It is refused neither for its price nor for its age; its
flags tell staff that it came late, and whether the quote had expired.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_POST

from checkout import notice
from checkout.contact import contact_of
from checkout.submission import NOT_TEXT, OrderSubmission, SubmissionRefused
from checkout.views import BROKEN_LINK, as_json, chat_for, recorded
from leads.delivery.record import Outcome, lead_record
from quoter import incoming, origin, site, token
from quoter.engine.pricing import FieldError
from quoter.token import BadToken

logger = logging.getLogger(__name__)

# How far back a device's word for the time is taken; it keeps a lead no longer itself.
OLDEST = timedelta(days=30)


@require_POST
def late(request: HttpRequest) -> HttpResponse:
    """Record a lead that a device kept; answers as POST /checkout/ does, but 503 where the lead is safe nowhere."""
    sent = incoming.read(request)
    if sent.faults or not sent.is_json:
        return _refused(sent.faults or [FieldError("", NOT_TEXT)])
    try:
        submission = OrderSubmission.read(sent.json)
        issued = token.loads(submission.token, zone=site.zone())
    except SubmissionRefused as refused:
        return _refused(refused.errors)
    except BadToken:
        return _refused([FieldError("token", BROKEN_LINK)])

    now, quoted_at = timezone.now(), issued.quote.issued_at
    at = max(_believed(sent.json.get("submitted_at"), now=now), quoted_at)
    contact = contact_of(
        request,
        submission,
        quoted_at=quoted_at,
        at=at,
        came_from=origin.read(sent.json.get("attribution")),
        flags=["late", "expired"] if issued.quote.is_expired(at) else ["late"],
        notice_version=_version(sent.json.get("notice_version")),
    )
    lead = lead_record(issued, contact)
    received = {"received_at": now.isoformat(timespec="seconds")}
    outcome = recorded(replace(lead, about={**lead.about, "late": received}))
    if outcome is Outcome.CARRIED:  # the chat's message is written already, so the device has to keep the lead
        return JsonResponse({"success": False, "folio": lead.folio}, status=503)
    return as_json(issued, chat_for(request, issued, contact, outcome), outcome)


def _refused(errors: Sequence[FieldError]) -> HttpResponse:
    # The device forgets it now, for nobody is there to mend it. The customer's chat message still has it.
    logger.info("Late lead refused: fields=%s", ",".join(error.field for error in errors))
    return incoming.refusal(errors)


def _believed(sent: object, *, now: datetime) -> datetime:
    """Return a moment that a device named, where it may be true; else now: clocks of phones are often wrong."""
    try:
        at = datetime.fromisoformat(sent) if isinstance(sent, str) else now
        return at if now - OLDEST <= at <= now else now
    except (ValueError, TypeError, OverflowError):  # no moment, or one without an offset
        return now


def _version(sent: object) -> str:
    return sent if isinstance(sent, str) and len(sent) <= notice.MAX_VERSION and sent.isprintable() else ""
