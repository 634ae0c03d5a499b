"""Logs one line for each transition of the outbox and its threads.

A transition that needs a person is a warning or worse, and also goes to Sentry. The lines contain folios, counts and
kinds of error, never a name or a phone.
"""

import logging

from leads.delivery.system import time

logger = logging.getLogger("leads.outbox")

_LEVELS = {
    "breaker opened": logging.ERROR,
    "relay failed": logging.ERROR,
    "journal writer failed": logging.ERROR,
    "breaker closed": logging.INFO,
    "cause": logging.INFO,
    "delivered late": logging.INFO,
    "queued": logging.INFO,
    "carried": logging.ERROR,
    "quarantined": logging.ERROR,
    "damaged": logging.ERROR,
    "locked": logging.ERROR,
    "deleted": logging.ERROR,
    "unwritable": logging.ERROR,
    "unreadable": logging.ERROR,
    "writable again": logging.INFO,
    "spare": logging.WARNING,
    "disk low": logging.ERROR,
    "ephemeral": logging.WARNING,
    "health unknown": logging.ERROR,
    "network": logging.ERROR,
    "copying": logging.INFO,
}


# These come once a lead or a request, the others once a transition.
_OFTEN = ("carried", "quarantined", "health unknown")
_QUIET_S = 600.0

_last_at: dict[str, float] = {}


def notice(what: str, **details: object) -> None:
    """Log a transition: `what`, then its details as name=value."""
    level = _LEVELS.get(what, logging.WARNING)
    if what in _OFTEN:
        now = time.monotonic()
        # An event for each lead of an outage would use up Sentry's quota.
        level = logging.INFO if now - _last_at.get(what, -_QUIET_S) < _QUIET_S else level
        _last_at[what] = now
    written = " ".join(f"{name}={value}" for name, value in details.items())
    # Sentry groups events by this template.
    logger.log(level, f"{what}: %s", written, extra={"fields": details})
