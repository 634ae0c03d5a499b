"""One line in the log for each transition of the outbox and the courier; what needs a person is a warning or worse.

Warnings go to Sentry as well. Folios, counts and kinds of error, never a name or a phone.
"""

import logging
import traceback
from pathlib import Path

logger = logging.getLogger("leads.outbox")

_LEVELS = {
    "breaker opened": logging.ERROR,
    "courier failed": logging.ERROR,
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
    # The template tells Sentry which events are alike.
    logger.log(_LEVELS.get(what, logging.WARNING), f"{what}: %s", written)


def named(error: BaseException) -> str:
    """Name an error without its message, in which Postgres repeats the row: the class, and the SQLSTATE if any."""
    code = getattr(error.__cause__, "sqlstate", None)
    return f"{type(error).__name__} {code}" if code else type(error).__name__


def place_of(error: BaseException) -> str:
    """Say where an error was raised: its traceback's frames hold no values, its message might."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"
