"""POST /late/: checkouts that customers' devices kept while this site could not be reached.

Only a quote of this site is accepted, which its signed token proves. It is refused neither for its price nor for its
age. The lead's flags tell staff that it came late, and whether the quote had expired by then.
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
from checkout.views import BROKEN_LINK, as_json, chat_for
from leads.customer.answers import fields
from leads.delivery.record import Outcome, lead_record, recorded
from quoter import incoming, origin, site, token
from quoter.engine.pricing import FieldError
from quoter.token import BadToken

logger = logging.getLogger(__name__)

# The oldest time of a checkout that is believed. A device keeps a lead no longer than this (LONGEST_MS in kept.js).
OLDEST_SUBMISSION = timedelta(days=30)


@require_POST
def late(request: HttpRequest) -> HttpResponse:
    """Record a lead that a device kept. Answers as POST /checkout/ does, but 503 when the lead could not be stored."""
    sent = incoming.read(request)
    if sent.faults or not sent.is_json:
        return _refused(sent.faults or [FieldError("", NOT_TEXT)])
    try:
        submission = OrderSubmission.read(sent.json, fields(today=None), is_late=True)
        issued = token.loads(submission.token, zone=site.zone())
    except SubmissionRefused as refused:
        return _refused(refused.errors)
    except BadToken:
        return _refused([FieldError("token", BROKEN_LINK)])

    now, quoted_at = timezone.now(), issued.quote.issued_at
    at = max(_submitted_at(sent.json.get("submitted_at"), now=now), quoted_at)
    contact = contact_of(
        request,
        submission,
        folio=issued.quote.folio,
        quoted_at=quoted_at,
        at=at,
        came_from=origin.read(sent.json.get("attribution")),
        flags=["late", "expired"] if issued.quote.is_expired(at) else ["late"],
        notice_version=_notice_version(sent.json.get("notice_version")),
    )
    lead = lead_record(issued, contact)
    received = {"received_at": now.isoformat(timespec="seconds")}
    outcome = recorded(replace(lead, about={**lead.about, "late": received}))
    if outcome is Outcome.CARRIED:  # this answer opens no chat that could carry the lead, so the device must keep it
        return JsonResponse({"success": False, "folio": lead.folio}, status=503)
    return as_json(issued, chat_for(request, issued, contact, outcome), outcome)


def _refused(errors: Sequence[FieldError]) -> HttpResponse:
    # The device keeps its copy and sends it again some hours later, until its 30 days end: a token that cannot be read
    # today may be read tomorrow, when SECRET_KEY_FALLBACKS has the key or another release runs.
    logger.info("Late lead refused: fields=%s", ",".join(error.field for error in errors))
    return incoming.refusal(errors)


def _submitted_at(sent: object, *, now: datetime) -> datetime:
    """Return the time that a device sent if it is plausible, else now, because clocks of phones are often wrong."""
    try:
        at = datetime.fromisoformat(sent) if isinstance(sent, str) else now
        return at if now - OLDEST_SUBMISSION <= at <= now else now
    except (ValueError, TypeError, OverflowError):  # not a time, or one without an offset
        return now


def _notice_version(sent: object) -> str:
    return sent if isinstance(sent, str) and len(sent) <= notice.MAX_VERSION and sent.isprintable() else ""
