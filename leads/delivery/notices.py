"""Logs one line for each transition of the outbox and its threads.

A transition that needs a person is a warning or worse, and also goes to Sentry. The lines contain folios, counts and
kinds of error, never a name or a phone.
"""

import logging

logger = logging.getLogger("leads.outbox")

_LEVELS = {
    "breaker opened": logging.ERROR,
    "relay failed": logging.ERROR,
    "journal writer failed": logging.ERROR,
    "breaker closed": logging.INFO,
    "delivered late": logging.INFO,
    "queued": logging.WARNING,
    "carried": logging.ERROR,
    "quarantined": logging.ERROR,
    "damaged": logging.ERROR,
    "deleted": logging.ERROR,
    "unwritable": logging.ERROR,
    "unreadable": logging.ERROR,
    "writable again": logging.INFO,
    "spare": logging.WARNING,
    "disk low": logging.ERROR,
    "ephemeral": logging.WARNING,
    "network": logging.ERROR,
}


def notice(what: str, **details: object) -> None:
    """Log a transition: `what`, then its details as name=value."""
    written = " ".join(f"{name}={value}" for name, value in details.items())
    # Sentry groups events by this template.
    logger.log(_LEVELS.get(what, logging.WARNING), f"{what}: %s", written)
